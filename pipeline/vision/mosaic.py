"""Mosaic: faces and persons made unrecognisable for good."""

from __future__ import annotations

import cv2
import numpy as np

#: Cells across a mosaicked region: with six, the colours of hair and background still
#: told one person in six among sixty; with four one in twenty.
CELLS = 4
#: Standard deviation of the noise added to the cells, grey values.
NOISE = 24.0
#: A box is enlarged by this share of its size on every side.
MARGIN = 0.35


def mosaic(
    frame: np.ndarray,
    boxes: np.ndarray,
    keep: np.ndarray | None = None,
    *,
    margin: float = MARGIN,
    seed: int | None = None,
) -> np.ndarray:
    """Return a copy of a frame with regions mosaicked.

    Each region is averaged into a few cells and noise is added before it is
    enlarged again, so that neither the detail nor the exact averages remain.

    Parameters
    ----------
    frame
        uint8 [h, w, 3].
    boxes
        float [n, 4]: left, top, width, height in pixels; rows that are not
        finite are refused, because a region that cannot be found cannot be hidden.
    keep
        float [4] or [m, 4]: those of the boxes that are not mosaicked; where
        another region covers them, it stays mosaicked: hiding goes before showing.
    margin
        Share of a box's size by which it is enlarged on every side.
    seed
        Of the noise, for tests; by default it differs every time.

    Raises
    ------
    ValueError
        A box is not finite.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ValueError("a box to be mosaicked is not finite")
    result = frame.copy()
    random = np.random.default_rng(seed)
    height, width = frame.shape[:2]
    kept = np.empty((0, 4)) if keep is None else np.asarray(keep).reshape(-1, 4)
    for box in boxes:
        if any(np.allclose(box, one) for one in kept):
            continue
        left, top, right, bottom = _enlarged(box, margin, width, height)
        if right <= left or bottom <= top:
            continue
        # From the original: overlapping regions must not sharpen one another.
        region = frame[top:bottom, left:right]
        result[top:bottom, left:right] = _pixelated(region, random)
    return result


def head_boxes(persons: np.ndarray) -> np.ndarray:
    """Return the box of each person's head and shoulders, float64 [n, 4].

    Parameters
    ----------
    persons
        float [n, 4]: left, top, width, height in pixels. The upper third of the
        box, and as high as it is wide where the person sits or is cut off.
    """
    boxes = np.array(persons, np.float64).reshape(-1, 4)
    boxes[:, 3] = np.minimum(boxes[:, 3], np.maximum(boxes[:, 3] / 3, boxes[:, 2]))
    return boxes


def _enlarged(
    box: np.ndarray, margin: float, width: int, height: int
) -> tuple[int, int, int, int]:
    left, top, wide, high = box
    return (
        int(np.clip(np.floor(left - margin * wide), 0, width)),
        int(np.clip(np.floor(top - margin * high), 0, height)),
        int(np.clip(np.ceil(left + wide * (1 + margin)), 0, width)),
        int(np.clip(np.ceil(top + high * (1 + margin)), 0, height)),
    )


def _pixelated(region: np.ndarray, random: np.random.Generator) -> np.ndarray:
    high, wide = region.shape[:2]
    cell = max(1.0, max(high, wide) / CELLS)
    size = (max(1, round(wide / cell)), max(1, round(high / cell)))
    small = cv2.resize(region, size, interpolation=cv2.INTER_AREA).reshape(
        size[1], size[0], -1
    )
    noisy = small + random.normal(0, NOISE, small.shape)
    cells = np.clip(noisy, 0, 255).astype(np.uint8)
    large = cv2.resize(cells, (wide, high), interpolation=cv2.INTER_NEAREST)
    return large.reshape(region.shape)
