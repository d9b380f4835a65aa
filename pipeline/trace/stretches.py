"""Stretches: passes before cameras at moments, looked up by compiled code."""

from __future__ import annotations

import math

import numba
import numpy as np

from pipeline.trace.arrangement import BEGIN, ROW
from pipeline.trace.followers import Ground, place


@numba.njit(cache=True, nogil=True)
def busy(
    ground: Ground, camera: np.ndarray, moment: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Numbers int64 [m] of those that may have a pass.

    Parameters
    ----------
    camera, moment : int64 [k], of `ground`, and of stretches between `edges`.
    edges : float64 [e], Unix seconds, ascending.
    """
    result, used = np.empty(len(camera), np.int64), 0
    for k in range(len(camera)):
        begin, end = edges[moment[k]], edges[moment[k] + 1]
        if place(ground, camera[k], begin, 0) < place(ground, camera[k], end, 1):
            result[used] = k
            used += 1
    return result[:used]


@numba.njit(cache=True, nogil=True)
def passes(
    ground: Ground, camera: np.ndarray, moment: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the passes of cameras that begin at moments; arguments as of `busy`.

    Returns
    -------
    Places int64 [m] in the order of `ground`, and their rows int64 [m].
    """
    first, after = np.empty(len(camera), np.int64), np.empty(len(camera), np.int64)
    room = 0
    for k in range(len(camera)):
        begin, end = edges[moment[k]], edges[moment[k] + 1]
        first[k] = place(ground, camera[k], begin, 0)
        after[k] = place(ground, camera[k], end, 1)
        room += max(after[k] - first[k], 0)
    places, rows, used = np.empty(room, np.int64), np.empty(room, np.int64), 0
    for k in range(len(camera)):
        begin, end = edges[moment[k]], edges[moment[k] + 1]
        for n in range(first[k], after[k]):
            start = ground.zero + ground.whole[n, BEGIN] / ground.per_second
            if begin <= start < end:
                places[used], rows[used] = n, int(ground.whole[n, ROW])
                used += 1
    return places[:used], rows[:used]


@numba.njit(cache=True, nogil=True)
def apart(here: np.ndarray, where: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Metres [m] from a place [2] to some of others, float64 [n, 2], numbers `at`."""
    result = np.empty(len(at))
    for k in range(len(at)):
        east, north = where[at[k], 0] - here[0], where[at[k], 1] - here[1]
        result[k] = math.sqrt(east * east + north * north)
    return result
