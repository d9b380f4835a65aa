"""Passes by place and time: who can be seen next, within a walker's reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.trace.around import Beside
from pipeline.trace.arrangement import (
    CAMERA_ERROR,
    CAMERA_LENGTH,
    CAMERA_RADIUS,
    ROW,
    by_camera,
    by_stretch,
)
from pipeline.trace.columns import of_day, ranges
from pipeline.trace.followers import Ground
from pipeline.trace.passes import Passes
from pipeline.trace.search import SEOUL, days
from pipeline.trace.wardrobe import Wardrobe

#: Shortest stretches of time by which a camera's passes are looked up, seconds.
_BUCKET_S = 60.0


def _days_of(start: np.ndarray) -> np.ndarray:
    """Dates in Seoul of moments in order, as `days`, int32."""
    if not len(start):
        return np.empty(0, np.int32)
    first, last = days(start[[0, -1]])
    dates = np.arange(first, last + 1, dtype=np.int32)
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
        # By camera; of one camera they are in order of start already.
        these = by_camera(
            self._number, self.camera_no, count, self.start, self.end, self.first,
            self.last, self.error_m,
        )  # fmt: skip
        self._zero = these.zero
        self.middle = np.ascontiguousarray(these.camera[:, :2])
        self.longest = float(these.camera[:, CAMERA_LENGTH].max(initial=0.0))
        self.worst_m = float(these.camera[:, CAMERA_ERROR].max(initial=0.0))
        self.least_m = float(self.error_m.min(initial=self.worst_m))
        self._beside: dict[float, Beside] = {}
        # Of each camera, by stretches of time: where its passes begin in the order.
        span = float(self.start.max(initial=0.0)) - self._zero
        stretches = min(span / _BUCKET_S, len(self) / max(len(self.numbers), 1))
        self._buckets = int(stretches) + 1
        self._bucket_s = max(span / self._buckets, 1.0) * (1 + 1e-9)
        #: Metres within which each camera's passes begin and end around `middle`.
        self._first = by_stretch(these, count, self._buckets, self._bucket_s)
        self.radius = these.camera[:, CAMERA_RADIUS]
        #: The passes and their index, for compiled code.
        self.ground = Ground(
            record=these.record,
            whole=these.whole,
            start=self.start,
            end=self.end,
            first=self.first,
            last=self.last,
            error_m=self.error_m,
            camera_no=self.camera_no,
            number=self._number,
            camera=these.camera,
            stretch=self._first,
            stretches=self._buckets,
            zero=self._zero,
            per_second=these.per_second,
            stretch_s=self._bucket_s,
        )

    def __len__(self) -> int:
        return len(self.start)

    def of_day(self, day: int) -> tuple[int, int]:
        """First row of a date in Seoul, and the one after its last."""
        return of_day(self.day, day)

    def before(
        self, camera: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Rows of cameras (int64 [k], of `middle`) that start in [begin, end) [k]."""
        at, count = ranges(self._at(camera, begin), self._at(camera, end, after=True))
        rows = self.ground.whole[at, ROW].astype(np.int64)
        start = self.start[rows]
        kept = (start >= np.repeat(begin, count)) & (start < np.repeat(end, count))
        return rows[kept]

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

    def beside(self, tip: np.ndarray, reach: float) -> Beside:
        """Cameras whose passes may be within `reach` metres of those of each tip's."""
        known = self._beside.get(reach) or Beside.nothing(len(self.middle))
        camera = self._number[self.camera_no[tip]]
        self._beside[reach] = known = known.also(camera, self.ground.camera, reach)
        return known

    def _at(
        self, camera: np.ndarray, moment: np.ndarray, after: bool = False
    ) -> np.ndarray:
        """Where passes of cameras at moments lie in the order, or a little before.

        With `after`, a little behind them.
        """
        bucket = np.floor((moment - self._zero) / self._bucket_s) + after
        bucket = np.clip(bucket, 0, self._buckets).astype(np.int64)
        return self._first[camera * self._buckets + bucket]
