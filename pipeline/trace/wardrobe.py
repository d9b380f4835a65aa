"""Clothing of passes, day by day, as its law places it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.trace import clothing
from pipeline.trace.clothing import Law
from pipeline.trace.columns import of_day
from pipeline.trace.rowmap import RowMap

#: Passes of a day that its law is measured on, at most.
_SAMPLE = 4000
#: (rows of one model) -> embeddings float32 [k, d], NaN where there is none.
Fetch = Callable[[np.ndarray, str], np.ndarray]


class Wardrobe:
    """What was worn; embeddings are fetched when they are first asked for."""

    def __init__(
        self, day: np.ndarray, model: np.ndarray, names: Sequence[str], fetch: Fetch
    ) -> None:
        """Arrange passes.

        Parameters
        ----------
        day : int32 [n], dates in Seoul, ascending.
        model : int8 [n], model of the clothing embedding, an index of `names`; -1
            without one.
        fetch : see `Fetch`.
        """
        self.day, self._fetch = day, fetch
        self.model, self._names = model, names
        self._laws: dict[int, tuple[int, Law] | None] = {}
        self._places: dict[int, np.ndarray] = {}
        self._used: dict[int, int] = {}
        self._where = RowMap()

    def law(self, day: int) -> Law | None:
        """Return the law of a day, None if nothing was seen of clothing."""
        found = self._of(day)
        return None if found is None else found[1]

    def wear(self, rows: np.ndarray) -> tuple[np.ndarray, Law | None]:
        """Return the placed clothing of rows of one day [k, dims], and its law.

        Rows of another day than the first, or of another model, are NaN.
        """
        where, known, law = self.hung(rows)
        result = known[np.maximum(where, 0)]
        result[where < 0] = np.nan
        return result, law

    def hung(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, Law | None]:
        """Return where the placed clothing of rows of one day lies, and its law.

        int64 [k], rows of float64 [m, dims]; -1 of another day than the first, or of
        another model. There is at least one row to look at.
        """
        rows = np.asarray(rows, dtype=np.int64)
        nothing = np.full((1, 1), np.nan)
        if not len(rows):
            return np.empty(0, np.int64), nothing, None
        day = int(self.day[rows[0]])
        found = self._of(day)
        if found is None:
            return np.full(len(rows), -1, np.int64), nothing, None
        model, law = found
        where = self._where.of(rows)
        if (where < 0).any():
            fresh = rows[where < 0]
            fresh = fresh[(self.day[fresh] == day) & (self.model[fresh] == model)]
            if len(fresh):
                fresh = np.unique(fresh)
                placed = law.place(self._fetch(fresh, self._names[model]))
                begin = self._put(day, placed)
                self._where.put(fresh, begin + np.arange(len(fresh)))
                where = self._where.of(rows)
        known = self._places.get(day)
        if known is None:
            return np.full(len(rows), -1, np.int64), nothing, law
        where[self.day[rows] != day] = -1
        return where, known, law

    def go_on(
        self,
        members: np.ndarray,
        owner: np.ndarray,
        rows: np.ndarray,
        whose: np.ndarray,
        people: int,
    ) -> np.ndarray:
        """Weigh whether passes are of the people that some others are of, of one day.

        Parameters
        ----------
        members, owner : int64 [m], rows, and which of the `people` each is of.
        rows, whose : int64 [k], rows, at least one, and whom each may be of.

        Returns
        -------
        float64 [k], 0 where nothing is known.
        """
        where, known, law = self.hung(np.concatenate([rows, members]))
        result = np.zeros(len(rows))
        asked, own = where[: len(rows)], where[len(rows) :]
        owner, own = owner[own >= 0], own[own >= 0]
        views = np.bincount(owner, minlength=people)
        if isinstance(law, clothing.Measured):
            return law.one_more(known, (own, owner), (asked, whose), views)
        both = (asked >= 0) & (views[whose] > 0)
        if law is None or not both.any():
            return result
        mean = np.zeros((people, known.shape[1]))
        np.add.at(mean, owner, known[own])
        mean /= np.maximum(views, 1)[:, None]
        one = np.ones(int(both.sum()))
        of = whose[both]
        result[both] = law.llr(mean[of], views[of], known[asked[both]], one)
        return result

    def _put(self, day: int, placed: np.ndarray) -> int:
        """Keep placed clothing of a day; return where it begins."""
        base, room = self._used.get(day, 0), self._places.get(day)
        need = base + len(placed)
        if room is None or need > len(room):  # doubled, so that little is copied
            wider = np.empty((max(need, 2 * base), placed.shape[1]))
            if room is not None:
                wider[:base] = room[:base]
            self._places[day] = room = wider
        room[base:need] = placed
        self._used[day] = need
        return base

    def _of(self, day: int) -> tuple[int, Law] | None:
        if day not in self._laws:
            low, high = of_day(self.day, day)
            today = self.model[low:high]
            count = np.bincount(today[today >= 0], minlength=len(self._names))
            if not count.any():
                self._laws[day] = None
                return None
            model = int(np.argmax(count))
            rows = low + np.flatnonzero(today == model)
            step = max(1, len(rows) // _SAMPLE)
            sample = self._fetch(rows[::step], self._names[model])
            self._laws[day] = (model, clothing.fit(sample[~np.isnan(sample[:, 0])]))
        return self._laws[day]
