"""Spare: memory at hand for a day's passes, in a process that waits for work.

A virtual machine gives memory that nobody uses back to its host; to find it again
takes two seconds a gigabyte, which whoever waits for a trace would wait for. So a
worker finds it beforehand, as much as the busiest day that is stored takes, and uses it
again for the next. What the processes forked of it will take it finds as well, and
gives it back to the system right before each begins. A process that keeps none, or was
forked, gets its memory as ever.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline.settings import Settings
from pipeline.store import compact, log
from pipeline.store.place import root_of
from pipeline.trace.search import SEOUL

#: Bytes of a pass, with what is arranged: the 123 that `gather` and `arrangement` ask
#: for, and a sixth more, since orders cover more than a day's hours.
BYTES = 144
#: Bytes of a pass that a process takes which traces among them, and how many such
#: processes are provided for.
HAND_BYTES, HANDS = 16, 10
#: Share of the memory that is available that is kept at most.
_SHARE = 0.25
#: Arrays begin at a page.
_PAGE = mmap.PAGESIZE
_LOCK = threading.Lock()
#: Of this process, if it keeps any.
_SPARE: list[_Spare] = []
#: What forked processes will take, one piece each, and how large a piece is.
_PIECES: list[mmap.mmap] = []
_PIECE: list[int] = []


class _Spare:
    """Memory, and who uses it."""

    def __init__(self, size: int) -> None:
        self.memory = _found(size)
        self.used = 0  #: bytes
        self.lent: list[weakref.ref[np.ndarray]] = []

    @property
    def in_use(self) -> bool:
        return any(array() is not None for array in self.lent)

    def wipe(self) -> None:
        np.frombuffer(self.memory, np.uint8)[:] = 0
        self.used = 0
        self.lent.clear()

    def empty(self, count: int, dtype: np.dtype[Any]) -> np.ndarray | None:
        begin = -(-self.used // _PAGE) * _PAGE
        end = begin + count * dtype.itemsize
        if not count or end > len(self.memory):
            return None
        array = np.frombuffer(self.memory, dtype, count, begin)
        self.used = end
        self.lent.append(weakref.ref(array))  # who looks at a part of it holds it too
        return array


def keep(settings: Settings) -> int:
    """Find memory for the passes of the busiest day that is stored, and keep it.

    Returns
    -------
    Bytes kept: a quarter of the memory that is available at most.
    """
    passes, most = _busiest(settings), int(_SHARE * _available())
    kept = _keep(min(BYTES * passes, most))
    _PIECE[:] = [min(HAND_BYTES * passes, (most - kept) // HANDS)]
    refill()
    return kept + sum(map(len, _PIECES))


def refill() -> None:
    """Find again what was given back, where any was kept."""
    for size in _PIECE:
        while len(_PIECES) < HANDS and size >= _PAGE:
            piece = _found(size)
            if hasattr(mmap, "MADV_DONTFORK"):
                piece.madvise(mmap.MADV_DONTFORK)
            _PIECES.append(piece)


def give_back() -> None:
    """Give the system what the process that is forked next will take."""
    if _PIECES:
        _PIECES.pop().close()


def empty(shape: int | tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Return an array as `numpy.empty` does, in the memory kept if there is room."""
    kind, found = np.dtype(dtype), None
    with _LOCK:
        if _SPARE:
            found = _SPARE[0].empty(math.prod(np.atleast_1d(shape).tolist()), kind)
    return np.empty(shape, kind) if found is None else found.reshape(shape)


def wipe() -> None:
    """Overwrite what is kept, for use again; what is still in use is kept no longer."""
    with _LOCK:
        if not _SPARE or not _SPARE[0].used:
            return
        if _SPARE[0].in_use:
            _SPARE.clear()  # it goes with its last user
            return
        _SPARE[0].wipe()


def _keep(size: int) -> int:
    with _LOCK:
        if size >= _PAGE and not _SPARE:
            _SPARE.append(_Spare(size))
        return len(_SPARE[0].memory) if _SPARE else 0


def _found(size: int) -> mmap.mmap:
    """Return so much memory that the system has found, all zero."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    np.frombuffer(memory, np.uint8)[:] = 0
    return memory


def _available() -> int:
    """Bytes that the system could give to processes; 0 where it does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, value, *_ = line.split()
            if name == "MemAvailable:":
                return int(value) * 1024
    return 0


def _busiest(settings: Settings) -> int:
    """Tracklets of the busiest day in Seoul that is stored."""
    root, days = root_of(settings), dict[Any, int]()
    for hour in compact.all_hours(root):
        here = pc.sum(log.visible(root, [hour])["tracklets"]).as_py() or 0
        day = hour.astimezone(SEOUL).date()
        days[day] = days.get(day, 0) + here
    return max(days.values(), default=0)


def _leave() -> None:
    """Know nothing of it in a process that was forked."""
    for kept in (_SPARE, _PIECE, _PIECES):
        kept.clear()


os.register_at_fork(after_in_child=_leave)
