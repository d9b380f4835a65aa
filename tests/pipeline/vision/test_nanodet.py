from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import tracking
from pipeline.vision import engine, nanodet
from pipeline.vision.persons import NEED_SCORE, Attention, PersonDetector

TRUTH = Path(__file__).parents[2] / "data" / "vtest-truth.txt"
#: Greatest, least and middle value, and mean size, of each output for normal numbers
#: (numpy, seed 0) of 416 x 416, as TensorFlow 2.15 computes the same graph.
TENSORFLOW = {
    (1, 2704, 80): (0.046802, 0.000817, 0.012294, 0.005110),
    (1, 676, 80): (0.025553, 0.002106, 0.011215, 0.006915),
    (1, 169, 80): (0.245803, 0.003858, 0.186102, 0.013807),
    (1, 2704, 44): (4.873893, -2.329350, 3.331191, 0.788258),
    (1, 676, 44): (2.095063, -1.494625, 0.480590, 0.443883),
    (1, 169, 44): (4.123163, -2.329644, -2.279381, 0.752197),
}


@given(st.integers(8, 4000), st.integers(8, 4000))
@settings(deadline=None)
def test_pictures_keep_their_proportions(high: int, wide: int) -> None:
    rows, columns = nanodet.size_of(np.empty((high, wide, 0)))
    assert rows % 32 == columns % 32 == 0
    assert min(rows, columns) == 288
    assert max(rows, columns) <= 640
    if max(high, wide) <= 2 * min(high, wide):
        assert columns / rows == pytest.approx(wide / high, rel=0.06)


@pytest.mark.models
def test_the_graph_computes_what_tensorflow_computes(weights_dir: Path) -> None:
    model = engine._read(weights_dir / "nanodet.json")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = engine._core().compile_model(model, "CPU", exact)
    given = np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)
    outputs = [np.array(value) for value in compiled([given]).values()]
    assert {output.shape for output in outputs} == set(TENSORFLOW)
    for output in outputs:
        middle = float(output[0, output.shape[1] // 2, 0])
        found = (output.max(), output.min(), middle, np.abs(output).mean())
        assert found == pytest.approx(TENSORFLOW[output.shape], abs=2e-6)


@pytest.fixture(scope="module")
def street(media: Path) -> dict[int, np.ndarray]:
    truth = tracking.read_truth(TRUTH)
    wanted = truth.frames[::25].tolist()
    video = cv2.VideoCapture(str(media / "video" / "vtest.avi"))
    result: dict[int, np.ndarray] = {}
    for number in range(1, wanted[-1] + 1):
        there, frame = video.read()
        assert there
        if number in wanted:
            result[number] = frame
    return result


@pytest.mark.models
@pytest.mark.parametrize("wide", [False, True])
def test_walkers_are_found_in_one_look_at_any_proportion(
    wide: bool, street: dict[int, np.ndarray], weights_dir: Path
) -> None:
    truth = tracking.read_truth(TRUTH).rows
    detect = PersonDetector(weights_dir, 1, tiles=False)
    hits = found = labelled = 0
    for number, frame in street.items():
        # A grey margin at both sides makes the picture 16:9.
        margin = 128 if wide else 0
        frame = cv2.copyMakeBorder(
            frame, 0, 0, margin, margin, cv2.BORDER_CONSTANT, value=(127,) * 3
        )
        rows = truth[truth[:, 0] == number, 2:6] + (margin, 0, 0, 0)
        seen = detect(frame)
        boxes = seen.boxes[seen.scores >= NEED_SCORE]
        middle = rows[:, None, :2] + rows[:, None, 2:] / 2
        near = np.abs(boxes[None, :, :2] + boxes[None, :, 2:] / 2 - middle)
        close = (near < 0.3 * rows[:, None, 2:]).all(axis=2)
        hits += int(close.any(axis=1).sum())
        found += len(boxes)
        labelled += len(rows)
    assert hits >= 0.88 * labelled
    assert hits >= 0.9 * found


@pytest.mark.models
def test_pictures_of_several_sizes_at_once_give_what_each_gives_alone(
    street: dict[int, np.ndarray], weights_dir: Path
) -> None:
    network = nanodet.Nanodet(weights_dir, 2)
    [frame, *_] = street.values()
    pictures = [frame, frame[:, :400], frame, frame[100:400]]
    together = network(pictures, 0.2)
    for picture, (boxes, scores) in zip(pictures, together, strict=True):
        alone = network([picture], 0.2)[0]
        assert np.array_equal(alone[0], boxes)
        assert np.array_equal(alone[1], scores)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert ((scores >= 0.2) & (scores <= 1)).all()


@pytest.mark.models
def test_tiles_are_searched_now_and_then_and_where_they_are_needed(
    weights_dir: Path,
) -> None:
    rank = PersonDetector(weights_dir, 1, quick=True).rank
    attention = Attention(rank, 0.5, quick=True)
    moved = np.zeros((90, 160), bool)
    moved[40:60, 70:90] = True
    assert attention.due(0.0, moved).all()
    needed = np.array([True, False, True, False, False])
    attention.note(np.ones(5, bool), needed, 0.0)
    assert attention.due(2.0, moved).tolist() == [True, False, True, False, False]
    attention.note(np.array([True, False, True, False, False]), rank > 1, 2.0)
    # Nobody was seen: the whole frame again as something moves, the rest later.
    assert attention.due(4.0, moved).tolist() == [True] + [False] * 4
    assert not attention.due(4.0, np.zeros_like(moved)).any()
    assert attention.due(22.0, np.zeros_like(moved)).all()
