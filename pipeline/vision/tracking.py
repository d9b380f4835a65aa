"""Persons over time: detections linked into tracks by a maintained tracker."""

from __future__ import annotations

import warnings

import numpy as np
import supervision as sv

from pipeline.vision.types import Persons

NAME = "c-biou"
#: Score from which a detection starts a track; weaker ones only continue one.
START_SCORE = 0.5
#: Seconds a lost person is searched for before the track is closed.
LOST_S = 2.0
#: Boxes are enlarged by this share of their size, divided by the frames a second,
#: before their overlap is taken, because at a few frames a second the boxes of a
#: walker hardly overlap: Yang et al., "Hard to Track Objects with Irregular
#: Motions and Similar Appearances?", WACV 2023. Larger: persons are mixed up.
BUFFER = 1.0
#: Least and most enlargement; the second association takes twice as much.
BUFFERS = (0.1, 0.5)
#: Least overlap of enlarged boxes (first, second association).
OVERLAPS = (0.1, 0.2)
#: Numbers the tracker gives its frames a second of patience (its own convention).
_BUFFER_RATE = 30


class PersonTracker:
    """Gives the persons of successive frames the number of their track.

    Parameters
    ----------
    sample_fps
        Analysed frames a second; measured on vtest.avi, 5 keeps twice as many
        people whole as 2.
    """

    def __init__(self, sample_fps: float) -> None:
        from trackers import CBIoUTracker

        buffer = float(np.clip(BUFFER / sample_fps, *BUFFERS))
        self._tracker = CBIoUTracker(
            lost_track_buffer=round(LOST_S * _BUFFER_RATE),
            frame_rate=sample_fps,
            track_activation_threshold=START_SCORE,
            high_conf_det_threshold=START_SCORE,
            minimum_consecutive_frames=2,
            minimum_iou_threshold_first_assoc=OVERLAPS[0],
            minimum_iou_threshold_second_assoc=OVERLAPS[1],
            minimum_iou_threshold_unconfirmed_assoc=OVERLAPS[0],
            buffer_ratio_first=buffer,
            buffer_ratio_second=2 * buffer,
        )

    def __call__(self, persons: Persons, offset_s: float) -> np.ndarray:
        """Return the track number of each person of the next frame.

        Parameters
        ----------
        persons
            Persons of this frame.
        offset_s
            Time of the frame, seconds since the clip's start, increasing.

        Returns
        -------
        numpy.ndarray
            int64 [n]; -1 where a person belongs to no track (yet).
        """
        corners = persons.boxes.copy()
        corners[:, 2:] += corners[:, :2]
        count = len(corners)
        detections = sv.Detections(
            xyxy=corners,
            confidence=persons.scores,
            class_id=np.zeros(count, int),
            data={"row": np.arange(count)},
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tracked = self._tracker.update(detections, timestamp=offset_s)
        numbers = np.full(count, -1, np.int64)
        if len(tracked) and tracked.tracker_id is not None:
            numbers[np.asarray(tracked.data["row"], int)] = tracked.tracker_id
        return numbers
