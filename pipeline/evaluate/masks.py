"""How well the state of a mask is told, and how often it is left unknown."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluate import metrics, report
from pipeline.evaluate.finding import Face, Finder, shrunk
from pipeline.evaluate.tables import EvaluationError, pictures
from pipeline.vision import faces
from pipeline.vision.masks import DECIDED, STATES, FaceMap, MaskClassifier, face_of
from pipeline.vision.types import INCORRECT, NONE, UNKNOWN, WORN

if TYPE_CHECKING:
    from pipeline.vision.mask_training import Table

#: Folder -> state of the person in its photographs.
FOLDERS = {"with_mask": WORN, "without_mask": NONE, "incorrect": INCORRECT}
NAMES = {WORN: "worn", INCORRECT: "incorrect", NONE: "none", UNKNOWN: "unknown"}
#: Widths to which faces are brought, pixels; None: as they are.
WIDTHS: tuple[int | None, ...] = (None, 60, 40, 30, 20)


@dataclass
class Answers:
    """What was said of each photograph at each width."""

    truth: list[int]
    #: width -> state told of each photograph
    told: dict[int | None, list[int]]
    #: width -> probability of the likeliest state and whether that state is true
    sure: dict[int | None, list[tuple[float, bool]]]
    no_face: int = 0
    undecodable: int = 0


def evaluate(
    folder: Path,
    weights_dir: Path,
    *,
    classifier: MaskClassifier | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure the mask classifier on photographs.

    Parameters
    ----------
    folder
        Has with_mask and without_mask, and may have incorrect.
    weights_dir
        Folder of verified weights.
    classifier
        The shipped one by default.
    threads
        Threads of the inference engine.
    quiet
        Show no progress.

    Returns
    -------
    dict
        Figures over all photographs; those without a face stay unknown.

    Raises
    ------
    EvaluationError
        A folder is missing or has no picture.
    """
    started = time.monotonic()
    used = classifier or MaskClassifier.load(weights_dir=weights_dir)
    answers = _blank()
    finder, features = Finder(weights_dir, threads), FaceMap(weights_dir, threads)
    _answer(_photos(folder), used, finder, features, answers, quiet)
    return _report(answers, used.name, used.sha256, started)


def cross_validate(
    folder: Path,
    weights_dir: Path,
    *,
    folds: int = 5,
    templates: Path | None = None,
    further: Path | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure the training: each photograph is judged by a classifier without it.

    The photographs of each folder are cut into runs of successive names, so that
    near-duplicates, which follow each other, mostly stay on one side.

    Parameters
    ----------
    folder, weights_dir, threads, quiet
        As for `evaluate`.
    folds
        Number of trainings; each leaves out its share of the photographs.
    templates
        Pictures of masks for the training to draw.
    further
        Further people without a mask for every training, as `mask_training.train`
        takes them; give what the shipped classifier was trained with.

    Returns
    -------
    dict
        As of `evaluate`; under `degraded` the same of degraded copies, as a camera
        would show them, drawn masks of the people left out among them.

    Raises
    ------
    EvaluationError, ModelError
        The photographs cannot be used, or are too few.
    """
    from pipeline.vision import mask_training

    started = time.monotonic()
    photos = _photos(folder)
    least = min(sum(state == s for _, s in photos) for state in {s for _, s in photos})
    if not 2 <= folds <= least:
        raise EvaluationError(
            f"{folder} cannot be cut into {folds} parts; give --folds from 2 to "
            f"{least}."
        )
    fold = _folds([state for _, state in photos], folds)
    finder, features = Finder(weights_dir, threads), FaceMap(weights_dir, threads)
    answers = _blank()
    table, provenance = mask_training.table_of(folder, weights_dir, templates, further)
    copies = _Copies([], [])
    for number in range(folds):
        held = [photos[index] for index in np.flatnonzero(fold == number)]
        files = {path for path, _ in held}
        apart = np.array([table.files[p] in files for p in table.photos.tolist()])
        with tempfile.TemporaryDirectory() as temporary:
            out = Path(temporary) / "masks.npz"
            mask_training.fitted(table.part(~apart), out, provenance)
            classifier = MaskClassifier.load(out)
        copies.answer(table.part(apart), classifier)
        _answer(held, classifier, finder, features, answers, quiet)
    result = _report(answers, classifier.name, "", started)
    return result | {"folds": folds, "degraded": copies.figures()}


@dataclass
class _Copies:
    """What was said of degraded copies of photographs left out."""

    truth: list[np.ndarray]
    told: list[np.ndarray]  #: probabilities of the three states; NaN where unknown

    def answer(self, copies: Table, classifier: MaskClassifier) -> None:
        told = classifier.probabilities(copies.rows.astype(np.float32))
        told[copies.widths < classifier.least_width] = np.nan
        self.truth.append(copies.labels)
        self.told.append(told)

    def figures(self) -> dict[str, Any]:
        truth, told = np.concatenate(self.truth), np.concatenate(self.told)
        known = np.isfinite(told[:, 0])
        state = np.full(len(truth), UNKNOWN)
        state[known] = np.array(STATES)[told[known].argmax(axis=1)]
        top = told[known].max(axis=1)
        sure = list(zip(top, state[known] == truth[known], strict=True))
        state[known] = np.where(top >= DECIDED, state[known], UNKNOWN)
        return _figures(truth, state, sure) | {"copies": len(truth)}


def _photos(folder: Path) -> list[tuple[Path, int]]:
    for name, state in FOLDERS.items():
        if state != INCORRECT and not (folder / name).is_dir():
            raise EvaluationError(
                f"{folder} has no folder {name!r}; it needs with_mask and "
                "without_mask, and may have incorrect."
            )
    return [
        (path, state)
        for name, state in FOLDERS.items()
        if (folder / name).is_dir()
        for path in pictures(folder / name)
    ]


def _folds(states: list[int], folds: int) -> np.ndarray:
    """Return the part of each photograph: runs of equal length within each state."""
    fold = np.empty(len(states), int)
    for state in set(states):
        rows = np.flatnonzero(np.array(states) == state)
        fold[rows] = np.arange(len(rows)) * folds // len(rows)
    return fold


def _blank() -> Answers:
    return Answers([], {width: [] for width in WIDTHS}, {w: [] for w in WIDTHS})


def _answer(
    photos: list[tuple[Path, int]],
    classifier: MaskClassifier,
    finder: Finder,
    features: FaceMap,
    answers: Answers,
    quiet: bool,
) -> None:
    """Add what is said of photographs, at each width."""
    for path, truth in report.shown(photos, "photographs", quiet):
        image = report.read_image(path)
        if image is None:
            answers.undecodable += 1
            continue
        answers.truth.append(truth)
        face = finder(image)
        answers.no_face += face is None
        for width in WIDTHS:
            probabilities = None
            if face is not None:
                probabilities = _told(image, face, width, finder, features, classifier)
            state = UNKNOWN
            if probabilities is not None:
                likeliest = int(np.argmax(probabilities))
                sure = float(probabilities[likeliest])
                answers.sure[width].append((sure, STATES[likeliest] == truth))
                state = STATES[likeliest] if sure >= DECIDED else UNKNOWN
            answers.told[width].append(state)


def _told(
    image: np.ndarray,
    known: Face,
    width: int | None,
    finder: Finder,
    features: FaceMap,
    classifier: MaskClassifier,
) -> np.ndarray | None:
    """Return probabilities of a face at a width, as one frame of footage would."""
    scale = (width or known.width) / known.width
    face: Face | None = known
    if scale < 1:
        image = shrunk(image, scale)
        face = finder(image, near=known.box * scale)
    if face is None:
        return None
    aligned = faces.align(image, face.landmarks)
    quality = faces.quality(aligned, face.width, face.landmarks, face.score)
    if not classifier.can_tell(face.width, quality):
        return None
    return classifier(features(face_of(image, face.landmarks)))


def _report(answers: Answers, name: str, sha256: str, started: float) -> dict[str, Any]:
    truth = np.array(answers.truth)
    conditions = {
        "full" if width is None else f"{width}px": _figures(
            truth, np.array(answers.told[width]), answers.sure[width]
        )
        for width in WIDTHS
    }
    models = report.model_hashes(faces.DETECTOR)
    if sha256:
        models[name] = sha256
    return conditions["full"] | {
        "images": len(truth),
        "no_face": answers.no_face,
        "undecodable": answers.undecodable,
        "by_condition": conditions,
        "measured": report.provenance(models, time.monotonic() - started),
    }


def _figures(
    truth: np.ndarray, told: np.ndarray, sure: list[tuple[float, bool]]
) -> dict[str, Any]:
    decided = told != UNKNOWN
    confusion = {
        name: {NAMES[s]: int(((truth == state) & (told == s)).sum()) for s in NAMES}
        for name, state in FOLDERS.items()
        if (truth == state).any()
    }
    recalls = [
        (told[decided & (truth == state)] == state).mean()
        for state in FOLDERS.values()
        if (decided & (truth == state)).any()
    ]
    stated = np.array([p for p, _ in sure])
    right = np.array([hit for _, hit in sure], bool)
    return {
        "balanced_accuracy": float(np.mean(recalls)) if recalls else float("nan"),
        "unknown_share": float((~decided).mean()) if len(told) else float("nan"),
        "ece": metrics.calibration_error(stated, right),
        "confusion": confusion,
    }
