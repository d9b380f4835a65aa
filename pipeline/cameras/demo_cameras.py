"""The twelve hand-placed cameras of the demonstration, bound to real clips.

Their places and clocks are made up; the clips are real. One street clip stands
for six cameras along a walk from Bucheon station north to Chunui.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pipeline.cameras import frame
from pipeline.cameras.calibration import optics_homography
from pipeline.cameras.travel_time import expected_seconds

DAY = "2025-11-03T{}+09:00"
STREET_CLIP = "vtest.avi"
STREET_NOTE = (
    "One public street recording stands for six cameras here; place and time are "
    "made up."
)
#: Image -> ground metres of the street clip (768 x 576), fitted on 38 published
#: ground-truth boxes of PETS 2009 S2.L1 view 1; residual median 1.5 cm.
STREET_HOMOGRAPHY = (
    (0.0434261693791932, -0.48010016797480826, 69.23059138393243),
    (-0.11144465370120653, -0.3167442509059362, 95.10448607301439),
    (0.0006578654843849152, 0.015300310257493543, 1.0),
)
STREET_SIZE = (768, 576)
#: Taken out of that homography (square pixels, principal point in the middle):
#: foot and height of the camera, its optical axis's angle from the x axis of its
#: right-handed frame, tilt and field of view.
STREET_FOOT_M = (-29.4, -20.0)
STREET_HEIGHT_M = 7.3
STREET_AXIS_DEG = 33.1
STREET_TILT_DEG = 16.8
STREET_FOV_DEG = 35.0
STREET_ERROR_M = 0.3
#: (name, lon, lat, heading) along the walk, 330-390 m apart.
_WALK = (
    ("부천역 북부광장", 126.7829, 37.4850, 350.0),
    ("부일로 심곡동주민센터 앞", 126.7841, 37.4880, 330.0),
    ("부천로 중앙", 126.7829, 37.4911, 15.0),
    ("부천로 사거리", 126.7846, 37.4943, 5.0),
    ("부천로 공원 앞", 126.7853, 37.4977, 20.0),
    ("춘의역 남측", 126.7868, 37.5010, 355.0),
)
_WALK_START = "14:00:00"


@dataclass(frozen=True)
class _Indoor:
    """A clip whose optics were judged by eye from people's size."""

    clip: str
    start: str
    name: str
    lon: float
    lat: float
    heading: float
    height: float
    tilt: float
    fov: float
    size: tuple[int, int]
    error_m: float


_INDOOR = (
    _Indoor(
        "lab-camera-a.mp4", "14:50:00", "춘의 테크노파크 연구실 A",
        126.78980, 37.50380, 60.0, 2.2, 30.7, 80.2, (854, 480), 0.5,
    ),
    _Indoor(
        "lab-camera-b.mp4", "14:54:00", "춘의 테크노파크 연구실 B",
        126.79025, 37.50382, 240.0, 2.2, 35.4, 80.2, (854, 480), 0.5,
    ),
    _Indoor(
        "one-by-one-person-detection.mp4", "15:20:00", "춘의 테크노파크 로비",
        126.79000, 37.50345, 120.0, 2.3, 33.5, 60.0, (768, 432), 0.5,
    ),
    _Indoor(
        "face-demographics-walking.gif", "15:50:00", "부천시청 복도",
        126.76610, 37.50340, 180.0, 1.65, 3.7, 60.0, (480, 270), 1.0,
    ),
    _Indoor(
        "classroom.gif", "16:10:00", "중동 평생학습관 강의실",
        126.76420, 37.50210, 90.0, 2.3, 15.2, 75.0, (480, 270), 1.0,
    ),
    _Indoor(
        "store-aisle-detection.gif", "16:40:00", "중동 생활용품점 매장",
        126.76280, 37.50480, 0.0, 2.4, 19.2, 60.0, (480, 270), 0.7,
    ),
)  # fmt: skip


def places() -> list[dict[str, Any]]:
    """Return the twelve cameras' properties, with lon and lat; no id or number."""
    return [*_street(), *(_indoor(entry) for entry in _INDOOR)]


def walk_starts() -> list[datetime]:
    """Return when each street camera's clip starts, so that the walk can be done.

    The person may be anywhere in the clip, and is at the same place of it each
    time: the starts lie as far apart as walking from camera to camera takes.
    """
    lon, lat = (np.array([stop[i] for stop in _WALK], dtype=float) for i in (1, 2))
    x, y = frame.to_metric(lon, lat)
    starts = [datetime.fromisoformat(DAY.format(_WALK_START))]
    for i in range(1, len(_WALK)):
        seconds = expected_seconds(x[i - 1], y[i - 1], x[i], y[i])
        starts.append(starts[-1] + timedelta(seconds=10 * math.ceil(seconds / 10)))
    return starts


def street_homography(lon: float, lat: float, heading_deg: float) -> np.ndarray:
    """Place the street clip's ground frame before a camera.

    Returns
    -------
    float64 [3, 3], pixels -> EPSG:5186 metres: the clip's own frame turned so that
    its optical axis points along the heading, and moved so that the camera's foot
    is at (lon, lat). Both frames are right-handed, so nothing is mirrored.
    """
    turn = math.radians(90.0 - heading_deg - STREET_AXIS_DEG)
    cos, sin = math.cos(turn), math.sin(turn)
    fx, fy = STREET_FOOT_M
    x, y = (float(value) for value in frame.to_metric(lon, lat))
    placed = np.array(
        [
            [cos, -sin, x - cos * fx + sin * fy],
            [sin, cos, y - sin * fx - cos * fy],
            [0.0, 0.0, 1.0],
        ]
    )
    return placed @ np.array(STREET_HOMOGRAPHY)


def _street() -> list[dict[str, Any]]:
    cameras = []
    for (name, lon, lat, heading), start in zip(_WALK, walk_starts(), strict=True):
        cameras.append(
            {
                "name": name,
                "lon": lon,
                "lat": lat,
                "usage": "생활방범",
                "height_m": STREET_HEIGHT_M,
                "heading_deg": heading,
                "tilt_deg": STREET_TILT_DEG,
                "fov_deg": STREET_FOV_DEG,
                "resolution": "768x576",
                "calibration": _homography(
                    street_homography(lon, lat, heading),
                    STREET_SIZE,
                    STREET_ERROR_M,
                    "clip's published ground truth, placed at this camera",
                ),
                "clips": (
                    {
                        "file": STREET_CLIP,
                        "start": start.isoformat(),
                        "note": STREET_NOTE,
                    },
                ),
                "indoors": False,
            }
        )
    return cameras


def _indoor(entry: _Indoor) -> dict[str, Any]:
    width, height = entry.size
    x, y = (float(value) for value in frame.to_metric(entry.lon, entry.lat))
    shift = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
    matrix = shift @ optics_homography(
        entry.height, entry.heading, entry.tilt, entry.fov, width, height
    )
    return {
        "name": entry.name,
        "lon": entry.lon,
        "lat": entry.lat,
        "usage": "시설물관리",
        "height_m": entry.height,
        "heading_deg": entry.heading,
        "tilt_deg": entry.tilt,
        "fov_deg": entry.fov,
        "resolution": f"{width}x{height}",
        "calibration": _homography(
            matrix, entry.size, entry.error_m, "optics judged by people's size"
        ),
        "clips": (
            {
                "file": entry.clip,
                "start": DAY.format(entry.start),
                "note": "Real recording; place and time are made up.",
            },
        ),
        "indoors": True,
    }


def _homography(
    matrix: np.ndarray, size: tuple[int, int], error_m: float, note: str
) -> dict[str, Any]:
    """Return the registry's form of a homography, scaled to a unit last row."""
    scaled = matrix / np.linalg.norm(matrix[2])
    return {
        "kind": "homography",
        "image_px_to_metric_m": [
            [float(f"{value:.12g}") for value in row] for row in scaled
        ],
        "image_size": list(size),
        "error_m": error_m,
        "note": note,
    }
