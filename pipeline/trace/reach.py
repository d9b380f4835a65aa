"""Who was seen where and when a person may have been, between two of his sightings.

A day's stretch between two sightings holds up to millions of passes. Which of them
lie most within reach is found exactly, without looking at each: cells of cameras and
time are bounded from above, and only those are opened that may hold one of the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace import stretches
from pipeline.trace.arrangement import BEGIN, FIRST, LAST
from pipeline.trace.field import Cells, Field
from pipeline.trace.motion import spread, spread_bound

#: Passes of a stretch up to which each is looked at.
_FEW = 30_000
#: Sides of the cells that cameras are put into, metres.
_CELL_M = 400.0
#: Cells opened at a time, so that few are opened in vain.
_AT_ONCE = 256
#: Moments of a stretch that bound its cells: seconds from either end.
_STEPS = np.array([30, 60, 120, 240, 480, 900, 1800, 3600, 7200, 14_400, 43_200.0])


@dataclass(frozen=True)
class Reached:
    """Passes of a stretch that lie most within reach, the most so first."""

    rows: np.ndarray  #: int64 [k], rows of the field
    score: np.ndarray  #: float64 [k], logarithm of the density there and back


def between(field: Field, a: int, b: int, day: int) -> Reached:
    """Find the passes of one day after row `a` and before row `b` (-1: open).

    Returns
    -------
    The `REACHED` best. Kept with the passes: the same stretch is asked for again
    after every verdict.
    """
    kept: dict[tuple[int, int, int], Reached] = field.passes.kept("reached", dict)
    key = (a, b, day)
    if key not in kept:
        if len(kept) > 256:
            kept.pop(next(iter(kept)))
        kept[key] = _between(field, a, b, day)
    return kept[key]


def ready(field: Field) -> None:
    """Make what every trace asks of long stretches: cells, and compiled code."""
    field.cells(_CELL_M)
    none, edges = np.empty(0, np.int64), np.zeros(2)
    stretches.busy(field.ground, none, none, edges)
    stretches.passes(field.ground, none, none, edges)
    for where in (field.first, field.middle, field.ground.record[:, :2]):
        stretches.apart(edges, where, none)


def _between(field: Field, a: int, b: int, day: int) -> Reached:
    low, high = field.of_day(day)
    if a >= 0:
        low = max(low, int(np.searchsorted(field.start, field.end[a])))
    if b >= 0:
        high = min(high, int(np.searchsorted(field.start, field.start[b])))
    if high - low <= _FEW:
        return _best(field, a, b, np.arange(low, max(high, low)))
    stretch = _Stretch(
        field, a, b, float(field.start[low]), float(field.start[high - 1])
    )
    return stretch.best()


def _best(field: Field, a: int, b: int, rows: np.ndarray) -> Reached:
    score = _score(field, a, b, rows)
    return _ranked(rows, score)


def _ranked(rows: np.ndarray, score: np.ndarray) -> Reached:
    """The best of some rows, of equal ones the earlier first."""
    best = np.argsort(-score)
    if (np.diff(score[best]) == 0).any():
        best = np.lexsort((rows, -score))
    best = best[: c.REACHED]
    return Reached(rows[best], score[best])


def _score(field: Field, a: int, b: int, rows: np.ndarray) -> np.ndarray:
    """Log density [k] of being seen there after `a`, and at `b` after that."""
    ground = field.ground
    where = ground.first, ground.last
    return _scored(field, a, b, where, rows, rows, field.start[rows])


def _scored(
    field: Field,
    a: int,
    b: int,
    where: tuple[np.ndarray, np.ndarray],
    at: np.ndarray,
    rows: np.ndarray,
    start: np.ndarray,
) -> np.ndarray:
    """As `_score`; first and last of the rows stand at `at` [k] of `where`."""
    first, last = where
    score = np.zeros(len(rows))
    if a >= 0:
        apart = stretches.apart(field.last[a], first, at)
        score += _log(apart, start - field.end[a])
    if b >= 0:
        apart = stretches.apart(field.first[b], last, at)
        score += _log(apart, field.start[b] - field.end[rows])
    return score


def _log(metres: np.ndarray, gap: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(spread(metres, np.maximum(gap, 0)), 1e-300)))


class _Stretch:
    """A long stretch, cut into moments."""

    def __init__(self, field: Field, a: int, b: int, begin: float, end: float) -> None:
        self.field, self.a, self.b = field, a, b
        steps = [np.array([begin])]
        if a >= 0:
            steps.append(field.end[a] + _STEPS)
        if b >= 0:
            steps.append(field.start[b] - _STEPS)
        edges = np.unique(np.concatenate(steps))
        edges = edges[(edges >= begin) & (edges <= end)]
        #: Each moment holds the passes that begin in [edge, next edge).
        self.edges = np.append(edges, end + 1e-3)

    def best(self) -> Reached:
        """Open cells, the most promising first, until no other can matter."""
        cells = self.field.cells(_CELL_M)
        width = len(self.edges) - 1
        cell = np.repeat(np.arange(len(cells.middle)), width)
        moment = np.tile(np.arange(width), len(cells.middle))
        bound = self._bound(cells.middle, cells.radius, cell, moment)
        order = np.argsort(-bound, kind="stable")
        rows = np.empty(0, dtype=np.int64)
        score, floor = np.empty(0), -np.inf
        for begin in range(0, len(order), _AT_ONCE):
            some = order[begin : begin + _AT_ONCE]
            some = some[bound[some] >= floor]
            if not len(some):
                break
            new, value = self._open(cells, cell[some], moment[some], floor)
            rows, score = np.concatenate([rows, new]), np.concatenate([score, value])
            if len(rows) > c.REACHED:
                floor = -float(np.partition(-score, c.REACHED - 1)[c.REACHED - 1])
                kept = np.flatnonzero(score >= floor)
                rows, score = rows[kept], score[kept]
        return _ranked(rows, score)

    def _open(
        self, cells: Cells, cell: np.ndarray, moment: np.ndarray, floor: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of cells at moments that may score `floor`, and their scores."""
        field, ground = self.field, self.field.ground
        camera = np.concatenate([cells.members[k] for k in cell])
        when = np.repeat(moment, [len(cells.members[k]) for k in cell])
        if floor > -np.inf:
            some = stretches.busy(ground, camera, when, self.edges)
            camera, when = camera[some], when[some]
            bound = self._bound(field.middle, field.radius, camera, when)
            some = np.flatnonzero(bound >= floor)
            camera, when = camera[some], when[some]
        at, rows = stretches.passes(ground, camera, when, self.edges)
        record = ground.record
        where = record[:, FIRST : FIRST + 2], record[:, LAST : LAST + 2]
        start = ground.zero + ground.whole[at, BEGIN] / ground.per_second
        return rows, _scored(self.field, self.a, self.b, where, at, rows, start)

    def _bound(
        self, middle: np.ndarray, radius: np.ndarray, at: np.ndarray, moment: np.ndarray
    ) -> np.ndarray:
        """Most that `_score` can be [k] within circles, numbers `at`, at moments."""
        field, result = self.field, np.zeros(len(at))
        begin, end = self.edges[moment], self.edges[moment + 1]
        for row, place, soonest, latest in (
            (self.a, field.last, begin - field.end[self.a], end - field.end[self.a]),
            (
                self.b,
                field.first,
                field.start[self.b] - end - field.longest,
                field.start[self.b] - begin,
            ),
        ):
            if row >= 0:
                metres = stretches.apart(place[row], middle, at) - radius[at]
                most = spread_bound(
                    np.maximum(metres, 0), np.maximum(soonest, 0), np.maximum(latest, 0)
                )
                result += np.log(np.maximum(most, 1e-300)) + 1e-9
        return result
