"""Passes by place and time: who can be seen next, within a walker's reach."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import cKDTree

from pipeline.trace.passes import Passes
from pipeline.trace.search import days
from pipeline.trace.wardrobe import Wardrobe

#: Passes lie within this of the middle of their camera's passes, metres; those
#: farther away are found as well, for the middle is theirs too.
_SIGHT_M = 40.0


@dataclass(frozen=True)
class Reach:
    """Passes within reach of some others; m pairs, by tip, then row."""

    tip: np.ndarray  #: int64 [m], number of the pass asked about
    row: np.ndarray  #: int64 [m], row of the field
    gap: np.ndarray  #: float64 [m], seconds between them, may be a little negative
    metres: np.ndarray  #: float64 [m], between them

    def take(self, rows: np.ndarray) -> Reach:
        """Return some pairs."""
        return Reach(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class Field:
    """Passes, n rows ordered by start, with an index by camera and time."""

    def __init__(self, passes: Passes) -> None:
        """Index the passes."""
        self.passes = passes
        self.start, self.end = passes.start, passes.end
        self.first, self.last = passes.first, passes.last
        self.error_m, self.camera_no = passes.error_m, passes.camera_no
        self.day = days(passes.start)
        codes, names = passes.models("appearance")
        self.wear = Wardrobe(
            self.day,
            codes,
            names,
            lambda rows, model: passes.embeddings("appearance", rows, model),
        ).wear
        present = np.bincount(self.camera_no)
        self.numbers = np.flatnonzero(present)
        number = np.zeros(len(present), dtype=np.uint16)
        number[self.numbers] = np.arange(len(self.numbers))
        where = number[self.camera_no]
        count = present[self.numbers]
        self.middle = np.column_stack(
            [
                np.bincount(
                    where, weights=self.first[:, k], minlength=len(self.numbers)
                )
                / count
                for k in (0, 1)
            ]
        )
        away = np.hypot(*(self.first - self.middle[where]).T) if len(where) else where
        self._sight = max(_SIGHT_M, float(np.max(away, initial=0.0)))
        self._sight = min(self._sight, 10 * _SIGHT_M)
        self._longest = float((self.end - self.start).max(initial=0.0))
        self._zero = float(self.start.min(initial=0.0))
        span = float(self.start.max(initial=0.0)) - self._zero
        self._stride = span + 2e4 + self._longest
        # By camera; of one camera they are in order of start already.
        self._order = np.argsort(where, kind="stable")
        self._key = where[self._order] * self._stride
        self._key += self.start[self._order] - self._zero
        self._tree = cKDTree(self.middle) if len(self.middle) else None

    def __len__(self) -> int:
        return len(self.start)

    def near(
        self, tip: np.ndarray, ahead: bool, span: float, speed: float, around: float
    ) -> Reach:
        """Find passes that begin after each tip ends (or end before it begins).

        Parameters
        ----------
        tip : int64 [k], rows.
        span : seconds within which they follow; a second of overlap is let pass.
        speed : m/s, how far one gets in that time.
        around : metres that are looked at in any case.
        """
        if self._tree is None or not len(tip):
            none = np.empty(0)
            return Reach(none.astype(np.int64), none.astype(np.int64), none, none)
        place = self.last[tip] if ahead else self.first[tip]
        radius = max(speed * span, around) + self._sight
        lists = self._tree.query_ball_point(place, radius, return_sorted=True)
        who = np.repeat(np.arange(len(tip)), [len(one) for one in lists])
        camera = np.concatenate([np.asarray(one, np.int64) for one in lists])
        base = camera * self._stride - self._zero
        if ahead:
            begin, finish = self.end[tip] - 1, self.end[tip] + span
        else:
            begin = self.start[tip] - span - self._longest
            finish = self.start[tip] + 1
        # A camera far off is reached late: its early passes need no look.
        late = np.hypot(*(self.middle[camera] - place[who]).T) - self._sight - around
        late = np.maximum(late, 0) / speed
        low = begin[who] + (late if ahead else 0)
        high = finish[who] - (0 if ahead else late)
        low = np.searchsorted(self._key, base + low)
        high = np.searchsorted(self._key, base + high, side="right")
        count = np.maximum(high - low, 0)
        total = int(count.sum())
        at = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
        row = self._order[np.repeat(low, count) + at]
        who = np.repeat(who, count)
        if ahead:
            gap = self.start[row] - self.end[tip][who]
            apart = self.first[row] - place[who]
        else:
            gap = self.start[tip][who] - self.end[row]
            apart = self.last[row] - place[who]
        metres = np.hypot(apart[:, 0], apart[:, 1])
        kept = (row != tip[who]) & (gap <= span) & (gap >= -1)
        order = np.flatnonzero(kept)
        order = order[np.lexsort((row[order], who[order]))]
        return Reach(who[order], row[order], gap[order], metres[order])
