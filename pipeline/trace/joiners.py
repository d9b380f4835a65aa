"""Passes without a face that may join: dressed like the patient, and within reach."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace.clothing import Law
from pipeline.trace.field import Field
from pipeline.trace.reach import between
from pipeline.trace.rowmap import RowMap, RowSet
from pipeline.trace.search import Faces

#: Passes whose clothing is looked at together, few at first and then more, and what a
#: face adds there at most.
_LOOKED, _LOOKED_MOST, _FACE_MOST = 250, 4000, 2.0


def joiners(
    field: Field,
    face: Faces,
    taken: RowSet,
    walk: RowMap,
    lenders: np.ndarray,
) -> np.ndarray:
    """Find passes dressed like the patient between his sure sightings.

    Parameters
    ----------
    face : evidence of faces.
    taken : rows that are in a walk already, or in none by decision.
    walk : the walk that a row is in.
    lenders : int64, rows of the sure sightings, ascending.

    Returns
    -------
    Rows int64, the best of each stretch of a day.
    """
    found = []
    days = field.day[lenders]
    for day in np.unique(days):
        today = lenders[days == day]
        known, law = field.wear(today)
        known = known[~np.isnan(known[:, 0])]
        if law is None or not len(known):
            continue
        edges = np.array([-1, *today.tolist(), -1])
        number = walk.of(edges).tolist()
        for (a, b), (one, other) in zip(
            pairwise(edges.tolist()), pairwise(number), strict=True
        ):
            if a >= 0 and one == other:
                continue  # of one walk: nothing was missed between them
            if a >= 0 and b >= 0 and field.start[b] - field.end[a] < 15:
                continue
            found.append(_of_stretch(field, face, taken, (a, b, int(day)), known, law))
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _of_stretch(
    field: Field,
    face: Faces,
    taken: RowSet,
    stretch: tuple[int, int, int],
    known: np.ndarray,
    law: Law,
) -> np.ndarray:
    """The likeliest passes after row a and before row b (-1: open) of a day."""
    reached = between(field, *stretch)
    free = ~taken[reached.rows]
    rows, score = reached.rows[free], reached.score[free]
    kept, total, least = np.empty(0, np.int64), np.empty(0), -np.inf
    begin, looked = 0, _LOOKED
    while begin < len(rows):
        part = slice(begin, begin + looked)
        # The rest is too far off, whatever it wears.
        if score[begin] + c.APPEARANCE_CAP + _FACE_MOST < least:
            break
        some, sums = _dressed(field, face, rows[part], score[part], known, law, least)
        kept, total = np.concatenate([kept, some]), np.concatenate([total, sums])
        best = np.lexsort((kept, -total))[: c.JOINERS]
        kept, total = kept[best], total[best]
        if len(kept) == c.JOINERS:
            least = float(total[-1])
        begin, looked = begin + looked, min(2 * looked, _LOOKED_MOST)
    return kept


def _dressed(
    field: Field,
    face: Faces,
    rows: np.ndarray,
    score: np.ndarray,
    known: np.ndarray,
    law: Law,
    least: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Those of some rows that are dressed like the patient, and their evidence.

    Without those that are surely not among the `JOINERS` best, or below `least`.
    """
    worn, _ = field.wear(rows)
    has = ~np.isnan(worn[:, 0])
    rows, score, worn = rows[has], score[has], worn[has]
    alike = law.llr(known.mean(axis=0), len(known), worn, np.ones(len(rows)))
    enough = (score + alike)[alike > c.JOINER_LLR]
    if len(enough) >= c.JOINERS:
        least = max(least, float(np.partition(enough, -c.JOINERS)[-c.JOINERS]))
    near = alike > c.JOINER_LLR - _FACE_MOST
    near &= score + alike + _FACE_MOST >= least
    rows, score, alike = rows[near], score[near], alike[near]
    alike = alike + np.clip(face[rows], 0, _FACE_MOST)
    good = alike > c.JOINER_LLR
    return rows[good], (score + alike)[good]
