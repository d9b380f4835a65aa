from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ModelError
from pipeline.vision import appearance, linking
from pipeline.vision.observer import Observer
from pipeline.vision.persons import PersonDetector
from pipeline.vision.tracking import PersonTracker
from pipeline.vision.types import NO_FACE, Persons, Track


def frames(clip: Path, fps: float) -> Iterator[tuple[int, float, np.ndarray]]:
    video = cv2.VideoCapture(str(clip))
    rate = video.get(cv2.CAP_PROP_FPS)
    step = max(1, round(rate / fps))
    number = 0
    while True:
        there, frame = video.read()
        if not there:
            return
        if number % step == 0:
            yield number, number / rate, frame
        number += 1


def observe(clip: Path, weights_dir: Path, fps: float = 5.0) -> list[Track]:
    observer = None
    for number, offset, frame in frames(clip, fps):
        if observer is None:
            size = (frame.shape[1], frame.shape[0])
            observer = Observer(weights_dir, frame_size=size, sample_fps=fps)
        observer.see(frame, number, offset)
    assert observer is not None
    return observer.finish()


def person(top: tuple[int, ...], bottom: tuple[int, ...], light: float = 1.0):
    frame = np.full((200, 200, 3), (150, 140, 130), np.float32)
    frame[20:60, 85:115] = (110, 140, 190)
    frame[50:110, 78:122] = top
    frame[110:180, 82:118] = bottom
    noise = np.random.default_rng(0).normal(0, 4, frame.shape)
    return np.clip((frame + noise) * light, 0, 255).astype(np.uint8)


BOX = np.array([[75, 18, 50, 164]], np.float32)


def test_clothes_tell_persons_apart_and_light_does_not() -> None:
    dark_light = appearance.describe(person((25, 25, 25), (200, 205, 210)), BOX)[0]
    dimmed = appearance.describe(person((25, 25, 25), (200, 205, 210), 0.6), BOX)[0]
    dark = appearance.describe(person((25, 25, 25), (30, 30, 35)), BOX)[0]
    red = appearance.describe(person((30, 30, 190), (200, 205, 210)), BOX)[0]
    assert dark_light @ dimmed > 0.9
    assert dark_light @ dimmed > dark_light @ dark + 0.2
    assert dark_light @ dimmed > dark_light @ red + 0.2


@given(st.lists(st.tuples(*[st.floats(-300, 500)] * 2, *[st.floats(0, 400)] * 2)))
@settings(deadline=None, max_examples=30)
def test_any_box_gives_a_unit_vector_or_nothing(boxes: list[tuple[float, ...]]) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    result = appearance.describe(frame, rows)
    assert result.shape == (len(boxes), appearance.DIMENSIONS)
    lengths = np.linalg.norm(result, axis=1)
    assert ((np.abs(lengths - 1) < 1e-4) | (lengths == 0)).all()


def test_a_track_is_cut_where_the_person_changes() -> None:
    random = np.random.default_rng(3)
    one, two = np.eye(2, 16, dtype=np.float32)
    rows = np.array([one] * 10 + [two] * 8) + random.normal(0, 0.05, (18, 16))
    assert linking.cuts(rows, np.ones(18)) == [10]
    assert linking.cuts(rows[:10], np.ones(10)) == []
    assert linking.cuts(np.zeros((12, 16)), np.ones(12)) == []


def fragment(start: float, end: float, x: float, clothes: np.ndarray):
    box = np.array([x, 100, 40, 100.0])
    return linking.Fragment(start, end, box, box, np.zeros(2), clothes)


def test_pieces_are_joined_by_clothes_walk_and_time() -> None:
    one, two = np.eye(2, 8)
    pieces = [
        fragment(0, 4, 100, one),
        fragment(5, 8, 180, one),  # the same, 80 px on after a second
        fragment(5, 8, 120, two),  # other clothes
        fragment(9, 10, 900, one),  # too far
        fragment(20, 21, 180, one),  # too late
        fragment(3, 7, 100, one),  # at the same time
    ]
    assert linking.joins(pieces) == [0, 0, 2, 3, 4, 5]
    assert linking.joins([]) == []


NOBODY = Persons(np.empty((0, 4), np.float32), np.empty(0, np.float32))


def follow(places, clothes, fps=5.0, scores=(0.9, 0.8)) -> list[list[int]]:
    """Track boxes [frame][person]; None: not found. Order changes by frame."""
    tracker = PersonTracker(fps)
    seen = []
    for frame, boxes in enumerate(places):
        order = [k for k in (0, 1) if boxes[k] is not None]
        order = order[:: 1 if frame % 2 else -1]
        rows = np.array([boxes[k] for k in order], np.float32).reshape(-1, 4)
        numbers = tracker(
            Persons(rows, np.array([scores[k] for k in order], np.float32)),
            np.array([clothes[k] for k in order]).reshape(len(order), -1),
            np.ones(len(order)),
            frame / fps,
        )
        seen.append(
            [int(numbers[order.index(k)]) if k in order else -1 for k in (0, 1)]
        )
    return seen


TWO = np.eye(2, 8, dtype=np.float32)


def test_walkers_keep_their_number() -> None:
    places = [
        [(14 * frame, 50, 30, 80), (400 - 14 * frame, 200, 30, 80)]
        for frame in range(12)
    ]
    seen = follow(places, TWO)
    assert len({tuple(pair) for pair in seen}) == 1
    assert len(set(seen[-1])) == 2
    # One, hidden for two seconds, is found again; a weak one starts no track.
    places[3:] = [[first, None] for first, _ in places[3:]]
    places += [[None, (400 - 14 * frame, 200, 30, 80)] for frame in range(12, 14)]
    assert follow(places, TWO)[-1][1] == seen[0][1]
    assert {pair[1] for pair in follow(places, TWO, scores=(0.9, 0.4))} == {-1}


def test_clothes_decide_where_two_meet() -> None:
    # Two walk towards one another, one is hidden as they meet, and both turn back.
    near = [0, 15, 30, 45, 55, 55, 45, 30, 15, 0]
    places = [
        [(100 + x, 100, 30, 80), None if x > 50 else (230 - x, 100, 30, 80)]
        for x in near
    ]
    assert follow(places, TWO)[-1] == follow(places, TWO)[0]


def test_a_tracker_without_persons_gives_nothing() -> None:
    tracker = PersonTracker(5.0)
    assert tracker(NOBODY, np.empty((0, 8)), np.empty(0), 3.0).size == 0


@pytest.mark.models
def test_boxes_found_by_several_windows_become_their_mean() -> None:
    from pipeline.vision.persons import _merge

    boxes = np.array([[10, 10, 50, 110], [14, 12, 54, 114], [200, 20, 240, 120]])
    found = _merge(boxes.astype(np.float32), np.array([0.9, 0.3, 0.5]), 300, 200)
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    # 100 px high in a frame of 200: wide enough, but 3 % below the feet.
    assert found.boxes[0] == pytest.approx([11, 10.5, 40, 100.5 - 0.03 * 100.5])
    assert found.boxes[1] == pytest.approx([200, 20, 40, 97])
    far = _merge(boxes.astype(np.float32), np.array([0.9, 0.3, 0.5]), 2000, 1000)
    assert far.boxes[1] == pytest.approx([205.6, 20, 31.6, 97])


@pytest.mark.models
@pytest.mark.media
def test_persons_of_a_street(weights_dir: Path, media: Path) -> None:
    truth: dict[int, list[list[float]]] = {}
    with (media / "video" / "vtest-truth-sample.csv").open() as stream:
        for row in csv.DictReader(stream):
            box = [float(row[key]) for key in ("x", "y", "w", "h")]
            truth.setdefault(int(row["frame1based"]) - 1, []).append(box)
    detector = PersonDetector(weights_dir)
    hits = told = true = 0
    for number, _, frame in frames(media / "video" / "vtest.avi", 10):
        if number > max(truth):
            break
        if number not in truth:
            continue
        found = detector(frame)
        true += len(truth[number])
        told += len(found.scores)
        left = [list(box) for box in found.boxes]
        for box in truth[number]:
            fitting = [other for other in left if overlap(box, other) >= 0.4]
            if fitting:
                left.remove(max(fitting, key=lambda other: overlap(box, other)))
                hits += 1
    assert hits / true >= 0.85
    assert hits / told >= 0.75


def overlap(one: list[float], two: list[float]) -> float:
    wide = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    high = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    both = max(0.0, wide) * max(0.0, high)
    return both / (one[2] * one[3] + two[2] * two[3] - both)


@pytest.mark.models
@pytest.mark.media
def test_the_man_of_camera_a_ranks_first_in_camera_b(
    weights_dir: Path, media: Path
) -> None:
    video = media / "video"
    in_a = observe(video / "lab-camera-a.mp4", weights_dir, 2.5)
    in_b = observe(video / "lab-camera-b.mp4", weights_dir)
    assert in_a
    assert len(in_b) >= 2
    query = max(in_a, key=lambda track: len(track.frames))
    # In camera b he stands nearest to the camera: the lowest foot of the picture.
    feet = [float(np.median(track.foot_px[:, 1])) for track in in_b]
    scores = [float(query.appearance @ track.appearance) for track in in_b]
    assert int(np.argmax(feet)) == int(np.argmax(scores))
    rest = [s for i, s in enumerate(scores) if i != int(np.argmax(feet))]
    assert max(scores) > max(rest) + 0.1


@pytest.mark.models
@pytest.mark.media
def test_tracks_are_whole_and_the_same_twice(weights_dir: Path, media: Path) -> None:
    clip = media / "video" / "face-demographics-walking.gif"
    first = observe(clip, weights_dir, 4)
    second = observe(clip, weights_dir, 4)
    assert len(first) == len(second) >= 2
    for one, two in zip(first, second, strict=True):
        assert (one.boxes == two.boxes).all()
        assert (one.mask_states == two.mask_states).all()
        count = len(one.frames)
        assert count >= 2
        assert (np.diff(one.offsets_s) > 0).all()
        faceless = np.isnan(one.face_boxes[:, 0])
        assert (np.isnan(one.face_scores) == faceless).all()
        assert ((one.mask_states == NO_FACE) == faceless).all()
        assert 0 <= one.best < count
        assert one.appearance is not None
        assert abs(np.linalg.norm(one.appearance) - 1) < 1e-4
    assert any(np.isfinite(track.face_scores).any() for track in first)


@pytest.mark.models
def test_an_empty_street_has_no_tracks(weights_dir: Path) -> None:
    observer = Observer(weights_dir, frame_size=(320, 240), sample_fps=5)
    for number in range(3):
        observer.see(np.full((240, 320, 3), 128, np.uint8), number, number / 5)
    assert observer.counts["frames"] == 3
    assert observer.finish() == []
    assert observer.counts["frames"] == 0
    roles = {"person", "face", "face_embedding", "mask", "appearance"}
    assert set(observer.provenance.models) == roles
    for model in observer.provenance.models.values():
        assert len(model["sha256"]) == 64


def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="dongseon models fetch"):
        Observer(tmp_path, frame_size=(320, 240), sample_fps=2)


@pytest.mark.models
@pytest.mark.media
def test_together_and_one_by_one_give_the_same(weights_dir: Path, media: Path) -> None:
    from pipeline.vision.faces import FaceDetector

    clip = media / "video" / "face-demographics-walking.gif"
    *_, (_, _, frame) = frames(clip, 25)
    one, two = (PersonDetector(weights_dir, threads) for threads in (1, 2))
    together = two(frame)
    assert len(together.scores) >= 2
    assert (one(frame).boxes == together.boxes).all()
    network = two._see._network((288, 512))
    outputs = [network([_window(frame)])[0] for _ in range(2)]
    outputs += network([_window(frame)] * 3)
    for output in outputs[1:]:
        for part, same in zip(output, outputs[0], strict=True):
            assert (part == same).all()

    find = FaceDetector(weights_dir)
    found, owners = find.in_heads(frame, together.boxes)
    assert len(owners) >= 2
    for row, person in enumerate(owners.tolist()):
        alone, _ = find.in_heads(frame, together.boxes[person : person + 1])
        assert alone.boxes[0] == pytest.approx(found.boxes[row], abs=0.5)
        assert alone.scores[0] == pytest.approx(found.scores[row], abs=0.02)


def _window(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (512, 288))[None]


def test_a_first_look_goes_where_something_moves() -> None:
    from pipeline.vision.persons import QUICK_RANK, QUICK_REST, RANK, Attention

    squares, tiles = [5, 6], [1, 2, 3, 4]
    quick = Attention(QUICK_RANK, sample_fps=0.5, quick=True)
    nobody = np.zeros(7, bool)
    still = np.zeros((90, 160), bool)
    walker = still.copy()
    walker[40:60, 10:20] = True  # within the left square and a tile on the left
    assert quick.due(0.0).all()
    quick.note(np.ones(7, bool), nobody, 0.0)
    assert not quick.due(2.0, still).any()
    assert np.flatnonzero(quick.due(2.0, walker)).tolist() == squares[:1]
    assert quick.due(2.0 * QUICK_REST, walker)[tiles].all()  # now and then everywhere
    needed = nobody.copy()
    needed[1] = True  # somebody whom no larger window shows
    quick.note(np.ones(7, bool), needed, 2.0)
    assert quick.due(4.0, still)[1]

    full = Attention(RANK, sample_fps=5.0)
    full.note(np.ones(7, bool), nobody, 0.0)
    assert np.flatnonzero(full.due(1.0, walker)).tolist() == [1, 3]
    near = still.copy()
    near[20:80, 10:30] = True  # too tall for a tile
    assert {0, 5} <= set(np.flatnonzero(full.due(1.0, near)).tolist())
    assert full.due(2.0, still).all()
