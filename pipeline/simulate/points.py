"""Ground points as they are observed, with errors and gaps: by compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from pipeline.simulate.maker import Maker
from pipeline.simulate.passes import Passes
from pipeline.store.ids import ORIGIN_EAST_M, ORIGIN_NORTH_M

#: Share of the seconds of a pass that the detector misses (assumed).
SECOND_MISSED = 0.04
_SECONDS = 3600
_JITTER = np.float32(0.4)


class Points(NamedTuple):
    """d points in order of camera, second and tracklet, and the ends of t tracklets."""

    owner: np.ndarray  #: int32 [d], row of the tracklet
    within: np.ndarray  #: int32 [d], second of the pass
    east: np.ndarray  #: int32 [d], observed, cm of the local frame
    north: np.ndarray  #: int32 [d]
    ends: np.ndarray  #: int32 [4, t], first east and north, last east and north
    kept: np.ndarray  #: int32 [t], number of points


def make_ready() -> None:
    """Compile what follows, or load it from where it was kept."""
    some, none = np.empty(0, np.int32), np.empty(0)
    pair = np.empty((2, 0), np.float32)
    error = np.empty(0, np.float32)
    points = Points(some, some, some, some, np.empty((4, 0), np.int32), some)
    _project(
        np.empty(0, bool), some, some, some, np.empty(0, np.int64), none, none,
        error, pair, pair, points,
    )  # fmt: skip


def observed(
    maker: Maker,
    passes: Passes,
    rows: np.ndarray,
    camera: np.ndarray,
    rng: np.random.Generator,
) -> Points:
    """Return the points of passes: a steady error of the pass and a jitter.

    Parameters
    ----------
    rows : int [t], passes in order of camera.
    camera : int32 [t], camera of each.
    """
    count = passes.count[rows]
    begin = np.cumsum(count) - count
    keep = rng.random(int(count.sum()), dtype=np.float32) >= SECOND_MISSED
    keep[begin] = True
    total = int(np.count_nonzero(keep))
    error = (maker.network.error_cm[camera] * 0.01).astype(np.float32)
    bias = rng.standard_normal((2, len(rows)), dtype=np.float32) * error * 0.8
    jitter = rng.standard_normal((2, total), dtype=np.float32)
    owner, within, east, north = (np.empty(total, np.int32) for _ in range(4))
    ends = np.empty((4, len(rows)), np.int32)
    points = Points(owner, within, east, north, ends, np.zeros(len(rows), np.int32))
    offset = np.cumsum(passes.count) - passes.count
    _project(
        keep, count, camera, passes.first[rows], offset[rows],
        passes.east, passes.north, error, bias, jitter, points,
    )  # fmt: skip
    return points


@numba.njit(cache=True, nogil=True)
def _project(
    keep: np.ndarray,
    count: np.ndarray,
    camera: np.ndarray,
    first: np.ndarray,
    offset: np.ndarray,
    true_east: np.ndarray,
    true_north: np.ndarray,
    error: np.ndarray,
    bias: np.ndarray,
    jitter: np.ndarray,
    points: Points,
) -> None:
    """Fill the points, camera by camera, sorted by counting those of each second."""
    free = np.zeros(_SECONDS + 1, np.int64)
    row = begin = drawn = done = 0
    while row < len(count):
        stop, at = row, begin
        free[:] = 0
        while stop < len(count) and camera[stop] == camera[row]:
            for second in range(first[stop], first[stop] + count[stop]):
                free[second] += keep[at]
                at += 1
            stop += 1
        for second in range(_SECONDS):
            many = free[second]
            free[second] = done
            done += many
        for k in range(row, stop):
            spread = _JITTER * error[k]
            for n in range(count[k]):
                if keep[begin]:
                    at = offset[k] + n
                    x = true_east[at] + bias[0, k] + jitter[0, drawn] * spread
                    y = true_north[at] + bias[1, k] + jitter[1, drawn] * spread
                    east = np.int32(np.rint((x - ORIGIN_EAST_M) * 100))
                    north = np.int32(np.rint((y - ORIGIN_NORTH_M) * 100))
                    place = free[first[k] + n]
                    free[first[k] + n] += 1
                    points.owner[place], points.within[place] = k, n
                    points.east[place], points.north[place] = east, north
                    if not points.kept[k]:
                        points.ends[0, k], points.ends[1, k] = east, north
                    points.ends[2, k], points.ends[3, k] = east, north
                    points.kept[k] += 1
                    drawn += 1
                begin += 1
        row = stop
