"""Appearance of a whole person: colour and texture by part of the body.

A descriptor for the same day only: clothes change. It stands behind the interface
that learned re-identification weights would take (a name, frames and boxes in, unit
vectors out), so that these can take its place.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from io import BytesIO

import cv2
import numpy as np

NAME = "parts-colour-texture-1"
#: Size into which a person is brought, pixels.
WIDTH, HEIGHT = 32, 96
#: Columns of background beside the person on either side.
SIDE = 10
#: Horizontal parts of the body, from head to foot.
PARTS = 8
#: Bins of lightness, of each colour axis, of hue and of gradient direction.
BINS_L, BINS_AB, BINS_HUE, BINS_EDGE = 8, 8, 8, 6
#: What each block counts in the descriptor (shares of the squared length).
SHARES = {"lightness": 0.45, "colour": 0.3, "hue": 0.1, "edges": 0.15}
#: Range of the colour axes a and b that the bins cover, about neutral.
AB_RANGE = 60.0
#: Lightness to which the bright part of every frame is brought, 0..255.
BRIGHT = 215.0
DIMENSIONS = PARTS * (BINS_L + 2 * BINS_AB + BINS_HUE + BINS_EDGE)
_WEIGHTS = files("pipeline.vision") / "weights" / "appearance.npz"


class Lighting:
    """Evens out the light of one frame: white balance and exposure.

    Shades of grey (Finlayson and Trezzi, 2004: Minkowski norm 6) for the colour of
    the light, then the frame's own 95th percentile for its strength.
    """

    def __init__(self, frame: np.ndarray) -> None:
        step = max(1, min(frame.shape[:2]) // 96)
        pixels = frame[::step, ::step].reshape(-1, 3).astype(np.float32)
        brightest = np.maximum(np.maximum(pixels[:, 0], pixels[:, 1]), pixels[:, 2])
        pixels = pixels[brightest > 12]  # black borders tell nothing
        if len(pixels) < 16:
            self.gain = np.ones(3, np.float32)
            return
        squared = np.square(pixels / 255)
        sixth = squared * squared * squared  # a power of six takes ten times as long
        norm = np.maximum(np.mean(sixth, axis=0) ** (1 / 6), 1e-3)
        balance = np.clip(norm.mean() / norm, 0.6, 1.6)
        bright = float(np.percentile(pixels @ (balance / 3), 95))
        exposure = np.clip(BRIGHT / max(bright, 1.0), 0.5, 2.0)
        self.gain = (balance * exposure).astype(np.float32)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return an image of that frame under even light, uint8."""
        return np.clip(image * self.gain, 0, 255).astype(np.uint8)


def describe(frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Describe the persons of one frame.

    Parameters
    ----------
    frame
        uint8 [h, w, 3], BGR.
    boxes
        float32 [n, 4]: left, top, width, height in pixels.

    Returns
    -------
    numpy.ndarray
        float32 [n, DIMENSIONS], unit length; zero for a box outside the frame.
    """
    result = np.zeros((len(boxes), DIMENSIONS), np.float32)
    if not len(boxes):
        return result
    light = Lighting(frame)
    for index, box in enumerate(boxes):
        inside = np.clip(
            [box[0], box[1], box[0] + box[2], box[1] + box[3]],
            0,
            [frame.shape[1], frame.shape[0]] * 2,
        )
        if inside[2] - inside[0] >= 4 and inside[3] - inside[1] >= 8:
            crop = light(_cut(frame, inside))
            lab = cv2.cvtColor(crop, cv2.COLOR_BGR2LAB)
            weight = _CENTRE * _foreground(lab)
            person = slice(SIDE, SIDE + WIDTH)
            raw = _descriptor(
                np.ascontiguousarray(crop[:, person]),
                lab[:, person].astype(np.float32),
                weight,
            )
            result[index] = _unit(raw - _common())
    return result


def pool(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Return the unit-length weighted mean, float32 [d], or None without weight."""
    total = (vectors * np.asarray(weights)[:, None]).sum(axis=0)
    return _unit(total) if np.linalg.norm(total) > 0 else None


@lru_cache(maxsize=1)
def _common() -> np.ndarray:
    """Return what all persons have in common: it is taken off every descriptor."""
    with np.load(BytesIO(_WEIGHTS.read_bytes())) as stored:
        return stored["mean"]


@lru_cache(maxsize=1)
def sha256() -> str:
    """Return the sha256 of the shipped numbers, for provenance."""
    return hashlib.sha256(_WEIGHTS.read_bytes()).hexdigest()


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)


def _cut(frame: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Cut a person with a strip of SIDE columns to the left and right."""
    left, top, right, bottom = inside.round().astype(int)
    strip = round((right - left) * SIDE / WIDTH)
    before, after = max(0, strip - left), max(0, right + strip - frame.shape[1])
    part = frame[top:bottom, max(0, left - strip) : right + strip]
    if before or after:
        part = cv2.copyMakeBorder(part, 0, 0, before, after, cv2.BORDER_REPLICATE)
    return cv2.resize(part, (WIDTH + 2 * SIDE, HEIGHT), interpolation=cv2.INTER_AREA)


def _foreground(lab: np.ndarray) -> np.ndarray:
    """Return how likely each pixel of the box is the person, 0.05..1.

    Ratio of the colours' frequency in the middle of the box to that in the strips
    beside it, where the background is seen.
    """
    coarse = lab >> np.array([5, 3, 3], np.uint8)  # 8 x 32 x 32, of which few occur
    code = (coarse[..., 0].astype(np.int32) * 32 + coarse[..., 1]) * 32 + coarse[..., 2]
    beside = np.concatenate([code[:, :SIDE], code[:, -SIDE:]], axis=1).ravel()
    box = code[:, SIDE : SIDE + WIDTH]
    size = 8 * 32 * 32
    back = np.bincount(beside, minlength=size) / beside.size
    front = np.bincount(box.ravel(), _CENTRE.ravel(), size) / _CENTRE.sum()
    ratio = front[box] / (front[box] + back[box] + 1e-6)
    return np.clip((ratio - 0.3) / 0.4, 0.05, 1.0).astype(np.float32)


def _descriptor(crop: np.ndarray, lab: np.ndarray, weight: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV).astype(np.float32)
    lightness, a, b = lab[..., 0], lab[..., 1] - 128, lab[..., 2] - 128
    across = cv2.Sobel(lightness, cv2.CV_32F, 1, 0)
    along = cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    turn = np.mod(np.arctan2(along, across), np.pi) / np.pi
    # A 0..1 position in its range, and a weight, for every pixel.
    channels = {
        "lightness": [(lightness / 255, weight, BINS_L, False)],
        "colour": [
            (a / (2 * AB_RANGE) + 0.5, weight, BINS_AB, False),
            (b / (2 * AB_RANGE) + 0.5, weight, BINS_AB, False),
        ],
        "hue": [
            (hsv[..., 0] / 180, weight * _colourful(hsv), BINS_HUE, True),
        ],
        "edges": [
            (turn, weight * np.hypot(across, along) / 255, BINS_EDGE, True),
        ],
    }
    per_part = np.bincount(_PART.ravel(), weight.ravel(), PARTS) + 1e-6
    blocks = []
    for name, parts in channels.items():
        rows = np.concatenate([_histograms(*part, per_part) for part in parts], axis=1)
        block = np.sqrt(rows).ravel()
        length = np.linalg.norm(block)
        if length > 0:
            block = block / length
        blocks.append(block * np.sqrt(SHARES[name]))
    return _unit(np.concatenate(blocks))


def _histograms(
    position: np.ndarray,
    weight: np.ndarray,
    bins: int,
    around: bool,
    per_part: np.ndarray,
) -> np.ndarray:
    """Return the soft histogram of each part of the body, float [PARTS, bins].

    Each pixel is shared between the two nearest bins, so that a small change of
    light does not make it jump from one to the next. A part sums to 1 where its
    weights are those of `per_part`; colourless or smooth parts stay small.
    """
    if around:
        place = position * bins
        low = np.floor(place).astype(int)
        share = place - low
        first, second = low % bins, (low + 1) % bins
    else:
        place = np.clip(position, 0, 1) * (bins - 1)
        low = np.minimum(np.floor(place).astype(int), bins - 2)
        share = place - low
        first, second = low, low + 1
    row = _PART * bins
    size = PARTS * bins
    total = np.bincount(
        (row + first).ravel(), (weight * (1 - share)).ravel(), size
    ) + np.bincount((row + second).ravel(), (weight * share).ravel(), size)
    return total.reshape(PARTS, bins) / per_part[:, None]


def _colourful(hsv: np.ndarray) -> np.ndarray:
    """Return how much the hue of each pixel means, 0..1: dark or grey means none."""
    return hsv[..., 1] / 255 * np.clip(hsv[..., 2] / 128, 0, 1)


def _centre() -> np.ndarray:
    """Return the weight of each pixel: the middle of the box is the person."""
    x = (np.arange(WIDTH) + 0.5) / WIDTH - 0.5
    y = (np.arange(HEIGHT) + 0.5) / HEIGHT
    column = np.exp(-0.5 * (x / 0.17) ** 2)
    row = np.where((y < 0.04) | (y > 0.96), 0.2, 1.0)
    return (row[:, None] * column[None, :]).astype(np.float32)


_CENTRE = _centre()
_PART = np.repeat(np.arange(HEIGHT) * PARTS // HEIGHT, WIDTH).reshape(HEIGHT, WIDTH)
