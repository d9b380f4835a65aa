"""The demonstration's choices: which clips, whom it points at, under which order."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from pipeline import demo
from pipeline.cameras import registry
from pipeline.casebook import orders
from pipeline.commands.demo import analyse
from pipeline.errors import FootageError
from pipeline.settings import CHECKOUT, Settings
from pipeline.store import ids, reader, writer

COLUMNS = ("first_east_cm", "first_north_cm", "last_east_cm", "last_north_cm")


@pytest.fixture(scope="module")
def network() -> registry.Registry:
    return registry.load(CHECKOUT / "camera_registry.geojson")


def test_twelve_cameras_are_bound_in_order_of_their_clips(
    network: registry.Registry, tmp_path: Path
) -> None:
    for camera in network.cameras:
        for entry in camera.clips:
            (tmp_path / entry["file"]).touch()
    bound = demo.bindings(network, [tmp_path])
    assert len(bound) == 12
    assert sum(one.clip.name == demo.STREET_CLIP for one in bound) == 6
    assert all(one.camera.calibration for one in bound)
    starts = [
        datetime.fromisoformat(entry["start"])
        for one in bound
        for entry in one.camera.clips
        if entry["file"] == one.clip.name
    ]
    assert starts == sorted(starts)


def test_own_footage_comes_first_and_a_missing_folder_is_refused(
    settings: Settings, network: registry.Registry, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    with pytest.raises(FootageError, match="--footage"):
        demo.footage_folders(settings, own)
    own.mkdir()
    (settings.data_dir / "footage").mkdir(parents=True)
    for folder in (own, settings.data_dir / "footage"):
        (folder / demo.STREET_CLIP).touch()
    folders = demo.footage_folders(settings, own)
    assert folders[0] == own
    street = [one for one in demo.bindings(network, folders) if one.clip.parent == own]
    assert len(street) == 6


def publish(settings: Settings, camera: registry.Camera, ways_m: list[float]) -> None:
    """Store one tracklet for each way, that long; nan: without ground points."""
    start = datetime(2025, 11, 3, 5, tzinfo=UTC)
    ways = np.array(ways_m)
    count = len(ways)
    begin = start.timestamp() + np.arange(count)
    ground = {
        name: pa.array(
            [
                None if np.isnan(way) else round(place)
                for way, place in zip(ways, at, strict=True)
            ],
            pa.int32(),
        )
        for name, at in zip(
            COLUMNS, (0 * ways, 0 * ways, 60 * ways, 80 * ways), strict=True
        )
    }
    moments = pa.array(begin * 1e6, pa.float64()).cast(pa.int64())
    moments = moments.cast(pa.timestamp("us", tz="UTC"))
    tracklets = pa.table(
        {
            "tracklet_id": ids.tracklet_ids(
                np.full(count, camera.number), begin, np.arange(count)
            ),
            "camera_id": [camera.id] * count,
            "camera_no": [camera.number] * count,
            "start_at": moments,
            "end_at": moments,
            "detections": np.arange(count) + 10,
            **ground,
        }
    )
    footage = pa.table(
        {
            "footage_id": [camera.id],
            "part": [0],
            "camera_id": [camera.id],
            "camera_no": [camera.number],
            "start_at": [start],
            "end_at": [start + timedelta(minutes=5)],
            "source": ["clip.avi"],
        }
    )
    detections = pa.table(
        {
            "tracklet_id": tracklets["tracklet_id"],
            "camera_no": tracklets["camera_no"],
            "second": pa.array(begin.astype(np.int32)),
            "at": moments,
        }
    )
    writer.publish(settings, footage, tracklets, detections)


def test_the_demo_points_at_who_walked_farthest(
    settings: Settings, network: registry.Registry
) -> None:
    bound = [demo.Binding(camera, Path("x")) for camera in network.cameras[:3]]
    with pytest.raises(FootageError, match="nobody to trace"):
        demo.suspect(settings, bound)
    publish(settings, bound[2].camera, [90.0])
    publish(settings, bound[1].camera, [0.1, 12.0, float("nan"), 3.0])
    chosen = demo.suspect(settings, bound)  # nothing was seen before the first
    numbers = [bound[1].camera.number]
    table = reader.tracklets(settings, camera_numbers=numbers)
    assert table["tracklet_id"].to_pylist().index(chosen) == 1


def test_without_ground_points_the_longest_pass_is_taken(
    settings: Settings, network: registry.Registry
) -> None:
    bound = [demo.Binding(network.cameras[0], Path("x"))]
    publish(settings, bound[0].camera, [float("nan")] * 3)
    table = reader.tracklets(settings)
    assert demo.suspect(settings, bound) == table["tracklet_id"][2].as_py()


def test_the_demos_order_is_approved_by_another_and_covers_the_clips(
    settings: Settings, network: registry.Registry, tmp_path: Path
) -> None:
    for camera in network.cameras:
        for entry in camera.clips:
            (tmp_path / entry["file"]).touch()
    bound = demo.bindings(network, [tmp_path])
    authorisation = demo.order_for_demo(settings, bound)
    again = demo.order_for_demo(settings, bound)
    assert again.order_id == authorisation.order_id
    (order,) = orders.list_orders(settings.user, case=demo.CASE, settings=settings)
    assert order.requested_by != order.decided_by == demo.APPROVER
    for binding in bound:
        for entry in binding.camera.clips:
            start = datetime.fromisoformat(entry["start"])
            assert authorisation.window_start <= start < authorisation.window_end


@pytest.mark.models
@pytest.mark.media
def test_each_clip_gets_a_line_of_figures(
    settings: Settings, network: registry.Registry, media: Path, weights_dir: Path
) -> None:
    bound = [
        one
        for one in demo.bindings(network, [media / "video"])
        if one.clip.suffix == ".gif"
    ][:1]
    console = Console(record=True, width=200)
    analyse(bound, settings, console)
    text = " ".join(console.export_text().split())
    found = re.search(
        r"(\d+) frames read, (\d+) analysed; (\d+) persons in (\d+) tracklets", text
    )
    assert found, text
    read, analysed, persons, tracklets = (int(figure) for figure in found.groups())
    assert read >= analysed > 0
    stored = reader.footage(settings).to_pylist()
    assert sum(part["frames_read"] for part in stored) == read
    assert sum(part["persons"] for part in stored) == persons
    assert len(reader.tracklets(settings)) == tracklets
    masks = re.search(r"masks: (\d+) worn, (\d+) incorrect, (\d+) none, (\d+) un", text)
    assert masks
    assert sum(int(figure) for figure in masks.groups()) == tracklets
