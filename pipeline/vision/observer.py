"""From frames to tracks: the one door through which footage is analysed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.vision import persons as persons_module
from pipeline.vision import tracking
from pipeline.vision.models import find
from pipeline.vision.persons import PersonDetector
from pipeline.vision.tracking import PersonTracker
from pipeline.vision.types import NO_FACE, UNKNOWN, Provenance, Track

#: A track of fewer detections is dropped: mostly a false alarm.
LEAST_DETECTIONS = 2


class Observer:
    """Analyses the frames of one clip in order and returns its tracks.

    Parameters
    ----------
    weights_dir
        Folder of verified weights.
    frame_size
        Width and height of the frames, pixels.
    sample_fps
        Analysed frames a second.
    threads
        Threads of the inference engine.
    tiles
        Search persons on overlapping tiles too (small people, five times the cost).

    Raises
    ------
    ModelError
        A weight file is missing or not the registered one.
    """

    def __init__(
        self,
        weights_dir: Path,
        *,
        frame_size: tuple[int, int],
        sample_fps: float,
        threads: int = 2,
        tiles: bool = True,
    ) -> None:
        self._frame_size = frame_size
        self._sample_fps = sample_fps
        self._find_persons = PersonDetector(weights_dir, threads, tiles)
        self.provenance = _provenance(sample_fps, tiles)
        self._reset()

    def _reset(self) -> None:
        self._track = PersonTracker(self._sample_fps)
        self._passes: dict[int, _Pass] = {}
        #: What was seen since the last finish: frames, persons, faces.
        self.counts: Counter[str] = Counter(frames=0, persons=0, faces=0)

    def see(self, frame: np.ndarray, frame_number: int, offset_s: float) -> None:
        """Analyse the next frame.

        Parameters
        ----------
        frame
            uint8 [h, w, 3], BGR.
        frame_number
            Number of the frame within the clip.
        offset_s
            Seconds since the clip's start; later than that of the frame before.
        """
        persons = self._find_persons(frame)
        numbers = self._track(persons, offset_s)
        self.counts["frames"] += 1
        for row in np.flatnonzero(numbers >= 0):
            self.counts["persons"] += 1
            one = self._passes.setdefault(int(numbers[row]), _Pass())
            one.frames.append(frame_number)
            one.offsets.append(offset_s)
            one.boxes.append(persons.boxes[row])
            one.scores.append(float(persons.scores[row]))

    def finish(self) -> list[Track]:
        """Close every track, return them in order of their first frame, and reset."""
        tracks = [
            self._close(one)
            for one in self._passes.values()
            if len(one.frames) >= LEAST_DETECTIONS
        ]
        self._reset()
        return sorted(tracks, key=lambda track: track.offsets_s[0])

    def _close(self, one: _Pass) -> Track:
        boxes = np.array(one.boxes, np.float32)
        scores = np.array(one.scores, np.float32)
        count = len(boxes)
        foot = np.column_stack(
            [boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]]
        )
        return Track(
            frames=np.array(one.frames, np.int32),
            offsets_s=np.array(one.offsets, np.float64),
            boxes=boxes,
            scores=scores,
            foot_px=foot.astype(np.float32),
            face_boxes=np.full((count, 4), np.nan, np.float32),
            face_scores=np.full(count, np.nan, np.float32),
            mask_states=np.full(count, NO_FACE, np.int8),
            mask_probabilities=np.full(count, np.nan, np.float32),
            mask_state=UNKNOWN,
            mask_probability=float("nan"),
            best=int(np.argmax(scores * np.sqrt(boxes[:, 2] * boxes[:, 3]))),
        )


@dataclass
class _Pass:
    """A track while it grows."""

    frames: list[int] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


def _provenance(sample_fps: float, tiles: bool) -> Provenance:
    roles = {"person": persons_module.MODEL}
    return Provenance(
        models={
            role: {"name": name, "sha256": find(name).sha256}
            for role, name in roles.items()
        },
        options={
            "sample_fps": sample_fps,
            "tiles": tiles,
            "person_score": persons_module.LOW_SCORE,
            "tracker": tracking.NAME,
            "track_start_score": tracking.START_SCORE,
            "track_lost_s": tracking.LOST_S,
        },
    )
