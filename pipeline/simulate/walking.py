"""Where walkers are, second by second, and before which camera: by compiled code."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numba
import numpy as np

from pipeline.simulate.network import CELL_M, NOBODY

#: A tracker loses a person who stays; passes are cut at this many seconds.
LONGEST_S = 30
#: Walkers are first looked at once in this many seconds.
_STRIDE_S = 8
_CELLS_A_METRE = 1 / CELL_M
_LOCAL = threading.local()
_NOTHING, _ONE, _QUARTER = np.float32(0), np.float32(1), np.float32(0.25)


class Lines(NamedTuple):
    """What a position is worked out of, of m ways; axes are east and north."""

    start: np.ndarray  #: float64 [m], seconds from the day's start
    speed: np.ndarray  #: float32 [m], m/s
    whole: np.ndarray  #: float32 [m], metres
    length: np.ndarray  #: float32 [2, m], metres along each axis
    sign: np.ndarray  #: float32 [2, m], and which way
    ahead: np.ndarray  #: float32 [2, m], metres walked before the axis' turn
    stays: np.ndarray  #: float32 [m], 1 for those who stand at the end, else 0
    turn: np.ndarray  #: float32 [2, m], metres from the line to where they stand
    base: np.ndarray  #: float64 [2, m], EPSG:5186 metres of the beginning


class Ground(NamedTuple):
    """The squares of a network (see `network.Network`)."""

    seen_by: np.ndarray  #: int32 [rows, columns]
    near: np.ndarray  #: bool [rows, columns]
    origin: np.ndarray  #: float64 [2]


class Walked(NamedTuple):
    """p passes and the d points they consist of, in order of the ways."""

    way: np.ndarray  #: int32 [p], row of the lines
    camera: np.ndarray  #: int32 [p], row of the network
    first: np.ndarray  #: int32 [p], second of the hour
    seconds: np.ndarray  #: int32 [p], of each, one point a second
    east: np.ndarray  #: float64 [d], EPSG:5186 metres
    north: np.ndarray  #: float64 [d]


def make_ready() -> None:
    """Compile what follows, or load it from where it was kept (a second or two)."""
    none, pair = np.empty(0, np.float32), np.empty((2, 0), np.float32)
    lines = Lines(
        np.empty(0), none, none, pair, pair, pair, none, pair, np.empty((2, 0))
    )
    square = np.zeros((1, 1), np.int32)
    ground = Ground(square, square.astype(bool), np.zeros(2))
    walk(lines, np.empty(0, np.int32), np.empty(0, np.int32), 0.0, ground)


def walk(
    lines: Lines, begin: np.ndarray, end: np.ndarray, hour_s: float, ground: Ground
) -> Walked:
    """Follow each way, and note every second before a camera.

    Parameters
    ----------
    begin, end : int32 [m], seconds of the hour between which each way is gone.
    hour_s : start of the hour, seconds from the day's start.
    """
    room = _room(int(np.maximum(end - begin, 0).sum()))
    passes, points = _walk(lines, begin, end, hour_s, ground, room)
    return Walked(
        way=room.way[:passes].copy(),
        camera=room.camera[:passes].copy(),
        first=room.first[:passes].copy(),
        seconds=room.seconds[:passes].copy(),
        east=room.east[:points].copy(),
        north=room.north[:points].copy(),
    )


def _room(seconds: int) -> Walked:
    """This thread's room for so many points, kept for the next ways."""
    kept: Walked | None = getattr(_LOCAL, "room", None)
    if kept is None or len(kept.east) < seconds:
        way, camera, first, count = np.empty((4, seconds), np.int32)
        east, north = np.empty((2, seconds))
        kept = _LOCAL.room = Walked(way, camera, first, count, east, north)
    return kept


@numba.njit(cache=True, nogil=True)
def _walk(
    lines: Lines,
    begin: np.ndarray,
    end: np.ndarray,
    hour_s: float,
    ground: Ground,
    room: Walked,
) -> tuple[int, int]:
    """Write passes and points into the room; return how many."""
    passes = points = 0
    for way in range(len(begin)):
        last, ran, before = -2, 0, NOBODY
        for block in range(begin[way], end[way], _STRIDE_S):
            middle = min(block + _STRIDE_S // 2, end[way])
            x, y = _position(lines, way, middle + hour_s)
            row, column = _square(ground, x, y)
            if not ground.near[row, column]:
                continue
            for second in range(block, min(block + _STRIDE_S, end[way])):
                x, y = _position(lines, way, second + hour_s)
                row, column = _square(ground, x, y)
                camera = ground.seen_by[row, column]
                if camera == NOBODY:
                    continue
                if camera != before or second != last + 1:
                    ran = 0
                if ran % LONGEST_S == 0:
                    room.way[passes], room.camera[passes] = way, camera
                    room.first[passes], room.seconds[passes] = second, 0
                    passes += 1
                room.seconds[passes - 1] += 1
                room.east[points], room.north[points] = x, y
                points += 1
                ran += 1
                last, before = second, camera
    return passes, points


@numba.njit(cache=True, nogil=True)
def positions(
    lines: Lines, way: np.ndarray, moment: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where walkers are, metres [n], at float64 [n] seconds from the day's start."""
    east, north = np.empty(len(way)), np.empty(len(way))
    for k in range(len(way)):
        east[k], north[k] = _position(lines, way[k], moment[k])
    return east, north


@numba.njit(cache=True, nogil=True, inline="always")
def _position(lines: Lines, way: int, moment: float) -> tuple[float, float]:
    walked = np.float32(moment - lines.start[way]) * lines.speed[way]
    # Towards the end of the way those who stay turn to where they stand.
    rest = (walked - lines.whole[way]) * _QUARTER + _ONE
    rest = max(min(rest, lines.stays[way]), _NOTHING)
    east = max(min(walked - lines.ahead[0, way], lines.length[0, way]), _NOTHING)
    north = max(min(walked - lines.ahead[1, way], lines.length[1, way]), _NOTHING)
    east = east * lines.sign[0, way] + rest * lines.turn[0, way]
    north = north * lines.sign[1, way] + rest * lines.turn[1, way]
    return lines.base[0, way] + east, lines.base[1, way] + north


@numba.njit(cache=True, nogil=True, inline="always")
def _square(ground: Ground, x: float, y: float) -> tuple[int, int]:
    """Row and column of a point's square; the outermost are never seen."""
    rows, columns = ground.seen_by.shape
    column = int((x - ground.origin[0]) * _CELLS_A_METRE)
    row = int((y - ground.origin[1]) * _CELLS_A_METRE)
    return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)
