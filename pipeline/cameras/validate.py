"""Find every bad row of a camera registry at once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.cameras import basemap, frame
from pipeline.errors import CameraError

if TYPE_CHECKING:
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

#: Rows shown in an error's text; the rest is counted.
SHOWN_ROWS = 20
STATUSES = ("active", "outage", "removed")
#: field -> (lowest, highest, whether the highest itself is allowed)
_RANGES = {
    "height_m": (0.5, 100.0, True),
    "heading_deg": (0.0, 360.0, False),
    "tilt_deg": (-30.0, 90.0, True),
    "fov_deg": (5.0, 360.0, True),
    "retention_days": (1, 3650, True),
    "number": (0, frame.MAX_CAMERAS - 1, True),
}
_WHOLE = ("number", "retention_days")
_REQUIRED = ("id", "number", "name", "usage")
_TEXTS = ("id", "name", "usage", "gu", "dong", "source", "status")
_WGS84_NAMES = ("CRS84", "EPSG:4326", "EPSG::4326")


@dataclass(frozen=True)
class Failure:
    """One fault: row (from 1), field, value as found, reason."""

    row: int
    field: str
    value: str
    reason: str


def failures(
    document: dict[str, Any], boundary: BaseGeometry | None = None
) -> pd.DataFrame:
    """Return all faults of a parsed registry, columns row, field, value, reason.

    Parameters
    ----------
    document : a GeoJSON FeatureCollection of cameras.
    boundary : outline the cameras must lie in, WGS84; Bucheon's by default.
    """
    import pandas as pd

    rows = [vars(failure) for failure in find(document, boundary)]
    return pd.DataFrame(rows, columns=["row", "field", "value", "reason"])


def require_valid(document: dict[str, Any], name: str) -> None:
    """Raise a CameraError with a table of all faults, if there are any."""
    found = find(document)
    if found:
        raise CameraError(report(found, name))


def report(found: list[Failure], name: str, unit: str = "row") -> str:
    """Return one sentence and a table of the faults, capped with a count."""
    rows = len({failure.row for failure in found})
    text = (
        f"{name} has {len(found):,} fault(s) in {rows:,} {unit}(s); "
        "correct them and try again."
    )
    cells = [("row", "field", "value", "reason")]
    cells += [(str(f.row), f.field, f.value, f.reason) for f in found[:SHOWN_ROWS]]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    for row in cells:
        start = "  ".join(row[i].ljust(widths[i]) for i in range(3))
        text += f"\n  {start}  {row[3]}"
    if len(found) > SHOWN_ROWS:
        text += f"\n  ... and {len(found) - SHOWN_ROWS:,} more"
    return text


def find(
    document: dict[str, Any], boundary: BaseGeometry | None = None
) -> list[Failure]:
    """Return all faults of a parsed registry in the order of rows (0: the head)."""
    found = list(_head(document))
    if found:
        return found  # positions of another frame would all look wrong
    if boundary is None:
        boundary = basemap.boundary()
    seen: dict[str, dict[Any, int]] = {"id": {}, "number": {}}
    features = document.get("features", [])
    inside = _inside(features, boundary)
    for row, feature in enumerate(features, start=1):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            found.append(_failure(row, "type", feature, "must be a GeoJSON Feature"))
            continue
        if row not in inside:
            faults = position_faults(feature, boundary)
            found += [_failure(row, *fault) for fault in faults]
        properties = feature.get("properties")
        if not isinstance(properties, dict):
            found.append(_failure(row, "properties", properties, "must be an object"))
            continue
        found += [_failure(row, *fault) for fault in property_faults(properties)]
        for name, rows in seen.items():
            value = properties.get(name)
            if not isinstance(value, str | int):
                continue
            if value in rows:
                reason = f"is a duplicate of row {rows[value]}"
                found.append(_failure(row, name, value, reason))
            rows.setdefault(value, row)
    return found


def _inside(features: list[Any], boundary: BaseGeometry) -> set[int]:
    """Return the rows whose point lies in the boundary, all tested at once."""
    import shapely

    rows, points = [], []
    for row, feature in enumerate(features, start=1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict) or geometry.get("type") != "Point":
            continue
        place = geometry.get("coordinates")
        if (
            isinstance(place, list)
            and len(place) >= 2
            and all(_is_number(value) for value in place[:2])
        ):
            rows.append(row)
            points.append((place[0], place[1]))
    if not rows:
        return set()
    lon, lat = zip(*points, strict=True)
    good = shapely.intersects_xy(boundary, lon, lat)
    return {row for row, well in zip(rows, good.tolist(), strict=True) if well}


Fault = tuple[str, Any, str]


def position_faults(feature: dict[str, Any], boundary: BaseGeometry) -> Iterator[Fault]:
    """Yield what is wrong with a Feature's point."""
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        yield "geometry", geometry, "must be a Point"
        return
    place = geometry.get("coordinates")
    if (
        not isinstance(place, list)
        or len(place) < 2
        or not all(_is_number(value) for value in place[:2])
    ):
        yield "coordinates", place, "must be two numbers, longitude and latitude"
        return
    reason = point_fault(place[0], place[1], boundary)
    if reason:
        yield "coordinates", place, reason


def point_fault(lon: float, lat: float, boundary: BaseGeometry) -> str | None:
    """Return why a WGS84 point cannot be a camera of the city, or None."""
    import shapely

    if shapely.intersects_xy(boundary, lon, lat):
        return None
    if shapely.intersects_xy(boundary, lat, lon):
        return "longitude and latitude are swapped"
    if abs(lon) > 180 or abs(lat) > 90:
        if -90 <= lon <= 90 and abs(lat) <= 180:
            return "longitude and latitude are swapped (and outside the boundary)"
        return "are no degrees; give WGS84 longitude and latitude, not metres"
    if 33 <= lon <= 39 and 124 <= lat <= 132:
        return "longitude and latitude are swapped (and outside the boundary)"
    return "lies outside the city's boundary"


def property_faults(properties: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a Feature's properties, field by field."""
    for name in _REQUIRED:
        if properties.get(name) in (None, ""):
            yield name, properties.get(name), "is missing"
    for name in _TEXTS:
        value = properties.get(name)
        if value is not None and not isinstance(value, str):
            yield name, value, "must be text"
    for name, (low, high, closed) in _RANGES.items():
        value = properties.get(name)
        if value is None:
            continue
        if not _is_number(value) or (name in _WHOLE and not isinstance(value, int)):
            kind = "a whole number" if name in _WHOLE else "a number"
            yield name, value, f"must be {kind}"
        elif not (low <= value < high or (closed and value == high)):
            bracket = "]" if closed else ")"
            yield name, value, f"must lie in [{low:g}, {high:g}{bracket}"
    status = properties.get("status")
    if isinstance(status, str) and status not in STATUSES:
        yield "status", status, f"must be one of {', '.join(STATUSES)}"
    yield from _text_forms(properties)
    for name in ("indoors", "synthetic"):
        value = properties.get(name)
        if value is not None and not isinstance(value, bool):
            yield name, value, "must be true or false"
    yield from _calibration(properties.get("calibration"))
    yield from _clips(properties.get("clips"))
    yield from _area(properties.get("area"))


def _text_forms(properties: dict[str, Any]) -> Iterator[Fault]:
    forms = {
        "resolution": (r"[1-9]\d{1,4}x[1-9]\d{1,4}", "must look like 1920x1080"),
        "installed": (r"(19|20)\d\d-(0[1-9]|1[0-2])", "must look like 2021-04"),
    }
    for name, (pattern, reason) in forms.items():
        value = properties.get(name)
        good = isinstance(value, str) and re.fullmatch(pattern, value)
        if value is not None and not good:
            yield name, value, reason


def _calibration(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, dict) or value.get("kind") != "homography":
        yield "calibration", value, "must be null or of the kind homography"
        return
    matrix = value.get("image_px_to_metric_m")
    rows = matrix if isinstance(matrix, list) else []
    if len(rows) != 3 or not all(
        isinstance(row, list) and len(row) == 3 and all(map(_is_number, row))
        for row in rows
    ):
        yield "calibration", matrix, "image_px_to_metric_m must be 3 x 3 numbers"
    else:
        (a, b, c), (d, e, f), (g, h, i) = rows
        if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) == 0:
            yield "calibration", matrix, "image_px_to_metric_m must be invertible"
    size = value.get("image_size")
    if not (
        isinstance(size, list)
        and len(size) == 2
        and all(isinstance(side, int) and side > 0 for side in size)
    ):
        yield "calibration", size, "image_size must be [width, height] in pixels"
    error = value.get("error_m")
    if error is not None and not (_is_number(error) and error >= 0):
        yield "calibration", error, "error_m must be a number of metres"


def _clips(value: Any) -> Iterator[Fault]:
    from datetime import datetime

    if value is None:
        return
    if not isinstance(value, list):
        yield "clips", value, "must be a list"
        return
    for clip in value:
        if not isinstance(clip, dict) or not isinstance(clip.get("file"), str):
            yield "clips", clip, "each clip must name its file"
            continue
        try:
            start = datetime.fromisoformat(clip.get("start", ""))
        except (TypeError, ValueError):
            yield "clips", clip.get("start"), "start must be an ISO 8601 time"
            continue
        if start.tzinfo is None:
            yield "clips", clip["start"], "start must carry a zone, as +09:00"


def _area(value: Any) -> Iterator[Fault]:
    if value is None:
        return
    reason = polygon_fault(value)
    if reason:
        yield "area", value, reason


def polygon_fault(geometry: Any) -> str | None:
    """Return why a GeoJSON polygon given by an operator is unfit, or None."""
    import shapely
    from shapely.geometry import shape

    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        return "must be a Polygon or MultiPolygon"
    try:
        area = shape(geometry)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return f"is no polygon ({error})"
    if area.is_empty:
        return "is empty"
    why = shapely.is_valid_reason(area)
    if why == "Valid Geometry":
        return None
    if "intersection" in why.lower():
        where = why.partition("[")[2].rstrip("]")
        return f"crosses itself at {where}" if where else "crosses itself"
    return f"is no valid polygon ({why})"


def _head(document: dict[str, Any]) -> Iterator[Failure]:
    """Yield what is wrong with the collection's stated frame of reference."""
    crs = document.get("crs")
    if crs is None:
        return
    try:
        name = crs["properties"]["name"]
        good = isinstance(name, str) and name.endswith(_WGS84_NAMES)
    except (KeyError, TypeError):
        name, good = crs, False
    if not good:
        reason = "is an unknown CRS here; give WGS84 longitude and latitude (CRS84)"
        yield _failure(0, "crs", name, reason)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _failure(row: int, name: str, value: Any, reason: str) -> Failure:
    text = "" if value is None else str(value)
    return Failure(row, name, text if len(text) <= 40 else text[:37] + "...", reason)
