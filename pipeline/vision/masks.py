"""State of the mask: worn, incorrect (below the nose), none, or unknown.

A multinomial logistic regression on gradients and colours of the aligned face,
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
from pipeline.vision.faces import TEMPLATE, similarity
from pipeline.vision.types import INCORRECT, NONE, UNKNOWN, WORN

NAME = "mask-hog-lab-1"
#: States of the classifier's columns.
STATES = (NONE, INCORRECT, WORN)
#: Side of the square the features are computed on, pixels.
SIDE = 64
#: Where the landmarks lie in it: smaller than in `faces.align`, so that the whole
#: chin and the cheeks are seen.
PLACES = (TEMPLATE * 0.62 + np.array([13.3, 8.0])) * (SIDE / 96)
#: Probability from which a frame's state counts as decided.
DECIDED = 0.75
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
            #: Least width of a face, pixels.
            self.least_width = float(stored["least_width"])
            #: Least quality of a face, 0..1.
            self.least_quality = float(stored["least_quality"])
            #: How and from what it was trained, and its measured figures.
            self.provenance = json.loads(str(stored["provenance"]))
        self.name = NAME
        self.sha256 = hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: Path | None = None) -> MaskClassifier:
        """Load a trained file, or the one that is shipped.

        Raises
        ------
        ModelError
            The file is missing or is not a mask classifier.
        """
        source = path or files("pipeline.vision") / "weights" / "masks.npz"
        try:
            return cls(source.read_bytes())
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(
                f"The mask classifier {source} cannot be used ({error}); train one "
                "with `dongseon masks train DIR --out FILE`."
            ) from error

    def __call__(
        self, crop: np.ndarray, width_px: float, quality: float
    ) -> np.ndarray | None:
        """Return the probability of none, incorrect and worn, float32 [3].

        Parameters
        ----------
        crop
            uint8 [64, 64, 3], from `mask_crop`.
        width_px
            Width of the face in the frame, pixels.
        quality
            Quality of the face, 0..1.

        Returns
        -------
        numpy.ndarray or None
            None below the size or quality at which it was shown to work.
        """
        if width_px < self.least_width or quality < self.least_quality:
            return None
        return self.probabilities(features(crop)[None])[0]

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float32 [n, 3], of features [n, k]."""
        scaled = (rows - self._mean) / self._scale
        logits = (scaled @ self._coefficients.T + self._intercepts) / self._temperature
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


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


def features(crop: np.ndarray) -> np.ndarray:
    """Return gradients and colours of a cut face, float32 [k].

    Histograms of oriented gradients (Dalal and Triggs, 2005) at two scales, the
    colour of an 8 x 8 grid relative to the skin about the eyes (so that neither
    the light nor the colour of the skin decides), and its unevenness.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    fine = np.ravel(_HOG.compute(grey))
    half = cv2.resize(grey, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    coarse = np.ravel(_COARSE.compute(half))
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2LAB).astype(np.float32)
    grid = lab.reshape(8, SIDE // 8, 8, SIDE // 8, 3).transpose(0, 2, 1, 3, 4)
    grid = grid.reshape(8, 8, -1, 3)
    mean, spread = grid.mean(axis=2), grid.std(axis=2)
    skin = np.median(lab[_SKIN].reshape(-1, 3), axis=0)
    contrast = max(8.0, float(lab[..., 0].std()))
    relative = (mean - skin) / np.array([contrast, 12.0, 12.0], np.float32)
    rough = spread / np.array([contrast, 6.0, 6.0], np.float32)
    return np.concatenate(
        [fine, coarse, relative.ravel() * 0.5, rough.ravel() * 0.5]
    ).astype(np.float32)


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


_HOG = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9)
_COARSE = cv2.HOGDescriptor((32, 32), (16, 16), (8, 8), (8, 8), 9)
#: Rows and columns of the skin between and beside the eyes.
_SKIN = (slice(SIDE * 24 // 96, SIDE * 40 // 96), slice(SIDE // 3, 2 * SIDE // 3))
