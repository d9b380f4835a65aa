"""Numbers kept by row: few of a day's millions of passes are ever asked about.

A table with a place for every pass would be memory that comes to each process anew; a
small hash table stays in the processor's cache.
"""

from __future__ import annotations

import numba
import numpy as np

#: Places to begin with; at most half of them are taken.
_PLACES = 1024
#: Knuth, The Art of Computer Programming, volume 3, section 6.4: multiplicative hashing
#: by the golden ratio of 64 bits.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class RowMap:
    """A number of each of some rows."""

    def __init__(self) -> None:
        """Begin with none."""
        self._keys = np.full(_PLACES, -1, np.int64)
        self._values = np.empty(_PLACES, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Numbers int64 [k] of rows int64 [k]; -1 where none is known."""
        return np.asarray(_found(self._keys, self._values, rows))

    def put(self, rows: np.ndarray, numbers: np.ndarray) -> None:
        """Keep numbers int64 [k] of rows int64 [k], from 0; the last of a row stays."""
        need = 2 * (self._count + len(rows))
        if need > len(self._keys):
            keys, values = self._keys, self._values
            size = 1 << int(need).bit_length()
            self._keys, self._values = np.full(size, -1, np.int64), np.empty(size, int)
            kept = keys >= 0
            _put(self._keys, self._values, keys[kept], values[kept])
        self._count += int(_put(self._keys, self._values, rows, numbers))


class RowSet:
    """Some rows, looked at and marked as an array of bool would be."""

    def __init__(self) -> None:
        """Begin with none."""
        self._marks = RowMap()

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Tell which of some rows int64 [k] are in it, bool [k]."""
        return self._marks.of(rows) > 0

    def __setitem__(self, rows: np.ndarray, within: bool) -> None:
        """Put some rows int64 [k] into it, or take them out."""
        self._marks.put(rows, np.full(len(rows), int(within), np.int64))


@numba.njit(cache=True, nogil=True)
def _place(keys: np.ndarray, row: int) -> int:
    """Where a row is, or would be."""
    mask = len(keys) - 1
    at = int((np.uint64(row) * _GOLDEN) >> np.uint64(32)) & mask
    while keys[at] != row and keys[at] >= 0:
        at = (at + 1) & mask
    return at


@numba.njit(cache=True, nogil=True)
def _found(keys: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    result = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        at = _place(keys, rows[k])
        result[k] = values[at] if keys[at] >= 0 and rows[k] >= 0 else -1
    return result


@numba.njit(cache=True, nogil=True)
def _put(
    keys: np.ndarray, values: np.ndarray, rows: np.ndarray, numbers: np.ndarray
) -> int:
    """Return how many rows are new."""
    new = 0
    for k in range(len(rows)):
        at = _place(keys, rows[k])
        new += keys[at] < 0
        keys[at], values[at] = rows[k], numbers[k]
    return new
