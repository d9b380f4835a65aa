"""Training of the mask classifier from photographs, reproducible to the number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision.degrading import degrade
from pipeline.vision.faces import EMBEDDER, FaceDetector
from pipeline.vision.mask_drawing import SEED, Sample, drawn, pictures_of
from pipeline.vision.masks import (
    LARGE,
    SIDE,
    STATES,
    FaceMap,
    aligned,
    mask_crop,
)
from pipeline.vision.types import INCORRECT, NONE, WORN

#: Folder of photographs -> state of the person in them.
FOLDERS = {"without_mask": NONE, "with_mask": WORN, "incorrect": INCORRECT}
#: Degraded copies of every photograph, and of every drawn mask.
COPIES, DRAWN_COPIES = 6, 3
#: Widths of degraded faces, pixels.
WIDTHS = (14.0, 110.0)
#: Below this width of a face the state stays unknown, pixels.
LEAST_WIDTH = 18.0
#: Below this quality of a face the state stays unknown, 0..1. None is needed: the
#: states of faces from the side (quality 0) are told as well as those from the front.
LEAST_QUALITY = 0.0
#: Inverse strength of the penalty on the coefficients.
PENALTY = 0.0008
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Table:
    """Degraded copies of faces, as the classifier sees them."""

    rows: np.ndarray  #: float16 [n, k]
    labels: np.ndarray  #: int [n], states
    photos: np.ndarray  #: int [n], number of the photograph
    widths: np.ndarray  #: float [n], of the degraded face, pixels
    #: Number of a photograph -> its file.
    files: dict[int, Path]

    def part(self, chosen: np.ndarray) -> Table:
        """Return the copies chosen, bool [n]."""
        return Table(
            self.rows[chosen],
            self.labels[chosen],
            self.photos[chosen],
            self.widths[chosen],
            self.files,
        )


def train(
    folder: Path,
    out: Path,
    weights_dir: Path,
    templates: Path | None = None,
    progress: Callable[[str], None] | None = None,
    faces: Path | None = None,
) -> dict[str, object]:
    """Train on a folder of photographs and write the coefficients.

    Parameters
    ----------
    folder
        Has `with_mask` and `without_mask`, and may have `incorrect`.
    out
        File of coefficients (.npz) to write; replaced at once when finished.
    weights_dir
        Folder of verified weights (the face detector's are used).
    templates
        Pictures of masks with transparency (front view), drawn over unmasked
        faces in place and below the nose.
    progress
        Called with a line a step.
    faces
        Further photographs of people without a mask, one sub-folder for each; one
        of each person is taken. With templates they also wear drawn masks.

    Returns
    -------
    dict
        Provenance and figures on a fifth of the photographs, held out.

    Raises
    ------
    ModelError
        A folder is missing or has no usable face.
    """
    say = progress or (lambda line: None)
    table, provenance = table_of(folder, weights_dir, templates, faces, say)
    figures = fitted(table, out, provenance)
    say(f"held out: {figures}")
    return provenance | {"held_out": figures}


def table_of(
    folder: Path,
    weights_dir: Path,
    templates: Path | None = None,
    faces: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Table, dict[str, object]]:
    """Return what is trained on, and where it comes from; arguments as of `train`."""
    samples = list(gather(folder, weights_dir))
    by_state = {state: sum(s.state == state for s in samples) for state in STATES}
    if not by_state[NONE] or not by_state[WORN]:
        raise ModelError(
            f"{folder} has no usable face in with_mask or in without_mask; both are "
            "needed to train."
        )
    last = max(sample.photo for sample in samples)
    further = list(gather_bare(faces, weights_dir, last)) if faces else []
    samples += further
    if templates is not None:
        samples += drawn(samples, templates)
    if {sample.state for sample in samples} != set(STATES):
        raise ModelError(
            f"{folder} has no `incorrect` folder: add one, or give --templates."
        )
    say(f"{len(samples)} faces")
    table = _table(samples, FaceMap(weights_dir))
    say(f"{len(table.rows)} degraded copies of {len(table.files)} photographs")
    provenance: dict[str, object] = {
        "folders": {
            name: sum(s.state == state for s in samples)
            for name, state in FOLDERS.items()
        },
        "further_faces": len(further),
        "photographs_sha256": _digest(table.files.values()),
        "templates": [p.name for p in pictures_of(templates)] if templates else [],
        "seed": SEED,
        "copies": COPIES,
        "drawn_copies": DRAWN_COPIES,
        "widths_px": list(WIDTHS),
        "penalty": PENALTY,
        "features_of": EMBEDDER,
    }
    return table, provenance


def fitted(table: Table, out: Path, provenance: dict[str, object]) -> dict[str, float]:
    """Fit the coefficients and write them; returns the figures on a fifth held out."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    def fit(part: Table) -> tuple[StandardScaler, LogisticRegression]:
        rows = part.rows.astype(np.float32)
        scaler = StandardScaler().fit(rows)
        model = LogisticRegression(
            C=PENALTY, class_weight="balanced", max_iter=300, random_state=SEED
        )
        return scaler, model.fit(scaler.transform(rows), part.labels)

    held = np.isin(table.photos, _held_out(table.photos))
    rest = table.part(held)
    scaler, model = fit(table.part(~held))
    logits = model.decision_function(scaler.transform(rest.rows.astype(np.float32)))
    temperature = _temperature(logits, rest.labels)
    figures = _figures(logits / temperature, rest.labels, rest.widths)
    scaler, model = fit(table)
    _write(out, scaler, model, temperature, provenance | {"held_out": figures})
    return figures


def gather(folder: Path, weights_dir: Path) -> Iterator[Sample]:
    """Yield the largest face of every photograph under the known folders."""
    detector = FaceDetector(weights_dir)
    photo = 0
    for name, state in FOLDERS.items():
        if not (folder / name).is_dir():
            if state != INCORRECT:
                raise ModelError(f"{folder} has no folder `{name}`.")
            continue
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() not in SUFFIXES:
                continue
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                continue
            photo += 1
            crop = largest_face(detector, image)
            if crop is not None:
                yield Sample(crop, state, photo, path)


def gather_bare(folder: Path, weights_dir: Path, last: int) -> Iterator[Sample]:
    """Yield the face of the first photograph in each sub-folder.

    Parameters
    ----------
    folder
        Has one sub-folder for each person.
    weights_dir
        Folder of verified weights.
    last
        Highest number of a photograph so far.

    Raises
    ------
    ModelError
        There is no usable face.
    """
    detector = FaceDetector(weights_dir)
    number = last
    for home in sorted(path for path in folder.glob("*") if path.is_dir()):
        photos = sorted(p for p in home.iterdir() if p.suffix.lower() in SUFFIXES)
        image = cv2.imread(str(photos[0]), cv2.IMREAD_COLOR) if photos else None
        crop = None if image is None else largest_face(detector, image)
        if crop is not None:
            number += 1
            yield Sample(crop, NONE, number, photos[0])
    if number == last:
        raise ModelError(
            f"{folder} has no sub-folder with a usable face; give one for each person."
        )


def largest_face(detector: FaceDetector, image: np.ndarray) -> np.ndarray | None:
    """Return the large cut of the largest face, or None."""
    longest = min(640, max(160, max(image.shape[:2])))
    found = detector(image, score=0.35, longest=longest)
    if not len(found.scores):
        return None
    index = int(np.argmax(found.boxes[:, 2] * found.scores))
    return mask_crop(image, found.landmarks[index], SIDE * LARGE)


def _table(samples: list[Sample], features: FaceMap) -> Table:
    """Degrade faces, and keep what the classifier sees of them in 16-bit floats."""
    rows, labels, photos, widths = [], [], [], []
    for index, sample in enumerate(samples):
        for copy in range(DRAWN_COPIES if sample.is_drawn else COPIES):
            random = np.random.default_rng([SEED, index, copy])
            width = float(np.exp(random.uniform(*np.log(WIDTHS))))
            crop = degrade(sample.crop, width, random)
            rows.append(features(aligned(crop)).astype(np.float16))
            labels.append(sample.state)
            photos.append(sample.photo)
            widths.append(width)
    return Table(
        np.array(rows),
        np.array(labels),
        np.array(photos),
        np.array(widths),
        {sample.photo: sample.file for sample in samples},
    )


def _digest(photographs: Iterable[Path]) -> str:
    """Return what identifies photographs: the hash of their names and contents."""
    whole = hashlib.sha256()
    for path in photographs:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.name} {content}\n".encode())
    return whole.hexdigest()


def _held_out(photos: np.ndarray) -> np.ndarray:
    every = np.unique(photos)
    return np.random.default_rng(SEED).permutation(every)[: max(1, len(every) // 5)]


def _temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes probabilities honest (Guo et al., 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    column = np.searchsorted(STATES, labels)

    def loss(log_temperature: float) -> float:
        told = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(told[np.arange(len(column)), column].mean())

    best = float(np.exp(minimize_scalar(loss, bounds=(-2, 3), method="bounded").x))
    # Never sharper than fitted: photographs held out are of the sources trained on,
    # and faces of unseen sources are harder.
    return max(1.0, best)


def _figures(
    logits: np.ndarray, labels: np.ndarray, widths: np.ndarray
) -> dict[str, float]:
    from scipy.special import softmax

    told = softmax(logits, axis=1)
    right = np.array(STATES)[told.argmax(axis=1)] == labels
    figures = {
        f"recall_{name}": round(float(right[labels == state].mean()), 4)
        for name, state in FOLDERS.items()
        if (labels == state).any()
    }
    figures["balanced_accuracy"] = round(float(np.mean(list(figures.values()))), 4)
    edges = [WIDTHS[0], 20, 30, 45, WIDTHS[1]]
    for low, high in pairwise(edges):
        part = (widths >= low) & (widths < high)
        if part.any():
            key = f"accuracy_{low:.0f}_{high:.0f}_px"
            figures[key] = round(float(right[part].mean()), 4)
    sure = told.max(axis=1)
    bins = np.clip((sure * 10).astype(int), 0, 9)
    figures["calibration_error"] = round(
        float(
            sum(
                (bins == b).mean()
                * abs(right[bins == b].mean() - sure[bins == b].mean())
                for b in np.unique(bins)
            )
        ),
        4,
    )
    return figures


def _write(  # type: ignore[no-untyped-def]
    out: Path, scaler, model, temperature: float, provenance: dict[str, object]
) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.stem}.partial.npz")
    try:
        np.savez_compressed(
            partial,
            mean=scaler.mean_.astype(np.float16),
            scale=scaler.scale_.astype(np.float32),
            coefficients=model.coef_.astype(np.float16),
            intercepts=model.intercept_.astype(np.float32),
            temperature=np.float32(temperature),
            least_width=np.float32(LEAST_WIDTH),
            least_quality=np.float32(LEAST_QUALITY),
            provenance=np.array(json.dumps(provenance, sort_keys=True)),
        )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
