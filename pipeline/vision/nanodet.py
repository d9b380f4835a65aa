"""The person network that ships: NanoDet, on pictures in their own proportions.

NanoDet (R. Lyu, 2020; the model of 416 pixels without depthwise layers) is built of
convolutions, so that it takes any size whose sides are multiples of 32. Squeezed into
its square, wide pictures lose half of the people; in their own proportions they are
found, at less cost. Its graph is one for browsers (`graph_model`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv

from pipeline.vision.engine import Streams
from pipeline.vision.models import find, weight_path

MODEL = "nanodet"
#: The file with the graph's constants, in the same folder.
CONSTANTS = "nanodet-constants"
#: Shorter side of the network's input, pixels, multiples of GRID, and the longest.
SIDE, GRID, LONGEST = 288, 32, 640
#: Side of the square that the graph was written for, pixels.
WRITTEN = 416
#: Sides of its cells, pixels, and steps of each distance from a cell's middle.
STRIDES, STEPS = (8, 16, 32), 11
#: Kinds of object it tells (COCO); the first is a person.
KINDS = 80
#: Mean and spread of the colours (blue, green, red) by which it was trained.
MEAN, SPREAD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
#: Boxes of one window that overlap more are one.
IOU = 0.6
#: Its scores and what they become, so that 0.5 is a person and 0.2 one who may
#: continue a track (chosen on vtest.avi: beneath 0.4 most are none).
SCORES = ((0.38, 0.4, 0.5, 1.0), (0.0, 0.2, 0.5, 1.0))


class Nanodet:
    """Finds persons in pictures of any proportions.

    Parameters
    ----------
    weights_dir
        Folder of verified weights.
    threads
        Threads of the processor.
    """

    side = SIDE

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        self._path = weight_path(weights_dir, MODEL)
        weight_path(weights_dir, CONSTANTS)
        self._threads = threads
        self._networks: dict[tuple[int, int], Streams] = {}

    def __call__(
        self, pictures: Iterable[np.ndarray], low_score: float
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Find persons in pictures, uint8 [h, w, 3] BGR of any size.

        Returns boxes (left, top, right, bottom, 0..1 of the picture) and scores of
        each.
        """
        given = list(pictures)
        sizes = [size_of(picture) for picture in given]
        found: list[Any] = [None] * len(given)
        for size in dict.fromkeys(sizes):
            rows = [row for row, one in enumerate(sizes) if one == size]
            network = self._network(size)
            outputs = network(_entered(given[row], size) for row in rows)
            for row, output in zip(rows, outputs, strict=True):
                found[row] = _persons(output, size, low_score)
        return found

    def _network(self, size: tuple[int, int]) -> Streams:
        if size not in self._networks:
            self._networks[size] = Streams(
                self._path, (1, *size, 3), self._threads, change=in_proportion
            )
        return self._networks[size]


def sha256() -> str:
    """Return what identifies the network: the hash of its two files' hashes."""
    both = "".join(find(name).sha256 for name in (MODEL, CONSTANTS))
    return hashlib.sha256(both.encode()).hexdigest()


def size_of(picture: np.ndarray) -> tuple[int, int]:
    """Return the height and width, pixels, at which a picture enters the network."""
    high, wide = picture.shape[:2]
    scale = SIDE / max(1, min(high, wide))
    sides = [GRID * round(side * scale / GRID) for side in (high, wide)]
    return min(sides[0], LONGEST), min(sides[1], LONGEST)


def in_proportion(model: Any, shape: Sequence[int]) -> Any:
    """Return the graph for uint8 pictures of another size, [1, h, w, 3] BGR.

    Parameters
    ----------
    model
        The graph as it is read, for a square.
    shape
        1, height, width, 3.
    """
    import openvino
    from openvino import opset13
    from openvino.preprocess import PrePostProcessor

    high, wide = shape[1:3]
    [entry] = model.get_parameters()
    entry.set_partial_shape(openvino.PartialShape([1, 3, high, wide]))
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != "Interpolate":
            continue
        place = layer.input(1)
        stride = WRITTEN // int(place.get_source_output().get_node().data[0])
        size = np.array([high // stride, wide // stride], np.int32)
        place.replace_source_output(opset13.constant(size).output(0))
    model.validate_nodes_and_infer_types()
    steps = PrePostProcessor(model)
    given = steps.input().tensor()
    given.set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    colours = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    colours.mean(list(MEAN)).scale(list(SPREAD))
    return steps.build()


def _entered(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = picture.shape[0] > size[0]
    kind = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size[::-1], interpolation=kind)[None]


def _persons(
    outputs: list[np.ndarray], size: tuple[int, int], low_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Read boxes (0..1) and scores off the network's outputs, by size of cells."""
    high, wide = size
    shapes = [output.shape for output in outputs]
    least = float(np.interp(low_score, SCORES[1], SCORES[0]))
    boxes, scores = [], []
    for stride in STRIDES:
        across = wide // stride
        cells = across * (high // stride)
        found = outputs[shapes.index((1, cells, KINDS))][0, :, 0]
        rows = np.flatnonzero(found >= least)
        steps = outputs[shapes.index((1, cells, 4 * STEPS))][0, rows]
        steps = steps.reshape(-1, 4, STEPS)
        shares = np.exp(steps - steps.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        reach = shares @ np.arange(STEPS, dtype=np.float32) * stride
        middle = (np.stack([rows % across, rows // across], axis=1) + 0.5) * stride
        boxes.append(np.hstack([middle - reach[:, :2], middle + reach[:, 2:]]))
        scores.append(found[rows])
    unit = np.clip(np.concatenate(boxes) / (wide, high, wide, high), 0, 1)
    unit, score = unit.astype(np.float32), np.concatenate(scores).astype(np.float32)
    if len(score):
        kept = sv.box_non_max_suppression(np.column_stack([unit, score]), IOU)
        unit, score = unit[kept], score[kept]
    return unit, np.interp(score, *SCORES).astype(np.float32)
