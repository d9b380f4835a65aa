"""Masks drawn over faces, worn and below the nose, for training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision.masks import PLACES, SIDE
from pipeline.vision.types import INCORRECT, NONE, WORN

SEED = 20251103


@dataclass(frozen=True)
class Sample:
    """A large cut of one face."""

    crop: np.ndarray  #: uint8 [SIDE * LARGE, SIDE * LARGE, 3]
    state: int
    photo: int  #: number of the photograph: copies never straddle a split
    file: Path  #: of the photograph
    is_drawn: bool = False  #: has a mask that was drawn


def drawn(samples: list[Sample], templates: Path) -> list[Sample]:
    """Return unmasked faces with a mask drawn on, in place and below the nose."""
    random = np.random.default_rng(SEED)
    read = [cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in pictures_of(templates)]
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
                    sample.file,
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


def pictures_of(folder: Path) -> list[Path]:
    """Front views only, and no gas masks."""
    return [
        path
        for path in sorted(folder.glob("*.png"))
        if not path.stem.endswith(("_left", "_right")) and path.stem != "gas"
    ]
