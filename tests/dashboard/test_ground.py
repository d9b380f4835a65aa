"""The operator's roads under the map: declared, in tiles, or told missing."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pytest
from shapely.geometry import LineString

from dashboard import serving
from dashboard.maps import basemap, layers
from pipeline.settings import Settings, get_settings

WITHOUT = "no roads here"
#: A tile that a line through the middle of the city crosses.
TILE = "roads/13/6981/3174.json"


@pytest.fixture
def roads(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "roads.geojson"
    lines = [LineString([(126.70, 37.503), (126.86, 37.503)])]
    gpd.GeoDataFrame({"highway": ["primary"]}, geometry=lines, crs="EPSG:4326").to_file(
        path, driver="GeoJSON"
    )
    monkeypatch.setenv("DONGSEON_ROADS", str(path))
    monkeypatch.setenv("DONGSEON_ROADS_SOURCE", "© the operator")
    get_settings.cache_clear()
    return path


def test_roads_lie_between_the_city_and_its_borders(roads: Path) -> None:
    found = [layer.id for layer in layers.base(serving.ground())]
    assert found.index("base-boundary") < found.index("base-roads")
    assert found.index("base-roads") < found.index("base-dong")
    (spec,) = (
        layer
        for layer in json.loads(
            layers.to_json(
                layers.deck(layers.base(serving.ground()), (126, 37, 127, 38))
            )
        )["layers"]
        if layer["id"] == "base-roads"
    )
    assert spec["data"].endswith("/roads/{z}/{x}/{y}.json")
    assert basemap.notes("en", WITHOUT) == [
        basemap.ATTRIBUTION["en"],
        "© the operator",
    ]


def test_a_tile_is_handed_out_and_kept_by_what_the_file_was(roads: Path) -> None:
    found = json.loads(serving.asset(TILE).body)
    assert [one["properties"]["rank"] for one in found["features"]] == [1]
    before = serving.url("roads")
    roads.write_text(roads.read_text().replace("primary", "footway"))
    assert serving.url("roads") != before
    assert json.loads(serving.asset(TILE).body)["features"] == []  # paths: from 15 on
    for wrong in ("roads/13/x/1.json", "roads/../../etc/passwd", "roads/1/2.json"):
        with pytest.raises(KeyError):
            serving.asset(wrong)


def test_what_is_wrong_with_the_roads_is_told_on_the_map(roads: Path) -> None:
    roads.write_text("nothing of the kind")
    _, told = basemap.notes("ko", WITHOUT)
    assert str(roads) in told
    with pytest.raises(KeyError):
        serving.asset(TILE)


def test_without_roads_the_map_says_so(settings: Settings) -> None:
    assert "roads" not in serving.ground()
    assert basemap.notes("ko", WITHOUT) == [basemap.ATTRIBUTION["ko"], WITHOUT]
    with pytest.raises(KeyError):
        serving.asset(TILE)
