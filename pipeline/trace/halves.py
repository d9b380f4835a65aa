"""Halves: floats of 16 bits where they lie in a file, turned into floats of 32 bits."""

from __future__ import annotations

import numba
import numpy as np

#: Bytes of a value's length, which lies before it.
LENGTH_BYTES = 4
#: What halves lack as bits of a single: 2 to the power 112.
_RAISED = np.float32(2.0**112)
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


def to_unit(rows: np.ndarray) -> None:
    """Scale rows of float32 [n, d] to unit length where they lie, but for zeros."""
    _to_unit(rows)


@numba.njit(cache=True, nogil=True)
def _widened(
    data: np.ndarray,
    at: np.ndarray,
    singles: np.ndarray,
    result: np.ndarray,
    into: np.ndarray,
) -> bool:
    width = 2 * result.shape[1]
    bits = np.empty(result.shape[1], np.uint32)
    shifted = bits.view(np.float32)
    for k in range(len(at)):
        length = 0
        for n in range(LENGTH_BYTES):
            length += int(data[at[k] + n]) << (8 * n)
        if length != width:
            return False
        begin = at[k] + LENGTH_BYTES
        halves = data[begin : begin + width].view(np.uint16)
        row = result[into[k]]
        # Exponents of a half counted as those of a single are 112 too low.
        largest = np.uint32(0)
        for n in range(len(bits)):
            half = np.uint32(halves[n])
            largest = max(largest, half & np.uint32(0x7FFF))
            bits[n] = ((half & np.uint32(0x7FFF)) << np.uint32(13)) | (
                (half & np.uint32(0x8000)) << np.uint32(16)
            )
        for n in range(len(bits)):
            row[n] = shifted[n] * _RAISED
        if largest >= np.uint32(0x7C00):  # no finite number
            for n in range(len(bits)):
                row[n] = singles[halves[n]]
    return True


# Sums in whatever order is quick: the same for a row whatever it is asked with.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _to_unit(rows: np.ndarray) -> None:
    for k in range(len(rows)):
        row = rows[k]
        square = np.float32(0)
        for n in range(len(row)):
            square += row[n] * row[n]
        if square > 0:
            scale = np.float32(1) / np.sqrt(square)
            for n in range(len(row)):
                row[n] *= scale
