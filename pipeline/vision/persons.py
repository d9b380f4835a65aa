"""Persons in one frame: one detector on the frame and on parts that overlap.

The whole frame shows nearly everybody to the network that ships (`nanodet`); small
people are found on 2 x 2 tiles. Networks of one square see people as tall as the
frame better on two squares of full height, where they keep their proportions.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import supervision as sv

from pipeline.vision import own_models, ssdlite
from pipeline.vision.nanodet import Nanodet
from pipeline.vision.own_networks import Yolox
from pipeline.vision.types import Persons

#: Side of a tile as a share of the frame's side: 2 x 2 tiles that overlap by 1/5.
TILE = 0.6
#: Score from which a detection may continue a track (chosen on vtest.avi).
LOW_SCORE = 0.2
#: Boxes that overlap more (intersection over union) are one person.
SAME_IOU = 0.5
#: A box that lies this much inside a better one is a part of that person.
SAME_INSIDE = 0.8
#: Seconds after which a window that was not needed is searched again: where
#: something moved in it that could be a person who needs it, and elsewhere.
REST_S, STILL_REST_S = 0.6, 2.0
#: The same at a quick look, in looks.
QUICK_REST = 10
#: What moves needs a window larger than a tile if it is this high, share of the frame.
TALL = 0.4
#: Moved pixels of the small picture in a window that are motion in it.
MOVED_PIXELS = 5
#: Score from which a person makes a window needed.
NEED_SCORE = 0.5
#: A box this close to an inner edge of its tile is cut off there, share of its side.
CUT = 4 / 300


class PersonDetector:
    """Finds persons in frames.

    Parameters
    ----------
    weights_dir
        Folder of verified weights.
    threads
        Threads of the processor.
    tiles
        Search the parts besides the whole frame: finds people from about 40 px of
        height in a frame of 576 lines, at up to five times the cost.
    quick
        Tiles are needed only for whom no larger window shows, by any network.
    network
        Registered network to use in place of the default or the city's own.
    """

    def __init__(
        self,
        weights_dir: Path,
        threads: int = 2,
        tiles: bool = True,
        quick: bool = False,
        network: str | None = None,
    ) -> None:
        own = own_models.used(own_models.PERSONS, weights_dir)
        self._see: Nanodet | Yolox | ssdlite.Ssdlite
        if network == ssdlite.MODEL:
            self._see = ssdlite.Ssdlite(weights_dir, threads)
        elif own is not None and network is None:
            self._see = Yolox(own_models.path_of(own, weights_dir), threads)
        else:
            self._see = Nanodet(weights_dir, threads)
        whole_first = isinstance(self._see, Nanodet)
        rank = WHOLE_RANK if whole_first else QUICK_RANK if quick else RANK
        #: How many windows a frame is searched in.
        self.windows = len(rank) if tiles else 1
        #: Rank of each window: whom one of a higher rank shows needs no other.
        self.rank = rank[: self.windows]
        #: By window: whether it held a person whom no smaller window showed.
        self.needed = np.ones(self.windows, bool)

    def __call__(
        self,
        frame: np.ndarray,
        low_score: float = LOW_SCORE,
        among: np.ndarray | None = None,
    ) -> Persons:
        """Find the persons of one frame.

        Parameters
        ----------
        frame
            uint8 [h, w, 3], BGR.
        low_score
            Least score of a returned person.
        among
            bool [windows]: the windows that are searched; all by default.
        """
        height, width = frame.shape[:2]
        windows = _windows(width, height)[: self.windows]
        searched = [
            index for index in range(len(windows)) if among is None or among[index]
        ]
        seen = _halved(frame, self._see.side)
        outputs = self._see(
            (_part(seen, windows[index], height) for index in searched), low_score
        )
        boxes, scores, origin = [], [], []
        for index, output in zip(searched, outputs, strict=True):
            window = windows[index]
            unit, found = output
            whole = _uncut(unit, window, width, height)
            left, top, right, bottom = window
            size = np.array([right - left, bottom - top] * 2, np.float32)
            boxes.append(unit[whole] * size + np.array([left, top] * 2, np.float32))
            scores.append(found[whole])
            origin.append(np.full(whole.sum(), index))
        if not searched:
            return Persons(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        every, score = np.concatenate(boxes), np.concatenate(scores)
        sure = score >= NEED_SCORE
        self.needed[searched] = _needed(
            every[sure], np.concatenate(origin)[sure], searched, self.rank
        )
        return _merge(
            every, score, width, height, isinstance(self._see, ssdlite.Ssdlite)
        )


class Attention:
    """Which windows of the next frame are searched.

    A window that showed nobody, or only whom a smaller window shows too, is looked
    at again after `REST_S` if something moved in it, else later. A part of the
    frame into which somebody walks is so seen by that much later, and by the
    windows that overlap it at once.

    Where larger windows rank first (the network that ships, or any at a quick look)
    those of the highest rank are searched wherever something moves, the others where
    they are needed besides, and now and then.

    Parameters
    ----------
    rank
        Rank of each window, as of the detector.
    sample_fps
        Analysed frames a second.
    quick
        For triage: what is not needed is searched every `QUICK_REST` looks.
    """

    def __init__(
        self, rank: np.ndarray, sample_fps: float, quick: bool = False
    ) -> None:
        self._last_s = np.full(len(rank), -np.inf)
        self._live = np.ones(len(rank), bool)
        self._rank = rank
        self._still_s = QUICK_REST / sample_fps if quick else STILL_REST_S

    def due(self, offset_s: float, moved: np.ndarray | None = None) -> np.ndarray:
        """Return the windows to be searched at a time of the clip, bool [windows].

        Parameters
        ----------
        offset_s
            Time of the frame, seconds since the clip's start.
        moved
            bool [h, w] of a small picture: what moved since the last frame; None
            where that is not known.
        """
        rest = np.full(len(self._live), REST_S)
        if moved is not None:
            rest[~_stirred(moved, self._rank)] = self._still_s
        return self._live | (offset_s - self._last_s >= rest - 1e-6)

    def note(self, among: np.ndarray, needed: np.ndarray, offset_s: float) -> None:
        """Note which windows were searched, and which of them were needed."""
        self._last_s[among] = offset_s
        self._live[among] = needed[among]


def _stirred(moved: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return in which windows something moved that may need them, bool [windows].

    Where tiles rank first: any motion in a tile, and in the larger windows what is
    too tall for a tile. Else any motion in those of the highest rank.
    """
    high, wide = moved.shape
    there = np.array(
        [
            int(moved[top:bottom, left:right].sum()) >= MOVED_PIXELS
            for left, top, right, bottom in _windows(wide, high)[: len(rank)]
        ]
    )
    first = rank == rank.max()
    if len(rank) < len(RANK) or not np.array_equal(rank, RANK):
        return there & first
    whole = cv2.dilate(moved.astype(np.uint8), np.ones((5, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(whole)
    # Behind the first, which is the background.
    tall = bool((stats[1:, cv2.CC_STAT_HEIGHT] >= TALL * high).any())
    return there & (tall | first)


def _windows(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return left, top, right, bottom of what is searched, at three scales."""
    across, down = round(width * TILE), round(height * TILE)
    side = min(width, height)
    return [
        (0, 0, width, height),
        *(
            (left, top, left + across, top + down)
            for top in (0, height - down)
            for left in (0, width - across)
        ),
        (0, 0, side, side),
        (width - side, height - side, width, height),
    ]


def _halved(frame: np.ndarray, side: int) -> np.ndarray:
    """Halve a frame as long as its tiles keep as many pixels as the network sees."""
    while TILE * min(frame.shape[:2]) >= 2 * side:
        size = (frame.shape[1] // 2, frame.shape[0] // 2)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return frame


def _part(
    seen: np.ndarray, window: tuple[int, int, int, int], height: int
) -> np.ndarray:
    """Return a window of the (halved) frame."""
    factor = seen.shape[0] / height
    left, top, right, bottom = (round(side * factor) for side in window)
    return seen[top:bottom, left:right]


def _needed(
    boxes: np.ndarray, origin: np.ndarray, searched: list[int], rank: np.ndarray
) -> np.ndarray:
    """Return which windows showed somebody whom none of a higher rank showed."""
    result = np.zeros(len(searched), bool)
    same = sv.box_iou_batch(boxes, boxes) >= SAME_IOU if len(boxes) else None
    for place, index in enumerate(searched):
        own = np.flatnonzero(origin == index)
        higher = rank[origin] > rank[index]
        result[place] = any(not (same[row] & higher).any() for row in own)  # type: ignore[index]
    return result


#: Rank of each window (whole frame, four tiles, two squares): whom one of a higher
#: rank shows needs no other. The smallest highest; at a quick look the larger ones;
#: the whole frame highest where it shows nearly everybody (no squares then).
RANK = np.array([0, 2, 2, 2, 2, 1, 1])
QUICK_RANK = np.array([1, 0, 0, 0, 0, 2, 2])
WHOLE_RANK = np.array([1, 0, 0, 0, 0])


def _uncut(
    unit: np.ndarray, window: tuple[int, int, int, int], width: int, height: int
) -> np.ndarray:
    """Return which boxes (0..1 in the window) do not end at an inner tile edge."""
    left, top, right, bottom = window
    near = CUT
    cut = np.zeros(len(unit), bool)
    if left > 0:
        cut |= unit[:, 0] < near
    if top > 0:
        cut |= unit[:, 1] < near
    if right < width:
        cut |= unit[:, 2] > 1 - near
    if bottom < height:
        cut |= unit[:, 3] > 1 - near
    return ~cut


def _merge(
    boxes: np.ndarray, scores: np.ndarray, width: int, height: int, loose: bool = True
) -> Persons:
    """Make one box of those of one person: their mean, weighted by score.

    What SSDLite draws too `loose` is taken off.

    The mean of what several windows found lies closer than the best of them
    (weighted boxes fusion: Solovyev et al., Image and Vision Computing 107, 2021).
    """
    corners = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    found = np.column_stack([corners, scores])
    rows = found
    if len(found):
        rows = found[sv.box_non_max_suppression(found, SAME_IOU)]
        same = sv.box_iou_batch(rows[:, :4], found[:, :4]) >= SAME_IOU
        weights = same * found[:, 4]
        rows[:, :4] = weights @ found[:, :4] / weights.sum(axis=1, keepdims=True)
        rows = rows[
            sv.box_non_max_suppression(
                rows, SAME_INSIDE, overlap_metric=sv.OverlapMetric.IOS
            )
        ]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    ltwh = rows[:, :4].copy()
    ltwh[:, 2:] -= ltwh[:, :2]
    ltwh = ssdlite.tight(ltwh, height, TILE) if loose else ltwh
    big = (ltwh[:, 2] >= 4) & (ltwh[:, 3] >= 8)
    return Persons(
        boxes=ltwh[big].astype(np.float32), scores=rows[big, 4].astype(np.float32)
    )
