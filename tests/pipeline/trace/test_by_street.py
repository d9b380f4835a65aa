"""Traces where the streets are known: two banks of a river, one bridge far off."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from pipeline.store import ids
from pipeline.trace.run import trace
from tests.pipeline.trace.conftest import CORNER


@pytest.fixture
def banks(world, tmp_path):
    """Two cameras 80 m apart; by the streets it is 1,880 m."""
    lines = [[(0, -50), (0, 900)], [(80, -50), (80, 900)], [(0, 900), (80, 900)]]
    shapes = []
    for line in lines:
        lon, lat = ids.to_lonlat(*((np.array(line, float) + CORNER) * 100).T)
        shapes.append(shapely.LineString(np.column_stack([lon, lat])))
    path = tmp_path / "streets.gpkg"
    frame = gpd.GeoDataFrame({"highway": ["service"] * 3}, geometry=shapes, crs=4326)
    frame.to_file(path, driver="GPKG")
    return path, world.camera(0, 0), world.camera(80, 0)


@pytest.mark.parametrize(("seconds", "both"), [(40.0, False), (900.0, True)])
def test_a_river_is_crossed_by_its_bridge_only(world, banks, authorise, seconds, both):
    path, one, other = banks
    for number in (one, other):
        world.film(number, 0, 3000)
    for n in range(4):
        world.stand(world.person(), one, 50.0 + 500 * n, 8, offset=(0, 9))
        world.stand(world.person(), other, 80.0 + 500 * n, 8, offset=(0, 9))
    patient = world.person()
    mine = world.walk(patient, one, 100, [[0, -2], [0, -1], [0, 0], [0, 1]])
    later = world.walk(patient, other, 104 + seconds, [[80, 1], [80, 0], [80, -1]])
    registry, order = world.publish(), authorise()

    def found(**more):
        settings = world.settings.model_copy(update=more)
        result = trace(order, settings=settings, tracklet=mine, registry=registry)
        rows = result.sightings.to_pylist()
        legs = [leg for leg in result.legs.to_pylist() if leg["kind"] == "inferred"]
        return {r["tracklet_id"] for r in rows if r["on_path"]}, legs

    passes, legs = found()
    assert passes == {mine, later}
    assert legs[0]["metres"] == pytest.approx(80 * 1.3, abs=1)
    assert len(legs[0]["lon"]) == 2
    passes, legs = found(streets=path)
    assert passes == ({mine, later} if both else {mine})
    if both:
        (leg,) = legs
        assert leg["metres"] == pytest.approx(899 + 80 + 899, abs=2)
        _, north = ids.to_local_cm(np.array(leg["lon"]), np.array(leg["lat"]))
        assert north.max() / 100 == pytest.approx(CORNER[1] + 900, abs=0.5)
        assert (np.diff(leg["second"]) >= 0).all()
        assert leg["second"][-1] - leg["second"][0] == pytest.approx(seconds + 1, abs=1)
