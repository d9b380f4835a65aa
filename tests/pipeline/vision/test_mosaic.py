from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.vision.mosaic import head_boxes, mosaic

BOX = st.tuples(*[st.floats(-50, 150), st.floats(-50, 150)], *[st.floats(1, 120)] * 2)


@given(st.lists(BOX, max_size=4))
@settings(deadline=None, max_examples=40)
def test_inside_changes_and_outside_stays(boxes: list[tuple[float, ...]]) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    before = frame.copy()
    result = mosaic(frame, np.array(boxes).reshape(-1, 4), margin=0.0, seed=2)
    assert (frame == before).all()
    touched = np.zeros(frame.shape[:2], bool)
    for left, top, wide, high in boxes:
        touched[
            max(0, int(np.floor(top))) : max(0, int(np.ceil(top + high))),
            max(0, int(np.floor(left))) : max(0, int(np.ceil(left + wide))),
        ] = True
    assert (result[~touched] == frame[~touched]).all()
    if touched.sum() > 400:  # noise: nearly every pixel differs
        assert (result[touched] != frame[touched]).any(axis=1).mean() > 0.9


def test_the_same_region_never_comes_out_the_same() -> None:
    frame = np.full((60, 60, 3), 120, np.uint8)
    box = np.array([[10, 10, 30, 30]])
    assert (mosaic(frame, box) != mosaic(frame, box)).any()


def test_a_box_that_cannot_be_placed_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        mosaic(np.zeros((9, 9, 3), np.uint8), np.array([[np.nan, 0, 1, 1]]))


def test_the_kept_box_is_left_but_not_uncovered() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    patient, other = np.array([10.0, 10, 20, 20]), np.array([25.0, 10, 20, 20])
    result = mosaic(frame, np.stack([patient, other]), keep=patient, margin=0, seed=1)
    assert (result[10:30, 10:25] == frame[10:30, 10:25]).all()
    assert (result[10:30, 25:30] != frame[10:30, 25:30]).any(axis=2).mean() > 0.9


def test_heads_of_standing_and_sitting_persons() -> None:
    heads = head_boxes(np.array([[0, 0, 40, 150], [0, 0, 100, 90]]))
    assert heads.tolist() == [[0, 0, 40, 50], [0, 0, 100, 90]]


@pytest.mark.media
@pytest.mark.models
def test_nobody_is_known_again_behind_a_mosaic(weights_dir: Path, media: Path) -> None:
    """Three attacks, each with the true landmarks: more than any attacker has."""
    from pipeline.vision import faces

    detect, embed = faces.FaceDetector(weights_dir), faces.FaceEmbedder(weights_dir)
    plain: list[np.ndarray] = []
    views: list[list[tuple[np.ndarray, np.ndarray]]] = []
    for folder in sorted((media / "faces" / "lfw").iterdir()):
        photographs = sorted(folder.glob("*.jpg"))[:2]
        if len(photographs) < 2 or len(views) == 40:
            continue
        seen = []
        for number, path in enumerate(photographs):
            image = cv2.imread(str(path))
            found = detect(image)
            if not len(found.scores):
                break
            first = int(np.argmax(found.boxes[:, 2]))
            marks, box = found.landmarks[first], found.boxes[first : first + 1]
            hidden = faces.align(mosaic(image, box, seed=7 + number), marks)
            cells = cv2.resize(hidden, (8, 8), interpolation=cv2.INTER_AREA).ravel()
            seen.append((embed(hidden[None])[0], (cells - cells.mean()) / cells.std()))
        else:
            plain.append(embed(faces.align(image, marks)[None])[0])
            views.append(seen)
    hidden, again = (np.array([seen[k][0] for seen in views]) for k in (0, 1))
    cells, others = (np.array([seen[k][1] for seen in views]) for k in (0, 1))
    attacks = {
        "the recogniser, against photographs": hidden @ np.array(plain).T,
        "the recogniser, against photographs mosaicked likewise": hidden @ again.T,
        "the colours of the cells": cells @ others.T / cells.shape[1],
    }
    own = np.eye(len(views), dtype=bool)
    for attack, scores in attacks.items():
        # Closed set: who of the forty is it?
        named = (scores.argmax(axis=1) == np.arange(len(views))).mean()
        assert named <= 0.125, attack
        # Verification at one false match in a hundred.
        bar = np.quantile(scores[~own], 0.99)
        assert (scores[own] > bar).mean() <= 0.125, attack
    assert attacks["the recogniser, against photographs"][own].max() < 0.36
