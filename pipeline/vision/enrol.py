"""Enrolment photos: checked, then turned into a template."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np

from pipeline.errors import PhotoError
from pipeline.vision import faces, masked_template, recognisers
from pipeline.vision.faces import FaceDetector
from pipeline.vision.models import weight_path
from pipeline.vision.quiet import native_stderr_closed

#: Detector of near faces that judges the photo.
CHECKER = "mediapipe-face-short-range"
#: Least score of a face in a photo.
SCORE = 0.5
#: Longer side a photo is brought to, pixels.
LONGEST = 1280
#: Most pixels of a photo; beyond, opening it is a danger to the machine.
MOST_PIXELS = 250_000_000
#: Least width of an enrolled face, pixels.
LEAST_WIDTH = 48.0
#: A second face smaller than this share of the first is somebody in the background.
BACKGROUND = 0.5
#: Turned further aside than this (see `faces.yaw`) is not frontal.
MOST_YAW = 0.6
#: Less sharp than this (see `faces.sharpness`) is blurred.
LEAST_SHARPNESS = 0.2


@dataclass(frozen=True)
class PhotoTemplate:
    """What a photo adds to a gallery; the photo itself is not kept."""

    embedding: np.ndarray  #: float32 [d], unit length
    quality: float  #: 0..1
    face_width_px: float  #: in the photo
    model: str  #: name of the embedding's model
    #: float32 [d], unit length: to compare with masked faces instead
    masked_embedding: np.ndarray | None = None


def embed_photo(
    photo: Path | str | bytes, weights_dir: Path, threads: int = 2
) -> PhotoTemplate:
    """Check an enrolment photo and return its template.

    Parameters
    ----------
    photo
        File or its content; any format, depth, colour space and orientation that
        Pillow reads.
    weights_dir
        Folder of verified weights.
    threads
        Threads of the inference engine.

    Raises
    ------
    PhotoError
        Not a photo, no face, several faces, turned away, blurred or too small.
    """
    name = "the photo" if isinstance(photo, bytes) else f"{photo}"
    image = read_photo(photo)
    count = _count_near(image, weights_dir, name)
    found = _detector(weights_dir, threads)(image, longest=min(640, _longest(image)))
    if not len(found.scores):
        found = _detector(weights_dir, threads)(image, longest=320)
    if count == 0 or not len(found.scores):
        raise PhotoError(
            f"No face was found in {name}; take a frontal photo in even light.",
            code="photo_no_face",
        )
    widths = found.boxes[:, 2]
    first = int(np.argmax(widths))
    large = int((widths >= BACKGROUND * widths[first]).sum())
    if max(count, large) > 1:
        raise PhotoError(
            f"{max(count, large)} faces were found in {name}; cut it to one person.",
            code="photo_faces",
            number=max(count, large),
        )
    marks, width = found.landmarks[first], float(widths[first])
    aligned = faces.align(image, marks)
    if width < LEAST_WIDTH:
        raise PhotoError(
            f"The face in {name} is {width:.0f} pixels wide; "
            f"at least {LEAST_WIDTH:.0f} are needed.",
            code="photo_small",
            width=width,
            least=LEAST_WIDTH,
        )
    if abs(faces.yaw(marks)) > MOST_YAW:
        raise PhotoError(
            f"The face in {name} is turned away; take a photo from the front.",
            code="photo_turned",
        )
    if faces.sharpness(aligned) < LEAST_SHARPNESS:
        raise PhotoError(
            f"The face in {name} is blurred; take a sharper photo.",
            code="photo_blurred",
        )
    name_of_model = recognisers.chosen(weights_dir)
    embed = _embedder(weights_dir, threads, name_of_model)
    bare = embed(aligned[None])[0]
    known = masked_template.law(
        name_of_model, recognisers.sha256(name_of_model, weights_dir), weights_dir
    )
    return PhotoTemplate(
        embedding=bare,
        quality=faces.quality(aligned, width, marks, float(found.scores[first])),
        face_width_px=width,
        model=name_of_model,
        masked_embedding=masked_template.template(image, marks, bare, embed, known),
    )


def read_photo(photo: Path | str | bytes) -> np.ndarray:
    """Read a photo upright, in 8-bit BGR, no larger than is useful.

    Raises
    ------
    PhotoError
        The file is missing, empty, damaged, no picture, or far too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = "the photo" if isinstance(photo, bytes) else f"{photo}"
    try:
        content = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
    except OSError as error:
        raise PhotoError(f"{name} cannot be read: {error.strerror}.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(BytesIO(content))
            if opened.width * opened.height > MOST_PIXELS:
                raise PhotoError(
                    f"{name} has {opened.width} x {opened.height} pixels; "
                    "reduce it before enrolling.",
                    code="photo_large",
                )
            opened.draft("RGB", (LONGEST, LONGEST))  # JPEG: decoded smaller at once
            picture = ImageOps.exif_transpose(opened)
            picture.thumbnail((LONGEST, LONGEST), reducing_gap=2.0)
            rgb = _eight_bits(picture)
    except PhotoError:
        raise
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
    ) as error:
        raise PhotoError(
            f"{name} is not a photo that can be read; give a JPEG or PNG.",
            code="photo_unreadable",
        ) from error
    return np.ascontiguousarray(rgb[..., ::-1])


def _eight_bits(picture) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return a Pillow picture of any mode as uint8 RGB [h, w, 3]."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        from PIL import Image

        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"))


def _count_near(image: np.ndarray, weights_dir: Path, name: str) -> int:
    """Return how many near faces the checker sees, without the background's."""
    import mediapipe

    height, width = image.shape[:2]
    if min(height, width) < 16:
        raise PhotoError(
            f"{name} has {width} x {height} pixels; "
            "a face cannot be seen in it: give a larger photo.",
            code="photo_tiny",
            width=width,
            height=height,
        )
    rgb = np.ascontiguousarray(image[..., ::-1])
    with native_stderr_closed(), _checker(weights_dir) as checker:
        result = checker.detect(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        )
    widths = [found.bounding_box.width for found in result.detections]
    return sum(width >= BACKGROUND * max(widths) for width in widths)


def _longest(image: np.ndarray) -> int:
    return max(image.shape[:2])


def _checker(weights_dir: Path):  # type: ignore[no-untyped-def]
    """Return the checker, to be closed after each photo: it must not outlive Python."""
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import FaceDetector as NearFaceDetector
    from mediapipe.tasks.python.vision import FaceDetectorOptions

    return NearFaceDetector.create_from_options(
        FaceDetectorOptions(
            base_options=BaseOptions(
                model_asset_buffer=weight_path(weights_dir, CHECKER).read_bytes()
            ),
            min_detection_confidence=SCORE,
        )
    )


@lru_cache(maxsize=2)
def _detector(weights_dir: Path, threads: int) -> FaceDetector:
    return FaceDetector(weights_dir, threads)


@lru_cache(maxsize=2)
def _embedder(weights_dir: Path, threads: int, name: str) -> recognisers.Recogniser:
    return recognisers.load(name, weights_dir, threads)
