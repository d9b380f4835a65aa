"""What walks wear, against what the patient's passes wore on the same day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.trace.clothing import Measured
from pipeline.trace.field import Field
from pipeline.trace.rowmap import RowMap


@dataclass(frozen=True)
class Worn:
    """What is known of walks; clothing as sums over their passes of one day."""

    day: np.ndarray  #: int64 [w]
    views: np.ndarray  #: int64 [w], passes whose clothing was seen
    total: list[np.ndarray]  #: w sums, float64 [k]
    face: np.ndarray  #: float64 [w], evidence of all their faces

    @classmethod
    def nothing(cls) -> Worn:
        """Of no walk."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), [], np.empty(0))

    def and_also(self, more: Worn) -> Worn:
        """Of these walks, and of more after them."""
        return Worn(
            np.concatenate([self.day, more.day]),
            np.concatenate([self.views, more.views]),
            self.total + more.total,
            np.concatenate([self.face, more.face]),
        )


def worn(field: Field, rows: np.ndarray, owner: np.ndarray, face: np.ndarray) -> Worn:
    """Look at the clothing of walks, each on its first day.

    Parameters
    ----------
    rows, owner : int64 [n], passes of walks, walk after walk and in order of time;
        which of the w walks each is of.
    face : float64 [w], evidence of all their faces.
    """
    days = field.day[rows]
    first = days[np.searchsorted(owner, np.arange(len(face)))]
    views = np.zeros(len(face), np.int64)
    total = [np.zeros(1)] * len(face)
    for day in np.unique(first):
        some = np.flatnonzero((days == day) & (first[owner] == day))
        found, _ = field.wear(rows[some])
        seen = ~np.isnan(found[:, 0])
        sums = np.zeros((len(face), found.shape[1]))
        np.add.at(sums, owner[some[seen]], found[seen])
        views += np.bincount(owner[some[seen]], minlength=len(face))
        for k in np.flatnonzero(first == day).tolist():
            total[k] = sums[k]
    return Worn(first.astype(np.int64), views, total, face)


def alike(field: Field, theirs: Worn, place: RowMap, lenders: np.ndarray) -> np.ndarray:
    """Evidence [w] of walks' clothing, by what other walks wore that day.

    Parameters
    ----------
    theirs : what the w walks wore; `place` : the walk that a pass is in.
    lenders : int64, rows of the patient's passes.
    """
    result = np.zeros(len(theirs.day))
    days = field.day[lenders]
    for day in np.unique(days):
        today = lenders[days == day]
        worn, law = field.wear(today)
        seen = ~np.isnan(worn[:, 0])
        today, worn = today[seen], worn[seen]
        which = np.flatnonzero((theirs.day == day) & (theirs.views > 0))
        if law is None or not len(today) or not len(which):
            continue
        total = np.stack([theirs.total[k] for k in which])
        views = theirs.views[which]
        mean = np.broadcast_to(worn.sum(axis=0), total.shape).copy()
        left = np.full(len(which), len(today))
        owner = place.of(today)
        for k in np.intersect1d(owner, which):  # own views say nothing of a walk
            own, n = owner == k, np.searchsorted(which, k)
            mean[n] -= worn[own].sum(axis=0)
            left[n] -= int(own.sum())
        some = np.flatnonzero(left > 0)
        result[which[some]] = law.llr(
            mean[some] / left[some, None],
            left[some],
            total[some] / views[some, None],
            views[some],
        )
    return result


def own(field: Field, rows: np.ndarray, lenders: np.ndarray) -> np.ndarray:
    """Evidence [m] of the clothing of each of some passes, by itself.

    Parameters
    ----------
    rows : int64 [m], ascending.
    lenders : int64, rows of the patient's passes.
    """
    result = np.zeros(len(rows))
    days = field.day[lenders]
    for day in np.unique(days):
        today = lenders[days == day]
        known, law = field.wear(today)
        seen = ~np.isnan(known[:, 0])
        at = np.flatnonzero(field.day[rows] == day)
        worn, _ = field.wear(rows[at])
        told = ~np.isnan(worn[:, 0])
        at, worn = at[told], worn[told]
        lent = np.isin(rows[at], today[seen])
        left = int(seen.sum()) - lent
        some = left > 0
        if law is None or not some.any():
            continue
        total = known[seen].sum(axis=0) - np.where(lent[:, None], worn, 0)
        mean = total[some] / left[some, None]
        one = np.ones(int(some.sum()))
        result[at[some]] = law.llr(mean, left[some], worn[some], one)
    return result


def measured(field: Field, rows: np.ndarray) -> np.ndarray:
    """Whether clothing is measured on the days of some passes, bool [m]."""
    days, which = np.unique(field.day[rows], return_inverse=True)
    laws = [field.wardrobe.law(int(day)) for day in days]
    known = np.array([isinstance(law, Measured) for law in laws], dtype=bool)
    return known[which] if len(known) else np.zeros(0, dtype=bool)
