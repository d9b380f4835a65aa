"""Passes by place and time: who can be seen next, within a walker's reach."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import cKDTree

from pipeline.trace.arrangement import by_camera, by_stretch
from pipeline.trace.columns import ranges
from pipeline.trace.followers import Ground
from pipeline.trace.passes import Passes
from pipeline.trace.search import SEOUL, days
from pipeline.trace.wardrobe import Wardrobe

#: Shortest stretches of time by which a camera's passes are looked up, seconds.
_BUCKET_S = 60.0


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
        self._number = np.zeros(len(present), dtype=np.uint16)
        self._number[self.numbers] = np.arange(len(self.numbers))
        count = present[self.numbers]
        self._zero = float(self.start[0]) if len(self.start) else 0.0
        span = float(self.start.max(initial=0.0)) - self._zero
        # By camera; of one camera they are in order of start already.
        these = by_camera(
            self._number, self.camera_no, count, self.start, self.end, self.first,
            self.last, self.error_m,
        )  # fmt: skip
        self._order, self._start, self.middle = these.order, these.begins, these.middle
        self.longest = float(these.length.max(initial=0.0))
        #: Metres, the largest error of a place.
        self._error, self.worst_m = these.error, float(these.error.max(initial=0.0))
        self._tree = cKDTree(self.middle) if len(self.middle) else None
        self._beside: dict[tuple[int, float], np.ndarray] = {}
        # Of each camera, by stretches of time: where its passes begin in the order.
        stretches = min(span / _BUCKET_S, len(self) / max(len(self.numbers), 1))
        self._buckets = int(stretches) + 1
        self._bucket_s = max(span / self._buckets, 1.0) * (1 + 1e-9)
        #: Metres within which each camera's passes begin and end around `middle`.
        self.radius, self._first = by_stretch(
            these, count, self._zero, self._buckets, self._bucket_s
        )
        #: The passes and their index, for compiled code.
        self.ground = Ground(
            start=self.start,
            end=self.end,
            first=self.first,
            last=self.last,
            error_m=self.error_m,
            order=these.order,
            begins=these.begins,
            froms=these.froms,
            tos=these.tos,
            stretch=self._first,
            stretches=self._buckets,
            zero=self._zero,
            stretch_s=self._bucket_s,
            number=self._number,
            camera_no=self.camera_no,
            middle=these.middle,
            radius=self.radius,
            error=these.error,
            length=these.length,
        )

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
        at, count = ranges(self._at(camera, begin), self._at(camera, end, after=True))
        start = self._start[at]
        kept = (start >= np.repeat(begin, count)) & (start < np.repeat(end, count))
        return self._order[at[kept]].astype(np.int64)

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

    def beside(self, tip: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Cameras whose passes may be within `reach` metres of those of each tip's.

        int64, one list after the other, and where each begins int64 [k + 1].
        """
        lists = [
            self._cameras_beside(int(camera), reach)
            for camera in self._number[self.camera_no[tip]]
        ]
        edges = np.zeros(len(lists) + 1, dtype=np.int64)
        np.cumsum([len(one) for one in lists], out=edges[1:])
        return np.concatenate(lists) if lists else np.empty(0, np.int64), edges

    def _at(
        self, camera: np.ndarray, moment: np.ndarray, after: bool = False
    ) -> np.ndarray:
        """Where passes of cameras at moments lie in the order, or a little before.

        With `after`, a little behind them.
        """
        bucket = np.floor((moment - self._zero) / self._bucket_s) + after
        bucket = np.clip(bucket, 0, self._buckets).astype(np.int64)
        return self._first[camera * self._buckets + bucket]

    def _cameras_beside(self, camera: int, reach: float) -> np.ndarray:
        """Cameras whose passes may be within `reach` metres of those of a camera."""
        key = (camera, reach)
        if key not in self._beside:
            assert self._tree is not None
            place, own = self.middle[camera], self.radius[camera]
            far = self.radius + 2 * self._error
            found = self._tree.query_ball_point(place, reach + own + far.max())
            some = np.array(sorted(found), dtype=np.int64)
            apart = np.hypot(*(self.middle[some] - place).T)
            self._beside[key] = some[apart <= reach + own + far[some]]
        return self._beside[key]
