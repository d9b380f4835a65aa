"""Who goes along with the patient, and what cameras showed of one of the two only.

Trackers miss passes. Of two people who are together before one camera and again before
another a minute later, a camera between may show one alone: those seconds are inferred,
as the legs of a path are, and told apart from what was seen.
"""

from __future__ import annotations

import numpy as np

from pipeline.store.ids import camera_no_of
from pipeline.trace import constants as c
from pipeline.trace.columns import pairs
from pipeline.trace.contacts import Near, Tracks
from pipeline.trace.linking import People
from pipeline.trace.passes import Passes


def going(wide: Near, passes: Passes, mine: Passes) -> np.ndarray:
    """Which seconds (bool [s]) are of passes that go along with the patient's.

    Parameters
    ----------
    wide : seconds within the rule and `STEADY_METRES` beyond.
    """
    both, number = pairs(wide.tracklet, wide.patient)
    if not len(both):
        return np.zeros(0, dtype=bool)
    count = np.bincount(number)
    theirs, ours = both.T
    begin = np.maximum(_of(theirs, passes, "start"), _of(ours, mine, "start"))
    end = np.minimum(_of(theirs, passes, "end"), _of(ours, mine, "end"))
    common = np.maximum(end - begin, 0) + 1
    long = (count >= c.ALONG_SECONDS) & (count >= c.ALONG_SHARE * common)
    return np.asarray(long[number])


def along(found: Near, going: np.ndarray) -> dict[int, tuple[float, float]]:
    """Tracklet of those who go along -> first and last second with the patient."""
    rows = np.flatnonzero(going)
    who, where = np.unique(found.tracklet[rows], return_inverse=True)
    first, last = np.full(len(who), np.inf), np.full(len(who), -np.inf)
    np.minimum.at(first, where, found.second[rows])
    np.maximum.at(last, where, found.second[rows])
    return {
        int(one): (float(a), float(b))
        for one, a, b in zip(who, first, last, strict=True)
    }


def errors(found: Near, passes: Passes) -> np.ndarray:
    """Error of each offset float64 [s], metres, 1 sd along one axis."""
    return np.hypot(
        _of(found.tracklet, passes, "error_m"), _of(found.patient, passes, "error_m")
    )


def inferred(
    found: Near, people: People, passes: Passes, tracks: Tracks
) -> dict[int, np.ndarray]:
    """Return the seconds in which one of the two was seen alone, between joint ones.

    Returns
    -------
    name of the person, as in `people.group` -> int64, Unix seconds.
    """
    person = np.array([people.group.get(int(t), int(t)) for t in found.tracklet])
    ours, at = np.unique(tracks.second, return_index=True)
    ours_at = _cameras(tracks.tracklet[at])
    result = {}
    for one in np.unique(person).tolist():
        joint = np.unique(found.second[person == one])
        if len(joint) < 2:
            continue
        own, own_at = _within(joint, ours, ours_at)
        theirs, theirs_at = _seconds(passes, people.rows.get(one, joint[:0]))
        theirs, theirs_at = _within(joint, theirs, theirs_at)
        mine, his = ~np.isin(own, theirs), ~np.isin(theirs, own)
        alone = np.concatenate([own[mine], theirs[his]])
        camera = np.concatenate([own_at[mine], theirs_at[his]])
        order = np.argsort(alone, kind="stable")
        alone, camera = alone[order], camera[order]
        kept = ~np.isin(alone, joint)
        alone, camera = alone[kept], camera[kept]
        apart = np.setdiff1d(np.intersect1d(own, theirs), joint)
        good = [
            alone[low:high]
            for low, high in _between(joint, alone)
            if _holds(alone[low:high], camera[low:high], joint, apart)
        ]
        if good:
            result[one] = np.concatenate(good)
    return result


def _within(
    joint: np.ndarray, second: np.ndarray, camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds, in order, from the first joint one to the last, and their cameras."""
    low, high = np.searchsorted(second, joint[[0, -1]])
    return second[low : high + 1], camera[low : high + 1]


def _between(joint: np.ndarray, alone: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of `alone` that lie between two joint seconds."""
    after = np.searchsorted(joint, alone)
    inside = np.unique(after[(after > 0) & (after < len(joint))])
    return [
        (int(np.searchsorted(after, k)), int(np.searchsorted(after, k, side="right")))
        for k in inside
    ]


def _holds(
    alone: np.ndarray, camera: np.ndarray, joint: np.ndarray, apart: np.ndarray
) -> bool:
    """Tell whether two were together in seconds that show one of them."""
    k = int(np.searchsorted(joint, alone[0]))
    before, after = joint[k - 1], joint[k]
    if after - before <= c.WALK_GAP_SECONDS:
        return True
    # Longer only where one goes on before cameras, and both are not seen apart.
    holes = np.diff(np.r_[before, alone, after])
    waits = np.unique(camera, return_counts=True)[1]
    seen = np.searchsorted(apart, [before, after])
    return bool(
        holes.max() <= c.WALK_GAP_SECONDS
        and waits.max() <= c.STEADY_SECONDS
        and seen[0] == seen[1]
    )


def _cameras(tracklets: np.ndarray) -> np.ndarray:
    """Camera numbers of some tracklets."""
    unique, where = np.unique(tracklets, return_inverse=True)
    return np.array([camera_no_of(int(one)) for one in unique], np.int64)[where]


def _seconds(passes: Passes, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole seconds within some passes, ascending, each once, and their cameras."""
    none = np.empty(0, np.int64)
    spans = [
        np.arange(np.ceil(passes.start[row]), np.floor(passes.end[row]) + 1)
        for row in rows
    ]
    if not spans:
        return none, none
    cameras = np.repeat(passes.camera_no[rows], [len(span) for span in spans])
    second, first = np.unique(np.concatenate(spans).astype(np.int64), return_index=True)
    return second, cameras[first]


def _of(tracklets: np.ndarray, passes: Passes, name: str) -> np.ndarray:
    """A column of the passes of some tracklets."""
    unique, where = np.unique(tracklets, return_inverse=True)
    rows = passes.rows(unique.tolist())
    order = np.argsort(passes.ids[rows])  # ids ascend as `unique` does
    return np.asarray(getattr(passes, name)[rows[order]][where])
