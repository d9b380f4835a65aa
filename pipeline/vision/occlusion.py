"""How much of a face is seen: how far its parts look like those of a face.

Both eyes, the nose and the mouth of an aligned face are each compared with the mean
face (Labeled Faces in the Wild, the first photograph of each of 320 people). What
covers a part, a hand, a scarf, dark glasses or a mask, does not look like it.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import cv2
import numpy as np

#: Written by `python -m benchmarks.fit_mean_face`.
FILE = "mean-face.npz"
#: Side of the small picture in which parts are compared, pixels.
SIDE = 28
#: Rows and columns of the parts there: eyes, nose, mouth.
PARTS = (
    (slice(9, 17), slice(5, 14)),
    (slice(9, 17), slice(14, 23)),
    (slice(13, 21), slice(10, 18)),
    (slice(19, 27), slice(8, 20)),
)
#: Mean correlation of the parts from which a face is wholly seen: the mean of bare
#: faces (0.55). Chosen on half of the people; 0.45 to 0.7 rank faces as well.
WHOLE = 0.55
#: Least spread of a part's brightness: less is noise of a plain surface.
LEAST_SPREAD = 3.0


def visible(aligned: np.ndarray) -> float:
    """Return how much of an aligned face is seen, 0..1.

    Parameters
    ----------
    aligned
        uint8 [112, 112, 3], BGR, from `faces.align`.
    """
    small = shrunk(aligned)
    likeness = 0.0
    for part, (mean, spread) in zip(PARTS, _mean_parts(), strict=True):
        values = small[part] - small[part].mean()
        own = max(float(np.sqrt((values**2).mean())), LEAST_SPREAD)
        likeness += max(0.0, float((values * mean).mean()) / own / spread)
    return min(1.0, likeness / len(PARTS) / WHOLE)


def shrunk(aligned: np.ndarray) -> np.ndarray:
    """Return the brightness of an aligned face, float32 [28, 28]."""
    grey = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(
        np.float32
    )


def mean_face() -> np.ndarray:
    """Return the mean face, float32 [28, 28]."""
    with (files("pipeline.vision") / "weights" / FILE).open("rb") as stream:
        return np.load(stream)["mean"].astype(np.float32)


@lru_cache(maxsize=1)
def _mean_parts() -> list[tuple[np.ndarray, float]]:
    """Return each part of the mean face, about its mean, and its spread."""
    parts = [mean_face()[part] for part in PARTS]
    return [(part - part.mean(), float(part.std())) for part in parts]
