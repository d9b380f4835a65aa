"""Array-backed nouns that pass between the steps of vision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: Codes of mask states in arrays; index into `store.schema.MASK_STATES`.
UNKNOWN, NONE, INCORRECT, WORN = 0, 1, 2, 3
#: Code where no face was seen in that frame.
NO_FACE = -1


@dataclass(frozen=True)
class Persons:
    """Persons found in one frame."""

    boxes: np.ndarray  #: float32 [n, 4]: left, top, width, height in pixels
    scores: np.ndarray  #: float32 [n], 0..1


@dataclass(frozen=True)
class Faces:
    """Faces found in one image."""

    boxes: np.ndarray  #: float32 [n, 4]: left, top, width, height in pixels
    scores: np.ndarray  #: float32 [n], 0..1
    #: float32 [n, 5, 2]: eyes, nose tip, mouth corners (image left first), pixels
    landmarks: np.ndarray


@dataclass(frozen=True)
class Track:
    """One person's pass: n detections in time order, and what sums them up."""

    frames: np.ndarray  #: int32 [n], number of the frame within the clip
    offsets_s: np.ndarray  #: float64 [n], seconds since the clip's start
    boxes: np.ndarray  #: float32 [n, 4], person: left, top, width, height, pixels
    scores: np.ndarray  #: float32 [n]
    foot_px: np.ndarray  #: float32 [n, 2], point where the person stands, pixels
    face_boxes: np.ndarray  #: float32 [n, 4], NaN where no face was seen
    face_scores: np.ndarray  #: float32 [n], NaN where no face was seen
    mask_states: np.ndarray  #: int8 [n], codes above, NO_FACE where none
    mask_probabilities: np.ndarray  #: float32 [n], of that state, NaN if unknown
    mask_state: int  #: over the whole pass
    mask_probability: float  #: of that state, NaN when unknown
    best: int  #: index of the best view of the person
    face_embedding: np.ndarray | None = None  #: float32 [d], unit length
    face_quality: float = float("nan")  #: 0..1
    face_width_px: float = float("nan")  #: width of the best face
    appearance: np.ndarray | None = None  #: float32 [k], unit length


@dataclass(frozen=True)
class Provenance:
    """What analysed the footage: stored with every part."""

    #: role -> {"name": registry name, "sha256": of the weight file}
    models: dict[str, dict[str, str]] = field(default_factory=dict)
    options: dict[str, float | int | str | bool] = field(default_factory=dict)
