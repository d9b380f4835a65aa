"""Faces: detection with five landmarks, alignment, quality and embedding."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import supervision as sv

from pipeline.vision import occlusion, own_models, own_networks
from pipeline.vision.engine import Network, Streams
from pipeline.vision.models import weight_path
from pipeline.vision.types import Faces

DETECTOR = "centerface"
EMBEDDER = "mobilefacenet"
#: Length of an embedding of EMBEDDER.
DIMENSIONS = 192
#: Side of an aligned face, pixels.
ALIGNED = 112
#: Where the landmarks of a frontal face lie in an aligned face, pixels: eyes, nose
#: tip, mouth corners. The common reference of ArcFace (Deng et al., CVPR 2019).
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
#: Least score of a face.
SCORE = 0.5
#: Faces that overlap more (intersection over union) are one.
SAME_IOU = 0.3
#: Cells of the detector's output are this many pixels apart.
STRIDE = 4
#: Side of the square into which one person's head region is brought, pixels: its
#: face is then about 45 wide; for a quick look about 30, at half the cost.
HEAD_SIDE, QUICK_HEAD_SIDE = 192, 128
#: Least height of a person's box for a face of about LEAST_WIDTH, pixels: standing,
#: and sitting or cut off at the waist (a box wider than SITTING of its height).
STANDING_HEIGHT, SITTING_HEIGHT, SITTING = 90.0, 40.0, 0.55
#: The same of those standing for a face of about EMBED_WIDTH, for a quick look.
QUICK_STANDING_HEIGHT = 160.0
#: A face less wide is not believed, pixels.
LEAST_WIDTH = 10.0
#: Width below which a face is not embedded, pixels: at 20 px less than half of the
#: right people are found at one false match in ten thousand, at 30 px four of five.
EMBED_WIDTH = 24.0
#: Widths between which the quality of a face grows from 0 to 1, pixels.
QUALITY_WIDTHS = (12.0, 60.0)


class FaceDetector:
    """Finds faces in images and in the head regions of persons.

    By the network that ships, or the city's own (`dongseon models use`).
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        own = own_models.used(own_models.FACES, weights_dir)
        self._detect: own_networks.FaceNetwork
        if own is None:
            self._detect = _CenterFace(weight_path(weights_dir, DETECTOR), threads)
        else:
            self._detect = own_networks.Yunet(own_models.path_of(own, weights_dir))

    def __call__(
        self, image: np.ndarray, *, score: float = SCORE, longest: int | None = None
    ) -> Faces:
        """Find the faces of one image.

        Parameters
        ----------
        image
            uint8 [h, w, 3], BGR.
        score
            Least score of a returned face.
        longest
            Bring the longer side to this many pixels first (up or down).
        """
        height, width = image.shape[:2]
        scale = longest / max(height, width) if longest else 1.0
        size = [max(1, round(side * scale)) for side in (width, height)]
        canvas = np.zeros((_padded(size[1]), _padded(size[0]), 3), np.uint8)
        canvas[: size[1], : size[0]] = _resize(image, size[0], size[1])
        faces = self._detect(canvas[None], score)[0]
        factor = np.array([width / size[0], height / size[1]], np.float32)
        return Faces(
            boxes=faces.boxes * np.tile(factor, 2),
            scores=faces.scores,
            landmarks=faces.landmarks * factor,
        )

    def in_heads(
        self,
        frame: np.ndarray,
        persons: np.ndarray,
        score: float = SCORE,
        quick: bool = False,
    ) -> tuple[Faces, np.ndarray]:
        """Find at most one face for each person, in the upper part of its box.

        Parameters
        ----------
        frame
            uint8 [h, w, 3], BGR.
        persons
            float32 [n, 4]: left, top, width, height in pixels.
        score
            Least score of a returned face.
        quick
            Look in fewer pixels, and not for faces too small to be embedded.

        Returns
        -------
        Faces
            The faces, pixels of the frame.
        numpy.ndarray
            int64 [number of faces]: row of the person each belongs to.
        """
        width, height = persons[:, 2], persons[:, 3]
        sitting = (height >= SITTING_HEIGHT) & (width >= SITTING * height)
        standing = QUICK_STANDING_HEIGHT if quick else STANDING_HEIGHT
        side = QUICK_HEAD_SIDE if quick else HEAD_SIDE
        rows = np.flatnonzero((height >= standing) | sitting)
        if not len(rows):
            return _none(), np.empty(0, np.int64)
        batch = np.zeros((len(rows), side, side, 3), np.uint8)
        places = np.empty((len(rows), 3), np.float32)
        for index, row in enumerate(rows):
            places[index] = _head(frame, persons[row], batch[index])
        boxes, scores, landmarks = [], [], []
        for faces, (left, top, scale) in zip(
            self._detect(batch, score), places, strict=True
        ):
            corner = np.array([left, top], np.float32)
            box = faces.boxes * scale
            box[:, :2] += corner
            boxes.append(box)
            scores.append(faces.scores)
            landmarks.append(faces.landmarks * scale + corner)
        found = _suppress(
            np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks)
        )
        return _assign(found, persons)


class FaceEmbedder:
    """Turns aligned faces into unit vectors."""

    #: The network's batch is fixed at two.
    _BATCH = 2
    dimensions = DIMENSIONS

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        self._network = Network(
            weight_path(weights_dir, EMBEDDER),
            (self._BATCH, ALIGNED, ALIGNED, 3),
            threads,
        )

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Embed faces.

        Parameters
        ----------
        aligned
            uint8 [n, 112, 112, 3], BGR, from `align`.

        Returns
        -------
        numpy.ndarray
            float32 [n, 192], unit length. A face and its mirror image are embedded
            together, so that both halves of the fixed batch work for one face.
        """
        result = np.empty((len(aligned), DIMENSIONS), np.float32)
        for index, face in enumerate(aligned):
            rgb = (face[..., ::-1].astype(np.float32) - 127.5) / 128.0
            both = self._network(np.stack([rgb, rgb[:, ::-1]]))[0]
            result[index] = unit(both.sum(axis=0))
        return result


def align(image: np.ndarray, landmarks: np.ndarray, side: int = ALIGNED) -> np.ndarray:
    """Turn, scale and cut a face so that its landmarks lie at the template's.

    Parameters
    ----------
    image
        uint8 [h, w, 3].
    landmarks
        float32 [5, 2], pixels.
    side
        Side of the result, pixels.
    """
    matrix = similarity(landmarks, TEMPLATE * (side / ALIGNED))
    return cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(127,) * 3
    )


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the least-squares turn, scale and shift from source to target points.

    Parameters
    ----------
    source, target
        float [n, 2].

    Returns
    -------
    numpy.ndarray
        float64 [2, 3]. Closed form: points as complex numbers.
    """
    a = source[:, 0] + 1j * source[:, 1].astype(np.float64)
    b = target[:, 0] + 1j * target[:, 1].astype(np.float64)
    centred = a - a.mean()
    spread = float(np.vdot(centred, centred).real)
    turn = np.vdot(centred, b - b.mean()) / spread if spread > 0 else 1.0 + 0j
    shift = b.mean() - turn * a.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    )


def quality(
    aligned: np.ndarray, width_px: float, landmarks: np.ndarray, score: float
) -> float:
    """Return how well a face can be told from others, 0..1.

    The geometric mean of size, sharpness and frontality, times the detector's score
    and how much of the face is seen.

    Parameters
    ----------
    aligned
        uint8 [112, 112, 3], the aligned face.
    width_px
        Width of its box in the frame, pixels.
    landmarks
        float32 [5, 2], pixels.
    score
        Score of the detector, 0..1.
    """
    low, high = QUALITY_WIDTHS
    size = np.clip((width_px - low) / (high - low), 0, 1)
    parts = (size, sharpness(aligned), 1 - min(1.0, abs(yaw(landmarks))))
    seen = np.clip(score, 0, 1) * occlusion.visible(aligned)
    return float(np.prod(parts) ** (1 / 3) * seen)


def sharpness(aligned: np.ndarray) -> float:
    """Return how much fine detail an aligned face shows, 0..1.

    Variance of the Laplacian over variance of the brightness, so that contrast
    does not count; 1 from the value of a sharp face of about 60 px.
    """
    grey = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)[8:104, 20:92].astype(np.float32)
    detail = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return float(np.clip(detail / (grey.var() + 25.0) / 0.06, 0, 1))


def yaw(landmarks: np.ndarray) -> float:
    """Return how far a face is turned aside: 0 frontal, about 1 in profile, signed.

    Offset of the nose tip from the middle of the eyes along the line of the eyes,
    in halves of the distance between the eyes.
    """
    left, right, nose = landmarks[0], landmarks[1], landmarks[2]
    along = right - left
    length = float(np.hypot(*along))
    if length < 1e-6:
        return 1.0
    return float(np.dot(nose - (left + right) / 2, along) / length / (length / 2))


def pool(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the unit-length weighted mean of unit vectors, float32 [d]."""
    return unit((embeddings * np.asarray(weights)[:, None]).sum(axis=0))


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector at unit length, float32 (zero stays zero)."""
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)


class _CenterFace:
    def __init__(self, path: Path, threads: int) -> None:
        self._network = Streams(path, (1, 3, -1, -1), threads)
        self._order = [self._network.output(name) for name in _OUTPUTS]

    def __call__(self, batch: np.ndarray, score: float) -> list[Faces]:
        """Find faces in uint8 [n, h, w, 3] BGR, sides multiples of 32."""
        found = self._network(
            image[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
            for image in batch
        )
        parts = [[one[index][0] for index in self._order] for one in found]
        return [
            _decode(heat[0], size, offset, points, score)
            for heat, size, offset, points in parts
        ]


#: Names of the detector's outputs: heat map, size, offset, landmarks.
_OUTPUTS = ("537", "538", "539", "540")


def _decode(
    heat: np.ndarray,
    size: np.ndarray,
    offset: np.ndarray,
    points: np.ndarray,
    least: float,
) -> Faces:
    """Read faces off the output maps of one image (CenterFace, Xu et al. 2019)."""
    row, column = np.nonzero(heat > least)
    if not len(row):
        return _none()
    high, wide = (np.exp(part[row, column]) * STRIDE for part in size)
    left = (column + offset[1, row, column] + 0.5) * STRIDE - wide / 2
    top = (row + offset[0, row, column] + 0.5) * STRIDE - high / 2
    marks = points[:, row, column].T.reshape(-1, 5, 2)
    landmarks = np.stack(
        [
            marks[..., 1] * wide[:, None] + left[:, None],
            marks[..., 0] * high[:, None] + top[:, None],
        ],
        axis=-1,
    )
    boxes = np.column_stack([left, top, wide, high])
    return _suppress(boxes, heat[row, column], landmarks)


def _suppress(boxes: np.ndarray, scores: np.ndarray, landmarks: np.ndarray) -> Faces:
    if not len(boxes):
        return _none()
    corners = np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:], scores])
    keep = sv.box_non_max_suppression(corners, SAME_IOU)
    order = np.flatnonzero(keep)[np.argsort(-scores[keep], kind="stable")]
    return Faces(
        boxes=boxes[order].astype(np.float32),
        scores=scores[order].astype(np.float32),
        landmarks=landmarks[order].astype(np.float32),
    )


def _none() -> Faces:
    return Faces(
        boxes=np.empty((0, 4), np.float32),
        scores=np.empty(0, np.float32),
        landmarks=np.empty((0, 5, 2), np.float32),
    )


def _head(
    frame: np.ndarray, box: np.ndarray, target: np.ndarray
) -> tuple[float, float, float]:
    """Copy a person's head region into a square; return its left, top and scale."""
    left, top, width, height = (float(value) for value in box)
    side = max(0.5 * height, 1.2 * width)
    x0 = int(max(0, left + width / 2 - side / 2))
    y0 = int(max(0, top - 0.1 * height))
    x1 = int(min(frame.shape[1], np.ceil(left + width / 2 + side / 2)))
    y1 = int(min(frame.shape[0], np.ceil(y0 + side)))
    if x1 <= x0 or y1 <= y0:
        return 0.0, 0.0, 1.0
    room = len(target)
    scale = room / max(x1 - x0, y1 - y0)
    wide = min(room, max(1, round((x1 - x0) * scale)))
    high = min(room, max(1, round((y1 - y0) * scale)))
    target[:high, :wide] = _resize(frame[y0:y1, x0:x1], wide, high)
    return x0, y0, 1 / scale


def _assign(faces: Faces, persons: np.ndarray) -> tuple[Faces, np.ndarray]:
    """Give each person the face nearest to where its head should be."""
    from scipy.optimize import linear_sum_assignment

    if not len(faces.scores):
        return faces, np.empty(0, np.int64)
    centres = faces.boxes[:, :2] + faces.boxes[:, 2:] / 2
    left, top, width, height = persons.T
    across = np.abs(centres[:, :1] - (left + width / 2)) / np.maximum(width, 1)
    down = (centres[:, 1:] - top) / np.maximum(height, 1)
    cost = across + np.abs(down - 0.1)
    fits = (across < 0.6) & (down > -0.1) & (down < 0.5)
    fits &= faces.boxes[:, 2:3] < 0.9 * width
    fits &= faces.boxes[:, 2:3] >= LEAST_WIDTH
    cost = np.where(fits, cost, 1e3)
    face, person = linear_sum_assignment(cost)
    good = cost[face, person] < 1e3
    face, person = face[good], person[good]
    return (
        Faces(faces.boxes[face], faces.scores[face], faces.landmarks[face]),
        person.astype(np.int64),
    )


def _padded(side: int) -> int:
    return -(-side // 32) * 32


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    smaller = width < image.shape[1]
    return cv2.resize(
        image,
        (width, height),
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
