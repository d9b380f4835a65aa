"""What the patient remembers, as soft evidence for the path.

"At the clinic at 14:05": with the probability `REMEMBERED_TRUE` he was there, give or
take what he is unsure of in place and time; else the statement says nothing. Each
sequence of passes is thus weighed twice, with and without going by the place: a stay
at the place between two passes is one more node of the chain, summed out at once
(`fold`), so that the rest of the model need not know of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import constants as c
from pipeline.trace.motion import Seen, reachable, spread, whereabouts


@dataclass(frozen=True)
class Remembered:
    """Statements in order of time; m rows."""

    number: np.ndarray  #: int64 [m], as in the casebook
    at: np.ndarray  #: float64 [m], Unix seconds
    place: np.ndarray  #: float64 [m, 2], metres
    seconds: np.ndarray  #: float64 [m], uncertainty, 1 sd
    metres: np.ndarray  #: float64 [m], uncertainty, 1 sd

    def __len__(self) -> int:
        return len(self.at)

    def without(self, k: int) -> Remembered:
        """All but one."""
        return Remembered(
            **{
                name: np.delete(getattr(self, name), k, axis=0)
                for name in self.__dataclass_fields__
            }
        )


class Passing(Protocol):
    """Passes that a chain may go through (`path.Candidates`); n rows by start."""

    @property
    def start(self) -> np.ndarray:
        """float64 [n], Unix seconds."""

    @property
    def end(self) -> np.ndarray:
        """float64 [n], Unix seconds."""

    @property
    def first(self) -> np.ndarray:
        """float64 [n, 2], metres, where each begins."""

    @property
    def last(self) -> np.ndarray:
        """float64 [n, 2], metres, where each ends."""

    @property
    def error_m(self) -> np.ndarray:
        """float64 [n], 1 sd."""

    @property
    def rate(self) -> np.ndarray:
        """float64 [n], passes a second before that camera."""


def fold(
    told: Remembered,
    these: Passing,
    seen: Seen,
    step: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    nothing: float,
) -> tuple[np.ndarray, float]:
    """Add the sequences that go by the places told, in place.

    Parameters
    ----------
    step, begin, finish : logarithms [n, n], [n], [n] of the chain; changed.
    nothing : logarithm of no pass at all.

    Returns
    -------
    (walked, nothing) : float64 [n, n], what walking on from row to column gains where
        a place lies between; and the logarithm of no pass at all.
    """
    n = len(these.start)
    walked = np.zeros((n, n))
    area = _area(seen)
    truth = c.REMEMBERED_TRUE
    worth = np.log(area) + np.log(truth / (1 - truth))
    free_step, free_begin = np.isfinite(step), np.isfinite(begin)
    free_finish, free_nothing = np.isfinite(finish), np.isfinite(nothing)
    into: list[np.ndarray] = []  # coming from each pass, by way of earlier ones
    first: list[float] = []  # beginning there
    for a in range(len(told)):
        before = these.start <= told.at[a]
        come = _come(told, a, these) + _unseen(these.last, these.end, told, a, seen)
        come = np.where(before, come, -np.inf)
        start = float(np.log(c.PRIOR_PRESENT) - np.log(area)) + _unseen_yet(
            told, a, seen
        )
        for b in range(a):
            on = float(_between(told, b, a))
            here = told.place[b : b + 1], told.at[b : b + 1]
            on += float(_unseen(*here, told, a, seen)[0])
            come = np.logaddexp(come, into[b] + worth + on)
            start = float(np.logaddexp(start, first[b] + worth + on))
        into.append(come)
        first.append(start)
        leave = np.where(before, -np.inf, _leave(told, a, these, seen))
        through = come[:, None] + worth + leave[None, :]
        np.copyto(step, np.logaddexp(step, through), where=free_step)
        np.copyto(begin, np.logaddexp(begin, start + worth + leave), where=free_begin)
        last = come + worth + np.log(1 - c.PRIOR_NEXT)
        np.copyto(finish, np.logaddexp(finish, last), where=free_finish)
        if free_nothing:
            stop = start + worth + np.log(1 - c.PRIOR_NEXT)
            nothing = float(np.logaddexp(nothing, stop))
        gain = np.logaddexp(0.0, come + worth)
        walked += np.where(before[:, None] & ~before[None, :], gain[:, None], 0.0)
    return walked, nothing


def _come(told: Remembered, a: int, these: Passing) -> np.ndarray:
    """Log density [n] of being there, having made each pass before."""
    gap = np.maximum(told.at[a] - these.end, 0.0)
    away = np.hypot(*(these.last - told.place[a]).T)
    during = these.end > told.at[a]
    there = np.hypot(*(these.first - told.place[a]).T)
    away = np.where(during, np.minimum(away, there), away)
    return np.log(whereabouts(away, gap, told.metres[a])) + _possible(
        told, a, away, gap, these.error_m
    )


def _unseen(
    place: np.ndarray, since: np.ndarray, told: Remembered, a: int, seen: Seen
) -> np.ndarray:
    """Log probability [n] of not being seen from a place and moment up to being there.

    Without it, sequences that go by what is remembered alone would be free to leave
    out every camera on the way, which those that go by passes are not.
    """
    soon = reachable(place, since, seen, until=float(told.at[a]))
    share = np.minimum(soon / reachable(place, since, seen), 1.0)
    return np.asarray(np.log1p(-c.PRIOR_NEXT * share))


def _unseen_yet(told: Remembered, a: int, seen: Seen) -> float:
    """Log probability of not being seen at all up to being there."""
    whole = float(seen.weight.sum(dtype=float))
    passed = int(np.searchsorted(seen.at, told.at[a]))
    before = float(seen.weight[:passed].sum(dtype=float))
    return float(np.log1p(-c.PRIOR_NEXT * before / max(whole, 1e-9)))


def _leave(told: Remembered, a: int, these: Passing, seen: Seen) -> np.ndarray:
    """Log score [n] of being seen next in each pass after having been there."""
    gap = np.maximum(these.start - told.at[a], 0.0)
    away = np.hypot(*(these.first - told.place[a]).T)
    mass = reachable(told.place[a : a + 1], told.at[a : a + 1], seen)[0]
    near = np.maximum(away - told.metres[a], 0.0)
    score = np.log(c.PRIOR_NEXT) - np.log(these.rate * mass)
    score += np.log(np.maximum(spread(near, gap), 1e-300))
    return score + _possible(told, a, away, gap, these.error_m)


def _between(told: Remembered, b: int, a: int) -> np.ndarray:
    """Log density of having gone from one place to the next."""
    gap = np.array([told.at[a] - told.at[b] + told.seconds[b]])
    away = np.hypot(*(told.place[a] - told.place[b]))[None]
    both = float(np.hypot(told.metres[a], told.metres[b]))
    error = np.array([told.metres[b]])
    return (
        np.log(whereabouts(away, gap, both)) + _possible(told, a, away, gap, error)
    )[0]


def _possible(
    told: Remembered, a: int, away: np.ndarray, gap: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Log penalty of ways that would take too long, uncertainties allowed."""
    sure = away - 2 * np.hypot(error, told.metres[a]) - travel_time.SLACK_M
    missing = np.maximum(sure, 0.0) / travel_time.VEHICLE_MPS - gap
    missing = np.maximum(missing, 0.0) / told.seconds[a]
    return np.asarray(-0.5 * missing**2)


def _area(seen: Seen) -> float:
    """Square metres of the box around all passes, and as far around as people walk.

    A box of a few cameras alone would be smaller than where somebody may have got to
    between two statements, so that two right ones would contradict each other.
    """
    sides = np.zeros(2)
    if len(seen.place):
        sides = seen.place.max(axis=0) - seen.place.min(axis=0)
    return float(np.prod(sides + 2 * c.SPREAD_WALK[1]))
