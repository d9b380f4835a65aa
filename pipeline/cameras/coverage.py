"""The ground a camera sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cameras import calibration, frame
from pipeline.cameras.registry import Camera

if TYPE_CHECKING:
    from shapely import Polygon

#: A person is seen, not recognised, to about this range with 1080p; indoors
#: walls end it sooner.
OUTDOOR_RANGE_M = 60.0
INDOOR_RANGE_M = 20.0
#: Radius taken for a camera of unknown direction (they turn).
UNKNOWN_RADIUS_M = 30.0
_DEFAULT_SIZE = (1920, 1080)


def polygon(camera: Camera) -> Polygon:
    """Return the ground a camera covers, WGS84.

    An `area` polygon given by the operator wins; then the projected image, cut
    at 60 m (20 m indoors); then a sector by heading and field of view; then a
    circle of 30 m.
    """
    import shapely
    from shapely.geometry import shape

    if camera.area:
        return shape(camera.area)
    metric = metric_polygon(camera)
    return shapely.transform(
        metric, lambda xy: np.column_stack(frame.to_lonlat(xy[:, 0], xy[:, 1]))
    )


def metric_polygon(camera: Camera) -> Polygon:
    """Return the covered ground in EPSG:5186 metres (see `polygon`)."""
    from shapely import Point

    x, y = (float(value) for value in frame.to_metric(camera.lon, camera.lat))
    reach = INDOOR_RANGE_M if camera.indoors else OUTDOOR_RANGE_M
    seen = _projected(camera, x, y, reach)
    if seen is not None:
        return seen
    if camera.heading_deg is not None:
        return _sector(x, y, camera.heading_deg, camera.fov_deg or 80.0, reach)
    return Point(x, y).buffer(min(reach, UNKNOWN_RADIUS_M), quad_segs=8)


def _projected(camera: Camera, x: float, y: float, reach: float) -> Polygon | None:
    """Return the image's outline on the ground, or None where it has none."""
    from shapely import MultiPoint, Polygon

    size = (camera.calibration or {}).get("image_size") or camera.image_size
    width, height = size or _DEFAULT_SIZE
    projector = calibration.ground_projector(camera, width, height)
    if projector is None:
        return None
    columns, rows = np.meshgrid(
        np.linspace(0, width, 13), np.linspace(0, height, 49), indexing="xy"
    )
    east, north, _ = projector.project(np.column_stack([columns.flat, rows.flat]))
    good = np.isfinite(east) & (np.hypot(east - x, north - y) <= reach)
    hull = MultiPoint(np.column_stack([east[good], north[good]])).convex_hull
    return hull if isinstance(hull, Polygon) and hull.area > 1.0 else None


def _sector(x: float, y: float, heading: float, fov: float, reach: float) -> Polygon:
    """Return a sector of a circle as a polygon."""
    from shapely import Polygon

    angles = np.linspace(heading - fov / 2, heading + fov / 2, 13)
    rim = [
        (x + reach * math.sin(math.radians(a)), y + reach * math.cos(math.radians(a)))
        for a in angles
    ]
    return Polygon([(x, y), *rim])
