"""Templates: views of the patient that passes are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Mask states of a face that is covered.
MASKED = ("worn", "incorrect")


@dataclass(frozen=True)
class Template:
    """One view of the patient (or of somebody who was rejected)."""

    kind: str  #: "face" or "appearance"
    model: str  #: registry name of the model that made it
    vector: np.ndarray  #: float32 [d], unit length
    mask: str = "none"  #: mask state of the face seen
    width_px: float = 112.0  #: width of the face seen
    day: int | None = None  #: appearance: date in Seoul, days since 1970
    tracklet: int | None = None  #: where it comes from, None for a photo
    #: float32 [d], unit length: stands for `vector` before a masked face
    masked_vector: np.ndarray | None = None
