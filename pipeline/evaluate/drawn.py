"""Masks drawn over the faces of known people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pipeline.evaluate.tables import EvaluationError
from pipeline.vision.painting import draw

__all__ = ["draw", "mask_pictures"]

#: Colours (BGR) of masks where no pictures are given: navy, beige, grey.
_COLOURS = ((95, 60, 40), (165, 190, 215), (128, 128, 128))


def mask_pictures(folder: Path | None = None) -> list[np.ndarray]:
    """Return pictures of masks with transparency, uint8 [h, w, 4], cut to the mask.

    Parameters
    ----------
    folder
        PNG files, front views (names that end in _left or _right and gas masks are
        left out); three cupped masks, drawn here, where none is given.

    Raises
    ------
    EvaluationError
        The folder has no picture with transparency.
    """
    if folder is None:
        return [_cupped(colour) for colour in _COLOURS]
    found = []
    for path in sorted(folder.glob("*.png")):
        if path.stem.endswith(("_left", "_right")) or path.stem == "gas":
            continue
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
            continue
        if (picture[..., 3] > 32).any():
            found.append(_trimmed(picture))
    if not found:
        raise EvaluationError(
            f"{folder} has no front view of a mask as PNG with transparency; "
            "leave --templates out to use plain masks."
        )
    return found


def _trimmed(picture: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(picture[..., 3].max(axis=1) > 32)
    columns = np.flatnonzero(picture[..., 3].max(axis=0) > 32)
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _cupped(colour: tuple[int, ...]) -> np.ndarray:
    """Return a cupped mask, uint8 [200, 300, 4]: no mask that enrolment paints."""
    picture = np.zeros((200, 300, 4), np.uint8)
    outline = np.array(
        [
            *([0, 45], [60, 18], [150, 0], [240, 18], [299, 45]),
            *([278, 128], [205, 180], [150, 199], [95, 180], [22, 128]),
        ]
    )
    cv2.fillPoly(picture, [outline.astype(np.int32)], (*colour, 255))
    across = 1 - 0.35 * np.abs(np.linspace(-1, 1, 300)) ** 1.5
    down = 1 - 0.2 * np.abs(np.linspace(-1, 1, 200))[:, None]
    lit = picture[..., :3] * (across * down)[..., None]
    picture[..., :3] = np.clip(lit, 0, 255).astype(np.uint8)
    picture[4:195, 149:151, :3] = np.multiply(colour, 0.8).astype(np.uint8)
    return picture
