"""Passes by place and time: who can be seen next, within a walker's reach."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import cKDTree

from pipeline.trace.passes import Passes
from pipeline.trace.search import SEOUL, days
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


def _days_of(start: np.ndarray) -> np.ndarray:
    """Dates in Seoul of moments in order, as `days`."""
    if not len(start):
        return np.empty(0, np.int64)
    first, last = days(start[[0, -1]])
    dates = np.arange(first, last + 1)
    # Korea keeps no summer time: the first moment of a date is a day after the last.
    begins = dates[1:] * 86_400.0 - SEOUL.utcoffset(None).total_seconds()
    edges = np.concatenate([[0], np.searchsorted(start, begins), [len(start)]])
    return np.repeat(dates, np.diff(edges))


@dataclass(frozen=True)
class Cells:
    """Cameras by squares of the ground; m squares that have any."""

    middle: np.ndarray  #: float64 [m, 2], of their passes, metres
    radius: np.ndarray  #: float64 [m], within which those begin and end
    members: list[np.ndarray]  #: cameras of each, numbers of `Field.middle`


class Field:
    """Passes, n rows ordered by start, with an index by camera and time."""

    def __init__(self, passes: Passes) -> None:
        """Index the passes."""
        self.passes = passes
        self.start, self.end = passes.start, passes.end
        self.first, self.last = passes.first, passes.last
        self.error_m, self.camera_no = passes.error_m, passes.camera_no
        self.day = _days_of(passes.start)
        codes, names = passes.models("appearance")
        self.wardrobe = Wardrobe(
            self.day,
            codes,
            names,
            lambda rows, model: passes.embeddings("appearance", rows, model),
        )
        self.wear = self.wardrobe.wear
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
        self.longest = float((self.end - self.start).max(initial=0.0))
        self._zero = float(self.start.min(initial=0.0))
        span = float(self.start.max(initial=0.0)) - self._zero
        self._stride = span + 2e4 + self.longest
        # By camera; of one camera they are in order of start already.
        self._order = np.argsort(where, kind="stable")
        self._key = where.take(self._order) * self._stride
        self._key += self.start.take(self._order) - self._zero
        #: Metres within which each camera's passes begin and end around `middle`.
        begins, ends = (
            self._farthest(places, where, count) for places in (self.first, self.last)
        )
        self.radius = np.maximum(begins, ends)
        sight = max(_SIGHT_M, float(begins.max(initial=0.0)))
        self._sight = min(sight, 10 * _SIGHT_M)
        self._tree = cKDTree(self.middle) if len(self.middle) else None

    def __len__(self) -> int:
        return len(self.start)

    def of_day(self, day: int) -> tuple[int, int]:
        """First row of a date in Seoul, and the one after its last."""
        low, high = np.searchsorted(self.day, [day, day + 1])
        return int(low), int(high)

    def before(
        self, camera: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Rows of cameras (int64 [k], of `middle`) that start in [begin, end) [k]."""
        base = camera * self._stride - self._zero
        low = np.searchsorted(self._key, base + begin)
        high = np.searchsorted(self._key, base + end)
        return self._rows(low, high)[0]

    def cells(self, side_m: float) -> Cells:
        """Return the cameras by squares of a side; made once."""
        return self.passes.kept(("cells", side_m), lambda: self._cells(side_m))

    def _cells(self, side_m: float) -> Cells:
        square = np.floor(self.middle / side_m).astype(np.int64)
        _, which = np.unique(square, axis=0, return_inverse=True)
        which = which.ravel()
        order = np.argsort(which, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
        middle = np.array([self.middle[some].mean(axis=0) for some in members])
        radius = [
            (np.hypot(*(self.middle[some] - place).T) + self.radius[some]).max()
            for some, place in zip(members, middle, strict=True)
        ]
        return Cells(middle, np.array(radius), members)

    def _farthest(
        self, places: np.ndarray, where: np.ndarray, count: np.ndarray
    ) -> np.ndarray:
        """Metres of each camera's farthest place from its middle."""
        if not len(places):
            return np.empty(0)
        east, north = (places[:, k] - self.middle[:, k].take(where) for k in (0, 1))
        east *= east
        north *= north
        east += north
        of_camera = east.take(self._order)
        most = np.maximum.reduceat(of_camera, np.cumsum(count) - count)
        return np.asarray(np.sqrt(most))

    def _rows(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows in ranges of the index, and how many each range has."""
        count = np.maximum(high - low, 0)
        at = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return self._order[np.repeat(low, count) + at], count

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
            begin = self.start[tip] - span - self.longest
            finish = self.start[tip] + 1
        # A camera far off is reached late: its early passes need no look.
        late = np.hypot(*(self.middle[camera] - place[who]).T) - self._sight - around
        late = np.maximum(late, 0) / speed
        low = begin[who] + (late if ahead else 0)
        high = finish[who] - (0 if ahead else late)
        low = np.searchsorted(self._key, base + low)
        high = np.searchsorted(self._key, base + high, side="right")
        row, count = self._rows(low, high)
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
