from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.vision import faces, occlusion

TURN = st.floats(-3.1, 3.1)


@given(TURN, st.floats(0.1, 8), st.floats(-300, 300), st.floats(-300, 300))
@settings(deadline=None, max_examples=50)
def test_similarity_finds_the_turn_back(
    turn: float, scale: float, x: float, y: float
) -> None:
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = scale * faces.TEMPLATE @ rotation.T + [x, y]
    matrix = faces.similarity(moved, faces.TEMPLATE)
    back = moved @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(back, faces.TEMPLATE, atol=1e-3)


def test_landmarks_in_one_point_do_not_fail() -> None:
    same = np.full((5, 2), 7.0)
    assert np.isfinite(faces.similarity(same, faces.TEMPLATE)).all()
    assert faces.yaw(same.astype(np.float32)) == 1.0


def test_yaw_is_zero_in_front_and_signed_aside() -> None:
    assert abs(faces.yaw(faces.TEMPLATE)) < 0.02
    aside = faces.TEMPLATE.copy()
    aside[2, 0] += 12
    assert faces.yaw(aside) > 0.5
    mirrored = aside.copy()
    mirrored[:, 0] = 112 - aside[[1, 0, 2, 4, 3], 0]
    assert faces.yaw(mirrored) < -0.5


def test_quality_falls_with_size_blur_and_turn() -> None:
    cells = np.random.default_rng(1).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    fine = cv2.resize(cells, (112, 112), interpolation=cv2.INTER_NEAREST)
    mean = cv2.resize(occlusion.mean_face(), (112, 112))[..., None]
    image = np.clip(mean + 0.2 * (fine.astype(np.float32) - 127), 0, 255)
    image = image.astype(np.uint8)
    front = faces.TEMPLATE
    best = faces.quality(image, 80, front, 1.0)
    assert best > 0.9
    assert faces.quality(image, 24, front, 1.0) < best
    assert faces.quality(image, 8, front, 1.0) == 0
    blurred = cv2.GaussianBlur(image, (0, 0), 6)
    assert faces.quality(blurred, 80, front, 1.0) < 0.7 * best
    aside = front.copy()
    aside[2, 0] += 14
    assert faces.quality(image, 80, aside, 1.0) < 0.8 * best


@pytest.fixture(scope="module")
def detector(weights_dir: Path) -> faces.FaceDetector:
    return faces.FaceDetector(weights_dir)


@pytest.fixture(scope="module")
def embedder(weights_dir: Path) -> faces.FaceEmbedder:
    return faces.FaceEmbedder(weights_dir)


@pytest.mark.models
def test_nothing_is_found_where_nothing_is(detector: faces.FaceDetector) -> None:
    for shape in [(1, 1), (5, 700), (480, 640)]:
        found = detector(np.full((*shape, 3), 90, np.uint8))
        assert found.boxes.shape == (0, 4)
        assert found.landmarks.shape == (0, 5, 2)
    frame = np.zeros((480, 640, 3), np.uint8)
    found, owners = detector.in_heads(frame, np.array([[10, 10, 60, 200.0]]))
    assert len(found.scores) == len(owners) == 0
    found, owners = detector.in_heads(frame, np.empty((0, 4)))
    assert len(owners) == 0


@pytest.mark.models
@pytest.mark.media
def test_a_small_face_is_found_in_the_head_of_its_person(
    detector: faces.FaceDetector, media: Path
) -> None:
    face = cv2.imread(str(media / "faces/lfw/Aaron_Peirsol/Aaron_Peirsol_0001.jpg"))
    frame = np.full((480, 640, 3), 110, np.uint8)
    small = cv2.resize(face, (54, 54), interpolation=cv2.INTER_AREA)  # face: 20 px
    frame[60:114, 300:354] = small
    persons = np.array([[40, 40, 80, 200.0], [295, 62, 64, 180.0]])
    found, owners = detector.in_heads(frame, persons)
    assert owners.tolist() == [1]
    centre = found.boxes[0, :2] + found.boxes[0, 2:] / 2
    assert np.hypot(*(centre - [327, 87])) < 8
    assert 15 < found.boxes[0, 2] < 28


@pytest.mark.models
@pytest.mark.media
def test_the_same_people_are_told_from_others(
    detector: faces.FaceDetector, embedder: faces.FaceEmbedder, media: Path
) -> None:
    with (media / "faces" / "pairs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    same = [row for row in rows if row["same_person"] == "1"][::16]
    other = [row for row in rows if row["same_person"] == "0"][::48]
    known: dict[str, np.ndarray] = {}

    def embedding(name: str) -> np.ndarray:
        if name not in known:
            image = cv2.imread(str(media / "faces" / name))
            found = detector(image)
            middle = np.array(image.shape[1::-1]) / 2
            offset = found.boxes[:, :2] + found.boxes[:, 2:] / 2 - middle
            first = int(np.argmin(np.hypot(*offset.T)))
            aligned = faces.align(image, found.landmarks[first])
            known[name] = embedder(aligned[None])[0]
        return known[name]

    def scores(pairs: list[dict[str, str]]) -> np.ndarray:
        return np.array(
            [float(embedding(p["image_a"]) @ embedding(p["image_b"])) for p in pairs]
        )

    # Threshold of one false match in a hundred over all 4,032 pairs.
    assert (scores(same) > 0.36).mean() > 0.97
    assert (scores(other) > 0.36).mean() < 0.03
    for vector in known.values():
        assert vector.shape == (faces.DIMENSIONS,)
        assert abs(np.linalg.norm(vector) - 1) < 1e-5


@pytest.mark.models
def test_batch_and_single_results_are_equal(embedder: faces.FaceEmbedder) -> None:
    images = np.random.default_rng(2).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    together = embedder(images)
    alone = np.concatenate([embedder(image[None]) for image in images])
    assert np.allclose(together, alone, atol=1e-6)
    assert embedder(images[:0]).shape == (0, faces.DIMENSIONS)


def test_pool_weighs_and_keeps_unit_length() -> None:
    vectors = np.eye(3, dtype=np.float32)
    pooled = faces.pool(vectors, np.array([2.0, 1.0, 0.0]))
    assert np.allclose(pooled, np.array([2, 1, 0]) / np.sqrt(5))
