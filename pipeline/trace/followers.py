"""Followers: the passes that may go on with a walk, found by compiled code.

Every pass before the cameras around is looked at one by one, so that no tables of
pairs are made. How movement and directions are weighed stands in
`docs/trace-model.md`; the figures come from `constants`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from pipeline.trace.arrangement import (
    BEGIN,
    CAMERA_LENGTH,
    CAMERA_RADIUS,
    END,
    ERROR,
    FIRST,
    LAST,
    ROW,
)

#: Room for rounding where something is told from a bound.
_ROOM = 1e-6
#: Metres of a pass or a way from which it has a direction.
_DIRECTED_M = 3.0
#: Cosine of 45 degrees, and what directions within 45, 45 to 135 and beyond 135 degrees
#: say: shares of 60 %, 30 % and 10 % against a quarter, a half and a quarter of
#: directions at random (assumed).
_ALIGNED = 0.707
_ON, _ASIDE, _BACK = math.log(2.4), math.log(0.6), math.log(0.4)
#: What directions can add at most: two of three count at a time.
TURNS_MOST = 2 * _ON


class Ground(NamedTuple):
    """Passes and their index, as `field.Field` arranges them; n rows, m cameras."""

    #: float32 and int32 [n, 8], by camera, then start (see `arrangement`)
    record: np.ndarray
    whole: np.ndarray
    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres
    last: np.ndarray  #: float64 [n, 2], metres
    error_m: np.ndarray  #: float64 [n], 1 sd
    camera_no: np.ndarray  #: int64 [n]
    number: np.ndarray  #: integer, which of the m each camera number is
    camera: np.ndarray  #: float64 [m, 5], see `arrangement`
    stretch: np.ndarray  #: int32, by camera and stretch of time: first in that order
    stretches: int  #: of each camera
    zero: float  #: moment at which the first stretch begins, and ticks
    per_second: float  #: ticks
    stretch_s: float


class Bounds(NamedTuple):
    """Who can still be hopeful, by passers-by (b) and seconds since (s)."""

    crowd: np.ndarray  #: int64 [b], ascending from 0: from so many passers-by on
    nearest: np.ndarray  #: float64 [b, s], metres at least; infinite: nobody
    farthest: np.ndarray  #: float64 [b, s], metres at most
    within: np.ndarray  #: float64 [b, s], metres at most until then
    latest: np.ndarray  #: float64 [b], seconds


class Gait(NamedTuple):
    """How people walk, from `constants`, and what is hopeful."""

    span_s: float
    fastest: float
    spare_m: float
    mean: float
    sd: float
    odd: float
    on_share: float
    wait_s: float
    busy_s: float
    busy_m: float
    least: float  #: score, clothing apart, above which a pass is hopeful


class _Tip(NamedTuple):
    """The pass that is to be gone on from."""

    row: int
    ahead: bool
    camera: int
    moment: float  #: its end if ahead, else its start; seconds since `Ground.zero`
    x: float  #: where it ends if ahead, else where it begins
    y: float
    error: float
    east: float  #: the way it goes, metres
    north: float


@numba.njit(cache=True, nogil=True)
def followers(
    tip: np.ndarray,
    ahead: bool,
    beside: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    ground: Ground,
    bounds: Bounds,
    gait: Gait,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the passes that are worth a look, and count passers-by.

    Parameters
    ----------
    tip : int64 [k], rows.
    ahead : whether they follow the tips, else they lead to them.
    beside, low, high : int32, cameras around each camera: those of camera c from
        `low[c]` to `high[c]`.

    Returns
    -------
    Where the passes of each tip begin int64 [k + 1]; their rows int64 [m], ascending;
    what movement and directions say float64 [m], logarithms above `gait.least`;
    passers-by of each tip int64 [k].
    """
    # Arrays by themselves: out of the tuple each look at one is counted, which costs
    # more than the look.
    record, whole, cameras = ground.record, ground.whole, ground.camera
    stretch, stretches, stretch_s = ground.stretch, ground.stretches, ground.stretch_s
    per_second = ground.per_second
    side, when, way = (FIRST, BEGIN, 1.0) if ahead else (LAST, END, -1.0)
    edges = np.zeros(len(tip) + 1, np.int64)
    busy = np.zeros(len(tip), np.int64)
    used = 0
    row, score = np.empty(1024, np.int64), np.empty(1024)
    near, waits, squares = np.empty(256, np.int64), np.empty(256), np.empty(256)
    for k in range(len(tip)):
        one = _tip(tip[k], ahead, ground)
        around = beside[low[one.camera] : high[one.camera]]
        # How busy it is, is told by all before the cameras close by.
        found = 0
        for camera in around:
            if _free(cameras, camera, one) > gait.busy_m + _ROOM:
                continue
            begin, end = _times(one, cameras[camera, CAMERA_LENGTH], -1.0, gait.span_s)
            first, after = _between(
                whole, per_second, stretch, stretches, stretch_s, camera, begin, end
            )
            for n in range(first, after):
                gap = way * (whole[n, when] / per_second - one.moment)
                if gap < -1 or gap > gait.span_s or whole[n, ROW] == one.row:
                    continue
                square = _square(record[n, side] - one.x, record[n, side + 1] - one.y)
                if gap < gait.busy_s and square < gait.busy_m * gait.busy_m:
                    busy[k] += 1
                if not _in_reach(record[n, ERROR], camera, one, gap, square, gait):
                    continue
                if found == len(near):
                    near, waits = _wider(near), _wider(waits)
                    squares = _wider(squares)
                near[found], waits[found], squares[found] = n, gap, square
                found += 1
        crowd = np.searchsorted(bounds.crowd, busy[k], "right") - 1
        nearest, farthest = bounds.nearest[crowd], bounds.farthest[crowd]
        latest = bounds.latest[crowd]
        for camera in around:
            free = _free(cameras, camera, one)
            if free <= gait.busy_m + _ROOM:
                continue
            # Before so many seconds nobody is hopeful who gets there.
            soonest = float(np.searchsorted(bounds.within[crowd], free - _ROOM))
            if soonest > latest:
                continue
            begin, end = _times(one, cameras[camera, CAMERA_LENGTH], soonest, latest)
            first, after = _between(
                whole, per_second, stretch, stretches, stretch_s, camera, begin, end
            )
            for n in range(first, after):
                gap = way * (whole[n, when] / per_second - one.moment)
                if gap < soonest or gap > latest:
                    continue
                square = _square(record[n, side] - one.x, record[n, side + 1] - one.y)
                if not _in_reach(record[n, ERROR], camera, one, gap, square, gait):
                    continue
                if found == len(near):
                    near, waits = _wider(near), _wider(waits)
                    squares = _wider(squares)
                near[found], waits[found], squares[found] = n, gap, square
                found += 1
        for at in range(found):
            n, gap, square = near[at], waits[at], squares[at]
            if _hopeless(nearest, farthest, gap, square):
                continue
            told = _score(record, n, one, gap, math.sqrt(square), busy[k], gait)
            if told > gait.least:
                if used == len(row):
                    row, score = _wider(row), _wider(score)
                row[used], score[used] = whole[n, ROW], told
                used += 1
        begin = edges[k]
        order = begin + np.argsort(row[begin:used])
        row[begin:used], score[begin:used] = row[order], score[order]
        edges[k + 1] = used
    return edges, row[:used].copy(), score[:used].copy(), busy


@numba.njit(cache=True, nogil=True)
def _tip(row: int, ahead: bool, ground: Ground) -> _Tip:
    x, y = ground.last[row] if ahead else ground.first[row]
    return _Tip(
        row,
        ahead,
        int(ground.number[ground.camera_no[row]]),
        (ground.end[row] if ahead else ground.start[row]) - ground.zero,
        x,
        y,
        ground.error_m[row],
        ground.last[row, 0] - ground.first[row, 0],
        ground.last[row, 1] - ground.first[row, 1],
    )


@numba.njit(cache=True, nogil=True)
def _free(cameras: np.ndarray, camera: int, one: _Tip) -> float:
    """Metres to the nearest that a camera sees anybody, at least."""
    square = _square(cameras[camera, 0] - one.x, cameras[camera, 1] - one.y)
    return math.sqrt(square) - cameras[camera, CAMERA_RADIUS]


@numba.njit(cache=True, nogil=True)
def _square(east: float, north: float) -> float:
    """Square metres of a distance."""
    return east * east + north * north


@numba.njit(cache=True, nogil=True)
def _times(
    one: _Tip, longest: float, soonest: float, latest: float
) -> tuple[float, float]:
    """When passes begin so many seconds after the tip, or before; some others as well.

    `longest` is the longest pass of the camera, seconds.
    """
    if one.ahead:
        return one.moment + soonest, one.moment + latest
    return one.moment - latest - longest, one.moment - soonest


@numba.njit(cache=True, nogil=True)
def _between(
    whole: np.ndarray,
    per_second: float,
    stretch: np.ndarray,
    stretches: int,
    stretch_s: float,
    camera: int,
    begin: float,
    end: float,
) -> tuple[int, int]:
    """First record of a camera between two moments, and the one after the last."""
    low = _place(stretch, stretches, stretch_s, camera, begin, 0)
    high = _place(stretch, stretches, stretch_s, camera, end, 1)
    first, last = math.floor(begin * per_second), math.ceil(end * per_second)
    while low < high and whole[low, BEGIN] < first:
        low += 1
    while low < high and whole[high - 1, BEGIN] > last:
        high -= 1
    return low, high


@numba.njit(cache=True, nogil=True)
def place(ground: Ground, camera: int, moment: float, after: int) -> int:
    """Where passes of a camera at a moment lie in the order, or a little before.

    With `after` 1, a little behind them.
    """
    return _place(
        ground.stretch,
        ground.stretches,
        ground.stretch_s,
        camera,
        moment - ground.zero,
        after,
    )


@numba.njit(cache=True, nogil=True)
def _place(
    stretch: np.ndarray,
    stretches: int,
    stretch_s: float,
    camera: int,
    second: float,
    after: int,
) -> int:
    """As `place`, of seconds since the first stretch began."""
    at = min(max(math.floor(second / stretch_s) + after, 0), stretches)
    return int(stretch[camera * stretches + at])


@numba.njit(cache=True, nogil=True)
def _in_reach(
    error: float, camera: int, one: _Tip, gap: float, square: float, gait: Gait
) -> bool:
    """Whether a walker gets there in time; nobody overlaps before one camera."""
    limit = gait.fastest * max(gap, 0.0) + gait.spare_m + 2 * error
    return square <= limit * limit and not (gap < 0 and camera == one.camera)


@numba.njit(cache=True, nogil=True)
def _hopeless(
    nearest: np.ndarray, farthest: np.ndarray, gap: float, square: float
) -> bool:
    """Whether a pass is too near or too far, whatever else is known of it."""
    second = min(int(max(gap, 0.0)), len(nearest) - 1)
    least = max(nearest[second] - _ROOM, 0.0)
    most = farthest[second] + _ROOM
    return square > most * most or square < least * least


@numba.njit(cache=True, nogil=True)
def _score(
    record: np.ndarray,
    n: int,
    one: _Tip,
    gap: float,
    metres: float,
    busy: int,
    gait: Gait,
) -> float:
    """How much better going on explains a pass than anybody's being there."""
    wait, theirs = max(gap, 0.0), float(record[n, ERROR])
    square = one.error * one.error + theirs * theirs
    error = math.sqrt(square)
    variance = (gait.sd * wait) ** 2 + square + 0.25
    off = metres - gait.mean * wait
    bell = math.exp(-0.5 * off * off / variance) / math.sqrt(2 * math.pi * variance)
    reach = gait.fastest * wait + 10 + 2 * error
    # Whoever is there by chance is anywhere in the circle within reach.
    chance = max(2 * max(metres, error) / (reach * reach), 1e-300)
    walked = (1 - gait.odd) * bell / chance + gait.odd
    # The walker is before this camera at this moment, against anybody being there.
    reach = gait.fastest * wait + 10 + 2 * theirs
    stray = (busy + 1) / gait.busy_s * (reach / gait.busy_m) ** 2
    score = math.log(walked * gait.on_share / gait.wait_s / max(stray, 1e-6))
    score -= wait / gait.wait_s
    if score + TURNS_MOST <= gait.least:
        return score + TURNS_MOST
    east = record[n, LAST] - record[n, FIRST]
    north = record[n, LAST + 1] - record[n, FIRST + 1]
    if metres <= max(8.0, 3 * error):
        return score + _turn(one.east, one.north, east, north)
    if one.ahead:
        x, y = record[n, FIRST] - one.x, record[n, FIRST + 1] - one.y
    else:
        x, y = one.x - record[n, LAST], one.y - record[n, LAST + 1]
    return score + _turn(one.east, one.north, x, y) + _turn(east, north, x, y)


@numba.njit(cache=True, nogil=True)
def _turn(a: float, b: float, x: float, y: float) -> float:
    """Evidence of two directions: most go on as they went, few turn back."""
    one, other = math.sqrt(a * a + b * b), math.sqrt(x * x + y * y)
    if one <= _DIRECTED_M or other <= _DIRECTED_M:
        return 0.0
    cosine = (a * x + b * y) / (one * other)
    if cosine > _ALIGNED:
        return _ON
    return _ASIDE if cosine > -_ALIGNED else _BACK


@numba.njit(cache=True, nogil=True)
def _wider(values: np.ndarray) -> np.ndarray:
    """The same values with room for more."""
    result = np.empty(2 * len(values), values.dtype)
    result[: len(values)] = values
    return result
