"""From ways to passes: who is before which camera, second by second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulate.network import NOBODY, Network
from pipeline.simulate.ways import HOUR, Ways, uniform

#: A tracker loses a person who stays; passes are cut at this many seconds.
LONGEST_S = 30
#: Fewest seconds of a pass that a tracker keeps.
LEAST_S = 2
#: Walkers are first looked at once in this many seconds.
_STRIDE_S = 8
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
    block, second, end = _blocks(some, hour_s, network)
    # A column a block, a row a second: what belongs to the way is looked up once.
    moment = second + np.arange(_STRIDE_S, dtype=np.int32)[:, None]
    east, north = position(some, block, moment + hour_s)
    camera = network.cameras_at(east, north)
    column, row = np.nonzero(((camera != NOBODY) & (moment < end)).T)
    seen = row * len(block) + column
    way, second, camera = block[column], moment.ravel()[seen], camera.ravel()[seen]
    east, north = east.ravel()[seen], north.ravel()[seen]
    breaks = np.empty(len(way), dtype=bool)
    if len(way):
        breaks[0] = True
        breaks[1:] = (
            (way[1:] != way[:-1])
            | (camera[1:] != camera[:-1])
            | (second[1:] != second[:-1] + 1)
        )
        start = np.flatnonzero(breaks)
        run = np.repeat(start, np.diff(np.append(start, len(way))))
        breaks |= (np.arange(len(way)) - run) % LONGEST_S == 0
    start = np.flatnonzero(breaks)
    count = np.diff(np.append(start, len(way))).astype(np.int32)
    at, first = camera[start], second[start]
    luck = uniform(
        some.party[way[start]], some.resident[way[start]], first, at, seed, hour
    )
    missed = network.down[at, hour] | (count < LEAST_S) | (luck < network.miss[at])
    # A part is an hour of the camera's clock: what a wrong clock puts outside is lost.
    clock = first + network.skew[at]
    missed |= (clock < 0) | (clock + count > HOUR)
    return Passes(
        rows[way[start]].astype(np.int32), at, first, count, missed, east, north
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
    walked = (moment - ways.start[way]).astype(np.float32)
    walked *= ways.speed[way]
    line = (ways.b - ways.a).astype(np.float32)
    length, sign = np.abs(line), np.sign(line)
    whole = length.sum(axis=1)
    # Towards the end of the way those who stay turn to where they stand.
    stays = ways.stay > 0
    rest = None
    if stays.any():
        rest = walked - whole[way]
        rest *= np.float32(0.25)
        rest += 1
        _between(rest, stays[way])
    result = []
    for axis, first in ((0, ~ways.north_first), (1, ways.north_first)):
        ahead = np.where(first, 0, whole - length[:, axis]).astype(np.float32)
        done = walked - ahead[way]
        _between(done, length[way, axis])
        done *= sign[way, axis]
        if rest is not None:
            done += rest * (ways.stay_offset[:, axis] - ways.offset[:, axis])[way]
        result.append((ways.a[:, axis] + ways.offset[:, axis])[way] + done)
    return result[0], result[1]


def _between(values: np.ndarray, most: np.ndarray) -> None:
    """Bring values between 0 and `most`, in place."""
    np.minimum(values, most, out=values)
    np.maximum(values, 0, out=values)


def _blocks(
    ways: Ways, hour_s: float, network: Network
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of `_STRIDE_S` seconds in which a way is near seen ground.

    Returns (way, first second of the hour, end of the way in the hour), int32 [n].
    """
    begin = np.ceil(np.clip(ways.start - hour_s, 0, HOUR)).astype(np.int32)
    end = np.ceil(np.clip(ways.end - hour_s, 0, HOUR)).astype(np.int32)
    blocks = np.maximum(end - begin + _STRIDE_S - 1, 0) // _STRIDE_S
    way = np.repeat(np.arange(len(ways), dtype=np.int32), blocks)
    skipped = (np.cumsum(blocks) - blocks) * _STRIDE_S - begin
    block = np.arange(0, len(way) * _STRIDE_S, _STRIDE_S) - np.repeat(skipped, blocks)
    block = block.astype(np.int32)
    middle = np.minimum(block + _STRIDE_S // 2, end[way])
    near = network.is_near(*position(ways, way, middle + hour_s))
    way = way[near]
    return way, block[near], end[way]
