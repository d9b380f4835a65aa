"""Masks painted over a bare face, for templates of people who wear one."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from pipeline.vision.faces import TEMPLATE, similarity

#: Side of the frame in which a face stands upright while its mask is placed.
_FRAME = 224.0
#: Colours (BGR) of the masks painted for a template: surgical, white, black.
COLOURS = ((205, 180, 140), (235, 235, 235), (45, 45, 45))


def plain_masks() -> list[np.ndarray]:
    """Return the pleated masks that are painted for a template, uint8 [h, w, 4]."""
    return [_pleated(colour) for colour in COLOURS]


def draw(
    image: np.ndarray, landmarks: np.ndarray, pictures: list[np.ndarray], name: str
) -> np.ndarray:
    """Return the image with a mask over mouth and nose of one face.

    Parameters
    ----------
    image
        uint8 [h, w, 3], BGR.
    landmarks
        float32 [5, 2]: eyes, nose tip, mouth corners, pixels.
    pictures
        uint8 [h, w, 4] each, pictures of masks with transparency.
    name
        Chooses picture, place and shade: the same name, the same mask.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    picture = pictures[int(random.integers(len(pictures)))]
    matrix = similarity(landmarks, TEMPLATE * (_FRAME / 112))
    marks = landmarks @ matrix[:, :2].T + matrix[:, 2]
    corners = _corners(marks, random) - matrix[:, 2]
    corners = corners @ np.linalg.inv(matrix[:, :2]).T
    high, wide = picture.shape[:2]
    source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    warp = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    # Shrunk first, so that no pixel of a large picture is skipped.
    span = float(np.linalg.norm(corners[1] - corners[0]))
    factor = min(1.0, max(2.0, span) / wide)
    small = cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    shape = np.diag([wide / small.shape[1], high / small.shape[0], 1.0])
    drawn = cv2.warpPerspective(
        small, warp @ shape, (image.shape[1], image.shape[0]), flags=cv2.INTER_LINEAR
    )
    alpha = drawn[..., 3:].astype(np.float32) / 255
    face = _under(image, corners)
    light = np.clip(face / 130, 0.35, 1.25) * random.uniform(0.85, 1.1)
    colour = np.clip(drawn[..., :3] * light, 0, 255)
    return np.rint(image * (1 - alpha) + colour * alpha).astype(np.uint8)


def _corners(marks: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return where the corners of a worn mask lie about an upright face."""
    eyes, nose, mouth = marks[:2].mean(axis=0), marks[2], marks[3:].mean(axis=0)
    apart = marks[1, 0] - marks[0, 0]
    top = eyes[1] + random.uniform(0.35, 0.55) * (nose[1] - eyes[1])
    bottom = mouth[1] + random.uniform(0.95, 1.25) * (mouth[1] - nose[1])
    upper = (eyes[0] + nose[0]) / 2
    half = random.uniform(1.0, 1.12) * apart
    lower = 0.88 * half
    return np.array(
        [
            [upper - half, top],
            [upper + half, top],
            [mouth[0] + lower, bottom],
            [mouth[0] - lower, bottom],
        ]
    )


def _under(image: np.ndarray, corners: np.ndarray) -> float:
    """Return the mean brightness of what the mask covers."""
    left, top = np.clip(corners.min(axis=0), 0, None).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    part = image[top : max(top + 1, bottom), left : max(left + 1, right)]
    return float(part.mean()) if part.size else 128.0


def _pleated(colour: tuple[int, ...]) -> np.ndarray:
    """Return a pleated mask, uint8 [200, 300, 4]."""
    picture = np.zeros((200, 300, 4), np.uint8)
    left = np.array([[0, 30], [110, 8], [150, 0], [150, 199], [85, 185], [15, 130]])
    right = np.array(
        [[150, 0], [190, 8], [299, 30], [285, 130], [215, 185], [150, 199]]
    )
    for outline in (left, right):
        cv2.fillPoly(picture, [outline.astype(np.int32)], (*colour, 255))
    shade = np.ones((200, 300), np.float32)
    for row in (60, 95, 130):
        cv2.line(shade, (0, row), (299, row), 0.85, 3)  # type: ignore[call-overload]
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 2), np.float32)
    across = 1 - 0.25 * np.abs(np.linspace(-1, 1, 300)) ** 2
    lit = picture[..., :3] * (shade * across)[..., None]
    picture[..., :3] = np.clip(lit, 0, 255).astype(np.uint8)
    return picture
