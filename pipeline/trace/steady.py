"""Long contacts: distances of people who stand together, freed of steady errors.

The ground points of a pass are off by a steady error, the same all through the pass and
another in the next. Whoever stands with somebody for long makes many passes (trackers
lose people who stand), so that the offset between the two, averaged over them, is known
far better than in any one of them: two people a metre apart are then not told to be out
of the two metres half of the time.
"""

from __future__ import annotations

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace.contacts import Near, Rule
from pipeline.trace.passes import Passes


def standing(mine: Passes) -> np.ndarray:
    """Which of the patient's passes (bool [k]) are parts of a long stay in view."""
    result = np.zeros(len(mine), dtype=bool)
    order = np.lexsort((mine.start, mine.camera_no))
    camera, start, end = mine.camera_no[order], mine.start[order], mine.end[order]
    if not len(order):
        return result
    gone = np.hypot(*(mine.first[order][1:] - mine.last[order][:-1]).T)
    on = (np.diff(camera) == 0) & (start[1:] - end[:-1] <= c.EPISODE_GAP_SECONDS)
    on &= gone <= c.STEADY_METRES
    for run in np.split(np.arange(len(order)), np.flatnonzero(~on) + 1):
        if len(run) > 1 and end[run[-1]] - start[run[0]] >= c.STEADY_SECONDS:
            result[order[run]] = True
    return result


def steadied(wide: Near, same_person: dict[int, int], rule: Rule) -> Near:
    """Keep the seconds within the rule, by offsets averaged over neighbouring passes.

    Parameters
    ----------
    wide : seconds with others up to `STEADY_METRES` beyond the rule, of passes that are
        `standing`.
    same_person : tracklet of another -> number of the person.
    """
    person = np.array([same_person.get(int(t), int(t)) for t in wide.tracklet])
    metres = wide.metres.copy()
    for one in np.unique(person):
        rows = np.flatnonzero(person == one)
        rows = rows[np.argsort(wide.second[rows], kind="stable")]
        gap = np.diff(wide.second[rows])
        for run in np.split(rows, np.flatnonzero(gap > c.EPISODE_GAP_SECONDS) + 1):
            pair = wide.tracklet[run] * 1_000_003 + wide.patient[run]
            span = int(wide.second[run[-1]] - wide.second[run[0]])
            if span < c.STEADY_SECONDS or len(np.unique(pair)) < 2:
                continue
            offset = np.column_stack([wide.away_east_m[run], wide.away_north_m[run]])
            metres[run] = np.hypot(*_averaged(wide.second[run], offset).T)
    return wide.take(np.flatnonzero(metres <= rule.metres + 1e-9))


def _averaged(second: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Mean of the offsets [n, 2] within `STEADY_WINDOW_SECONDS` to either side."""
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(offset, axis=0)])
    low = np.searchsorted(second, second - c.STEADY_WINDOW_SECONDS, side="left")
    high = np.searchsorted(second, second + c.STEADY_WINDOW_SECONDS, side="right")
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None])
