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
def test_the_recogniser_cannot_tell_who_it_was(weights_dir: Path, media: Path) -> None:
    from pipeline.vision import faces

    detect, embed = faces.FaceDetector(weights_dir), faces.FaceEmbedder(weights_dir)
    same, other, before = [], [], []
    folders = sorted((media / "faces" / "lfw").iterdir())[:40]
    for folder in folders:
        image = cv2.imread(str(sorted(folder.glob("*.jpg"))[0]))
        found = detect(image)
        first = int(np.argmax(found.boxes[:, 2]))
        marks = found.landmarks[first]
        hidden = mosaic(image, found.boxes[first : first + 1], seed=4)
        before.append(embed(faces.align(image, marks)[None])[0])
        # With the true landmarks: more than any attacker has.
        same.append(embed(faces.align(hidden, marks)[None])[0])
    scores = np.array(before) @ np.array(same).T
    own = np.diag(scores)
    other = scores[~np.eye(len(scores), dtype=bool)]
    assert own.max() < 0.36  # threshold of one false match in a hundred
    found_first = (scores.argmax(axis=0) == np.arange(len(scores))).mean()
    assert found_first <= 0.15
    assert own.mean() - other.mean() < 0.1
