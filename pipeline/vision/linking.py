"""Mending of tracks: cut where the person changes, join what belongs together.

A tracker that only follows boxes changes to another person where two cross, and
loses a person behind a pole. Both are mended once a track is closed, by clothes and
by motion (the idea of splitting and connecting: Sun et al., "GTA: Global Tracklet
Association", ACCV 2024 workshops).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.vision import appearance

#: Detections on each side of a cut that are compared, at least and at most.
LEAST_SIDE, MOST_SIDE = 4, 12
#: Similarity of the clothes before and after below which a track is cut.
CUT_BELOW = 0.5
#: Similarity of the clothes from which two tracks may be joined.
JOIN_FROM = 0.65
#: Longest gap that is bridged, seconds.
JOIN_GAP_S = 4.0
#: Fastest walk that is bridged, body heights a second (2.5 m/s at 1.7 m).
JOIN_SPEED = 1.5
#: Distance allowed besides, body heights.
JOIN_SLACK = 0.5
#: Heights of one person before and after a gap differ by less than this factor.
JOIN_HEIGHTS = 1.5


@dataclass(frozen=True)
class Fragment:
    """What decides whether two tracks are one."""

    start_s: float
    end_s: float
    first_box: np.ndarray  #: left, top, width, height, pixels
    last_box: np.ndarray
    velocity: np.ndarray  #: of the foot at the end, pixels a second [2]
    clothes: np.ndarray | None  #: unit length


def cuts(clothes: np.ndarray, weights: np.ndarray) -> list[int]:
    """Return the positions before which a track is to be cut.

    Parameters
    ----------
    clothes
        float32 [n, d], unit length (or zero), in time order.
    weights
        float [n]: how clearly each shows the person.
    """
    worst, place = CUT_BELOW, -1
    for position in range(LEAST_SIDE, len(clothes) - LEAST_SIDE + 1):
        before = slice(max(0, position - MOST_SIDE), position)
        after = slice(position, position + MOST_SIDE)
        one = appearance.pool(clothes[before], weights[before])
        two = appearance.pool(clothes[after], weights[after])
        if one is None or two is None:
            continue
        alike = float(one @ two)
        if alike < worst:
            worst, place = alike, position
    if place < 0:
        return []
    left = cuts(clothes[:place], weights[:place])
    right = cuts(clothes[place:], weights[place:])
    return [*left, place, *(place + cut for cut in right)]


def joins(fragments: list[Fragment]) -> list[int]:
    """Return for each track the number of the group it belongs to.

    A track is continued by at most one other, the most alike that could have walked
    there in the time between.
    """
    from scipy.optimize import linear_sum_assignment

    count = len(fragments)
    gain = np.zeros((count, count))
    for i, earlier in enumerate(fragments):
        for j, later in enumerate(fragments):
            if i != j:
                gain[i, j] = _alike(earlier, later)
    group = list(range(count))
    rows, columns = linear_sum_assignment(-gain)
    order = sorted(
        zip(rows, columns, strict=True), key=lambda p: fragments[p[1]].start_s
    )
    for i, j in order:
        if gain[i, j] > 0:
            group[j] = group[i]
    return group


def _alike(earlier: Fragment, later: Fragment) -> float:
    gap = later.start_s - earlier.end_s
    if not 0 < gap <= JOIN_GAP_S or earlier.clothes is None or later.clothes is None:
        return 0.0
    height = (earlier.last_box[3] + later.first_box[3]) / 2
    ratio = max(earlier.last_box[3], later.first_box[3]) / max(
        1.0, min(earlier.last_box[3], later.first_box[3])
    )
    if ratio > JOIN_HEIGHTS:
        return 0.0
    foot = _foot(earlier.last_box)
    # Half the time it goes on as before: people stop behind what hides them.
    moved = _foot(later.first_box) - (foot + earlier.velocity * gap / 2)
    if np.hypot(*moved) > height * (JOIN_SLACK + JOIN_SPEED * gap):
        return 0.0
    similarity = float(earlier.clothes @ later.clothes)
    return similarity if similarity >= JOIN_FROM else 0.0


def _foot(box: np.ndarray) -> np.ndarray:
    return np.array([box[0] + box[2] / 2, box[1] + box[3]])
