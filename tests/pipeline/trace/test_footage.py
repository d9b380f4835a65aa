"""A real man before two real cameras."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cameras import registry as registries
from pipeline.footage.ingest import ingest
from pipeline.settings import get_settings
from pipeline.store import reader
from pipeline.trace.run import trace

START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)


@pytest.mark.media
@pytest.mark.models
def test_the_man_in_the_first_clip_ranks_first_in_the_second(
    media, weights_dir, world, authorise, monkeypatch, tmp_path
):
    """The man is the large figure of the second clip; another person walks behind."""
    world.camera(0, 0, indoors=True)
    world.camera(150, 0, indoors=True)
    path = tmp_path / "camera_registry.geojson"
    registries.save(world.cameras, path)
    monkeypatch.setenv("DONGSEON_REGISTRY", str(path))
    get_settings.cache_clear()
    settings = get_settings()
    for camera, name, minutes in (
        ("BC-00001", "lab-camera-a.mp4", 0),
        ("BC-00002", "lab-camera-b.mp4", 4),
    ):
        start = START + timedelta(minutes=minutes)
        ingest(media / "video" / name, camera, start, settings=settings)
    passes = reader.tracklets(settings).to_pylist()
    seed = max(
        (p for p in passes if p["camera_no"] == 1), key=lambda p: p["detections"]
    )
    others = sorted(
        (p for p in passes if p["camera_no"] == 2),
        key=lambda p: p["best_w"] * p["best_h"],
    )
    assert len(others) >= 2
    man, second = others[-1]["tracklet_id"], others[0]["tracklet_id"]
    result = trace(
        authorise(), settings=settings, tracklet=seed["tracklet_id"]
    ).sightings.to_pylist()
    rank = {row["tracklet_id"]: row for row in result}
    assert rank[man]["posterior"] > 0.1
    assert rank[man]["llr"] > 0
    if second in rank:
        assert rank[second]["posterior"] < rank[man]["posterior"]
        assert rank[second]["llr"] < rank[man]["llr"]
