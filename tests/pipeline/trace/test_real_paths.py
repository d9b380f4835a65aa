"""Whole paths over real footage: real faces of 15 to 40 px, real clothing.

Strangers in real footage resemble each other far more than simulated ones: faces of
that size of different people reach a cosine of 0.5. These tests hold a calibration
to what is on the street.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import demo
from pipeline.cameras import registry
from pipeline.footage.ingest import ingest
from pipeline.settings import CHECKOUT, Settings
from pipeline.store import reader
from pipeline.trace import run

pytestmark = [pytest.mark.media, pytest.mark.models]


@pytest.fixture(scope="module")
def network() -> registry.Registry:
    return registry.load(CHECKOUT / "camera_registry.geojson")


def analysed(
    settings: Settings, network: registry.Registry, folder: Path, clips: set[str]
) -> list[demo.Binding]:
    bound = [b for b in demo.bindings(network, [folder]) if b.clip.name in clips]
    for binding in bound:
        ingest(binding.clip, binding.camera.id, settings=settings)
    return bound


def path(settings: Settings, bound: list[demo.Binding], tracklet: int) -> list[dict]:
    authorisation = demo.order_for_demo(settings, bound)
    found = run.trace(authorisation, settings=settings, tracklet=tracklet)
    return [row for row in found.sightings.to_pylist() if row["on_path"]]


def test_the_walker_is_found_before_the_second_camera(
    settings: Settings,
    network: registry.Registry,
    media: Path,
    weights_dir: Path,
    tmp_path: Path,
) -> None:
    """The same eight seconds of a street at two cameras, six minutes apart."""
    first_frames(media / "video" / demo.STREET_CLIP, tmp_path / demo.STREET_CLIP)
    bound = demo.bindings(network, [tmp_path])[:2]
    for binding in bound:
        ingest(binding.clip, binding.camera.id, settings=settings)
    pointed = demo.suspect(settings, bound)
    on_path = path(settings, bound, pointed)
    assert [row["camera_id"] for row in on_path] == [one.camera.id for one in bound]
    same = demo.same_pass(settings, bound, pointed)
    assert [pointed, *same] == [row["tracklet_id"] for row in on_path]
    passes = {row["tracklet_id"]: row for row in reader.tracklets(settings).to_pylist()}
    first, second = (passes[row["tracklet_id"]] for row in on_path)
    box = ("best_x", "best_y", "best_w", "best_h")
    assert [first[name] for name in box] == [second[name] for name in box]


def test_the_man_of_the_laboratory_is_no_passer_by(
    settings: Settings, network: registry.Registry, media: Path, weights_dir: Path
) -> None:
    """His path is both cameras of the laboratory; the people of other clips are not.

    They were filmed elsewhere, at a time he could have walked there.
    """
    clips = {"lab-camera-a.mp4", "lab-camera-b.mp4", "face-demographics-walking.gif"}
    bound = analysed(settings, network, media / "video", clips)
    assert len(bound) == 3
    first, second, elsewhere = (one.camera for one in bound)
    rows = reader.tracklets(settings).to_pylist()
    man = max(
        (row for row in rows if row["camera_id"] == first.id),
        key=lambda row: row["end_at"] - row["start_at"],
    )
    again = max(
        (row for row in rows if row["camera_id"] == second.id),
        key=lambda row: row["best_w"] * row["best_h"],
    )
    assert any(row["camera_id"] == elsewhere.id for row in rows)
    on_path = path(settings, bound, man["tracklet_id"])
    assert [row["tracklet_id"] for row in on_path] == [
        man["tracklet_id"],
        again["tracklet_id"],
    ]


def first_frames(clip: Path, target: Path, frames: int = 80) -> None:
    """Copy the beginning of a clip, packet by packet."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number == frames or packet.dts is None:
                break
            packet.stream = stream
            out.mux(packet)
