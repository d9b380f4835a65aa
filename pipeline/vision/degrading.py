"""Faces as a camera would show them: small, turned, dim, noisy, compressed."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.vision.masks import SIDE

#: Width of a face's box in a cut of SIDE pixels.
FACE_WIDTH = 33.0


def degrade(
    crop: np.ndarray, width_px: float, random: np.random.Generator
) -> np.ndarray:
    """Return the cut as a camera would show a face of that width, at its own size."""
    side = crop.shape[0]
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    turn = cv2.getRotationMatrix2D(
        (side / 2, side / 2), random.uniform(-8, 8), random.uniform(0.92, 1.08)
    )
    turn[:, 2] += random.uniform(-0.05, 0.05, 2) * side
    crop = cv2.warpAffine(crop, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    small = max(10, round(SIDE * width_px / FACE_WIDTH))
    if small < side:
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    if random.random() < 0.4:
        crop = cv2.GaussianBlur(crop, (0, 0), random.uniform(0.3, 1.1))
    if random.random() < 0.5:  # haze and dim light
        crop = cv2.addWeighted(
            crop, contrast := random.uniform(0.3, 1.0), crop, 0, (1 - contrast) * 110
        )
    gamma = np.exp(random.uniform(-0.5, 0.5))
    tint = random.uniform(0.88, 1.12, 3)
    table = (np.arange(256)[:, None] / 255) ** gamma * 255 * tint
    table = np.clip(table * random.uniform(0.6, 1.25), 0, 255).astype(np.uint8)
    crop = cv2.LUT(np.ascontiguousarray(crop), table[None])
    noise = random.normal(0, random.uniform(0, 6), crop.shape)
    crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.7:
        flag = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(35, 95))]
        stored = cv2.imencode(".jpg", crop, flag)[1]
        crop = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR)
