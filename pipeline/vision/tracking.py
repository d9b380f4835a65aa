"""Persons over time: detections linked into tracks by place, size and clothes.

The trackers of maintained libraries follow boxes only, and lose people who cross at
a few frames a second; `dongseon evaluate tracking` measures them beside this one.
The steps are theirs: predict, match the sure detections, then the weak ones (Zhang
et al., "ByteTrack", ECCV 2022), with clothes in the cost (Wojke et al., "Simple
Online and Realtime Tracking with a Deep Association Metric", ICIP 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.vision.types import Persons

NAME = "place-size-clothes-1"
#: Score from which a detection starts a track; weaker ones only continue one.
START_SCORE = 0.5
#: Seconds a lost person is searched for before the track is closed.
LOST_S = 3.0
#: A weak detection continues a track lost for no longer than this, seconds.
WEAK_S = 0.6
#: What clothes count in the cost; place and size count the rest.
CLOTHES = 0.6
#: Cost from which a detection is somebody else, 0 (the same) to about 1.
MOST_COST = 0.7
#: How far from where a person is expected it may be, body heights: at once, and
#: for each second it was lost (a walk of 2 m/s at 1.7 m).
NEAR, SPEED = 0.35, 1.25
#: Heights of one person in two frames differ by less than this factor.
HEIGHTS = 1.4
#: Longest time over which a person is expected to go on as before, seconds.
GO_ON_S = 1.0
#: Share of the newest step in the speed, and of a clear view in the clothes.
NEW_SPEED, NEW_CLOTHES = 0.4, 0.15


class PersonTracker:
    """Gives the persons of successive frames the number of their track.

    Parameters
    ----------
    sample_fps
        Analysed frames a second, at most; a track seen once is forgotten when the
        next frame but one does not show it.
    """

    def __init__(self, sample_fps: float) -> None:
        self._unsure_s = 1.5 / sample_fps
        # At one look in two seconds, one that missed somebody must not end the track.
        self._lost_s = max(LOST_S, 2.5 / sample_fps)
        self._weak_s = max(WEAK_S, 1.5 / sample_fps)
        self._tracks: list[_Followed] = []
        self._next = 0

    def __call__(
        self,
        persons: Persons,
        clothes: np.ndarray,
        clear: np.ndarray,
        offset_s: float,
    ) -> np.ndarray:
        """Return the track number of each person of the next frame.

        Parameters
        ----------
        persons
            Persons of this frame.
        clothes
            float32 [n, d], unit length (or zero), from `appearance.describe`.
        clear
            float [n], how clearly the clothes are seen, 0..1.
        offset_s
            Time of the frame, seconds since the clip's start, increasing.

        Returns
        -------
        numpy.ndarray
            int64 [n]; -1 where a person belongs to no track (yet).
        """
        self._tracks = [
            one
            for one in self._tracks
            if offset_s - one.at_s
            <= (self._lost_s if one.seen > 1 else self._unsure_s) + 1e-6
        ]
        numbers = np.full(len(persons.scores), -1, np.int64)
        sure = persons.scores >= START_SCORE
        for rows, patience in ((sure, self._lost_s), (~sure, self._weak_s)):
            waiting = [
                one for one in self._tracks if 0 < offset_s - one.at_s <= patience
            ]
            places = np.flatnonzero(rows)
            cost = _cost(waiting, persons.boxes[places], clothes[places], offset_s)
            for i, j in zip(*linear_sum_assignment(cost), strict=True):
                if cost[i, j] < MOST_COST:
                    row = places[j]
                    waiting[i].see(
                        persons.boxes[row], clothes[row], clear[row], offset_s
                    )
                    numbers[row] = waiting[i].number
        for row in np.flatnonzero(sure & (numbers < 0)):
            numbers[row] = self._next
            box = persons.boxes[row].astype(np.float64)
            self._tracks.append(_Followed(self._next, box, clothes[row], offset_s))
            self._next += 1
        return numbers


@dataclass
class _Followed:
    """A person who is followed."""

    number: int
    box: np.ndarray  #: left, top, width, height, pixels, as last seen
    clothes: np.ndarray
    at_s: float
    seen: int = 1
    velocity: np.ndarray | None = None  #: of the foot, pixels a second [2]

    def see(
        self, box: np.ndarray, clothes: np.ndarray, clear: float, at_s: float
    ) -> None:
        """Note where the person is now."""
        box = box.astype(np.float64)
        step = (foot(box) - foot(self.box)) / (at_s - self.at_s)
        if self.velocity is None:
            self.velocity = step
        else:
            self.velocity = (1 - NEW_SPEED) * self.velocity + NEW_SPEED * step
        new = NEW_CLOTHES * clear
        mixed = (1 - new) * self.clothes + new * clothes
        self.clothes = mixed / max(1e-9, float(np.linalg.norm(mixed)))
        self.box, self.at_s, self.seen = box, at_s, self.seen + 1

    def expected(self, at_s: float) -> np.ndarray:
        """Return where the foot is expected, pixels [2]."""
        if self.velocity is None:
            return foot(self.box)
        return foot(self.box) + self.velocity * min(at_s - self.at_s, GO_ON_S)


def foot(boxes: np.ndarray) -> np.ndarray:
    """Return the middle of the lower edge of boxes [..., 4], pixels [..., 2]."""
    return np.stack(
        [boxes[..., 0] + boxes[..., 2] / 2, boxes[..., 1] + boxes[..., 3]], axis=-1
    )


def _cost(
    tracks: list[_Followed], boxes: np.ndarray, clothes: np.ndarray, at_s: float
) -> np.ndarray:
    """Return what speaks against each pair, float64 [tracks, boxes]; 10: impossible."""
    if not tracks or not len(boxes):
        return np.full((len(tracks), len(boxes)), 10.0)
    height = np.array([one.box[3] for one in tracks])[:, None]
    lost = np.minimum([at_s - one.at_s for one in tracks], 2.0)[:, None]
    expected = np.array([one.expected(at_s) for one in tracks])
    away = np.linalg.norm(foot(boxes)[None] - expected[:, None], axis=2) / height
    near = NEAR + SPEED * lost
    ratio = boxes[None, :, 3] / height
    alike = np.array([one.clothes for one in tracks]) @ clothes.T
    cost = (1 - CLOTHES) * (0.7 * away / near + np.abs(ratio - 1))
    cost += CLOTHES * (1 - alike)
    possible = (away <= near) & (ratio < HEIGHTS) & (ratio > 1 / HEIGHTS)
    return np.where(possible, cost, 10.0)
