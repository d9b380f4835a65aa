"""Streets: a drawn town with a river and one bridge."""

from __future__ import annotations

import itertools
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.cameras.registry import Camera, Registry
from pipeline.errors import CameraError
from pipeline.settings import Settings
from pipeline.store import ids
from pipeline.trace import streets

DATA = Path(__file__).parents[2] / "data"
#: South-western corner of the town, local metres.
CORNER = 9000.0
#: Three streets on either side of a river, 100 m apart; the bridge is the northernmost.
SIDE = 500.0


def lonlat(places) -> np.ndarray:
    lon, lat = ids.to_lonlat(*((np.atleast_2d(places) + CORNER) * 100).T)
    return np.column_stack([lon, lat])


def town() -> list[list[tuple[float, float]]]:
    at = np.arange(0.0, SIDE + 1, 100)
    lines = [[(x, y) for y in at] for x in at]
    for y in at[:-1]:
        lines += [[(x, y) for x in at[:3]], [(x, y) for x in at[3:]]]
    lines.append([(x, SIDE) for x in at])
    lines.append([(-50.0, 150.0), (700.0, 150.0)])  # a flyover: it meets nothing
    return lines


def drawn(path: Path, lines=None, driver="GPKG", kind="residential") -> Path:
    lines = town() if lines is None else lines
    words = [kind] * len(lines)
    shapes = [shapely.LineString(lonlat(line)) for line in lines]
    frame = gpd.GeoDataFrame({"highway": words}, geometry=shapes, crs=4326)
    frame.to_file(path, driver=driver)
    return path


def osm(path: Path) -> Path:
    """Write the town as OpenStreetMap does, with the river, which is no street."""
    number = itertools.count(1)
    nodes: dict[tuple[float, float], int] = {}
    ways = []
    for line, tag in [
        *((one, "highway") for one in town()),
        ([(250, 0), (250, 450)], 0),
    ]:
        refs = [
            nodes.setdefault(tuple(map(float, place)), next(number)) for place in line
        ]
        key, value = (tag, "residential") if tag else ("waterway", "river")
        inside = "".join(f'<nd ref="{ref}"/>' for ref in refs)
        ways.append(
            f'<way id="{next(number)}" version="1">{inside}<tag k="{key}" v="{value}"/>'
            "</way>"
        )
    text = []
    for place, ref in nodes.items():
        (lon, lat) = lonlat(place)[0]
        text.append(f'<node id="{ref}" version="1" lat="{lat:.9f}" lon="{lon:.9f}"/>')
    path.write_text(f'<osm version="0.6">{"".join(text)}{"".join(ways)}</osm>')
    return path


CAMERAS = {7: (200, 10), 9: (300, 10), 11: (250, -200), 12: (150, 505), 13: (600, 152)}


def built(path: Path) -> streets.Streets:
    where = tuple((n, *map(float, lonlat(place)[0])) for n, place in CAMERAS.items())
    return streets.Streets(streets.build(path, where))


@pytest.mark.parametrize(
    "name", ["town.gpkg", "town.geojson", "town.osm", "town.osm.pbf"]
)
def test_ways_go_over_the_bridge(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".pbf":  # written once, from what `osm` writes
        path = DATA / name
    elif path.suffix == ".osm":
        osm(path)
    else:
        drawn(path, driver={".gpkg": "GPKG", ".geojson": "GeoJSON"}[path.suffix])
    known = built(path)
    one, other = np.array([7, 9, 7, 9, 7, 7]), np.array([9, 7, 7, 12, 11, 13])
    metres = known.between(one, other)
    np.testing.assert_allclose(metres[:4], [1080, 1080, 0, 640], atol=0.5)
    # Too far from every street; and on the flyover, which no street meets.
    assert np.isnan(metres[4:]).all()
    place = np.array([[200.0, 14.0], [300.0, 6.0]]) + CORNER
    least = known.least((one[:1], other[:1]), (place[:1], place[1:]))
    assert least[0] == pytest.approx(1080 - 1.3 * 8, abs=0.5)


def test_a_way_is_drawn_along_the_streets(tmp_path):
    known = built(drawn(tmp_path / "town.gpkg"))
    way = known.way(np.array([196.0, 10]) + CORNER, np.array([304.0, 60]) + CORNER)
    np.testing.assert_allclose(way[0] - CORNER, [196, 10])
    np.testing.assert_allclose(way[-1] - CORNER, [304, 60])
    assert np.hypot(*np.diff(way, axis=0).T).sum() == pytest.approx(1038, abs=0.5)
    assert (np.abs(way - CORNER - [200, 500]).max(axis=1) < 0.1).any()
    short = known.way(np.array([110.0, 3]) + CORNER, np.array([150.0, -3]) + CORNER)
    expected = [[110, 3], [110, 0], [150, 0], [150, -3]]
    np.testing.assert_allclose(short - CORNER, expected, atol=0.02)
    nowhere = np.array([250.0, 250]) + CORNER + [0, 5000]
    assert known.way(nowhere, nowhere + 10) is None
    assert known.way(*(np.array([[0.0, 0], [600, 150]]) + CORNER)) is None


def test_what_was_built_is_kept_until_the_file_or_the_cameras_change(
    tmp_path, monkeypatch
):
    path, count = drawn(tmp_path / "town.gpkg"), []
    build = streets.build
    monkeypatch.setattr(streets, "build", lambda *a: count.append(1) or build(*a))
    settings = Settings(data_dir=tmp_path / "data", streets=path)

    def metres(numbers=(7, 9)):
        streets._of.cache_clear()
        cameras = []
        for n in numbers:
            lon, lat = lonlat(CAMERAS[n])[0]
            where = float(lon), float(lat)
            cameras.append(Camera(f"C-{n}", n, "", *where, "", "", ""))
        known = streets.of(settings, Registry(cameras))
        return known.between(np.array([7]), np.array([9]))[0]

    assert metres() == metres() == pytest.approx(1080, abs=0.5)
    assert len(count) == 1
    (file,) = (tmp_path / "data" / "streets").iterdir()
    file.write_bytes(file.read_bytes()[:200])  # torn: built again
    assert metres() == pytest.approx(1080, abs=0.5)
    assert len(count) == 2
    metres((7, 9, 12))
    drawn(path, [*town(), [(200.0, 0.0), (300.0, 0.0)]])
    assert metres() == pytest.approx(120, abs=0.5)
    assert len(count) == 4
    assert streets.of(settings.model_copy(update={"streets": None}), None) is None


def test_files_that_cannot_be_used_are_told(tmp_path):
    where = ((7, *map(float, lonlat(CAMERAS[7])[0])),)
    settings = Settings(data_dir=tmp_path, streets=tmp_path / "none.gpkg")
    with pytest.raises(CameraError, match="not there"):
        streets.of(settings, Registry([]))
    (tmp_path / "bad.gpkg").write_text("no database")
    with pytest.raises(CameraError, match="cannot be read"):
        streets.build(tmp_path / "bad.gpkg", where)
    far = drawn(tmp_path / "far.gpkg", [[(90_000.0, 0.0), (90_100.0, 0.0)]])
    with pytest.raises(CameraError, match="no line near the cameras"):
        streets.build(far, where)
