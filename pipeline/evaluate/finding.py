"""The one face a labelled picture is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.vision.faces import HEAD_SIDE, FaceDetector
from pipeline.vision.types import Faces

#: Longer sides at which a face is looked for, in turn, pixels.
LONGEST = (640, 320)
#: Border added around a picture that its face fills, as a share of its sides.
BORDER = 0.35
#: Longer side and least score of the last attempts, for faces cut off or covered.
LAST_LONGEST, LAST_SCORE = (160, 320, 640), 0.3
#: A face found again overlaps the known one at least so much.
AGAIN_IOU = 0.3


@dataclass(frozen=True)
class Face:
    """A face in a picture, in its pixels."""

    box: np.ndarray  #: float32 [4]: left, top, width, height
    landmarks: np.ndarray  #: float32 [5, 2]
    score: float  #: 0..1

    @property
    def width(self) -> float:
        """Width of the box, pixels."""
        return float(self.box[2])


class Finder:
    """Finds the face a picture is about: large and near its middle.

    Small pictures are enlarged to the size at which footage's head regions are
    searched; a picture without a face is searched again smaller, then with a
    border, for faces that fill it, and at last for the likeliest of weak ones.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        self._detector = FaceDetector(weights_dir, threads)

    def __call__(
        self, image: np.ndarray, near: np.ndarray | None = None
    ) -> Face | None:
        """Return the face, or None.

        Parameters
        ----------
        image
            uint8 [h, w, 3], BGR.
        near
            float [4], box of the face meant; another is not taken for it.
        """
        side = max(image.shape[:2])
        longest = min(LONGEST[0], max(HEAD_SIDE, side))
        for attempt in dict.fromkeys((longest, min(longest, LONGEST[1]))):
            face = _chosen(self._detector(image, longest=attempt), image, near)
            if face is not None:
                return face
        high, wide = (int(BORDER * extent) for extent in image.shape[:2])
        wider = cv2.copyMakeBorder(
            image, high, high, wide, wide, cv2.BORDER_CONSTANT, value=(127,) * 3
        )
        shift = np.array([wide, high], np.float32)
        found = self._detector(wider, longest=LONGEST[1])
        boxes = found.boxes - np.concatenate([shift, [0, 0]]).astype(np.float32)
        moved = Faces(boxes, found.scores, found.landmarks - shift)
        return _chosen(moved, image, near) or self._weak(image, near)

    def _weak(self, image: np.ndarray, near: np.ndarray | None) -> Face | None:
        found = [
            _chosen(self._detector(image, score=LAST_SCORE, longest=side), image, near)
            for side in LAST_LONGEST
        ]
        return max(
            (face for face in found if face is not None),
            key=lambda face: face.score,
            default=None,
        )


def _chosen(found: Faces, image: np.ndarray, near: np.ndarray | None) -> Face | None:
    if not len(found.scores):
        return None
    if near is not None:
        overlaps = _iou(found.boxes, near)
        index = int(np.argmax(overlaps))
        if overlaps[index] < AGAIN_IOU:
            return None
    else:
        size = np.array([image.shape[1], image.shape[0]], np.float32)
        middle = found.boxes[:, :2] + found.boxes[:, 2:] / 2 - size / 2
        aside = np.hypot(*middle.T) / (np.hypot(*size) / 2)
        index = int(np.argmax(found.boxes[:, 2] * np.clip(1 - aside, 0.05, 1)))
    return Face(found.boxes[index], found.landmarks[index], float(found.scores[index]))


def _iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    return shared / (np.prod(boxes[:, 2:], axis=1) + np.prod(box[2:]) - shared)


def shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """Return the picture at a share of its size, uint8 [h, w, 3]."""
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
