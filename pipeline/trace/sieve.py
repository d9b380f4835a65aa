"""The rows an order covers, picked out of segments and put in order by compiled code.

Fresh memory costs more than arithmetic: a row is packed into one record of a buffer
that is used again for the next hour, and from there goes straight to its place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

#: A row that is covered: times in microseconds, places in centimetres, as stored.
ROW = np.dtype(
    [
        ("id", np.int64),
        ("start", np.int64),
        ("end", np.int64),
        ("first_east", np.int32),
        ("first_north", np.int32),
        ("last_east", np.int32),
        ("last_north", np.int32),
        ("error", np.int32),
        ("width", np.float32),
        ("at", np.int32),  # number of the row in its segment; later, in the vault
        ("camera", np.uint16),
        ("mask", np.int8),
    ],
    align=True,
)
#: In place of a number that is not known.
NULL = np.iinfo(np.int32).min
#: Bits of a moment (microseconds from the first) and of what tells rows of one moment
#: apart in a sort key: 50 days and the whole of a tracklet's id but its time.
MOMENT_BITS = 42
_TIME_BITS, _CAMERA_BITS, _ORDINAL_BITS = 32, 14, 7
#: In place of the sort key of a row that is not covered.
NONE = np.iinfo(np.int64).max
#: Rows that share a bucket on average, and at most for being put in order one by one.
_BUCKET, _FEW = 8, 64


class Stored(NamedTuple):
    """Columns of a segment as stored, n rows; places and errors `NULL` if unknown."""

    id: np.ndarray  #: int64
    camera: np.ndarray  #: uint16
    start: np.ndarray  #: int64, microseconds
    end: np.ndarray  #: int64
    first_east: np.ndarray  #: int32, centimetres
    first_north: np.ndarray
    last_east: np.ndarray
    last_north: np.ndarray
    error: np.ndarray
    width: np.ndarray  #: float32
    mask: np.ndarray  #: int8
    counted: np.ndarray  #: bool


class Ground(NamedTuple):
    """Cameras of an order by number; c of them."""

    known: np.ndarray  #: bool [c], whether it is one of the order's
    place: np.ndarray  #: float64 [c, 2], metres
    reach: np.ndarray  #: float64 [c], metres to the sides; all of it is inside the area


class Columns(NamedTuple):
    """Room for the columns of `Passes`, and for the place of each row of the vault."""

    ids: np.ndarray
    camera_no: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    error_m: np.ndarray
    face_width_px: np.ndarray
    mask_code: np.ndarray
    at: np.ndarray
    place: np.ndarray


@numba.njit(cache=True, nogil=True)
def sift(
    some: Stored,
    opens: int,
    closes: int,
    ground: Ground,
    rows: np.ndarray,
    key: np.ndarray,
    sure: np.ndarray,
) -> int:
    """Pick the rows of a window and of cameras.

    Parameters
    ----------
    opens, closes : microseconds; rows lie wholly inside, and start before the end.
    rows : `ROW` [n], filled from the start.
    key : int64 [n], filled: numbers in the order of start, then id; then `NONE`.
    sure : bool [2, n], filled: whether the first and last place lie inside for sure.

    Returns
    -------
    How many there are.
    """
    count = 0
    for k in range(len(some.id)):
        camera = some.camera[k]
        begin, end = some.start[k], some.end[k]
        if not some.counted[k] or camera >= len(ground.known):
            continue
        if not ground.known[camera] or begin < opens or begin >= closes:
            continue
        if end > closes:
            continue
        row, one = rows[count], some.id[k]
        row.id, row.start, row.end = one, begin, end
        row.first_east, row.first_north = some.first_east[k], some.first_north[k]
        row.last_east, row.last_north = some.last_east[k], some.last_north[k]
        row.error, row.width = some.error[k], some.width[k]
        row.at, row.camera, row.mask = k, camera, some.mask[k]
        moment = (begin - opens) & ((1 << MOMENT_BITS) - 1)
        key[count] = _number(moment, one)
        x, y = ground.place[camera, 0], ground.place[camera, 1]
        reach = ground.reach[camera]
        east, north = _metres(row.first_east, x) - x, _metres(row.first_north, y) - y
        sure[0, count] = abs(east) <= reach and abs(north) <= reach
        east, north = _metres(row.last_east, x) - x, _metres(row.last_north, y) - y
        sure[1, count] = abs(east) <= reach and abs(north) <= reach
        count += 1
    key[count:] = NONE
    return count


@numba.njit(cache=True, nogil=True)
def ranked(key: np.ndarray) -> np.ndarray:
    """Order int32 [k] of numbers int64 [n] that are not `NONE`; equal ones stay so.

    They are dealt out to narrow ranges, and put in order within each.
    """
    n, low, high = 0, NONE, 0
    for one in key:
        if one != NONE:
            n, low, high = n + 1, min(low, one), max(high, one)
    order, value = np.empty(n, np.int32), np.empty(n, np.int64)
    if n == 0:
        return order
    shift = 0
    while ((high - low) >> shift) > n // _BUCKET:
        shift += 1
    first = np.zeros(((high - low) >> shift) + 2, np.int32)
    for one in key:
        if one != NONE:
            first[((one - low) >> shift) + 1] += 1
    for k in range(1, len(first)):
        first[k] += first[k - 1]
    for k in range(len(key)):
        one = key[k]
        if one != NONE:
            bucket = (one - low) >> shift
            at = first[bucket]
            first[bucket] = at + 1
            value[at], order[at] = one, k
    begin = 0
    for end in first[:-1]:
        if end - begin > _FEW:
            within = np.argsort(value[begin:end], kind="mergesort")
            order[begin:end] = order[begin:end][within]
        else:
            for k in range(begin + 1, end):
                one, row, at = value[k], order[k], k
                while at > begin and value[at - 1] > one:
                    value[at], order[at] = value[at - 1], order[at - 1]
                    at -= 1
                value[at], order[at] = one, row
        begin = end
    return order


@numba.njit(cache=True, nogil=True)
def put(
    rows: np.ndarray,
    order: np.ndarray,
    base: int,
    camera: np.ndarray,
    uncalibrated_m: float,
    to: Columns,
) -> None:
    """Write rows in an order from place `base` on.

    Parameters
    ----------
    camera : float64 [c, 2], metres; its place stands for what is not known.
    uncalibrated_m : the error of a place that is not known.
    """
    for k in range(len(order)):
        row, at = rows[order[k]], base + k
        x, y = camera[row.camera, 0], camera[row.camera, 1]
        to.ids[at], to.camera_no[at] = row.id, row.camera
        to.start[at], to.end[at] = row.start / 1e6, row.end / 1e6
        to.first[at, 0] = _metres(row.first_east, x)
        to.first[at, 1] = _metres(row.first_north, y)
        to.last[at, 0] = _metres(row.last_east, x)
        to.last[at, 1] = _metres(row.last_north, y)
        to.error_m[at] = _metres(row.error, uncalibrated_m)
        to.face_width_px[at], to.mask_code[at] = row.width, row.mask
        to.at[at], to.place[row.at] = row.at, at


@numba.njit(cache=True, nogil=True)
def _number(moment: Any, one: Any) -> Any:
    """Sort key of moments (microseconds) and ids, of one or of many.

    Ids hold camera, start and ordinal: of one moment, the others decide.
    """
    camera = (one >> (_TIME_BITS + _ORDINAL_BITS)) & ((1 << _CAMERA_BITS) - 1)
    number = (moment << _CAMERA_BITS) | camera
    return (number << _ORDINAL_BITS) | (one & ((1 << _ORDINAL_BITS) - 1))


@numba.njit(cache=True, nogil=True)
def _metres(centimetres: int, unknown: float) -> float:
    return unknown if centimetres == NULL else centimetres / 100


def order(moment: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Order of moments (int64 [n], microseconds >= 0), then ids: as `ranked`."""
    if int(moment.max(initial=0)) >> MOMENT_BITS:
        return np.lexsort((ids, moment))
    return np.argsort(_number(moment, ids), kind="stable")


def places(rows: np.ndarray, which: str, camera: np.ndarray) -> np.ndarray:
    """Return the first or last places of rows, as `put` writes them: [n, 2], metres."""
    stored = np.column_stack([rows[f"{which}_{way}"] for way in ("east", "north")])
    return np.where(stored == NULL, camera[rows["camera"]], stored / 100)
