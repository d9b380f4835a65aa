"""From ways to passes: who is before which camera, second by second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulate import walking
from pipeline.simulate.network import Network
from pipeline.simulate.walking import Ground, Lines
from pipeline.simulate.ways import HOUR, Ways, uniform

#: Fewest seconds of a pass that a tracker keeps.
LEAST_S = 2
#: Slots of one second: tracklet ids tell 10 x 128 starts apart.
_PER_TENTH = 128


@dataclass(frozen=True)
class Passes:
    """p passes and the d ground points they consist of, in order of the ways."""

    way: np.ndarray  #: int32 [p], row of the ways
    camera: np.ndarray  #: int32 [p], row of the network
    first: np.ndarray  #: int32 [p], second of the hour
    count: np.ndarray  #: int32 [p], points, one a second
    missed: np.ndarray  #: bool [p], before a camera, but not in its observations
    east: np.ndarray  #: float64 [d], true ground points, EPSG:5186 metres
    north: np.ndarray  #: float64 [d]


def of_ways(
    ways: Ways, rows: np.ndarray, hour_s: float, hour: int, network: Network, seed: int
) -> Passes:
    """Walk the ways `rows` through one hour.

    Parameters
    ----------
    ways : ways of a day.
    hour_s : start of the hour, seconds from the day's start.
    hour : number of the hour within the simulation, for outages.
    """
    some = ways.take(rows)
    begin = np.ceil(np.clip(some.start - hour_s, 0, HOUR)).astype(np.int32)
    end = np.ceil(np.clip(some.end - hour_s, 0, HOUR)).astype(np.int32)
    ground = Ground(network.seen_by, network.near, network.origin)
    seen = walking.walk(_lines(some), begin, end, float(hour_s), ground)
    way, at, first, count = seen.way, seen.camera, seen.first, seen.seconds
    luck = uniform(some.party[way], some.resident[way], first, at, seed, hour)
    missed = network.down[at, hour] | (count < LEAST_S) | (luck < network.miss[at])
    # A part is an hour of the camera's clock: what a wrong clock puts outside is lost.
    clock = first + network.skew[at]
    missed |= (clock < 0) | (clock + count > HOUR)
    return Passes(
        rows[way].astype(np.int32), at, first, count, missed, seen.east, seen.north
    )


def points_of(passes: Passes, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of some passes: (row of `rows` int32 [k], point int64 [k])."""
    offsets = np.cumsum(passes.count) - passes.count
    count = passes.count[rows]
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), count)
    ahead = offsets[rows] - (np.cumsum(count) - count)
    return owner, np.arange(len(owner)) + ahead[owner]


def tenths(camera: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spread passes of one camera and second over tenths and ordinals.

    Parameters
    ----------
    camera, first : integer [n], in order of both.

    Returns
    -------
    (tenth, ordinal) : int64 [n]; a tenth of 10 or more has no room left.
    """
    same = np.zeros(len(camera), dtype=bool)
    same[1:] = (camera[1:] == camera[:-1]) & (first[1:] == first[:-1])
    start = np.flatnonzero(~same)
    run = np.repeat(start, np.diff(np.append(start, len(camera))))
    rank = np.arange(len(camera)) - run
    # Nearly always fewer than ten: give each its own tenth, from a varied one.
    turn = (first.astype(np.int64) * 7 + camera) % 10
    tenth = np.where(rank < 10 * _PER_TENTH, (rank + turn) % 10, 10)
    return tenth, rank // 10


def position(
    ways: Ways, way: np.ndarray, moment: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the walkers are, EPSG:5186 metres, in the shape of `moment`.

    Parameters
    ----------
    way : integer [n], rows of `ways`.
    moment : float [n] or [k, n], seconds from the day's start, within the way.
    """
    way, moment = np.broadcast_arrays(way, np.asarray(moment, dtype=np.float64))
    east, north = walking.positions(_lines(ways), way.ravel(), moment.ravel())
    return east.reshape(moment.shape), north.reshape(moment.shape)


def _lines(ways: Ways) -> Lines:
    line = np.ascontiguousarray((ways.b - ways.a).astype(np.float32).T)
    length = np.abs(line)
    whole = length[0] + length[1]
    first = np.stack([~ways.north_first, ways.north_first])
    return Lines(
        start=ways.start,
        speed=ways.speed,
        whole=whole,
        length=length,
        sign=np.sign(line),
        ahead=np.where(first, np.float32(0), whole - length),
        stays=(ways.stay > 0).astype(np.float32),
        turn=np.ascontiguousarray((ways.stay_offset - ways.offset).T),
        base=np.ascontiguousarray((ways.a + ways.offset).T),
    )
