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
#: Times that a look at memory takes, between two looks at least.
_LOOKS_APART = 20


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
    of : a process, with those it starts: all of theirs, what they share once; default:
        this process, without what it starts.
    """

    def __init__(self, of: int | None = None) -> None:
        self._of, self._every_s = of, 0.002 if of is None else 0.25

    def __enter__(self) -> PeakMemory:
        self._begin = self._most = 0 if self._of else anonymous_bytes()
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
        pause = self._every_s
        while not self._stop.wait(pause):
            begun = time.perf_counter()
            now = shared_once(self._of) if self._of else anonymous_bytes()
            self._most = max(self._most, now)
            # The system walks through gigabytes for it: what is measured goes on.
            spent = time.perf_counter() - begun
            pause = max(self._every_s, _LOOKS_APART * spent)


def anonymous_bytes() -> int:
    """Memory of this process that is not a file's, bytes (0 where unknown)."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


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


def shared_once(process: int) -> int:
    """Anonymous memory of a process and of its children, bytes; shared pages once."""
    total = 0
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        listed = ""
    for one in (process, *map(int, listed.split())):
        try:
            told = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        for line in told.splitlines():
            if line.startswith("Pss_Anon"):
                total += int(line.split()[1]) * 1024
    return total
