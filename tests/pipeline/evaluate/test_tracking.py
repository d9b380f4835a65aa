from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate import tracking
from pipeline.evaluate.tables import EvaluationError

TRUTH = Path(__file__).parents[2] / "data" / "vtest-truth.txt"


def test_the_labelled_street_is_sound() -> None:
    truth = tracking.read_truth(TRUTH)
    assert len(truth.frames) >= 200
    assert (np.diff(truth.frames) == 1).all()
    keys = truth.rows[:, 0] * 100 + truth.rows[:, 1]
    assert len(np.unique(keys)) == len(keys)  # nobody twice in a frame
    for person in np.unique(truth.rows[:, 1]):
        rows = truth.rows[truth.rows[:, 1] == person]
        rows = rows[np.argsort(rows[:, 0])]
        assert (np.diff(rows[:, 0]) == 1).all()  # hidden people keep their box
        assert np.abs(np.diff(rows[:, 2:4], axis=0)).max() < 16  # nobody jumps
    left, top, wide, high = truth.rows[:, 2:6].T
    assert (left >= 0).all()
    assert (left + wide <= 769).all()
    assert (top + high <= 577).all()


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.txt"
    path.write_text("1,1,10,10,5,9\n2,1,10,wide,5,9\n")
    with pytest.raises(EvaluationError, match=r"Row 2 of .*, y: 'wide' is no number"):
        tracking.read_truth(path)


@pytest.mark.parametrize(
    ("text", "frames", "counted"),
    [
        # 2016 on: conf 0 and other classes than 1 are not counted.
        ("1,1,5,5,9,9,1,1,0.8\n2,1,5,5,9,9,0,1,1\n3,2,5,5,9,9,1,7,1\n", [1, 2, 3], 1),
        # 2015: places on the ground behind conf.
        ("4,1,5,5,9,9,1,-7.2,83.1,0\n5,1,5,5,9,9,1,-1,-1,-1\n", [4, 5], 2),
        ("1 1 5 5 9 9\n2 1 5 5 9 9\n3 1 5 5 9 9\n5 1 5 5 9 9\n", [1, 2, 3, 4, 5], 4),
        ("0;1;5;5;9;9\n1;1;5;5;9;9\n", [1, 2], 2),  # counted from 0
        ("frame,id,left,top,width,height\n10,1,5,5,9,9\n20,1,5,5,9,9\n", [10, 20], 2),
        ("5,1,5,5,9,9\r\n", [5], 1),
    ],
)
def test_the_usual_formats_are_read(
    tmp_path: Path, text: str, frames: list[int], counted: int
) -> None:
    path = tmp_path / "gt.txt"
    path.write_text(text)
    truth = tracking.read_truth(path)
    assert truth.frames.tolist() == frames
    assert tracking._counts(truth.rows).sum() == counted


@pytest.mark.models
@pytest.mark.media
def test_people_of_the_street_are_followed(weights_dir: Path, media: Path) -> None:
    clip = media / "video" / "vtest.avi"
    truth = tracking.read_truth(TRUTH)
    figures = tracking.evaluate(clip, truth, weights_dir, fps=10 / 3, quiet=True)
    assert figures["people"] == 9
    assert figures["idf1"] >= 0.7
    assert figures["idf1"] > max(o["idf1"] for o in figures["baselines"].values())
