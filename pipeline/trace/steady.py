"""Distances of people who are together for long, freed of steady errors.

The ground points of a pass are off by a steady error, the same all through the pass
and another in the next. Whoever goes or stands with somebody for long makes many passes
(from camera to camera; trackers lose people who stand), so that the offset between the
two, averaged over them, is known far better than in any one of them: two people a metre
apart are then not told to be out of the two metres half of the time.

How much of a second's own offset is kept is told by how far the offsets spread beyond
their errors (James and Stein's shrinkage: Efron and Morris, J Am Stat Assoc 68:117-130,
1973): people who change places, come or go keep theirs. Where passes follow each other
at once, the errors are read off the steps between them (von Neumann's successive
differences, Ann Math Stat 12:367-395, 1941), which nobody makes; else they are those
stated.
"""

from __future__ import annotations

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace.contacts import Near, Rule


def steadied(
    wide: Near, same_person: dict[int, int], rule: Rule, error_m: np.ndarray
) -> Near:
    """Keep the seconds within the rule, by offsets drawn towards those around them.

    Parameters
    ----------
    wide : seconds with others up to `STEADY_METRES` beyond the rule.
    same_person : tracklet of another -> number of the person.
    error_m : float64 [s], of the offset along one axis, 1 sd.
    """
    person = np.array([same_person.get(int(t), int(t)) for t in wide.tracklet])
    metres = wide.metres.copy()
    order = np.lexsort((wide.second, person))
    cut = (np.diff(person[order]) != 0) | (
        np.diff(wide.second[order]) > c.WALK_GAP_SECONDS
    )
    for run in np.split(order, np.flatnonzero(cut) + 1):
        if len(run) and (
            wide.second[run[-1]] - wide.second[run[0]] >= c.STEADY_SECONDS
        ):
            metres[run] = _steadied(wide, run, error_m[run])
    kept = np.flatnonzero(metres <= rule.metres + 1e-9)
    return wide.take(kept)


def _steadied(wide: Near, run: np.ndarray, error_m: np.ndarray) -> np.ndarray:
    """Metres of the seconds of one run, in order of time."""
    pairs = np.column_stack([wide.tracklet, wide.patient])[run]
    _, first, pair = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    pair = pair.ravel()
    count = np.bincount(pair)
    if len(count) < 2:
        return wide.metres[run]
    offset = np.column_stack([wide.away_east_m[run], wide.away_north_m[run]])
    middle = _averaged(wide.second[run], offset)
    away = offset - middle
    spread = float((away**2).sum(axis=1).mean()) / 2 * len(count) / (len(count) - 1)
    noise = float((error_m**2).mean())
    if np.diff(wide.second[run]).max() <= c.EPISODE_GAP_SECONDS:
        means = np.column_stack([np.bincount(pair, axis) for axis in offset.T])
        step = np.diff((means / count[:, None])[np.argsort(first)], axis=0)
        noise = max(noise, float((step**2).sum(axis=1).mean()) / 4)
    own = max(0.0, 1 - noise / spread) if spread > 0 else 0.0
    return np.asarray(np.hypot(*(middle + own * away).T))


def _averaged(second: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Mean of the offsets [n, 2] within `STEADY_WINDOW_SECONDS` to either side."""
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(offset, axis=0)])
    low = np.searchsorted(second, second - c.STEADY_WINDOW_SECONDS, side="left")
    high = np.searchsorted(second, second + c.STEADY_WINDOW_SECONDS, side="right")
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None])
