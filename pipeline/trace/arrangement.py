"""Passes arranged by camera and time, by compiled code: each is looked at twice."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np


class Arranged(NamedTuple):
    """Passes (n) by camera (m), then start."""

    order: np.ndarray  #: int32 [n], row of each
    begins: np.ndarray  #: float64 [n], their `start`
    froms: np.ndarray  #: float64 [n, 2], their `first`, metres
    tos: np.ndarray  #: float64 [n, 2], their `last`, metres
    middle: np.ndarray  #: float64 [m, 2], mean of `froms`
    error: np.ndarray  #: float64 [m], the largest error of a place
    length: np.ndarray  #: float64 [m], seconds of the longest pass


@numba.njit(cache=True, nogil=True)
def by_camera(
    where: np.ndarray,
    camera_no: np.ndarray,
    count: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    error_m: np.ndarray,
) -> Arranged:
    """Put passes in order, and measure what each camera saw.

    Parameters
    ----------
    where : integer, which of the m each camera number is.
    count : int64 [m], passes of each.
    camera_no, start, end, error_m : [n], ordered by start.
    first, last : float64 [n, 2], metres.
    """
    n, m = len(start), len(count)
    free = np.zeros(m, np.int64)
    for k in range(1, m):
        free[k] = free[k - 1] + count[k - 1]
    order, begins = np.empty(n, np.int32), np.empty(n)
    froms, tos = np.empty((n, 2)), np.empty((n, 2))
    middle, error = np.zeros((m, 2)), np.full(m, -np.inf)
    length = np.full(m, -np.inf)
    for row in range(n):
        k = where[camera_no[row]]
        at = free[k]
        free[k] = at + 1
        order[at], begins[at] = row, start[row]
        froms[at, 0], froms[at, 1] = first[row, 0], first[row, 1]
        tos[at, 0], tos[at, 1] = last[row, 0], last[row, 1]
        middle[k, 0] += first[row, 0]
        middle[k, 1] += first[row, 1]
        error[k] = max(error[k], error_m[row])
        length[k] = max(length[k], end[row] - start[row])
    for k in range(m):
        middle[k, 0] /= count[k]
        middle[k, 1] /= count[k]
    return Arranged(order, begins, froms, tos, middle, error, length)


@numba.njit(cache=True, nogil=True)
def by_stretch(
    these: Arranged, count: np.ndarray, zero: float, stretches: int, stretch_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the passes of each camera by time, and tell how far around it they are.

    Parameters
    ----------
    count : int64 [m], passes of each camera.
    zero, stretches, stretch_s : of each camera so many stretches of seconds follow
        the moment `zero`.

    Returns
    -------
    float64 [m], metres within which passes begin and end around the middle; int32
    [m * stretches + 1], where the passes of each stretch begin in the order.
    """
    m = len(count)
    radius = np.zeros(m)
    edges = np.zeros(m * stretches + 1, np.int32)
    base = 0
    for k in range(m):
        farthest = 0.0
        x, y = these.middle[k, 0], these.middle[k, 1]
        for at in range(base, base + count[k]):
            for place in (these.froms, these.tos):
                east, north = place[at, 0] - x, place[at, 1] - y
                farthest = max(farthest, east * east + north * north)
            stretch = int((these.begins[at] - zero) / stretch_s)
            edges[k * stretches + stretch + 1] += 1
        base += count[k]
        radius[k] = math.sqrt(farthest)
    for k in range(1, len(edges)):
        edges[k] += edges[k - 1]
    return radius, edges
