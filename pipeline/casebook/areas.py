"""Areas that orders cover: WGS84 lon/lat polygons."""

from __future__ import annotations

import json
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import DongseonError
from pipeline.settings import CHECKOUT, Settings

#: Largest area of an order in square degrees: some 40 km x 40 km. An order is
#: for a city, not for the country.
LARGEST_SQUARE_DEGREES = 0.16


def default(settings: Settings) -> BaseGeometry:
    """Return the boundary of Bucheon from the base map.

    Raises
    ------
    DongseonError
        If the base map has none.
    """
    for folder in (settings.data_dir / "basemap", CHECKOUT / "data" / "basemap"):
        for path in sorted(folder.glob("bucheon_boundary*.geojson")):
            return read(path)
    raise DongseonError(
        "The base map has no boundary of Bucheon (data/basemap/bucheon_boundary"
        "*.geojson); give the order's area with --area FILE.geojson.",
        code="area_missing",
    )


def read(path: Path) -> BaseGeometry:
    """Return the union of all polygons of a GeoJSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        features = content.get("features", [content])
        shapes = [
            shapely.from_geojson(json.dumps(item.get("geometry", item)))
            for item in features
        ]
    except FileNotFoundError as error:
        raise DongseonError(f"The area file {path} does not exist.") from error
    except (OSError, ValueError, AttributeError, shapely.GEOSException) as error:
        raise DongseonError(
            f"The area file {path} is no readable GeoJSON ({error}); give a Polygon "
            "in WGS84 lon/lat."
        ) from error
    return checked(shapely.union_all(shapes))


def checked(area: BaseGeometry) -> BaseGeometry:
    """Return the area if an order can cover it.

    Raises
    ------
    DongseonError
        If it is no valid polygon in WGS84 degrees, or too large.
    """
    if area.geom_type not in ("Polygon", "MultiPolygon") or area.is_empty:
        raise DongseonError(
            f"An order's area must be a polygon that covers something, got "
            f"{'an empty ' if area.is_empty else 'a '}{area.geom_type}."
        )
    if not area.is_valid:
        raise DongseonError(
            f"The order's area is no valid polygon ({shapely.is_valid_reason(area)}); "
            "draw it without crossing itself."
        )
    west, south, east, north = area.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise DongseonError(
            f"The order's area reaches from {west:.3f}, {south:.3f} to {east:.3f}, "
            f"{north:.3f}: give WGS84 degrees, longitude first."
        )
    if area.area > LARGEST_SQUARE_DEGREES:
        raise DongseonError(
            f"The order's area covers {area.area:.2f} square degrees, more than "
            f"{LARGEST_SQUARE_DEGREES}; an order is for places the patient can have "
            "been, not for the country."
        )
    return area
