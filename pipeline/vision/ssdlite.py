"""SSDLite: the second person network, measured beside the one in use.

It squeezes what it sees into 300 x 300 pixels: small people are found on 2 x 2 tiles,
people as tall as the frame on two squares of full height (where they keep their
proportions), people close to the camera on the whole frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import supervision as sv

from pipeline.vision.engine import Streams
from pipeline.vision.models import weight_path

MODEL = "ssdlite-pedestrian"
#: Side of the network's input, pixels.
SIDE = 300
#: Where the network begins and ends. Its own loops around, which scale a picture
#: that has the size already and suppress boxes, cost a fifth of its time.
BEGIN = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"
ENDS = ("Postprocessor/ExpandDims_1", "Postprocessor/convert_scores")
#: Boxes of one window that overlap more are one (as in the network's own end).
NETWORK_IOU = 0.6
#: Height up to which a box of the network is too wide, and from which it is right,
#: pixels of SIDE in a tile; shares of the width too much at the left and right.
#: Medians over 31 boxes of vtest.avi labelled by others (PETS 2009), confirmed on
#: the 1,075 of tests/data/vtest-truth.txt.
WIDE_TO, WIDE_FROM = 60.0, 110.0
TOO_WIDE = (0.14, 0.07)
#: Share of its height that a box reaches below the feet (the same boxes).
TOO_LOW = 0.03


class Ssdlite:
    """Finds persons in pictures squeezed into the network's square."""

    side = SIDE

    def __init__(self, weights_dir: Path, threads: int) -> None:
        self._network = Streams(
            weight_path(weights_dir, MODEL),
            (1, SIDE, SIDE, 3),
            threads,
            between=(BEGIN, ENDS),
        )

    def __call__(
        self, pictures: Iterable[np.ndarray], low_score: float
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Find persons in pictures; see `nanodet.Nanodet`."""
        outputs = self._network(_squeezed(picture) for picture in pictures)
        return [_boxes_of(output[0], output[1], low_score) for output in outputs]


def _squeezed(picture: np.ndarray) -> np.ndarray:
    smaller = picture.shape[0] > SIDE
    tile = cv2.resize(
        picture,
        (SIDE, SIDE),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
    return cv2.cvtColor(tile, cv2.COLOR_BGR2RGB)[None]


def _boxes_of(
    boxes: np.ndarray, scores: np.ndarray, low_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes of a window (left, top, right, bottom, 0..1) and their scores.

    Parameters
    ----------
    boxes : float [1, anchors, 1, 4], top, left, bottom, right.
    scores : float [1, anchors, 2], of nothing and of a person.
    """
    found = scores[0, :, 1]
    rows = np.flatnonzero(found >= low_score)
    unit = np.clip(boxes[0, rows, 0][:, [1, 0, 3, 2]], 0, 1)
    found = found[rows]
    if len(rows):
        together = np.column_stack([unit, found])
        kept = sv.box_non_max_suppression(together, NETWORK_IOU)
        unit, found = unit[kept], found[kept]
    return unit, found


def tight(boxes: np.ndarray, frame_height: int, tile: float) -> np.ndarray:
    """Take off what boxes (left, top, width, height) have too much.

    `tile` is the share of the frame's side that a tile has.
    """
    tight = boxes.copy()
    width, height = boxes[:, 2], boxes[:, 3]
    in_tile = height / (tile * frame_height) * SIDE
    share = np.clip((WIDE_FROM - in_tile) / (WIDE_FROM - WIDE_TO), 0, 1)
    tight[:, 0] += TOO_WIDE[0] * share * width
    tight[:, 2] -= sum(TOO_WIDE) * share * width
    whole = boxes[:, 1] + height < frame_height - 1
    tight[:, 3] -= TOO_LOW * height * whole
    return tight
