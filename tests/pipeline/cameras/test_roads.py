"""Roads under the map: read from what operators have, cut into tiles."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point

from pipeline.cameras import roads
from pipeline.cameras.basemap import boundary
from pipeline.errors import CameraError

#: Tile 14/13962/6344 of the Web Mercator grid holds this place.
LON, LAT = 126.783, 37.503


def table(kind: str = "highway", crs: str = "EPSG:4326") -> gpd.GeoDataFrame:
    """Return four roads through the city, and one in another one."""
    words = {
        "highway": ["motorway", "primary", "residential", "footway", "primary"],
        "ROAD_RANK": ["101", "104", "107", "108", "103"],
        "other": ["a", "b", "c", "d", "e"],
    }[kind]
    across = [
        LineString([(126.74, LAT + step), (126.82, LAT + step)])
        for step in (0.0, 0.001, 0.002, 0.003)
    ]
    lines = [*across, LineString([(129.0, 35.1), (129.1, 35.2)])]
    return gpd.GeoDataFrame({kind: words}, geometry=lines, crs="EPSG:4326").to_crs(crs)


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Return column and row of the tile with a place."""
    number = 2**zoom
    y = np.arcsinh(np.tan(np.radians(lat))) / np.pi
    return int((lon + 180) / 360 * number), int((1 - y) / 2 * number)


def test_geopackage_in_another_frame_by_zoom(tmp_path: Path) -> None:
    path = tmp_path / "roads.gpkg"
    table(crs="EPSG:5186").to_file(path, layer="lines", driver="GPKG")
    found = roads.load(path)
    assert sorted(found.rank.tolist()) == [0, 1, 2, 3]
    shown = {
        zoom: {
            feature["properties"]["rank"]
            for feature in found.tile(zoom, *tile_of(LON, LAT, zoom))["features"]
        }
        for zoom in (10, 12, 14, 15)
    }
    assert shown == {10: {0}, 12: {0, 1}, 14: {0, 1, 2}, 15: {0, 1, 2, 3}}


def test_pmtiles(tmp_path: Path) -> None:
    path = tmp_path / "city.pmtiles"
    table().to_crs("EPSG:3857").to_file(
        path, layer="roads", driver="PMTiles", MINZOOM=10, MAXZOOM=13
    )
    found = roads.load(path)
    assert {0, 1, 2} <= set(found.rank.tolist())
    tile = found.tile(13, *tile_of(LON, LAT, 13))
    lats = [
        lat
        for feature in tile["features"]
        for line in feature["geometry"]["coordinates"]
        for _, lat in line
    ]
    assert min(lats) == pytest.approx(LAT, abs=5e-5)


def test_national_ranks_and_unknown_kinds(tmp_path: Path) -> None:
    for kind, ranks in (("ROAD_RANK", [0, 1, 2, 2]), ("other", [2, 2, 2, 2])):
        path = tmp_path / f"{kind}.geojson"
        table(kind).to_file(path, driver="GeoJSON")
        assert sorted(roads.load(path).rank.tolist()) == ranks


def test_only_the_roads_layer_and_no_rails(tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    table().assign(highway="rail").iloc[[0]].to_file(path, layer="roads")
    table().iloc[[1]].to_file(path, layer="roads", mode="a")
    table().to_file(path, layer="borders", mode="a")
    assert roads.load(path).rank.tolist() == [1]


@pytest.mark.parametrize("case", ["absent", "junk", "elsewhere", "points"])
def test_what_cannot_be_used_is_told_in_a_sentence(tmp_path: Path, case: str) -> None:
    path = tmp_path / "roads.gpkg"
    if case == "junk":
        path.write_bytes(b"no roads at all")
    elif case == "elsewhere":
        table().iloc[[4]].to_file(path)
    elif case == "points":
        gpd.GeoDataFrame(geometry=[Point(LON, LAT)], crs="EPSG:4326").to_file(path)
    with pytest.raises(CameraError, match=r"roads\.gpkg"):
        roads.load(path)


def test_names_stand_once_a_tile_along_roads_that_are_long_enough(tmp_path) -> None:
    path = tmp_path / "roads.geojson"
    named = table()
    named["name"] = ["경인로", "길주로", "", "오솔길", "x"]
    named.loc[1, "geometry"] = LineString([(126.74, LAT - 0.04), (126.82, LAT + 0.04)])
    short = LineString([(LON, LAT + 0.0002), (LON + 0.0001, LAT + 0.0002)])
    twice = gpd.GeoDataFrame(
        {"highway": ["motorway"] * 2, "name": ["경인로", "짧은길"]},
        geometry=[LineString([(126.78, LAT + 0.001), (126.79, LAT + 0.001)]), short],
        crs="EPSG:4326",
    )
    pd.concat([named, twice]).to_file(path, driver="GeoJSON")
    found = roads.load(path)

    def names(zoom: int) -> dict[str, float]:
        tile = found.tile(zoom, *tile_of(LON, LAT, zoom))["features"]
        points = [one for one in tile if one["geometry"]["type"] == "Point"]
        told = [one["properties"] for one in points]
        assert len({one["name"] for one in told}) == len(told)
        return {one["name"]: one["angle"] for one in told}

    assert names(13) == {}
    assert set(names(15)) <= {"경인로", "길주로"}
    assert names(15)["경인로"] == 0.0
    assert "오솔길" not in names(16)
    seen = {**names(14), **names(15), **names(16)}
    assert seen["길주로"] == pytest.approx(
        np.degrees(np.arctan2(1, np.cos(np.radians(LAT)))), abs=0.3
    )


@settings(max_examples=40, deadline=None)
@given(
    zoom=st.integers(10, 16),
    lon=st.floats(126.75, 126.81),
    lat=st.floats(37.48, 37.54),
)
def test_tiles_hold_what_lies_in_them(zoom: int, lon: float, lat: float) -> None:
    lines = np.array([LineString([(lon - 0.5, lat), (lon + 0.5, lat)])])
    found = roads.Roads(lines, np.array([0], np.int8), shapely.STRtree(lines))
    column, row = tile_of(lon, lat, zoom)
    (feature,) = found.tile(zoom, column, row)["features"]
    (line,) = feature["geometry"]["coordinates"]
    wide = 360 / 2**zoom
    assert line[-1][0] - line[0][0] == pytest.approx(wide, abs=2e-6)
    assert line[0][1] == pytest.approx(lat, abs=2e-6)
    assert not found.tile(zoom, column, row + 3)["features"]


def test_the_city_is_where_the_tests_think() -> None:
    assert boundary().covers(Point(LON, LAT))
