"""A plausible, synthetic camera network for Bucheon, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from pipeline.cameras import basemap, demo_cameras, frame, registry
from pipeline.cameras.registry import Camera
from pipeline.errors import CameraError

SEED = 20261123
COUNT = 10_820
SOURCE = "synthetic"
NOTE = (
    "Synthetic network for development and demonstration: no real camera is "
    "described. Twelve entries are bound to public recordings."
)
#: Stations (name, lon, lat), approximate: line 1, then line 7.
STATIONS = (
    ("송내역", 126.7530, 37.4876),
    ("중동역", 126.7646, 37.4868),
    ("부천역", 126.7831, 37.4842),
    ("소사역", 126.7952, 37.4827),
    ("역곡역", 126.8115, 37.4852),
    ("까치울역", 126.8110, 37.5060),
    ("부천종합운동장역", 126.7973, 37.5056),
    ("춘의역", 126.7870, 37.5036),
    ("신중동역", 126.7759, 37.5030),
    ("부천시청역", 126.7636, 37.5046),
    ("상동역", 126.7532, 37.5058),
)
#: How built-up each dong is, relative (judged; 1 where not named).
_BUILT_UP = {
    "중동": 2.0,
    "상동": 2.0,
    "심곡동": 2.2,
    "원미동": 1.6,
    "심곡본동": 1.8,
    "소사본동": 1.5,
    "송내동": 1.4,
    "약대동": 1.4,
    "원종동": 1.4,
    "대장동": 0.08,
    "작동": 0.35,
    "여월동": 0.6,
    "계수동": 0.4,
    "오정동": 0.6,
}
#: kind -> (share, anchors, spread of cameras around an anchor in metres).
_KINDS = {
    "station": (0.12, len(STATIONS), 210.0),
    "school": (0.18, 128, 110.0),
    "crossing": (0.25, 820, 18.0),
    "alley": (0.45, 1900, 55.0),
}
_USAGES = {
    "station": (("생활방범", "시설물관리", "교통정보수집"), (0.75, 0.15, 0.10)),
    "school": (("어린이보호", "생활방범", "교통단속"), (0.80, 0.14, 0.06)),
    "crossing": (
        ("생활방범", "교통단속", "교통정보수집", "차량방범"),
        (0.48, 0.24, 0.14, 0.14),
    ),
    "alley": (
        ("생활방범", "쓰레기단속", "시설물관리", "재난재해", "기타"),
        (0.83, 0.09, 0.05, 0.02, 0.01),
    ),
}
_WORDS = {"school": "어린이보호구역", "crossing": "교차로", "alley": "골목"}
_RESOLUTIONS = (("1920x1080", "2560x1440", "3840x2160"), (0.78, 0.12, 0.10))


def generate(seed: int = SEED, count: int = COUNT) -> list[Camera]:
    """Return `count` synthetic cameras; the twelve of the demonstration first.

    The stream of random numbers is numpy's frozen legacy one, so that a seed
    gives the same bytes under every later numpy.

    Raises
    ------
    CameraError
        When `count` is below 12 or above the 16,384 that numbers allow.
    """
    fixed = [{**place, "status": "active"} for place in demo_cameras.places()]
    if not len(fixed) <= count <= frame.MAX_CAMERAS:
        raise CameraError(
            f"--count {count} cannot be made; give {len(fixed)} to "
            f"{frame.MAX_CAMERAS:,} cameras."
        )
    draw = np.random.RandomState(seed)
    rows = fixed + _network(draw, count - len(fixed))
    lon = np.array([row["lon"] for row in rows])
    lat = np.array([row["lat"] for row in rows])
    ids = [f"BC-{i:05d}" for i in range(1, count + 1)]
    numbers = frame.assign_numbers(ids, lon, lat)
    homes = basemap.dong_of(lon, lat)
    cameras = []
    for i, row in enumerate(rows):
        gu, dong = homes[i]
        extra = _upkeep(draw)
        place = row.pop("place", None)
        if place is not None:
            row["name"] = f"{dong} {place}"
        cameras.append(
            Camera(
                id=ids[i],
                number=numbers[i],
                gu=gu,
                dong=dong,
                source=SOURCE,
                synthetic=True,
                **{**extra, **row},
            )
        )
    return cameras


def write(path: Path, seed: int = SEED, count: int = COUNT) -> list[Camera]:
    """Generate a network and write it, marked synthetic; return the cameras.

    Raises
    ------
    CameraError
        When the file there is a registry that is not synthetic.
    """
    if path.is_file() and registry.read_document(path).get("synthetic") is not True:
        raise CameraError(
            f"{path} is not a synthetic registry and is not overwritten; give another "
            "file with --out."
        )
    cameras = generate(seed, count)
    header = {
        "name": "camera_registry",
        "synthetic": True,
        "note": NOTE,
        "seed": seed,
        "boundary": basemap.ATTRIBUTION,
    }
    registry.save(cameras, path, header)
    return cameras


def _network(draw: np.random.RandomState, count: int) -> list[dict[str, Any]]:
    """Return `count` random cameras without ids, in curve order of their places."""
    shares = np.array([share for share, _, _ in _KINDS.values()])
    sizes = np.floor(shares * count).astype(int)
    sizes[-1] += count - sizes.sum()
    rows: list[dict[str, Any]] = []
    for kind, size in zip(_KINDS, sizes.tolist(), strict=True):
        rows += _of_kind(draw, kind, size)
    places = frame.curve_place(
        np.array([row["lon"] for row in rows]), np.array([row["lat"] for row in rows])
    )
    return [rows[i] for i in np.argsort(places, kind="stable")]


def _of_kind(
    draw: np.random.RandomState, kind: str, count: int
) -> list[dict[str, Any]]:
    _, anchors, spread = _KINDS[kind]
    if kind == "station":
        centres = np.array([station[1:] for station in STATIONS], dtype=float)
    else:
        centres = _anchors(draw, anchors)
    which, lon, lat = _around(draw, centres, spread, count)
    usages, odds = _USAGES[kind]
    seen = dict.fromkeys(range(len(centres)), 0)
    rows = []
    for i in range(count):
        anchor = int(which[i])
        seen[anchor] += 1
        word = STATIONS[anchor][0] if kind == "station" else _WORDS[kind]
        label = "" if kind == "station" else f"{anchor + 1}-"
        usage = str(draw.choice(usages, p=odds))
        traffic = usage in ("교통단속", "교통정보수집", "차량방범")
        rows.append(
            {
                "place": f"{word} {label}{seen[anchor]}",
                "lon": round(float(lon[i]), 6),
                "lat": round(float(lat[i]), 6),
                "usage": usage,
                "height_m": round(float(draw.uniform(5.0, 8.0 if traffic else 6.5)), 1),
                "heading_deg": float(draw.randint(0, 360)),
                "tilt_deg": float(draw.randint(12, 36)),
                "fov_deg": float(draw.choice([50, 60, 75, 90])),
                "resolution": str(draw.choice(_RESOLUTIONS[0], p=_RESOLUTIONS[1])),
            }
        )
    return rows


def _anchors(draw: np.random.RandomState, count: int) -> np.ndarray:
    """Return anchor points [count, 2] lon/lat, more in built-up dongs."""
    dongs = basemap.layer("dong")
    areas = dongs.to_crs(frame.METRIC_CRS).area.to_numpy()
    weights = areas * [_BUILT_UP.get(name, 1.0) for name in dongs["dong"]]
    home = draw.choice(len(dongs), size=count, p=weights / weights.sum())
    points = np.empty((count, 2))
    for dong in range(len(dongs)):
        shape = dongs.geometry.iloc[dong]
        west, south, east, north = shape.bounds
        for i in np.flatnonzero(home == dong):
            while True:
                lon, lat = draw.uniform(west, east), draw.uniform(south, north)
                if shapely.intersects_xy(shape, lon, lat):
                    points[i] = lon, lat
                    break
    return points


def _around(
    draw: np.random.RandomState, centres: np.ndarray, spread: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (anchor, lon, lat) [count] scattered around anchors, in the city."""
    outline = basemap.boundary()
    x, y = frame.to_metric(centres[:, 0], centres[:, 1])
    which = np.empty(0, dtype=int)
    lon, lat = np.empty(0), np.empty(0)
    while len(which) < count:
        anchor = draw.randint(0, len(centres), size=count)
        east = x[anchor] + draw.normal(0, spread, size=count)
        north = y[anchor] + draw.normal(0, spread, size=count)
        new_lon, new_lat = (np.round(v, 6) for v in frame.to_lonlat(east, north))
        inside = shapely.intersects_xy(outline, new_lon, new_lat)
        which = np.concatenate([which, anchor[inside]])
        lon = np.concatenate([lon, new_lon[inside]])
        lat = np.concatenate([lat, new_lat[inside]])
    return which[:count], lon[:count], lat[:count]


def _upkeep(draw: np.random.RandomState) -> dict[str, Any]:
    """Return installation month, retention and status of one camera."""
    chance = draw.uniform()
    status = "removed" if chance > 0.997 else "outage" if chance > 0.975 else "active"
    return {
        "installed": f"{draw.randint(2012, 2025)}-{draw.randint(1, 13):02d}",
        "retention_days": 30,
        "status": status,
    }
