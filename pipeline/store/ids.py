"""Numbers that name things: tracklets, parts; and the local metric frame."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np
from pyproj import Transformer

#: Korea 2000 / Central Belt 2010 (EPSG:5186), metres; the frame of computation.
METRIC_CRS = "EPSG:5186"
WGS84 = "EPSG:4326"
#: Ground positions are stored as centimetres east and north of this point of
#: EPSG:5186, a little south-west of Bucheon, so that they fit 32 bits easily.
ORIGIN_EAST_M = 170_000.0
ORIGIN_NORTH_M = 535_000.0

#: Tracklet ids count tenths of a second from here.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_CAMERA_BITS, _TIME_BITS, _ORDINAL_BITS = 14, 32, 7
MAX_CAMERAS = 1 << _CAMERA_BITS

_TO_METRIC = Transformer.from_crs(WGS84, METRIC_CRS, always_xy=True)
_TO_WGS84 = Transformer.from_crs(METRIC_CRS, WGS84, always_xy=True)


def tracklet_ids(
    camera_no: np.ndarray, start_s: np.ndarray, ordinal: np.ndarray
) -> np.ndarray:
    """Pack camera, start and ordinal into ids that sort by camera, then time.

    Parameters
    ----------
    camera_no : integer array, 0 <= value < 16,384.
    start_s : float64 array, Unix seconds (UTC), from 2020 to 2033.
    ordinal : integer array, 0 <= value < 128, tells tracklets of one camera apart
        that start within the same tenth of a second.

    Returns
    -------
    int64 array below 2**53, so that JavaScript and JSON keep them whole.
    """
    tenths = np.floor((np.asarray(start_s) - EPOCH.timestamp()) * 10 + 1e-6)
    tenths = tenths.astype(np.int64)
    camera = np.asarray(camera_no, dtype=np.int64)
    number = np.asarray(ordinal, dtype=np.int64)
    if (tenths < 0).any() or (tenths >> _TIME_BITS).any():
        raise ValueError("start_s must lie between 2020-01-01 and 2033-08-10")
    if (camera < 0).any() or (camera >= MAX_CAMERAS).any():
        raise ValueError(f"camera_no must lie between 0 and {MAX_CAMERAS - 1}")
    if (number < 0).any() or (number >> _ORDINAL_BITS).any():
        raise ValueError("ordinal must lie between 0 and 127")
    return (camera << (_TIME_BITS + _ORDINAL_BITS)) | (tenths << _ORDINAL_BITS) | number


def camera_no_of(tracklet_id: int) -> int:
    """Return the camera number packed into a tracklet id."""
    return int(tracklet_id) >> (_TIME_BITS + _ORDINAL_BITS)


def start_of(tracklet_id: int) -> float:
    """Return the start packed into a tracklet id: Unix seconds, to a tenth."""
    tenths = (int(tracklet_id) >> _ORDINAL_BITS) & ((1 << _TIME_BITS) - 1)
    return EPOCH.timestamp() + tenths / 10


def starts_of(tracklet_ids: np.ndarray) -> np.ndarray:
    """Return the starts packed into tracklet ids: float64, as `start_of`."""
    tenths = (np.asarray(tracklet_ids) >> _ORDINAL_BITS) & ((1 << _TIME_BITS) - 1)
    return np.asarray(EPOCH.timestamp() + tenths / 10)


def digest63(*parts: object) -> int:
    """Return a stable 63-bit number for the given values (BLAKE2b)."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def to_local_cm(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WGS84 degrees -> (east_cm, north_cm) int32 arrays of the local frame."""
    x, y = _TO_METRIC.transform(lon, lat)
    return metric_to_local_cm(np.asarray(x), np.asarray(y))


def metric_to_local_cm(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """EPSG:5186 metres -> (east_cm, north_cm) int32 arrays of the local frame."""
    return _centimetres(x, ORIGIN_EAST_M), _centimetres(y, ORIGIN_NORTH_M)


def _centimetres(metres: np.ndarray, origin: float) -> np.ndarray:
    beyond = np.asarray(np.asarray(metres) - origin)
    beyond *= 100
    return np.asarray(np.rint(beyond, out=beyond).astype(np.int32))


def to_lonlat(
    east_cm: np.ndarray, north_cm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(east_cm, north_cm) of the local frame -> WGS84 (lon, lat) degrees."""
    lon, lat = _TO_WGS84.transform(
        np.asarray(east_cm) / 100 + ORIGIN_EAST_M,
        np.asarray(north_cm) / 100 + ORIGIN_NORTH_M,
    )
    return np.asarray(lon), np.asarray(lat)
