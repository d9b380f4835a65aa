"""State of the mask: worn, incorrect (below the nose), none, or unknown.

A multinomial logistic regression on an inner layer of the face recogniser, which
tells where in the aligned face skin, nose, mouth and cloth are, whatever the light;
trained by `mask_training` and shipped as a small file of coefficients.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision.engine import Network
from pipeline.vision.faces import ALIGNED, EMBEDDER, TEMPLATE, align, similarity
from pipeline.vision.models import weight_path
from pipeline.vision.types import INCORRECT, NONE, UNKNOWN, WORN

NAME = "mask-inner-layer-2"
#: A file of this name among the weights takes the place of the one that ships.
OWN_FILE = "masks.npz"
#: States of the classifier's columns.
STATES = (NONE, INCORRECT, WORN)
#: Channels and side of the recogniser's layer that is looked at.
CHANNELS, MAP_SIDE = 128, 14
#: Rows and columns to which the layer is averaged, and the columns of one half face.
ROWS, HALF = 7, 4
#: Length of the features of a face.
DIMENSIONS = CHANNELS * ROWS * HALF
#: Side of the square in which masks are drawn for training, at its smallest, pixels.
SIDE = 64
#: The face is cut so many times larger.
LARGE = 3
#: Where the landmarks lie in it: smaller than in `faces.align`, so that the whole
#: chin and the cheeks are seen.
PLACES = (TEMPLATE * 0.62 + np.array([13.3, 8.0])) * (SIDE / 96)
#: Probability from which a frame's state counts as decided: nine in ten photographs
#: of a source never trained on are.
DECIDED = 0.7
#: Chance that somebody puts a mask on or off between two analysed frames.
CHANGE = 0.01
#: Frames of a pass are not independent: each counts this share of an observation.
INDEPENDENCE = 0.3


class MaskClassifier:
    """Coefficients and what they were shown to work on."""

    def __init__(self, content: bytes) -> None:
        with np.load(BytesIO(content)) as stored:
            self._mean = stored["mean"].astype(np.float32)
            self._scale = stored["scale"].astype(np.float32)
            self._coefficients = stored["coefficients"].astype(np.float32)
            self._intercepts = stored["intercepts"].astype(np.float32)
            self._temperature = float(stored["temperature"])
            if self._coefficients.shape != (len(STATES), DIMENSIONS):
                raise ValueError("it was trained for another version")
            #: Least width of a face, pixels.
            self.least_width = float(stored["least_width"])
            #: Least quality of a face, 0..1.
            self.least_quality = float(stored["least_quality"])
            #: How and from what it was trained, and its measured figures.
            self.provenance = json.loads(str(stored["provenance"]))
        self.name = NAME
        self.sha256 = hashlib.sha256(content).hexdigest()

    @classmethod
    def load(
        cls, path: Path | None = None, weights_dir: Path | None = None
    ) -> MaskClassifier:
        """Load a trained file, the city's own among the weights, or that shipped.

        Raises
        ------
        ModelError
            The file is missing or is not a mask classifier.
        """
        source = path or files("pipeline.vision") / "weights" / OWN_FILE
        if (
            path is None
            and weights_dir is not None
            and (weights_dir / OWN_FILE).is_file()
        ):
            source = weights_dir / OWN_FILE
        try:
            return cls(source.read_bytes())
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(
                f"The mask classifier {source} cannot be used ({error}); train one "
                "with `dongseon masks train DIR --out FILE`."
            ) from error

    def can_tell(self, width_px: float, quality: float) -> bool:
        """Return whether a face is as large and as good as was shown to work."""
        return width_px >= self.least_width and quality >= self.least_quality

    def __call__(self, row: np.ndarray) -> np.ndarray:
        """Return the probability of none, incorrect and worn, float32 [3].

        Parameters
        ----------
        row
            float32 [DIMENSIONS], from `FaceMap`; of a face of which `can_tell` holds.
        """
        return self.probabilities(row[None])[0]

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float32 [n, 3], of features [n, k]."""
        scaled = (rows - self._mean) / self._scale
        logits = (scaled @ self._coefficients.T + self._intercepts) / self._temperature
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


class FaceMap:
    """Features of aligned faces: what an inner layer of the recogniser sees where.

    The layer is averaged over a face and its mirror image and over neighbouring
    cells, so that the side from which the light comes does not decide.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        self._network = Network(
            weight_path(weights_dir, EMBEDDER),
            (2, ALIGNED, ALIGNED, 3),
            threads,
            inner=(2, CHANNELS, MAP_SIDE, MAP_SIDE),
        )

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Return the features of one face, float32 [DIMENSIONS].

        Parameters
        ----------
        aligned
            uint8 [112, 112, 3], BGR, from `face_of`.
        """
        rgb = (aligned[..., ::-1].astype(np.float32) - 127.5) / 128.0
        face, mirrored = self._network(np.stack([rgb, rgb[:, ::-1]]))[0]
        both = (face + mirrored[:, :, ::-1]) / 2
        cell = MAP_SIDE // ROWS
        grid = both.reshape(CHANNELS, ROWS, cell, ROWS, cell).mean(axis=(2, 4))
        folded = (grid + grid[:, :, ::-1]) / 2
        return np.ascontiguousarray(folded[:, :, :HALF]).ravel()


@dataclass(frozen=True)
class MaskTrack:
    """Mask states over a pass."""

    states: np.ndarray  #: int8 [n]
    probabilities: np.ndarray  #: float32 [n], NaN where unknown
    state: int  #: of most of the pass
    probability: float  #: NaN when unknown


def over_time(observed: Sequence[np.ndarray | None]) -> MaskTrack:
    """Smooth the states of one pass: a change must persist to be believed.

    Forward-backward over a chain of three states that seldom changes.

    Parameters
    ----------
    observed
        For each detection the probabilities of none, incorrect and worn, or None
        where nothing can be said; those stay unknown.
    """
    count = len(observed)
    states = np.full(count, UNKNOWN, np.int8)
    probabilities = np.full(count, np.nan, np.float32)
    rows = [index for index, value in enumerate(observed) if value is not None]
    if not rows:
        return MaskTrack(states, probabilities, UNKNOWN, float("nan"))
    seen = np.array([observed[row] for row in rows], np.float64)
    likelihood = np.clip(seen, 1e-4, 1) ** (INDEPENDENCE if len(rows) > 1 else 1.0)
    posterior = _smooth(likelihood)
    best = posterior.argmax(axis=1)
    sure = posterior.max(axis=1)
    for row, column, probability in zip(rows, best, sure, strict=True):
        if probability >= DECIDED:
            states[row] = STATES[column]
            probabilities[row] = probability
    mean = posterior.mean(axis=0)
    column = int(mean.argmax())
    if mean[column] < DECIDED:
        return MaskTrack(states, probabilities, UNKNOWN, float("nan"))
    return MaskTrack(states, probabilities, STATES[column], float(mean[column]))


def face_of(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the aligned face as `FaceMap` wants it, uint8 [112, 112, 3].

    Unlike `faces.align` it skips no pixel of a large face, and goes on with the last
    pixels where the picture ends, as in training.

    Parameters
    ----------
    image
        uint8 [h, w, 3], BGR.
    landmarks
        float32 [5, 2], pixels.
    """
    return aligned(mask_crop(image, landmarks, SIDE * LARGE))


def aligned(crop: np.ndarray) -> np.ndarray:
    """Return the aligned face in a cut of `mask_crop`, uint8 [112, 112, 3]."""
    return align(crop, (PLACES * (crop.shape[0] / SIDE)).astype(np.float32))


def mask_crop(image: np.ndarray, landmarks: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Cut the aligned face with cheeks and chin.

    Parameters
    ----------
    image
        uint8 [h, w, 3], BGR.
    landmarks
        float32 [5, 2], pixels.
    side
        Side of the result, pixels.
    """
    matrix = similarity(landmarks, PLACES * (side / SIDE))
    shrink = np.hypot(matrix[0, 0], matrix[1, 0])
    factor = 1
    while shrink * factor < 0.6 and factor < 16:  # keep pixels from being skipped
        factor *= 2
    large = cv2.warpAffine(
        image,
        matrix * factor,
        (side * factor, side * factor),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if factor == 1:
        return large
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def _smooth(likelihood: np.ndarray) -> np.ndarray:
    """Forward-backward of a chain of three states; returns posteriors [n, 3]."""
    count = len(STATES)
    step = np.full((count, count), CHANGE / (count - 1))
    np.fill_diagonal(step, 1 - CHANGE)
    forward = np.empty_like(likelihood)
    belief = np.full(count, 1 / count)
    for index, row in enumerate(likelihood):
        belief = (belief @ step if index else belief) * row
        belief = belief / belief.sum()
        forward[index] = belief
    posterior = np.empty_like(likelihood)
    after = np.ones(count)
    for index in range(len(likelihood) - 1, -1, -1):
        joint = forward[index] * after
        posterior[index] = joint / joint.sum()
        after = step @ (likelihood[index] * after)
        after = after / after.sum()
    return posterior
