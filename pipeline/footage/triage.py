"""Which sampled frames are worth analysing: all while anything is there to see."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.settings import Settings

#: A pixel of the small picture moved if its luma changed by more than this (of
#: 255): above sensor and coding noise after area averaging.
MOTION_LUMA = 14
#: That many moved pixels are motion: a walker of 20 x 50 pixels in a frame 768
#: wide covers about 40 of a picture 160 wide.
MOTION_PIXELS = 5
#: A still and empty scene is looked at again after this long, seconds.
IDLE_SECONDS = 2.0
#: At triage quality: seconds between two frames looked at, and those after which a
#: still and empty scene is looked at again.
LOOK_S, LOOK_IDLE_S = 2.0, 30.0


@dataclass(frozen=True)
class Quality:
    """How closely footage is looked at."""

    name: str  #: triage or full
    sample_fps: float  #: frames looked at a second, at most
    idle_s: float  #: a still and empty scene is looked at again after so long

    @property
    def quick(self) -> bool:
        """Whether it is a first look: key frames only, small persons now and then."""
        return self.name == "triage"


def quality_of(settings: Settings) -> Quality:
    """Return the quality that the settings ask for."""
    if settings.quality == "triage":
        return Quality("triage", 1 / LOOK_S, LOOK_IDLE_S)
    return Quality("full", settings.sample_fps, IDLE_SECONDS)


@dataclass
class Triage:
    """Decides frame by frame; `reset` at the start of each part.

    A frame is analysed if something moved since the last analysed one, if persons
    were in that one (a contact that stands still must be counted whole), or if
    that one is `idle_s` old.
    """

    idle_s: float = IDLE_SECONDS
    #: What moved since the last analysed frame, bool [h, w] of the small picture;
    #: None where that is not known.
    moved: np.ndarray | None = field(default=None, init=False)
    _luma: np.ndarray | None = None
    _offset_s: float = 0.0
    _persons: int = 0

    def reset(self) -> None:
        """Forget what was seen: the next frame is analysed."""
        self._luma = self.moved = None

    def due(self, luma: np.ndarray, offset_s: float) -> bool:
        """Tell whether a frame is to be analysed, from its small luma picture."""
        self.moved = None if self._luma is None else moved(self._luma, luma)
        return (
            self.moved is None
            or self._persons > 0
            or offset_s - self._offset_s >= self.idle_s - 1e-6
            or int(self.moved.sum()) >= MOTION_PIXELS
        )

    def analysed(self, luma: np.ndarray, offset_s: float, persons: int) -> None:
        """Note that a frame was analysed and how many persons were in it."""
        self._luma, self._offset_s, self._persons = luma, offset_s, persons


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """Return which pixels differ between two small pictures; None: of other sizes."""
    if before.shape != after.shape:
        return None
    return cv2.absdiff(before, after) > MOTION_LUMA
