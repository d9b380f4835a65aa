"""Passes arranged by camera and time, by compiled code: each is looked at twice."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from pipeline.trace import spare

#: Columns of a record: where somebody came into view and left it (metres), the error of
#: both places (metres, 1 sd); and, as whole numbers in the same bytes, when (ticks
#: since the first pass) and the row of the pass.
FIRST, LAST, ERROR, BEGIN, END, ROW, WIDTH = 0, 2, 4, 5, 6, 7, 8
#: Ticks of a second at most, and how many there may be.
_PER_SECOND, _TICKS = 1000, 2.0e9
#: Columns of a camera: mean of where its passes begin (east and north), metres within
#: which they begin and end around it, the largest error of a place, seconds of the
#: longest pass.
CAMERA_RADIUS, CAMERA_ERROR, CAMERA_LENGTH, CAMERA_WIDTH = 2, 3, 4, 5
#: Bytes of a line of the processor's cache: two records.
_LINE = 64


class Arranged(NamedTuple):
    """Passes (n) by camera (m), then start.

    A record is 32 bytes: places to a few millimetres, times to a millisecond (to less
    where the passes are of more than three weeks).
    """

    record: np.ndarray  #: float32 [n, WIDTH]
    whole: np.ndarray  #: int32 [n, WIDTH], the same bytes
    zero: float  #: moment from which ticks count, Unix seconds
    per_second: float  #: ticks
    camera: np.ndarray  #: float64 [m, CAMERA_WIDTH]


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
    zero = float(start[0]) if len(start) else 0.0
    span = float(end.max(initial=zero)) - zero
    per_second = float(max(min(_PER_SECOND, _TICKS // max(span, 1.0)), 1.0))
    size = len(start) * WIDTH * 4
    around = spare.empty(size + _LINE, np.uint8)
    skip = -around.ctypes.data % _LINE
    record = around[skip : skip + size].view(np.float32).reshape(-1, WIDTH)
    whole = record.view(np.int32)
    camera = _arranged(
        record, whole, zero, per_second, where, camera_no, count, start, end, first,
        last, error_m,
    )  # fmt: skip
    return Arranged(record, whole, zero, per_second, camera)


@numba.njit(cache=True, nogil=True)
def _arranged(
    record: np.ndarray,
    whole: np.ndarray,
    zero: float,
    per_second: float,
    where: np.ndarray,
    camera_no: np.ndarray,
    count: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    error_m: np.ndarray,
) -> np.ndarray:
    n, m = len(start), len(count)
    free = np.zeros(m, np.int64)
    for k in range(1, m):
        free[k] = free[k - 1] + count[k - 1]
    camera = np.zeros((m, CAMERA_WIDTH))
    camera[:, CAMERA_ERROR], camera[:, CAMERA_LENGTH] = -np.inf, -np.inf
    for row in range(n):
        k = where[camera_no[row]]
        at = free[k]
        free[k] = at + 1
        record[at, FIRST], record[at, FIRST + 1] = first[row, 0], first[row, 1]
        record[at, LAST], record[at, LAST + 1] = last[row, 0], last[row, 1]
        record[at, ERROR] = error_m[row]
        whole[at, BEGIN] = round((start[row] - zero) * per_second)
        whole[at, END] = round((end[row] - zero) * per_second)
        whole[at, ROW] = row
        camera[k, 0] += first[row, 0]
        camera[k, 1] += first[row, 1]
        camera[k, CAMERA_ERROR] = max(camera[k, CAMERA_ERROR], error_m[row])
        length = end[row] - start[row]
        camera[k, CAMERA_LENGTH] = max(camera[k, CAMERA_LENGTH], length)
    for k in range(m):
        camera[k, 0] /= count[k]
        camera[k, 1] /= count[k]
    return camera


@numba.njit(cache=True, nogil=True)
def by_stretch(
    these: Arranged, count: np.ndarray, stretches: int, stretch_s: float
) -> np.ndarray:
    """Cut the passes of each camera by time, and tell how far around it they are.

    Parameters
    ----------
    these : gets the radius of each camera.
    count : int64 [m], passes of each camera.
    stretches, stretch_s : of each camera so many stretches of seconds follow the first
        pass of all.

    Returns
    -------
    int32 [m * stretches + 1], where the passes of each stretch begin in the order.
    """
    m = len(count)
    edges = np.zeros(m * stretches + 1, np.int32)
    base = 0
    for k in range(m):
        farthest = 0.0
        x, y = these.camera[k, 0], these.camera[k, 1]
        for at in range(base, base + count[k]):
            for side in (FIRST, LAST):
                east = these.record[at, side] - x
                north = these.record[at, side + 1] - y
                farthest = max(farthest, east * east + north * north)
            moment = these.whole[at, BEGIN] / these.per_second
            stretch = min(int(moment / stretch_s), stretches - 1)
            edges[k * stretches + stretch + 1] += 1
        base += count[k]
        these.camera[k, CAMERA_RADIUS] = math.sqrt(farthest)
    for k in range(1, len(edges)):
        edges[k] += edges[k - 1]
    return edges
