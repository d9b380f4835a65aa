"""Stays: where the patient remained for a while, told from his path.

Somebody who stands before a camera is seen to stay. Somebody who goes in is lost and
comes back near the same place: a gap in which walking from where he was lost to where
he is seen again takes up less than half of the time is taken for a stay between the
two (stay points as of Li et al., ACM GIS 2008, doi:10.1145/1463434.1463477, with gaps).
What lies next to each other is one stay.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.cameras import travel_time
from pipeline.store.ids import to_local_cm

#: Least length of a stay, seconds.
LEAST_SECONDS = 600.0
#: Metres between being lost and being seen again, at most (assumed: cameras stand a
#: block or two apart).
_APART_M = 400.0
#: Speed up to which somebody in view stands, m/s (assumed: a slow stroll is 0.5).
_STILL_MPS = 0.3
#: Metres within which parts of a stay lie.
_TOGETHER_M = 200.0


def stays(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Find stays of ten minutes or more in a path.

    Parameters
    ----------
    start, end : float64 [k], Unix seconds of each pass, in order of time.
    first, last : float64 [k, 2], metres, where it begins and ends.

    Returns
    -------
    float64 [m, 4] : x, y, arrival, leaving.
    """
    if not len(start):
        return np.empty((0, 4))
    gap = np.maximum(start[1:] - end[:-1], 0)
    apart = np.hypot(*(first[1:] - last[:-1]).T)
    walking = apart * travel_time.DETOUR_FACTOR / travel_time.WALKING_MPS
    hidden = (apart <= _APART_M) & (walking <= gap / 2)
    hidden |= (gap <= 60) & (apart <= 10)  # cut by the tracker
    length = np.maximum(end - start, 1e-6)
    still = np.hypot(*(last - first).T) / length <= _STILL_MPS
    parts: list[tuple[bool, float, float, np.ndarray]] = []
    for k in range(len(start)):
        middle = (first[k] + last[k]) / 2
        parts.append((bool(still[k]), float(start[k]), float(end[k]), middle))
        if k + 1 < len(start):
            middle = (last[k] + first[k + 1]) / 2
            parts.append((bool(hidden[k]), float(end[k]), float(start[k + 1]), middle))
    found: list[tuple[float, float, float, float]] = []
    run: list[tuple[float, float, np.ndarray]] = []
    for stands, begin, finish, where in [*parts, (False, 0.0, 0.0, first[0])]:
        near = not run or np.hypot(*(where - run[-1][2])) <= _TOGETHER_M
        if run and not (stands and near):
            found += _stay(run)
            run = []
        if stands:
            run.append((begin, finish, where))
    return np.array(found, dtype=float).reshape(-1, 4)


def of_legs(legs: pa.Table) -> np.ndarray:
    """Stays of a path as stored (`tables.LEG`): see `stays`; metres are local."""
    rows = [leg for leg in legs.to_pylist() if leg["kind"] == "seen"]
    if not rows:
        return np.empty((0, 4))
    ends = []
    for at in (0, -1):
        lon = np.array([leg["lon"][at] for leg in rows])
        lat = np.array([leg["lat"][at] for leg in rows])
        ends.append(np.column_stack(to_local_cm(lon, lat)) / 100)
    return stays(
        np.array([leg["start_at"].timestamp() for leg in rows]),
        np.array([leg["end_at"].timestamp() for leg in rows]),
        *ends,
    )


def _stay(
    run: list[tuple[float, float, np.ndarray]],
) -> list[tuple[float, float, float, float]]:
    """The stay that neighbouring parts make, if it is long enough."""
    begin, finish = run[0][0], run[-1][1]
    if finish - begin < LEAST_SECONDS:
        return []
    spans = np.array([b - a for a, b, _ in run])
    x, y = np.average([where for _, _, where in run], axis=0, weights=spans + 1e-6)
    return [(float(x), float(y), begin, finish)]
