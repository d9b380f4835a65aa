from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cameras import calibration, coverage, demo_cameras, frame
from pipeline.cameras.registry import Camera

BASE = Camera(
    id="T-1", number=1, name="시험", lon=126.78, lat=37.49, usage="기타", gu="", dong=""
)
optics = st.fixed_dictionaries(
    {
        "height_m": st.floats(2.0, 10.0),
        "heading_deg": st.floats(0, 359.9),
        "tilt_deg": st.floats(10, 60),
        "fov_deg": st.floats(40, 100),
    }
)


@given(optics, st.floats(0.2, 1.0), st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=60)
def test_round_trip_and_side(given_optics: dict, down: float, across: float) -> None:
    camera = replace(BASE, **given_optics)
    projector = calibration.ground_projector(camera, 1280, 720)
    assert projector is not None
    foot = np.array([[across * 1280, down * 720], [640, 720]])
    x, y, error = projector.project(foot)
    if np.isfinite(x[0]):
        np.testing.assert_allclose(projector.image_of(x, y), foot, atol=1e-3)
        assert error[0] > 0
    # The middle column lies along the heading, farther up is farther away.
    rows = np.linspace(720, 0, 30)
    x, y, _ = projector.project(np.column_stack([np.full(30, 640.0), rows]))
    seen = np.isfinite(x)
    heading = np.radians(given_optics["heading_deg"])
    right = (x - projector.x_m) * np.cos(heading) - (y - projector.y_m) * np.sin(
        heading
    )
    ahead = (x - projector.x_m) * np.sin(heading) + (y - projector.y_m) * np.cos(
        heading
    )
    np.testing.assert_allclose(right[seen], 0, atol=1e-6)
    assert (np.diff(ahead[seen]) > 0).all()
    assert not seen[np.argmax(~seen) :].any() or seen.all()


@given(optics)
@settings(deadline=None, max_examples=30)
def test_projected_points_lie_in_the_coverage(given_optics: dict) -> None:
    from shapely import Point

    camera = replace(BASE, resolution="1920x1080", **given_optics)
    ground = coverage.metric_polygon(camera)
    projector = calibration.ground_projector(camera, 1920, 1080)
    assert projector is not None
    x, y, _ = projector.project([[960, 1080], [960, 900], [400, 1000]])
    reach = np.hypot(x - projector.x_m, y - projector.y_m)
    for i in np.flatnonzero(reach < coverage.OUTDOOR_RANGE_M * 0.8):
        assert ground.buffer(0.5).contains(Point(x[i], y[i]))
    assert coverage.polygon(camera).is_valid


def test_without_optics_there_is_no_projector_but_a_coverage() -> None:
    assert calibration.ground_projector(BASE, 640, 480) is None
    assert coverage.metric_polygon(BASE).area == pytest.approx(np.pi * 900, rel=0.02)
    sector = coverage.metric_polygon(replace(BASE, heading_deg=90.0))
    x, _ = frame.to_metric(BASE.lon, BASE.lat)
    assert sector.centroid.x > float(x) + 10


def test_other_image_size_gives_the_same_ground() -> None:
    camera = Camera(id="A", number=0, gu="", dong="", **demo_cameras.places()[0])
    full = calibration.ground_projector(camera, 768, 576)
    half = calibration.ground_projector(camera, 384, 288)
    assert full is not None
    assert half is not None
    one, two = full.project([[300, 400]]), half.project([[150, 200]])
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


@pytest.mark.media
def test_street_clip_keeps_true_distances(media: Path) -> None:
    camera = Camera(id="A", number=0, gu="", dong="", **demo_cameras.places()[0])
    projector = calibration.ground_projector(camera, 768, 576)
    assert projector is not None
    with (media / "video" / "vtest-truth-sample.csv").open() as stream:
        rows = [{k: float(v) for k, v in r.items()} for r in csv.DictReader(stream)]
    feet = [[r["x"] + r["w"] / 2, r["y"] + r["h"]] for r in rows]
    truth = np.array([[r["world_x_m"], r["world_y_m"]] for r in rows])
    x, y, _ = projector.project(np.array(feet))
    between = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y))
    true = np.linalg.norm(truth[:, None] - truth[None], axis=2)
    assert np.abs(between - true).max() < 0.6
    assert np.median(np.abs(between - true)) < 0.1


#: (camera, foot row, head row, column, metres) read off frames of the clips.
_PEOPLE = (
    (6, 286, 29, 289), (6, 412, 57, 306), (7, 360, 26, 520), (7, 237, 6, 420),
    (8, 370, 10, 440), (9, 266, 101, 315), (11, 268, 75, 360),
)  # fmt: skip


@pytest.mark.parametrize(("index", "foot", "head", "column"), _PEOPLE)
def test_people_come_out_as_tall_as_people(
    index: int, foot: int, head: int, column: int
) -> None:
    place = demo_cameras.places()[index]
    camera = Camera(id="A", number=0, gu="", dong="", **place)
    width, height = camera.image_size or (0, 0)
    projector = calibration.ground_projector(camera, width, height)
    assert projector is not None
    assert camera.height_m is not None
    x, y, _ = projector.project([[column, foot]])
    distance = np.hypot(x - projector.x_m, y - projector.y_m)[0]
    focal = width / 2 / np.tan(np.radians(camera.fov_deg) / 2)
    down = np.radians(camera.tilt_deg) + np.arctan((head - height / 2) / focal)
    side = np.cos(np.arctan((column - width / 2) / focal))
    tall = camera.height_m - distance * side * np.tan(down)
    assert 1.45 <= tall <= 2.0
