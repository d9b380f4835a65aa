"""Rings: how much lies around places, by distance, by compiled code."""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def around(
    x: float, y: float, cameras: np.ndarray, weight: np.ndarray, metres: np.ndarray
) -> np.ndarray:
    """Sum the weights of cameras [c] around a place by ring, float64 [m].

    Parameters
    ----------
    cameras : float64 [c, 2], metres.
    metres : float64 [m], ascending from 0, the outer edge of each ring; what lies
        beyond is put into the last.
    """
    last, result = len(metres) - 1, np.zeros(len(metres))
    # In which ring to begin looking, by the side of the innermost ones.
    side = 8 * metres[1]
    begin = np.searchsorted(metres, np.arange(int(metres[last] / side) + 1) * side)
    for k in range(len(cameras)):
        east, north = cameras[k, 0] - x, cameras[k, 1] - y
        away = math.sqrt(east * east + north * north)
        ring = last
        if away < metres[last]:
            ring = begin[int(away / side)]
            while metres[ring] < away:
                ring += 1
        result[ring] += weight[k]
    return result


@numba.njit(cache=True, nogil=True)
def sums(
    around: np.ndarray, which: np.ndarray, column: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """Sum a table over rings float64 [n], between two of its columns.

    Parameters
    ----------
    around : float64 [k, m], weight of each ring around k places.
    which : int64 [n], the place.
    column : float64 [n], the column of the table, with a fraction.
    table : float64 [s, m].
    """
    n, most = len(which), len(table) - 2
    result = np.empty(n)
    for i in range(n):
        low = min(int(column[i]), most)
        share = column[i] - low
        here = around[which[i]]
        one = other = 0.0
        for ring in range(len(here)):
            one += here[ring] * table[low, ring]
            other += here[ring] * table[low + 1, ring]
        result[i] = (1 - share) * one + share * other
    return result
