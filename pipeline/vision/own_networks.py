"""Networks of a city's own behind the interfaces of those that ship.

YuNet finds faces (Wu et al., 2023; run by OpenCV's own class), YOLOX persons (Ge et
al., 2021, arXiv:2107.08430; a network as its authors release it, not decoded), OSNet
and its like embed whole persons (Zhou et al., ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision.engine import Network, Streams
from pipeline.vision.types import Faces

#: Faces of YuNet that overlap more are one; as OpenCV's default.
YUNET_IOU, YUNET_MOST = 0.3, 5000
#: Sides of YOLOX's cells, pixels, and the grey around a picture of other proportions.
YOLOX_STRIDES, YOLOX_GREY = (8, 16, 32), 114
#: Boxes of one window that overlap more are one person.
YOLOX_IOU = 0.6
#: Height and width of a person as OSNet takes it, pixels; mean and standard
#: deviation of ImageNet's colours (red, green, blue), by which it was trained.
BODY = (256, 128)
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_SD = np.array([0.229, 0.224, 0.225], np.float32)
#: Least length of an embedding.
LEAST = 16


class FaceNetwork(Protocol):
    """Finds faces in pictures of one size."""

    def __call__(self, batch: np.ndarray, score: float) -> list[Faces]:
        """Find faces in uint8 [n, h, w, 3] BGR, sides multiples of 32."""


class Yunet:
    """YuNet, by `cv2.FaceDetectorYN`."""

    def __init__(self, path: Path) -> None:
        try:
            self._network = cv2.FaceDetectorYN.create(
                str(path), "", (64, 64), 0.5, YUNET_IOU, YUNET_MOST
            )
            self(np.zeros((1, 64, 64, 3), np.uint8), 0.5)
        except cv2.error as error:
            raise ModelError(
                f"{path.name} is no YuNet that OpenCV can run "
                f"({' '.join(str(error).split())[-120:]}); give another network."
            ) from error

    def __call__(self, batch: np.ndarray, score: float) -> list[Faces]:
        """Find faces; see `FaceNetwork`."""
        self._network.setInputSize(batch.shape[2:0:-1])
        self._network.setScoreThreshold(score)
        result = []
        for image in batch:
            rows = self._network.detect(np.ascontiguousarray(image))[1]
            rows = np.empty((0, 15), np.float32) if rows is None else rows
            rows = rows[np.argsort(-rows[:, 14], kind="stable")]
            # Landmarks as in this product: what is left in the picture first.
            marks = rows[:, 4:14].reshape(-1, 5, 2)
            result.append(Faces(rows[:, :4], rows[:, 14], marks))
        return result


class Yolox:
    """YOLOX as released: boxes of its cells, decoded here.

    Parameters
    ----------
    path
        ONNX of one square input, blue first, 0 to 255; one output [1, cells, 5 + k]
        of which the first class is a person (COCO).
    threads
        Threads of the processor.

    Raises
    ------
    ModelError
        The network is of another kind.
    """

    def __init__(self, path: Path, threads: int = 2) -> None:
        shape = _input_shape(path)
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or shape[2] % 32:
            raise ModelError(
                f"{path.name} takes {shape}, not a square picture whose side is a "
                "multiple of 32; give a YOLOX network."
            )
        #: Side of the network's input, pixels.
        self.side = int(shape[2])
        self._network = Streams(path, (1, *shape[1:]), threads)
        cells = [self.side // stride for stride in YOLOX_STRIDES]
        self._stride = np.repeat(YOLOX_STRIDES, [n * n for n in cells])[:, None]
        self._corner = np.concatenate(
            [
                np.stack(np.meshgrid(range(n), range(n)), -1).reshape(-1, 2)
                for n in cells
            ]
        )
        grey = np.full((self.side, self.side, 3), YOLOX_GREY, np.uint8)
        given = self._network([self._entered(grey)[0]])[0][0]
        if given.shape[:2] != (1, len(self._corner)) or given.shape[2] < 6:
            raise ModelError(
                f"{path.name} gives {' x '.join(map(str, given.shape))} numbers, not "
                f"1 x {len(self._corner)} cells; give a YOLOX network."
            )

    def __call__(
        self, pictures: Iterable[np.ndarray], low_score: float
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Find persons in pictures, uint8 [h, w, 3] BGR of any size.

        Returns boxes (left, top, right, bottom, 0..1 of the picture) and scores of
        each.
        """
        import supervision as sv

        sizes: list[np.ndarray] = []

        def entered() -> Iterable[np.ndarray]:
            for picture in pictures:
                array, size = self._entered(picture)
                sizes.append(size)
                yield array

        outputs = self._network(entered())
        result = []
        for [rows], size in zip(outputs, sizes, strict=True):
            rows = rows[0].astype(np.float32)
            scores = rows[:, 4] * rows[:, 5]
            sure = np.flatnonzero(scores >= low_score)
            rows, stride = rows[sure], self._stride[sure]
            middle = (rows[:, :2] + self._corner[sure]) * stride
            half = np.exp(np.clip(rows[:, 2:4], -20, 20)) * stride / 2
            boxes = np.concatenate([middle - half, middle + half], axis=1)
            boxes = np.clip(boxes / np.tile(size, 2), 0, 1).astype(np.float32)
            together = np.column_stack([boxes, scores[sure]])
            if len(together):
                together = together[sv.box_non_max_suppression(together, YOLOX_IOU)]
            result.append((together[:, :4], together[:, 4]))
        return result

    def _entered(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the network's input and the width and height of the picture in it."""
        high, wide = picture.shape[:2]
        scale = self.side / max(high, wide)
        size = [max(1, round(extent * scale)) for extent in (wide, high)]
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.full((self.side, self.side, 3), YOLOX_GREY, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=kind)
        array = canvas.transpose(2, 0, 1)[None].astype(np.float32)
        return array, np.array(size, np.float32)


class Bodies:
    """OSNet or another network that embeds a whole person.

    Raises
    ------
    ModelError
        The network does not turn a person of 256 x 128 pixels into one vector.
    """

    def __init__(self, path: Path, threads: int = 2) -> None:
        self._network = Network(path, (1, 3, *BODY), threads)
        try:
            given = self._vector(np.zeros((*BODY, 3), np.uint8))
        except RuntimeError as error:
            raise ModelError(
                f"{path.name} cannot be run on a person of 256 x 128 pixels; give "
                "another network."
            ) from error
        if len(self._network.names) > 1 or len(given) < LEAST:
            raise ModelError(
                f"{path.name} gives {len(self._network.names)} arrays, the first of "
                f"{len(given)} numbers; one vector of {LEAST} at least is needed."
            )
        self.dimensions = len(given)

    def __call__(self, crops: Iterable[np.ndarray]) -> np.ndarray:
        """Embed persons, uint8 [256, 128, 3] BGR; float32 [n, d], unit length."""
        rows = [self._vector(crop) for crop in crops]
        result = np.array(rows, np.float32).reshape(-1, self.dimensions)
        return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-9)

    def _vector(self, crop: np.ndarray) -> np.ndarray:
        values = (
            crop[..., ::-1].astype(np.float32) / 255 - IMAGENET_MEAN
        ) / IMAGENET_SD
        return self._network(values.transpose(2, 0, 1)[None])[0].ravel()


def body(frame: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """Cut a person out as `Bodies` takes it; None for a box outside the frame.

    Parameters
    ----------
    frame
        uint8 [h, w, 3], BGR.
    box
        float [4]: left, top, width, height in pixels.
    """
    left, top = np.floor(np.maximum(box[:2], 0)).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    part = frame[top:bottom, left:right]
    if part.shape[0] < 8 or part.shape[1] < 4:
        return None
    return cv2.resize(part, BODY[::-1], interpolation=cv2.INTER_LINEAR)


def _input_shape(path: Path) -> list[int]:
    import openvino

    try:
        shape = openvino.Core().read_model(path).inputs[0].get_partial_shape()
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"{path.name} cannot be read as a network.") from error
    return [one.get_length() if one.is_static else -1 for one in shape]
