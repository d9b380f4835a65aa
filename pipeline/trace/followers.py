"""Followers: the passes that may go on with a walk, found by compiled code.

Every pass before the cameras around is looked at one by one, so that no tables of
pairs are made; the few that are left are weighed by `walks`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

#: Room for rounding where something is told from a bound here: `walks` decides.
_ROOM = 1e-6


class Ground(NamedTuple):
    """Passes and their index, as `field.Field` arranges them; n rows, m cameras."""

    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres
    last: np.ndarray  #: float64 [n, 2], metres
    error_m: np.ndarray  #: float64 [n], 1 sd
    order: np.ndarray  #: int32 [n], rows by camera, then start
    begins: np.ndarray  #: float64 [n], `start` in that order
    froms: np.ndarray  #: float64 [n, 2], `first` in that order
    tos: np.ndarray  #: float64 [n, 2], `last` in that order
    stretch: np.ndarray  #: int32, by camera and stretch of time: first in that order
    stretches: int  #: of each camera
    zero: float  #: moment at which the first stretch begins
    stretch_s: float
    number: np.ndarray  #: integer, which of the m each camera number is
    camera_no: np.ndarray  #: int64 [n]
    middle: np.ndarray  #: float64 [m, 2], of each camera's passes, metres
    radius: np.ndarray  #: float64 [m], within which they begin and end
    error: np.ndarray  #: float64 [m], the largest of their places
    length: np.ndarray  #: float64 [m], seconds of the longest


class Bounds(NamedTuple):
    """Who can still be hopeful, by passers-by (b) and seconds since (s)."""

    metres: np.ndarray  #: float64 [b, s], at most
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
    least: float  #: score, but for directions


@numba.njit(cache=True, nogil=True)
def followers(
    tip: np.ndarray,
    ahead: bool,
    beside: np.ndarray,
    edges: np.ndarray,
    ground: Ground,
    bounds: Bounds,
    gait: Gait,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the passes that may be worth a look, and count passers-by.

    Parameters
    ----------
    tip : int64 [k], rows.
    ahead : whether they follow the tips, else they lead to them.
    beside, edges : int64, cameras around each tip, those of the k-th from `edges[k]`
        to `edges[k + 1]`.

    Returns
    -------
    (tip, row, gap, metres) of m pairs, by number of the tip: all that are hopeful,
    and some that are not. Passers-by of each tip int64 [k].
    """
    places, others = ground.last, ground.froms
    if not ahead:
        places, others = ground.first, ground.tos
    above, below = (gait.busy_m + _ROOM) ** 2, (gait.busy_m - _ROOM) ** 2
    busy = np.zeros(len(tip), np.int64)
    size, used = 256, 0
    whose, row = np.empty(size, np.int64), np.empty(size, np.int64)
    gaps, metres = np.empty(size), np.empty(size)
    for k in range(len(tip)):
        one = tip[k]
        x, y = places[one, 0], places[one, 1]
        moment = ground.end[one] if ahead else ground.start[one]
        own = ground.number[ground.camera_no[one]]
        kept, crowd = used, 0
        for far in (False, True):
            crowd = min(busy[k], len(bounds.latest) - 1)
            for camera in beside[edges[k] : edges[k + 1]]:
                east = ground.middle[camera, 0] - x
                north = ground.middle[camera, 1] - y
                free = math.sqrt(east * east + north * north) - ground.radius[camera]
                if (free > gait.busy_m + _ROOM) != far:
                    continue
                low, high = -1.0, gait.span_s
                if far:  # before so many seconds nobody is hopeful who gets there
                    low = float(np.searchsorted(bounds.metres[crowd], free - _ROOM))
                    high = bounds.latest[crowd]
                    if low > high:
                        continue
                soonest, latest = moment + low, moment + high
                if not ahead:
                    soonest = moment - high - ground.length[camera]
                    latest = moment - low
                for n in range(
                    _place(ground, camera, soonest, 0),
                    _place(ground, camera, latest, 1),
                ):
                    if ground.begins[n] < soonest:
                        continue
                    if ground.begins[n] > latest:
                        break
                    j = ground.order[n]
                    gap = ground.begins[n] - moment if ahead else moment - ground.end[j]
                    if gap > gait.span_s or gap < -1 or j == one:
                        continue
                    east, north = others[n, 0] - x, others[n, 1] - y
                    square = east * east + north * north
                    # Close to the edge, as exactly as elsewhere.
                    if (
                        gap < gait.busy_s
                        and not far
                        and square < above
                        and (square < below or math.hypot(east, north) < gait.busy_m)
                    ):
                        busy[k] += 1
                    limit = gait.fastest * max(gap, 0.0) + gait.spare_m
                    most = limit + 2 * ground.error[camera] + _ROOM
                    if square > most * most:
                        continue
                    away = math.hypot(east, north)
                    if away > limit + 2 * ground.error_m[j]:
                        continue
                    if gap < 0 and camera == own:
                        continue
                    if used == size:
                        size *= 2
                        whose, row = _wider(whose, size), _wider(row, size)
                        gaps, metres = _wider(gaps, size), _wider(metres, size)
                    whose[used], row[used] = k, j
                    gaps[used], metres[used] = gap, away
                    used += 1
        for n in range(kept, used):  # how busy it is, is known now
            second = min(int(max(gaps[n], 0.0)), bounds.metres.shape[1] - 1)
            if metres[n] > bounds.metres[crowd, second] + _ROOM:
                continue
            errors = ground.error_m[one], ground.error_m[row[n]]
            score = _score(gaps[n], metres[n], errors, busy[k], gait)
            if score > gait.least - _ROOM:
                whose[kept], row[kept] = k, row[n]
                gaps[kept], metres[kept] = gaps[n], metres[n]
                kept += 1
        used = kept
    return whose[:used], row[:used], gaps[:used], metres[:used], busy


@numba.njit(cache=True, nogil=True)
def _place(ground: Ground, camera: int, moment: float, after: int) -> int:
    """Where passes of a camera at a moment lie in the order, or a little before.

    With `after` 1, a little behind them.
    """
    at = math.floor((moment - ground.zero) / ground.stretch_s) + after
    at = min(max(at, 0), ground.stretches)
    return int(ground.stretch[camera * ground.stretches + at])


@numba.njit(cache=True, nogil=True)
def _score(
    gap: float, metres: float, errors: tuple[float, float], busy: int, gait: Gait
) -> float:
    """As `walks` scores a pass but for directions and clothing, to rounding."""
    wait, error = max(gap, 0.0), math.hypot(errors[1], errors[0])
    sigma = math.sqrt((gait.sd * wait) ** 2 + error**2 + 0.5**2)
    bell = math.exp(-0.5 * ((metres - gait.mean * wait) / sigma) ** 2)
    bell /= sigma * math.sqrt(2 * math.pi)
    reach = gait.fastest * wait + 10 + 2 * error
    chance = max(2 * max(metres, error) / reach**2, 1e-300)
    score = math.log((1 - gait.odd) * bell / chance + gait.odd)
    reach = gait.fastest * wait + 10 + 2 * errors[1]
    stray = (busy + 1) / gait.busy_s * (reach / gait.busy_m) ** 2
    soon = math.exp(-wait / gait.wait_s) / gait.wait_s
    return score + math.log(gait.on_share * soon) - math.log(max(stray, 1e-6))


@numba.njit(cache=True, nogil=True)
def _wider(values: np.ndarray, size: int) -> np.ndarray:
    """The same values with room for more."""
    result = np.empty(size, values.dtype)
    result[: len(values)] = values
    return result
