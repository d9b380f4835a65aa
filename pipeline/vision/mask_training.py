"""Training of the mask classifier from photographs, reproducible to the number."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision.degrading import degrade
from pipeline.vision.faces import EMBEDDER, FaceDetector
from pipeline.vision.masks import (
    LARGE,
    PLACES,
    SIDE,
    STATES,
    FaceMap,
    aligned,
    mask_crop,
)
from pipeline.vision.types import INCORRECT, NONE, WORN

SEED = 20251103
#: Folder of photographs -> state of the person in them.
FOLDERS = {"without_mask": NONE, "with_mask": WORN, "incorrect": INCORRECT}
#: Degraded copies of every photograph, and of every drawn mask.
COPIES, DRAWN_COPIES = 2, 1
#: Widths of degraded faces, pixels.
WIDTHS = (14.0, 110.0)
#: Below this width of a face the state stays unknown, pixels.
LEAST_WIDTH = 20.0
#: Below this quality of a face the state stays unknown, 0..1. None is needed: the
#: states of faces from the side (quality 0) are told as well as those from the front.
LEAST_QUALITY = 0.0
#: Inverse strength of the penalty on the coefficients.
PENALTY = 0.0008
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Sample:
    """A large cut of one face."""

    crop: np.ndarray  #: uint8 [SIDE * LARGE, SIDE * LARGE, 3]
    state: int
    photo: int  #: number of the photograph: copies never straddle a split
    is_drawn: bool = False  #: has a mask that was drawn


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
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    say = progress or (lambda line: None)
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
    present = sorted({sample.state for sample in samples})
    if present != sorted(STATES):
        raise ModelError(
            f"{folder} has no `incorrect` folder: add one, or give --templates."
        )
    say(f"{len(samples)} faces")
    rows, labels, photos, widths = _table(samples, FaceMap(weights_dir))
    held = np.isin(photos, _held_out(photos))
    say(f"{len(rows)} degraded copies of {len(set(photos.tolist()))} photographs")

    def fit(select: np.ndarray) -> tuple[StandardScaler, LogisticRegression]:
        scaler = StandardScaler().fit(rows[select])
        model = LogisticRegression(
            C=PENALTY, class_weight="balanced", max_iter=300, random_state=SEED
        )
        return scaler, model.fit(scaler.transform(rows[select]), labels[select])

    scaler, model = fit(~held)
    logits = model.decision_function(scaler.transform(rows[held]))
    temperature = _temperature(logits, labels[held])
    figures = _figures(logits / temperature, labels[held], widths[held])
    say(f"held out: {figures}")
    scaler, model = fit(np.ones(len(rows), bool))
    provenance: dict[str, object] = {
        "folders": {
            name: sum(s.state == state for s in samples)
            for name, state in FOLDERS.items()
        },
        "further_faces": len(further),
        "templates": sorted(p.name for p in _templates(templates)) if templates else [],
        "seed": SEED,
        "copies": COPIES,
        "widths_px": list(WIDTHS),
        "penalty": PENALTY,
        "features_of": EMBEDDER,
        "held_out": figures,
    }
    _write(out, scaler, model, temperature, provenance)
    return provenance


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
                yield Sample(crop, state, photo)


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
            yield Sample(crop, NONE, number)
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


def drawn(samples: list[Sample], templates: Path) -> list[Sample]:
    """Return unmasked faces with a mask drawn on, in place and below the nose."""
    random = np.random.default_rng(SEED)
    read = [cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in _templates(templates)]
    pictures: list[np.ndarray] = [np.asarray(p) for p in read if p is not None]
    pictures = [p for p in pictures if p.shape[2:] == (4,)]
    if not pictures:
        raise ModelError(f"{templates} has no picture of a mask with transparency.")
    result = []
    for sample in samples:
        if sample.state != NONE:
            continue
        for state in (WORN, INCORRECT, INCORRECT):
            picture = pictures[random.integers(len(pictures))]
            result.append(
                Sample(
                    draw_mask(sample.crop, picture, state, random),
                    state,
                    sample.photo,
                    is_drawn=True,
                )
            )
    return result


def draw_mask(
    crop: np.ndarray, picture: np.ndarray, state: int, random: np.random.Generator
) -> np.ndarray:
    """Draw a mask over a large cut of a face.

    Parameters
    ----------
    crop
        uint8 [s, s, 3], from `mask_crop`.
    picture
        uint8 [h, w, 4], mask with transparency.
    state
        WORN: from the bridge of the nose; INCORRECT: from below its tip.
    random
        Source of the small variations.
    """
    side = crop.shape[0]
    places = PLACES * (side / SIDE)
    eye = places[:2, 1].mean()
    nose, mouth = places[2, 1], places[3:, 1].mean()
    reach = mouth - nose
    if state == WORN:
        top = eye + random.uniform(0.25, 0.6) * (nose - eye)
    else:
        top = nose + random.uniform(0.25, 0.75) * reach
    bottom = mouth + random.uniform(0.9, 1.5) * reach
    if state == INCORRECT:
        bottom += random.uniform(0.2, 0.8) * reach
    middle = side / 2 + random.uniform(-0.02, 0.02) * side
    half = random.uniform(0.98, 1.2) * (places[1, 0] - places[0, 0])
    rows = np.flatnonzero(picture[..., 3].max(axis=1) > 32)
    columns = np.flatnonzero(picture[..., 3].max(axis=0) > 32)
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    high, wide = picture.shape[:2]
    source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    lean = random.uniform(-0.03, 0.03, 2) * side
    target = np.array(
        [
            [middle - half, top + lean[0]],
            [middle + half, top + lean[1]],
            [middle + half * 0.9, bottom],
            [middle - half * 0.9, bottom],
        ],
        np.float32,
    )
    matrix = cv2.getPerspectiveTransform(source, target)
    warped = cv2.warpPerspective(picture, matrix, (side, side), flags=cv2.INTER_AREA)
    alpha = (cv2.GaussianBlur(warped[..., 3], (3, 3), 0) / 255.0)[..., None]
    colour = warped[..., :3] * random.uniform(0.55, 1.05, 3) ** np.array([1, 1, 1])
    if random.random() < 0.25:  # black masks are common and no picture is black
        colour = warped[..., :3].mean(axis=2, keepdims=True) * random.uniform(0.1, 0.35)
    light = np.clip(float(crop.mean()) / 128, 0.4, 1.3)
    mixed = crop * (1 - alpha) + np.clip(colour * light, 0, 255) * alpha
    return mixed.astype(np.uint8)


def _table(
    samples: list[Sample], features: FaceMap
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(SEED + 1)
    rows, labels, photos, widths = [], [], [], []
    for sample in samples:
        for _ in range(DRAWN_COPIES if sample.is_drawn else COPIES):
            width = float(np.exp(random.uniform(*np.log(WIDTHS))))
            rows.append(features(aligned(degrade(sample.crop, width, random))))
            labels.append(sample.state)
            photos.append(sample.photo)
            widths.append(width)
    return np.array(rows), np.array(labels), np.array(photos), np.array(widths)


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


def _templates(folder: Path) -> list[Path]:
    """Front views only, and no gas masks."""
    return [
        path
        for path in sorted(folder.glob("*.png"))
        if not path.stem.endswith(("_left", "_right")) and path.stem != "gas"
    ]


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
