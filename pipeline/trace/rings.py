"""Rings: how much lies around places, by distance, by compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

#: Square metres by which rings are looked up.
_SIDE = 40_000.0


class Rings(NamedTuple):
    """Rings around a place; m rows."""

    square: np.ndarray  #: float64 [m], square metres, ascending from 0: outer edges
    begin: np.ndarray  #: int64, the ring of each multiple of `_SIDE` square metres


def rings(metres: np.ndarray) -> Rings:
    """Make rings of their outer edges float64 [m], metres, ascending from 0."""
    square = metres**2
    steps = np.arange(int(square[-1] / _SIDE) + 1) * _SIDE
    return Rings(square, np.searchsorted(square, steps))


@numba.njit(cache=True, nogil=True)
def around(
    x: float, y: float, cameras: np.ndarray, weight: np.ndarray, ring: Rings
) -> np.ndarray:
    """Sum the weights of cameras [c] around a place by ring, float64 [m].

    Parameters
    ----------
    cameras : float64 [c, 2], metres; what lies beyond all rings is put into the last.
    """
    last = len(ring.square) - 1
    result = np.zeros(last + 1)
    for k in range(len(cameras)):
        east, north = cameras[k, 0] - x, cameras[k, 1] - y
        away = east * east + north * north
        n = last
        if away < ring.square[last]:
            n = ring.begin[int(away / _SIDE)]
            while ring.square[n] < away:
                n += 1
        result[n] += weight[k]
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
