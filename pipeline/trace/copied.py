"""Footage stored twice: copies of a pass before the same camera.

Two bodies are never at one point second after second; independent detections of one
body differ by the jitter of its box. Passes that lie on each other to the centimetre
are the same footage analysed again, under another name.
"""

from __future__ import annotations

import numpy as np

from pipeline.trace.columns import pairs
from pipeline.trace.contacts import Near
from pipeline.trace.gather import UNCALIBRATED_ERROR_M
from pipeline.trace.passes import Passes

#: Seconds that two passes share at least, and metres within which they coincide
#: (ground points are whole centimetres; re-encoding moves a box by a pixel).
_SECONDS, _METRES = 2, 0.05
#: Passes that begin at one moment before one camera are compared so far apart.
_STEPS = 3
#: Rows looked at together: what is made of them stays in the cache.
_AT_A_TIME = 1 << 16


def known(passes: Passes) -> tuple[np.ndarray, np.ndarray]:
    """Rows of copies, and of the pass that each is a copy of; kept with the passes.

    A copy begins and ends at the same moments and places, with a face of the same
    width. Before a camera without calibration places say nothing: there only passes
    with a face are told to be copies.

    Returns
    -------
    int64 [k], ascending, and int64 [k].
    """
    return passes.kept("copies", lambda: _told(passes))


def firsts(passes: Passes, rows: np.ndarray) -> np.ndarray:
    """Rows int64 [m] that some rows are copies of; themselves where they are none."""
    copies, first = known(passes)
    result = np.array(rows, dtype=np.int64)
    if len(copies):
        at = np.minimum(np.searchsorted(copies, result), len(copies) - 1)
        result = np.where(copies[at] == result, first[at], result)
    return result


def _told(passes: Passes) -> tuple[np.ndarray, np.ndarray]:
    """As `known`."""
    first: dict[int, int] = {}
    for step in range(1, _STEPS + 1):
        rows = _together(passes, step)
        alike = ~np.isnan(passes.face_width_px[rows])
        alike |= passes.error_m[rows] < UNCALIBRATED_ERROR_M
        for name in ("end", "first", "last", "face_width_px"):
            one = getattr(passes, name)[rows], getattr(passes, name)[rows + step]
            same = np.isclose(*one, rtol=0, atol=1e-6, equal_nan=True)
            alike &= same.all(axis=1) if same.ndim > 1 else same
        found = rows[alike].tolist()
        first |= {row + step: first.get(row, row) for row in found}
    copies = np.array(sorted(first), dtype=np.int64)
    return copies, np.array([first[row] for row in copies.tolist()], dtype=np.int64)


def _together(passes: Passes, step: int) -> np.ndarray:
    """Rows int64 that begin when, and where, the row so many steps later does."""
    found = [np.empty(0, np.int64)]
    for begin in range(0, len(passes) - step, _AT_A_TIME):
        end = min(begin + _AT_A_TIME, len(passes) - step)
        same = np.ones(end - begin, dtype=bool)
        for values in (passes.start, passes.camera_no):
            same &= values[begin:end] == values[begin + step : end + step]
        found.append(begin + np.flatnonzero(same))
    return np.concatenate(found)


def without_patient(found: Near) -> Near:
    """Leave out passes that are copies of the patient's own."""
    _, pair = pairs(found.tracklet, found.patient)
    count = np.bincount(pair)
    alike = np.bincount(pair, weights=found.metres <= _METRES)
    copies = (count >= _SECONDS) & (alike == count)
    gone = np.unique(found.tracklet[copies[pair]])
    return found.take(np.flatnonzero(~np.isin(found.tracklet, gone)))


def among(found: Near) -> dict[int, int]:
    """Return tracklet -> the first of the tracklets that it is a copy of."""
    order = np.lexsort((found.tracklet, found.second, found.patient))
    patient, second = found.patient[order], found.second[order]
    moment = np.r_[0, np.cumsum((np.diff(patient) != 0) | (np.diff(second) != 0))]
    # Each row with those after it of the same moment, one step farther at a time.
    one, other, apart = [], [], []
    for step in range(1, len(order)):
        rows = np.flatnonzero(moment[step:] == moment[:-step])
        if not len(rows):
            break
        a, b = order[rows], order[rows + step]
        one.append(found.tracklet[a])
        other.append(found.tracklet[b])
        apart.append(
            np.hypot(
                found.away_east_m[a] - found.away_east_m[b],
                found.away_north_m[a] - found.away_north_m[b],
            )
        )
    if not one:
        return {}
    both, number = pairs(np.concatenate(one), np.concatenate(other))
    count = np.bincount(number)
    alike = np.bincount(number, weights=np.concatenate(apart) <= _METRES)
    result: dict[int, int] = {}
    for a, b in both[(count >= _SECONDS) & (alike == count)].tolist():
        result[b] = result.get(a, a)  # ascending: the first is known by now
    return result
