"""Face recognisers behind one interface: shipped, fused, or a user's own.

Embeddings of two recognisers never meet: each has its own name, which is stored with
every embedding, and its own calibration.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.vision import faces, own_models
from pipeline.vision.engine import Network
from pipeline.vision.faces import ALIGNED, unit
from pipeline.vision.models import find, weight_path

#: Recognisers that can be chosen: name -> the shipped networks each is made of.
PARTS: dict[str, tuple[str, ...]] = {
    "mobilefacenet": ("mobilefacenet",),
    "faceplugin-feature": ("faceplugin-feature",),
    "mobilefacenet+faceplugin-feature": ("mobilefacenet", "faceplugin-feature"),
    "dlib-face-resnet": ("dlib-face-resnet",),
}
DEFAULT = faces.EMBEDDER
#: Least length of an embedding.
LEAST = 16
#: What a network with its channels last takes.
_LAST = (1, ALIGNED, ALIGNED, 3)
#: Further files a recogniser needs.
_ALSO = {"dlib-face-resnet": ("dlib-five-points",)}


class Recogniser(Protocol):
    """Turns aligned faces into unit vectors."""

    dimensions: int  #: length of an embedding

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Embed uint8 [n, 112, 112, 3] BGR; returns float32 [n, d], unit length."""


def chosen(weights_dir: Path) -> str:
    """Return the name of the recogniser in use (`dongseon models use`)."""
    return own_models.chosen(weights_dir) or DEFAULT


def names(weights_dir: Path) -> list[str]:
    """Return the recognisers that can be chosen, the user's own last."""
    own = own_models.added(weights_dir)
    return [*PARTS, *(one.name for one in own if one.task == own_models.EMBEDDING)]


def use(name: str, weights_dir: Path) -> str:
    """Make a recogniser the one in use; returns its sha256.

    Raises
    ------
    ModelError
        There is no such recogniser, or its weights cannot be used.
    """
    digest = sha256(name, weights_dir)
    load(name, weights_dir)(np.zeros((1, ALIGNED, ALIGNED, 3), np.uint8))
    own_models.choose(name, weights_dir)
    return digest


def load(name: str, weights_dir: Path, threads: int = 2) -> Recogniser:
    """Load a recogniser.

    Raises
    ------
    ModelError
        There is no such recogniser, or its weights cannot be used.
    """
    parts = [_single(one, weights_dir, threads) for one in _parts(name, weights_dir)]
    return parts[0] if len(parts) == 1 else Fused(parts)


def sha256(name: str, weights_dir: Path) -> str:
    """Return what identifies a recogniser: the hash of its file, or of its hashes."""
    own = {one.name: one.sha256 for one in own_models.added(weights_dir)}
    digests = [
        own.get(one) or find(one).sha256
        for part in _parts(name, weights_dir)
        for one in (part, *_ALSO.get(part, ()))
    ]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _parts(name: str, weights_dir: Path) -> tuple[str, ...]:
    if name in PARTS:
        return PARTS[name]
    known = names(weights_dir)
    if name not in known:
        raise ModelError(
            f"There is no face recogniser {name!r}; choose one of: {', '.join(known)}."
        )
    return (name,)


def _single(name: str, weights_dir: Path, threads: int) -> Recogniser:
    if name == faces.EMBEDDER:
        return faces.FaceEmbedder(weights_dir, threads)
    if name == "faceplugin-feature":
        # Blue first: TAR at FAR 1e-3 98.5 % against 97.8 % with red first.
        return Convolved(weight_path(weights_dir, name), threads, colour="bgr")
    if name == "dlib-face-resnet":
        return Dlib(weights_dir)
    entry = own_models.entry(name, weights_dir)
    return Convolved(
        own_models.path_of(entry, weights_dir),
        threads,
        colour=entry.colour,
        middle=entry.middle,
        span=entry.span,
    )


class Convolved:
    """A network that takes one aligned face, channels first or last.

    Parameters
    ----------
    path
        Weight file.
    threads
        Threads of the inference engine.
    colour
        Order of the channels, "rgb" or "bgr".
    middle, span
        A pixel p enters as (p - middle) / span.

    Raises
    ------
    ModelError
        The file is no network that takes an aligned face and gives one vector.
    """

    def __init__(
        self,
        path: Path,
        threads: int = 2,
        *,
        colour: str = "rgb",
        middle: float = 127.5,
        span: float = 127.5,
    ) -> None:
        self._turned = colour == "rgb"
        self._middle, self._span = middle, span
        self._first, self._network = _opened(path, threads)
        self.dimensions = len(self._vector(np.zeros((ALIGNED, ALIGNED, 3), np.uint8)))

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Embed faces; each is the sum of its own and its mirror image's vector."""
        result = np.empty((len(aligned), self.dimensions), np.float32)
        for index, face in enumerate(aligned):
            result[index] = unit(self._vector(face) + self._vector(face[:, ::-1]))
        return result

    def _vector(self, face: np.ndarray) -> np.ndarray:
        pixels = face[..., ::-1] if self._turned else face
        values = (pixels.astype(np.float32) - self._middle) / self._span
        array = values.transpose(2, 0, 1) if self._first else values
        return self._network(array[None])[0].astype(np.float32).ravel()


class Fused:
    """Several recognisers as one: their vectors side by side, each weighing the same.

    The cosine of two fused vectors is the mean of the parts' cosines.
    """

    def __init__(self, parts: list[Recogniser]) -> None:
        self._parts = parts
        self.dimensions = sum(part.dimensions for part in parts)

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Embed faces by every part."""
        sides = [part(aligned) for part in self._parts]
        return np.concatenate(sides, axis=1) / np.float32(np.sqrt(len(sides)))


class Dlib:
    """The public-domain recogniser of dlib, run by the package dlib-bin."""

    dimensions = 128

    def __init__(self, weights_dir: Path) -> None:
        try:
            import dlib  # type: ignore[import-not-found]
        except ImportError as error:
            raise ModelError(
                "The recogniser dlib-face-resnet needs the package dlib-bin; install "
                "it with `pip install dongseon[dlib]`."
            ) from error
        self._dlib = dlib
        points = weight_path(weights_dir, "dlib-five-points")
        self._points = dlib.shape_predictor(str(points))
        path = weight_path(weights_dir, "dlib-face-resnet")
        self._network = dlib.face_recognition_model_v1(str(path))
        # Where the face lies in an aligned picture with a border, enlarged twofold.
        self._box = dlib.rectangle(*(2 * side for side in (24, 32, 104, 112)))

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Embed faces; dlib finds its own five points and cuts the face anew."""
        result = np.empty((len(aligned), self.dimensions), np.float32)
        for index, face in enumerate(aligned):
            wide = cv2.copyMakeBorder(face, 8, 24, 8, 8, cv2.BORDER_REPLICATE)
            large = cv2.resize(wide, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            rgb = np.ascontiguousarray(large[..., ::-1])
            chip = self._dlib.get_face_chip(rgb, self._points(rgb, self._box))
            both = [chip, np.ascontiguousarray(chip[:, ::-1])]
            vectors = [
                np.array(self._network.compute_face_descriptor(one)) for one in both
            ]
            result[index] = unit(np.sum(vectors, axis=0))
        return result


def _opened(path: Path, threads: int) -> tuple[bool, Network]:
    """Open a network that takes one aligned face; tell if channels come first."""
    reasons = []
    for first, shape in ((True, (1, 3, ALIGNED, ALIGNED)), (False, _LAST)):
        try:
            network = Network(path, shape, threads)
            given = network(np.zeros(shape, np.float32))
        except (ModelError, RuntimeError, ValueError) as error:
            reasons.append(str(error).splitlines()[0][:120])
            continue
        vector = np.squeeze(given[0])
        if vector.ndim == 1 and len(vector) >= LEAST and np.isfinite(vector).all():
            return first, network
        reasons.append(f"it gives {' x '.join(map(str, given[0].shape))} numbers")
    raise ModelError(
        f"{path.name} does not turn an aligned face of {ALIGNED} x {ALIGNED} pixels "
        f"into one vector ({reasons[0]}); give another network."
    )
