"""The machine, the clock and the memory."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
#: Seconds between two looks at the memory of this process, and of all.
_LOOK_S, _LOOK_ALL_S = 0.002, 0.05


def hardware() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        names = [
            line.split(":", 1)[1].strip() for line in lines if "model name" in line
        ]
        model = names[0] if names else model
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_bytes": pages,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_1min": round(os.getloadavg()[0], 2),
    }


def best_of(times: int, act: Callable[[], T]) -> tuple[float, float, T]:
    """(least wall seconds, least processor seconds, last result) of some runs."""
    wall, busy = [], []
    for _ in range(times):
        a, b = time.perf_counter(), time.process_time()
        result = act()
        wall.append(time.perf_counter() - a)
        busy.append(time.process_time() - b)
    return min(wall), min(busy), result


class PeakMemory:
    """Most anonymous memory above that at the start, while the block runs, bytes.

    Parameters
    ----------
    everybody : of all processes of the machine, what they share once; default: of this
        process, without what it starts.

    Notes
    -----
    The system counts what all have by itself. Asked for what one process and its
    children have, it would walk through all their pages: with eleven of them that
    slowed what was measured by an eighth, at a twentieth of the time spent looking.
    """

    def __init__(self, *, everybody: bool = False) -> None:
        self._look = all_anonymous_bytes if everybody else anonymous_bytes
        self._every_s = _LOOK_ALL_S if everybody else _LOOK_S

    def __enter__(self) -> PeakMemory:
        self._begin = self._most = self._look()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        """The figure, once the block has run."""
        return self._most - self._begin

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            self._most = max(self._most, self._look())


def anonymous_bytes() -> int:
    """Memory of this process that is not a file's, bytes (0 where unknown)."""
    return _told("/proc/self/status", "RssAnon")


def all_anonymous_bytes() -> int:
    """Memory of all processes that is not a file's, bytes (0 where unknown)."""
    return _told("/proc/meminfo", "AnonPages")


def read_rate(paths: list[Path], size: int) -> float:
    """Bytes a second at which files not in the cache are read, over `size` bytes."""
    done, begin = 0, time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while done < size and (block := file.read(4 * 2**20)):
                done += len(block)
    return done / (time.perf_counter() - begin)


def forget(folder: Path) -> None:
    """Drop a folder's files from the system's cache, so that they are read cold."""
    for path in folder.rglob("*.parquet"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _told(file: str, name: str) -> int:
    """A figure of the system's, told in kB."""
    try:
        for line in Path(file).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
