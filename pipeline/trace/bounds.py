"""Bounds: how near and how far a pass must be that may go on with a walk.

The score of `followers` from above, by passers-by, seconds since and metres: a pass
outside these bounds cannot be hopeful, whatever else is known of it, so that its score
need not be worked out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.trace.followers import TURNS_MOST, Bounds, Gait

#: Passers-by told apart one by one, then by steps of a tenth, up to so many.
_FEW, _STEP, _MOST = 32, 1.1, 20_000
#: Metres of a ring of places that are bounded as one.
_RING_M = 1.0
#: Room for rounding in logarithms, and in divisions by nothing.
_ROOM, _TINY = 1e-9, 1e-300


@lru_cache(maxsize=8)
def bounds(gait: Gait, least_error: float, most_error: float) -> Bounds:
    """Bound the places of hopeful passes.

    Parameters
    ----------
    least_error, most_error : of two places together, metres (1 sd).
    """
    low = np.arange(gait.span_s)
    high = low + 1
    crowd = _crowds()
    # The least likeness of a walker's step to what the gait says, against chance.
    stray = ((gait.fastest * low + 10) / gait.busy_m) ** 2 / gait.busy_s
    stray = np.maximum((crowd[:, None] + 1) * stray, 1e-6)
    need = np.exp(gait.least - TURNS_MOST - _ROOM + low / gait.wait_s) * stray
    need = (need * gait.wait_s / gait.on_share - gait.odd) / (1 - gait.odd)
    fastest = gait.fastest * high + gait.spare_m + 2 * most_error
    inner = np.arange(0.0, fastest[-1], _RING_M)
    outer = inner + _RING_M
    # Of a ring: the most likely place, moment and errors.
    off = np.maximum(
        inner - gait.mean * high[:, None], gait.mean * low[:, None] - outer
    )
    off = np.maximum(off, 0.0)
    narrow = (gait.sd * low) ** 2 + least_error**2 + 0.25
    wide = (gait.sd * high) ** 2 + most_error**2 + 0.25
    bell = np.exp(-0.5 * off**2 / wide[:, None])
    bell /= np.sqrt(2 * np.pi * narrow)[:, None]
    reach = gait.fastest * high + 10 + 2 * most_error
    chance = 2 * np.maximum(inner, least_error) / reach[:, None] ** 2
    likely = bell / np.maximum(chance, _TINY)
    hopeful = likely >= need[:, :, None]
    some = hopeful.any(axis=2)
    first = np.argmax(hopeful, axis=2)
    last = len(inner) - 1 - np.argmax(hopeful[:, :, ::-1], axis=2)
    nearest = np.where(some, inner[first], np.inf)
    farthest = np.where(some, np.minimum(outer[last], fastest), 0.0)
    return Bounds(
        crowd=crowd,
        nearest=nearest,
        farthest=farthest,
        within=np.maximum.accumulate(farthest, axis=1),
        latest=np.where(some, high, 0.0).max(axis=1),
    )


def _crowds() -> np.ndarray:
    """Numbers of passers-by, int64, ascending from none."""
    steps = int(np.log(_MOST / _FEW) / np.log(_STEP)) + 1
    more = _FEW * _STEP ** np.arange(1, steps + 1)
    return np.concatenate([np.arange(_FEW + 1), more.astype(np.int64)])
