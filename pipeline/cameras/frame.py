"""Frames of reference of the camera network, and numbers along a curve."""

from __future__ import annotations

import numpy as np
from pyproj import Transformer

WGS84 = "EPSG:4326"
#: Korea 2000 / Central Belt 2010, metres: the frame of computation.
METRIC_CRS = "EPSG:5186"
#: Origin of the local centimetre frame of the observation store (EPSG:5186
#: metres); a test holds it equal to the store's own.
ORIGIN_EAST_M = 170_000.0
ORIGIN_NORTH_M = 535_000.0
#: The Hilbert curve fills a square of this side from the origin: 2**12 cells of
#: 4 m, so that it holds all of Bucheon (about 9 x 12 km) with room around it.
HILBERT_ORDER = 12
HILBERT_CELL_M = 4.0
#: Camera numbers are 14 bits wide in tracklet ids.
MAX_CAMERAS = 1 << 14

_TO_METRIC = Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)
_TO_WGS84 = Transformer.from_crs(METRIC_CRS, WGS84, always_xy=True)


def to_metric(
    lon: np.ndarray | float, lat: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """WGS84 degrees -> EPSG:5186 metres (x east, y north), float64."""
    x, y = _TO_METRIC.transform(lon, lat)
    return np.asarray(x), np.asarray(y)


def to_lonlat(
    x: np.ndarray | float, y: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """EPSG:5186 metres (x east, y north) -> WGS84 degrees (lon, lat), float64."""
    lon, lat = _TO_WGS84.transform(x, y)
    return np.asarray(lon), np.asarray(lat)


def hilbert_index(
    column: np.ndarray, row: np.ndarray, order: int = HILBERT_ORDER
) -> np.ndarray:
    """Return each cell's place along the Hilbert curve of a 2**order square.

    Parameters
    ----------
    column, row : integer arrays, 0 <= value < 2**order.
    order : bits of each coordinate.

    Returns
    -------
    int64 array, a bijection of the square to 0 .. 4**order - 1 in which
    consecutive values are neighbouring cells. Bitwise form of the curve as in
    Warren, "Hacker's Delight", 2nd ed., chapter 16.
    """
    x = np.array(column, dtype=np.int64)
    y = np.array(row, dtype=np.int64)
    top = (1 << order) - 1
    if ((x < 0) | (x > top) | (y < 0) | (y > top)).any():
        raise ValueError(f"cells must lie between 0 and {top}")
    place = np.zeros_like(x)
    side = 1 << (order - 1)
    while side:
        right = (x & side) > 0
        upper = (y & side) > 0
        place += side * side * ((3 * right) ^ upper)
        turn = ~upper
        flip = turn & right
        x, y = np.where(flip, top - x, x), np.where(flip, top - y, y)
        x, y = np.where(turn, y, x), np.where(turn, x, y)
        side >>= 1
    return place


def curve_place(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the place of WGS84 points along the city's Hilbert curve (int64).

    Points outside the square take the place of its nearest cell.
    """
    x, y = to_metric(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
    top = (1 << HILBERT_ORDER) - 1
    column = np.clip((x - ORIGIN_EAST_M) // HILBERT_CELL_M, 0, top).astype(np.int64)
    row = np.clip((y - ORIGIN_NORTH_M) // HILBERT_CELL_M, 0, top).astype(np.int64)
    return hilbert_index(column, row)


def assign_numbers(
    ids: list[str],
    lon: np.ndarray,
    lat: np.ndarray,
    known: dict[str, int] | None = None,
) -> list[int]:
    """Number cameras along the Hilbert curve; known ids keep their number.

    Parameters
    ----------
    ids : camera ids, each once.
    lon, lat : WGS84 degrees [n].
    known : id -> number given before. Those numbers are never given to another
        camera, also where their camera is no longer there: stored observations
        name cameras by number.

    Returns
    -------
    list of int, one a camera, all different and below 16,384. New cameras take,
    in curve order, the free number nearest above the one of the camera before
    them, so that neighbours stay close; a first numbering is 0, 1, 2 ...

    Raises
    ------
    ValueError
        When the 16,384 numbers do not suffice.
    """
    known = known or {}
    taken = np.zeros(MAX_CAMERAS, dtype=bool)
    taken[list(known.values())] = True
    fresh = [camera_id for camera_id in ids if camera_id not in known]
    if len(fresh) > int((~taken).sum()):
        raise ValueError(
            f"{len(fresh)} new cameras do not fit: numbers go to {MAX_CAMERAS - 1} "
            f"and {len(known)} are given already"
        )
    places = curve_place(lon, lat)
    numbers: dict[str, int] = {}
    previous = -1
    for i in sorted(range(len(ids)), key=lambda i: (int(places[i]), ids[i])):
        number = known.get(ids[i])
        if number is None:
            number = _free_from(taken, previous + 1)
            taken[number] = True
        numbers[ids[i]] = previous = number
    return [numbers[camera_id] for camera_id in ids]


def _free_from(taken: np.ndarray, start: int) -> int:
    """Return the first free number from `start`, going round at the end."""
    free = np.flatnonzero(~taken[start:])
    if len(free):
        return start + int(free[0])
    return int(np.flatnonzero(~taken)[0])
