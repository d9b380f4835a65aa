"""Gaps of a path: what should have been seen had the patient walked there.

Along the straight line between being lost and being seen again, cameras that recorded
at the time are counted; what each sees of the way, and what it misses, says how many
passes were to be expected. `exp(-expected)` is the probability of seeing none of them
although he walked there: high where there are few cameras, low where he more likely
stayed, rode or went another way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import constants as c
from pipeline.trace.passes import Footage, Passes


@dataclass(frozen=True)
class Gaps:
    """Gaps between the k passes of a path; k - 1 rows."""

    cameras: np.ndarray  #: int64 [k - 1], that recorded near the straight line
    expected: np.ndarray  #: float64 [k - 1], passes to be expected
    miss: np.ndarray  #: float64 [k - 1], probability of seeing none of them


def between(
    mine: Passes, footage: Footage, places: dict[int, tuple[float, float]]
) -> Gaps:
    """Weigh the gaps of a path.

    Parameters
    ----------
    mine : the passes of the path, in order of time.
    footage : what was analysed.
    places : cameras of the area, metres of the local frame.
    """
    count = max(len(mine) - 1, 0)
    cameras, expected = np.zeros(count, dtype=np.int64), np.zeros(count)
    number = np.fromiter(places, dtype=np.int64, count=len(places))
    where = np.array(list(places.values()), dtype=float).reshape(-1, 2)
    order = np.argsort(number)
    number, where = number[order], where[order]
    for k in range(count):
        a, b = mine.last[k], mine.first[k + 1]
        begin, finish = float(mine.end[k]), float(mine.start[k + 1])
        if finish <= begin or not len(number):
            continue
        ends = (int(mine.camera_no[k]), int(mine.camera_no[k + 1]))
        near = number[_beside(where, a, b, c.GAP_BAND_M)]
        near = near[~np.isin(near, ends)]
        share = _recorded(footage, near, begin, finish)
        cameras[k] = int((share > 0).sum())
        # The way winds about the line: it passes more of a wider band, less surely.
        seen = c.GAP_SIGHT_M / c.GAP_BAND_M * travel_time.DETOUR_FACTOR
        expected[k] = min(seen, 1.0) * (1 - c.GAP_MISS_SHARE) * float(share.sum())
    return Gaps(cameras, expected, np.exp(-expected))


def unseen(passes: Passes, footage: Footage, cameras: int) -> float:
    """Probability that somebody in the area all the time shows no face that decides.

    Somebody who moves as others do makes `PASSES_OF_A_PERSON` passes a day before all
    of the area's cameras; those that recorded see their share of them, and a share of
    passes, as counted here, shows a face that is wide enough.
    """
    if not cameras or not len(footage.start):
        return 1.0
    span = float(footage.end.max() - footage.start.min())
    filmed = float((footage.end - footage.start).sum()) / (cameras * max(span, 1.0))
    passed = c.PASSES_OF_A_PERSON * span / 86_400 * min(filmed, 1.0)
    return float(np.exp(-passed * decisive(passes)))


def decisive(passes: Passes) -> float:
    """Share of passes that show a face wide enough to decide; kept with them."""

    def share() -> float:
        wide = np.count_nonzero(passes.face_width_px >= c.FACE_SMALL_PX)
        return wide / len(passes) if len(passes) else 0.0

    return passes.kept("decisive", share)


def _beside(where: np.ndarray, a: np.ndarray, b: np.ndarray, band: float) -> np.ndarray:
    """Which places [n, 2] lie within `band` metres of the line from a to b."""
    low, high = np.minimum(a, b) - 2 * band, np.maximum(a, b) + 2 * band
    east, north = where.T
    result = (east > low[0]) & (east < high[0]) & (north > low[1]) & (north < high[1])
    some = np.flatnonzero(result)
    way = b - a
    length = max(float(way @ way), 1e-9)
    along = np.clip((where[some] - a) @ way / length, 0.0, 1.0)
    foot = a + along[:, None] * way
    result[some] = np.hypot(*(where[some] - foot).T) <= band
    return np.asarray(result)


def _recorded(
    footage: Footage, numbers: np.ndarray, begin: float, finish: float
) -> np.ndarray:
    """Share [n] of a time that cameras recorded."""
    if not len(numbers):
        return np.zeros(0)
    rows = footage.of_cameras(numbers)
    rows = rows[(footage.start[rows] < finish) & (footage.end[rows] > begin)]
    both = np.minimum(footage.end[rows], finish) - np.maximum(
        footage.start[rows], begin
    )
    at = np.searchsorted(numbers, footage.camera_no[rows])
    total = np.bincount(at, weights=np.maximum(both, 0), minlength=len(numbers))
    return np.minimum(total / (finish - begin), 1.0)
