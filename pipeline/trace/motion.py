"""Where and when somebody is seen next, given where he was last.

A wait (soon, or after a stay) times a place: on foot or by vehicle a normal law of
the plane that grows with time; or, after a stay, where he was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace import rings

#: Passes over which the spread is integrated one by one, at most.
SAMPLES = 4096
_TINY = 1e-12


@dataclass(frozen=True)
class Seen:
    """All visible passes: where and when the patient could be seen next."""

    place: np.ndarray  #: float64 [s, 2], metres, where each pass begins
    at: np.ndarray  #: float64 [s], Unix seconds, ascending
    weight: np.ndarray  #: float [s], seconds of footage a pass stands for: 1 / rate
    seconds: float  #: of footage altogether
    #: Where there are many passes: cameras float64 [c, 2], metres, with the share of
    #: the time in which each recorded and somebody passed [c], and the last moment.
    cameras: np.ndarray | None = None
    recorded: np.ndarray | None = None
    until: float = 0.0
    #: What lies around places asked about before: place to 25 m -> recorded cameras
    #: by distance.
    around: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)


def spread(distance: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Density of the next sighting, per square metre and second.

    Parameters
    ----------
    distance : metres, straight line.
    seconds : time since the patient was last seen, >= 0.

    Returns
    -------
    float64, a mixture over soon/late and on foot/by vehicle of an exponential law
    in time and a normal law in the plane, whose spread grows with time.
    """
    soon, late = _waits(seconds)
    moved = np.zeros(np.broadcast(distance, seconds).shape)
    for share, (speed, limit) in (
        (1 - c.VEHICLE_SHARE, c.SPREAD_WALK),
        (c.VEHICLE_SHARE, c.SPREAD_VEHICLE),
    ):
        moved += share * _bell(
            distance, c.SPREAD_BASE_M + np.minimum(speed * seconds, limit)
        )
    stayed = _bell(distance, np.asarray(c.STAY_SPREAD_M))
    return (soon + late * (1 - c.STAY_SHARE)) * moved + late * c.STAY_SHARE * stayed


def spread_bound(
    distance: np.ndarray, soonest: np.ndarray, latest: np.ndarray
) -> np.ndarray:
    """Most that `spread` is at this distance or farther, between two times.

    Parameters
    ----------
    distance : metres, straight line, >= 0.
    soonest, latest : seconds since the patient was last seen, >= 0.
    """
    soon, late = _waits(soonest)
    moved = np.zeros(np.broadcast(distance, soonest).shape)
    for share, (speed, limit) in (
        (1 - c.VEHICLE_SHARE, c.SPREAD_WALK),
        (c.VEHICLE_SHARE, c.SPREAD_VEHICLE),
    ):
        least, most = (
            c.SPREAD_BASE_M + np.minimum(speed * seconds, limit)
            for seconds in (soonest, latest)
        )
        # A normal law of the plane is densest where its spread is d / sqrt(2).
        moved += share * _bell(distance, np.clip(distance / np.sqrt(2), least, most))
    stayed = _bell(distance, np.asarray(c.STAY_SPREAD_M))
    return (soon + late * (1 - c.STAY_SHARE)) * moved + late * c.STAY_SHARE * stayed


def whereabouts(distance: np.ndarray, seconds: np.ndarray, within: float) -> np.ndarray:
    """Density of being at a place, per square metre, some time after being seen.

    Parameters
    ----------
    distance, seconds : metres and seconds from where and when somebody was seen.
    within : metres by which the place is unsure, 1 sd.

    Returns
    -------
    float64, never 0: he stayed, walked or rode (shares as of `spread`).
    """
    there = (1 - c.NEXT_SOON_SHARE) * c.STAY_SHARE
    found = there * _bell(distance, np.hypot(c.STAY_SPREAD_M, within))
    for share, (speed, limit) in (
        (1 - c.VEHICLE_SHARE, c.SPREAD_WALK),
        (c.VEHICLE_SHARE, c.SPREAD_VEHICLE),
    ):
        moved = c.SPREAD_BASE_M + np.minimum(speed * seconds, limit)
        found = found + (1 - there) * share * _bell(distance, np.hypot(moved, within))
    return np.maximum(found, 1e-300)


def _waits(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Densities of being seen again soon, and after a stay."""
    soon = (
        c.NEXT_SOON_SHARE / c.NEXT_SOON_SECONDS * np.exp(-seconds / c.NEXT_SOON_SECONDS)
    )
    late = (
        (1 - c.NEXT_SOON_SHARE)
        / c.NEXT_LATE_SECONDS
        * np.exp(-seconds / c.NEXT_LATE_SECONDS)
    )
    return soon, late


def _bell(distance: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Normal density of the plane at a distance."""
    variance = sd**2
    return np.asarray(np.exp(-0.5 * distance**2 / variance) / (2 * np.pi * variance))


def reachable(
    last: np.ndarray, end: np.ndarray, seen: Seen, until: float = np.inf
) -> np.ndarray:
    """Integral of the spread over what was seen after passes [n].

    They ended at places `last` [n, 2] and moments `end` [n]. What began after the
    moment `until` does not count.

    Each pass stands for the footage up to the next one, so that footage in which
    nobody passed (and the patient therefore did not) carries no weight. Of many
    later passes the next ones are all taken, those far ahead ever more thinly.
    """
    if seen.cameras is not None and seen.recorded is not None:
        return _over_city(last, end, seen, seen.cameras, seen.recorded, until)
    mass = np.zeros(len(end))
    begins = np.searchsorted(seen.at, end, side="right")
    for i, begin in enumerate(begins):
        rows, share = _thinned(len(seen.at) - int(begin))
        rows = rows + begin
        share = share * (seen.at[rows] <= until)
        distance = np.hypot(*(seen.place[rows] - last[i]).T)
        density = spread(distance, seen.at[rows] - end[i])
        mass[i] = density @ (seen.weight[rows] * share)
    return np.maximum(mass, _TINY)


def _over_city(
    last: np.ndarray,
    end: np.ndarray,
    seen: Seen,
    cameras: np.ndarray,
    recorded: np.ndarray,
    until: float,
) -> np.ndarray:
    """As `_reachable`, from a table of the spread summed over time."""
    ring, seconds, table = _summed()
    left = np.log(np.clip(min(seen.until, until) - end, 1.0, None))
    column = np.interp(left, np.log(seconds), np.arange(len(seconds)))
    # Places to 25 m: passes of one camera share what lies around them.
    keys = list(map(tuple, np.rint(last / 25).astype(np.int64).tolist()))
    number = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    for x, y in number:
        if (x, y) not in seen.around:
            seen.around[x, y] = rings.around(
                25.0 * x, 25.0 * y, cameras, recorded, ring
            )
    if not number:
        return np.empty(0)
    around = np.stack([seen.around[key] for key in number])
    which = np.array([number[key] for key in keys], dtype=np.int64)
    return np.maximum(rings.sums(around, which, column, table), _TINY)


@lru_cache(maxsize=1)
def _summed() -> tuple[rings.Rings, np.ndarray, np.ndarray]:
    """Spread summed over time from 0: in rings [m], up to seconds [s], [s, m]."""
    metres = np.concatenate([[0.0], np.geomspace(5, 30_000, 120)])
    edges = np.concatenate([[0.0], np.geomspace(1, 60 * 86_400, 400)])
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    density = spread(metres[:, None], middle[None, :])
    table = np.ascontiguousarray(np.cumsum(density * width, axis=1).T)
    return rings.rings(metres), edges[1:], table


def _thinned(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows out of 0 .. count - 1, and how many each stands for."""
    if count <= SAMPLES:
        return np.arange(count), np.ones(count)
    head = np.arange(SAMPLES // 2)
    tail = np.geomspace(SAMPLES // 2, count, SAMPLES // 2, endpoint=False)
    rows = np.unique(np.concatenate([head, tail.astype(np.int64)]))
    return rows, np.diff(np.append(rows, count)).astype(float)
