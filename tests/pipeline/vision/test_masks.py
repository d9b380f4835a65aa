from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ModelError
from pipeline.settings import CHECKOUT
from pipeline.vision import mask_drawing, mask_training, masks
from pipeline.vision.faces import EMBEDDER
from pipeline.vision.types import INCORRECT, NONE, UNKNOWN, WORN

IS_NONE = np.array([0.96, 0.02, 0.02])
IS_WORN = np.array([0.02, 0.02, 0.96])


def test_a_single_outlier_is_smoothed_away() -> None:
    track = masks.over_time([IS_WORN] * 8 + [IS_NONE] + [IS_WORN] * 8)
    assert (track.states == WORN).all()
    assert track.state == WORN
    assert track.probability > 0.9


def test_a_mask_taken_off_is_seen() -> None:
    track = masks.over_time([IS_WORN] * 12 + [None] * 3 + [IS_NONE] * 12)
    assert (track.states[:11] == WORN).all()
    assert (track.states[12:15] == UNKNOWN).all()
    assert np.isnan(track.probabilities[12:15]).all()
    assert (track.states[16:] == NONE).all()
    assert track.state == UNKNOWN  # neither was it for most of the pass


def test_nothing_seen_is_unknown() -> None:
    for observed in ([], [None, None]):
        track = masks.over_time(observed)
        assert track.state == UNKNOWN
        assert np.isnan(track.probability)
        assert (track.states == UNKNOWN).all()
    assert masks.over_time([np.array([0.4, 0.3, 0.3])]).state == UNKNOWN


@given(
    st.lists(
        st.one_of(st.none(), st.tuples(*[st.floats(1e-6, 1)] * 3)),
        min_size=1,
        max_size=30,
    )
)
@settings(deadline=None, max_examples=60)
def test_states_and_probabilities_agree(rows: list[tuple[float, ...] | None]) -> None:
    track = masks.over_time(
        [None if row is None else np.array(row) / sum(row) for row in rows]
    )
    unknown = track.states == UNKNOWN
    assert (np.isnan(track.probabilities) == unknown).all()
    told = track.probabilities[~unknown]
    assert ((told >= masks.DECIDED) & (told <= 1 + 1e-6)).all()
    assert np.isnan(track.probability) == (track.state == UNKNOWN)
    assert all(unknown[i] for i, row in enumerate(rows) if row is None)


def test_the_shipped_classifier_says_where_it_comes_from() -> None:
    classifier = masks.MaskClassifier.load()
    assert classifier.name == masks.NAME
    # The file is what training as it stands gives: whoever changes how it is trained
    # trains it anew and says so.
    figures_of = (CHECKOUT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert classifier.sha256 in figures_of
    trained = classifier.provenance
    assert trained["copies"] == mask_training.COPIES
    assert trained["drawn_copies"] == mask_training.DRAWN_COPIES
    assert trained["widths_px"] == list(mask_training.WIDTHS)
    assert trained["penalty"] == mask_training.PENALTY
    assert trained["seed"] == mask_drawing.SEED
    assert trained["features_of"] == EMBEDDER
    assert len(trained["photographs_sha256"]) == 64
    assert classifier.least_width == mask_training.LEAST_WIDTH
    figures = classifier.provenance["held_out"]
    assert figures["balanced_accuracy"] > 0.9
    # Too modest on the sources trained on, so as to be right on others.
    assert figures["calibration_error"] < 0.05
    assert not classifier.can_tell(classifier.least_width - 1, 0.9)
    assert classifier.can_tell(classifier.least_width, 0.9)
    told = classifier(np.zeros(masks.DIMENSIONS, np.float32))
    assert abs(told.sum() - 1) < 1e-5


@pytest.mark.models
def test_the_features_do_not_know_left_from_right(weights_dir: Path) -> None:
    face = np.random.default_rng(3).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    features = masks.FaceMap(weights_dir)
    row = features(face)
    assert row.shape == (masks.DIMENSIONS,)
    assert row.std() > 0
    np.testing.assert_allclose(row, features(face[:, ::-1]), rtol=1e-3, atol=1e-3)


def test_a_file_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    for name in ("x.npz", "absent.npz"):
        with pytest.raises(ModelError, match="dongseon masks train"):
            masks.MaskClassifier.load(tmp_path / name)


@pytest.mark.models
@pytest.mark.media
def test_photographs_and_drawn_masks_never_trained_on(
    weights_dir: Path, media: Path
) -> None:
    """Other photographs of people whose first was trained on, with masks drawn anew."""
    from pipeline.vision.faces import FaceDetector

    classifier, detector = masks.MaskClassifier.load(), FaceDetector(weights_dir)
    features, random = masks.FaceMap(weights_dir), np.random.default_rng(9)
    picture = cv2.imread(
        str(media / "masks" / "templates" / "cloth.png"), cv2.IMREAD_UNCHANGED
    )
    photos = sorted((media / "faces" / "lfw").glob("*/*_0002.jpg"))[:50]
    right: dict[int, list[bool]] = {NONE: [], WORN: [], INCORRECT: []}
    for photo in photos:
        crop = mask_training.largest_face(detector, cv2.imread(str(photo)))
        assert crop is not None
        for state, told in right.items():
            shown = crop
            if state != NONE:
                shown = mask_drawing.draw_mask(crop, picture, state, random)
            chances = classifier(features(masks.aligned(shown)))
            told.append(masks.STATES[int(chances.argmax())] == state)
    for state, told in right.items():
        assert np.mean(told) > 0.95, state


@pytest.mark.models
@pytest.mark.media
def test_training_is_reproducible(
    weights_dir: Path, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("with_mask", "without_mask"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in sorted((media / "masks" / name).iterdir())[:8]:
            (tmp_path / "photos" / name / photo.name).symlink_to(photo)
    monkeypatch.setattr(mask_training, "COPIES", 1)
    monkeypatch.setattr(mask_training, "DRAWN_COPIES", 1)
    one, two = (tmp_path / f"{name}.npz" for name in ("one", "two"))
    given = (weights_dir, media / "masks" / "templates")
    told = mask_training.train(tmp_path / "photos", one, *given)
    table, provenance = mask_training.table_of(tmp_path / "photos", *given)
    before = dict(provenance)
    mask_training.fitted(table, two, provenance)
    assert provenance == before  # what is given is not changed
    assert one.read_bytes() == two.read_bytes()
    assert masks.MaskClassifier.load(one).provenance == told


@pytest.mark.models
def test_training_without_photographs_is_refused(
    weights_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="has no folder"):
        mask_training.train(tmp_path, tmp_path / "o.npz", weights_dir)
    for name in ("with_mask", "without_mask"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "grey.png"), np.full((90, 90), 90, np.uint8))
    with pytest.raises(ModelError, match="no usable face"):
        mask_training.train(tmp_path, tmp_path / "o.npz", weights_dir)
    assert not (tmp_path / "o.npz").exists()


def test_a_citys_own_classifier_takes_the_place_of_that_shipped(tmp_path: Path) -> None:
    shipped = masks.MaskClassifier.load(weights_dir=tmp_path)
    source = Path(masks.__file__).parent / "weights" / "masks.npz"
    with np.load(source) as stored:
        own = dict(stored) | {"least_width": np.float32(33)}
    np.savez(tmp_path / "masks.npz", **own)
    loaded = masks.MaskClassifier.load(weights_dir=tmp_path)
    assert loaded.least_width == 33
    assert loaded.sha256 != shipped.sha256
    assert masks.MaskClassifier.load(source, tmp_path).sha256 == shipped.sha256
