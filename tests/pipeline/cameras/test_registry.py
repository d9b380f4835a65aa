from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.cameras import demo_cameras, frame, generate, registry, travel_time
from pipeline.errors import CameraError
from pipeline.settings import CHECKOUT
from pipeline.store import ids

COMMITTED = CHECKOUT / "camera_registry.geojson"


@pytest.fixture(scope="module")
def network() -> registry.Registry:
    return registry.load(COMMITTED)


def test_the_committed_file_is_what_generate_makes(tmp_path: Path) -> None:
    path = tmp_path / "registry.geojson"
    generate.write(path)
    assert path.read_bytes() == COMMITTED.read_bytes()


def test_network_is_complete_and_marked(network: registry.Registry) -> None:
    assert len(network) == 10_820
    assert network.header["synthetic"] is True
    assert all(camera.synthetic and camera.gu and camera.dong for camera in network)
    assert {camera.number for camera in network} == set(range(10_820))
    bound = [camera for camera in network if camera.clips]
    assert len(bound) == 12
    assert all(camera.calibration and camera.status == "active" for camera in bound)


def test_another_seed_gives_another_network() -> None:
    first, second = generate.generate(1, 60), generate.generate(2, 60)
    assert [c.lon for c in first[:12]] == [c.lon for c in second[:12]]
    assert [c.lon for c in first] != [c.lon for c in second]


def test_generate_leaves_an_imported_registry_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry.geojson"
    registry.save(generate.generate(1, 20), path, {"synthetic": False})
    before = path.read_bytes()
    with pytest.raises(CameraError, match="not overwritten"):
        generate.write(path, count=20)
    assert path.read_bytes() == before


def test_numbers_keep_neighbours_together(network: registry.Registry) -> None:
    order = np.argsort([camera.number for camera in network])
    steps = np.hypot(*np.diff(network.metric[order], axis=0).T)
    mixed = np.hypot(*np.diff(network.metric, axis=0)[:11].T)
    assert np.median(steps) < 60 < np.median(mixed)


def test_the_walk_can_be_walked(network: registry.Registry) -> None:
    walk = [c for c in network if c.clips and c.clips[0]["file"] == "vtest.avi"]
    x, y = network.metric[[network.cameras.index(c) for c in walk]].T
    starts = demo_cameras.walk_starts()
    for i in range(1, len(walk)):
        way = travel_time.distance_m(x[i - 1], y[i - 1], x[i], y[i])
        seconds = (starts[i] - starts[i - 1]).total_seconds()
        assert 250 <= way / travel_time.DETOUR_FACTOR <= 500
        assert 1.0 <= way / seconds <= 1.5
        assert seconds > travel_time.minimum_seconds(x[i - 1], y[i - 1], x[i], y[i])


def test_unknown_id_names_the_nearest(network: registry.Registry) -> None:
    assert network.get("BC-00007").clips[0]["file"] == "lab-camera-a.mp4"
    with pytest.raises(CameraError, match="BC-00007"):
        network.get("bc-7")
    assert network.by_number(network.get("BC-00042").number).id == "BC-00042"
    with pytest.raises(CameraError, match="16383"):
        network.by_number(16383)


def test_table_is_flat_and_in_the_stores_frame(network: registry.Registry) -> None:
    table = registry.to_table(network)
    east, north = ids.to_local_cm(table["lon"].to_numpy(), table["lat"].to_numpy())
    np.testing.assert_array_equal(table["east_cm"].to_numpy(), east)
    np.testing.assert_array_equal(table["north_cm"].to_numpy(), north)
    assert (frame.ORIGIN_EAST_M, frame.ORIGIN_NORTH_M, frame.METRIC_CRS) == (
        ids.ORIGIN_EAST_M,
        ids.ORIGIN_NORTH_M,
        ids.METRIC_CRS,
    )
    assert table["clips"].to_pylist()[:13] == [1] * 12 + [0]
    assert network.frame.crs.to_epsg() == 4326
    assert len(network.frame) == len(network)


def test_saved_and_loaded_is_the_same(
    network: registry.Registry, tmp_path: Path
) -> None:
    path = tmp_path / "again.geojson"
    registry.save(network.cameras[:30], path, {"synthetic": True})
    assert registry.load(path).cameras == network.cameras[:30]
    assert len(json.loads(path.read_text())["features"]) == 30


def test_missing_and_broken_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no camera registry"):
        registry.load(tmp_path / "none.geojson")
    path = tmp_path / "broken.geojson"
    path.write_text("{")
    with pytest.raises(CameraError, match="not a GeoJSON file"):
        registry.load(path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "registry.geojson"
    some = registry.load(CHECKOUT / "camera_registry.geojson").cameras[:3]
    registry.save(some, path)
    first = registry.load(path)
    assert registry.load(path) is first
    registry.save(some[:2], path)
    assert len(registry.load(path)) == 2
    path.unlink()
    with pytest.raises(CameraError):
        registry.load(path)
