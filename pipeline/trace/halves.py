"""Halves: floats of 16 bits where they lie in a file, turned into floats of 32 bits."""

from __future__ import annotations

import numba
import numpy as np

#: Bytes of a value's length, which lies before it.
LENGTH_BYTES = 4
_SINGLES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def widened(
    data: np.ndarray, at: np.ndarray, result: np.ndarray, into: np.ndarray
) -> bool:
    """Turn values into rows of `result`; return False where one has another length.

    Parameters
    ----------
    data : uint8, bytes; a value is its length and its floats, little-endian.
    at : int64 [k], where each value begins.
    result : float32 [n, d], changed.
    into : int64 [k], the row of each.
    """
    return bool(_widened(data, at, _SINGLES, result, into))


@numba.njit(cache=True, nogil=True)
def _widened(
    data: np.ndarray,
    at: np.ndarray,
    singles: np.ndarray,
    result: np.ndarray,
    into: np.ndarray,
) -> bool:
    width = 2 * result.shape[1]
    for k in range(len(at)):
        length = 0
        for n in range(LENGTH_BYTES):
            length += int(data[at[k] + n]) << (8 * n)
        if length != width:
            return False
        value = data[at[k] + LENGTH_BYTES : at[k] + LENGTH_BYTES + width]
        row = result[into[k]]
        for n in range(result.shape[1]):
            row[n] = singles[np.uint16(value[2 * n]) | np.uint16(value[2 * n + 1]) << 8]
    return True
