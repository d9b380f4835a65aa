"""Walks: passes of one person that follow each other from camera to camera.

A stranger who looks like the patient does so before every camera of his way. Each
of these passes by itself would be evidence; together they are one stranger. So
passes are first joined into walks, by movement and clothing alone, whoever it is;
then a walk as a whole is weighed (`hunt`), and the path enters and leaves walks
where they begin and end (`path`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace.bounds import bounds
from pipeline.trace.field import Field
from pipeline.trace.followers import Gait, followers
from pipeline.trace.rowmap import RowSet

#: Half the time and radius within which passers-by are counted: how busy it is.
_BUSY_SECONDS, _BUSY_METRES = 120.0, 150.0
#: Metres beyond a walker's reach, beside the errors of places.
_SPARE_METRES = 5.0
#: What is remembered of walks at most: sets of anchors, and tips.
_REMEMBERED, _ONWARD = 512, 200_000
#: Score without clothing at which a pass is no longer looked at.
_HOPELESS = -6.0
_GAIT = Gait(
    span_s=c.WALK_GAP_SECONDS,
    fastest=c.WALK_FASTEST,
    spare_m=_SPARE_METRES,
    mean=c.WALK_SPEED[0],
    sd=c.WALK_SPEED[1],
    odd=c.WALK_ODD_SHARE,
    on_share=c.WALK_ON_SHARE,
    wait_s=c.WALK_GAP_MEAN_SECONDS,
    busy_s=_BUSY_SECONDS,
    busy_m=_BUSY_METRES,
    least=_HOPELESS,
)


@dataclass(frozen=True)
class Walk:
    """Passes of one person, in order of time."""

    rows: np.ndarray  #: int64 [k], rows of the field
    link: np.ndarray  #: float64 [k - 1], probability that two neighbours are one


def follow(field: Field, anchors: np.ndarray, taken: RowSet) -> list[Walk]:
    """Follow each anchor both ways; a pass is in one walk at most.

    Parameters
    ----------
    anchors : int64 [k], rows, the surest first.
    taken : rows that are in a walk already, or in none by decision; grows.

    Notes
    -----
    All walks grow by a pass at a time; where two would take the same one, the more
    probable does, and the other ends.
    """
    anchors = np.asarray(anchors, dtype=np.int64)
    _, first = np.unique(anchors, return_index=True)
    anchors = anchors[np.sort(first)]
    memory: dict[bytes, list[_Followed]] = field.passes.kept("followed", dict)
    key = anchors.tobytes()
    for one in memory.get(key, ()):
        if (taken[one.asked] == one.taken).all():
            taken[one.fresh] = True
            return one.walks
    found = _follow(field, anchors, taken)
    if len(memory) >= _REMEMBERED:
        memory.pop(next(iter(memory)))
    memory[key] = [found, *memory.pop(key, [])[:3]]
    return found.walks


@dataclass(frozen=True)
class _Followed:
    """Walks that were followed, and what they depend on beside the field."""

    asked: np.ndarray  #: int64, rows that would have been taken, or were
    taken: np.ndarray  #: bool, whether each was in a walk before
    fresh: np.ndarray  #: int64, rows of the walks
    walks: list[Walk]


def _follow(field: Field, anchors: np.ndarray, taken: RowSet) -> _Followed:
    asked, fresh = [anchors], [anchors[~taken[anchors]]]
    anchors = fresh[0]
    taken[anchors] = True
    rows: list[list[int]] = [[int(one)] for one in anchors]
    link: list[list[float]] = [[] for _ in anchors]
    for ahead in (True, False):
        active = np.arange(len(rows))
        for _ in range(c.WALK_STEPS):
            if not len(active):
                break
            good, walk, row, probability = _next(
                field, [rows[k] for k in active], ahead, taken
            )
            asked.append(good)
            fresh.append(row)
            for k, one, p in zip(active[walk], row, probability, strict=True):
                if ahead:
                    rows[k].append(int(one))
                    link[k].append(float(p))
                else:
                    rows[k].insert(0, int(one))
                    link[k].insert(0, float(p))
            taken[row] = True
            active = active[walk]
    walks = [
        Walk(np.array(r, dtype=np.int64), np.array(p, dtype=float))
        for r, p in zip(rows, link, strict=True)
    ]
    every, new = np.unique(np.concatenate(asked)), np.concatenate(fresh)
    return _Followed(every, taken[every] & ~np.isin(every, new), new, walks)


def _next(
    field: Field, walks: list[list[int]], ahead: bool, taken: RowSet
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The pass that goes on with each walk: (walk, row, probability), some walks.

    Before them all rows that would, were they in no other walk.
    """
    tip = [rows[-1] if ahead else rows[0] for rows in walks]
    whose, row, score = _onward(field, tip, ahead)
    alike = _alike(field, walks, whose, row)
    score = np.where(alike < c.WALK_LEAST_ALIKE, -np.inf, score + alike)
    weight = np.exp(np.minimum(score, 50))
    whole = np.bincount(whose, weights=weight, minlength=len(tip))
    share = weight / (whole[whose] + 1 - c.WALK_ON_SHARE)
    likely = np.flatnonzero(share >= c.WALK_LEAST_LINK)
    good = likely[~taken[row[likely]]]
    # At most one pass has a share above a half; two walks may want the same one.
    order = good[np.lexsort((whose[good], -share[good]))]
    order = order[np.sort(np.unique(row[order], return_index=True)[1])]
    order = order[np.argsort(whose[order], kind="stable")]
    order = order[np.diff(whose[order], prepend=-1) > 0]
    return row[likely], whose[order], row[order], np.minimum(share[order], 0.999)


def _onward(
    field: Field, tip: list[int], ahead: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Passes that may follow each tip, clothing apart: (number of tip, row, score).

    Remembered with the passes: a trace after a verdict asks for most of them again.
    """
    memory: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]]
    memory = field.passes.kept("onward", dict)
    fresh = [one for one in tip if (one, ahead) not in memory]
    if fresh:
        edges, row, score = _hopeful(field, np.array(fresh, dtype=np.int64), ahead)
        for one, (low, high) in zip(fresh, pairwise(edges.tolist()), strict=True):
            memory[one, ahead] = row[low:high], score[low:high]
    found = [memory[one, ahead] for one in tip]
    whose = np.repeat(np.arange(len(tip)), [len(rows) for rows, _ in found])
    if len(memory) > _ONWARD:
        memory.clear()
    rows, scores = (np.concatenate(part) for part in zip(*found, strict=True))
    return whose, rows, scores


def _hopeful(
    field: Field, tip: np.ndarray, ahead: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Passes that may follow each tip, clothing apart.

    Where those of each tip begin int64 [k + 1], rows int64 [m], scores float64 [m].
    """
    reach = max(c.WALK_FASTEST * c.WALK_GAP_SECONDS + _SPARE_METRES, _BUSY_METRES)
    # Errors of two places together.
    least = math.floor(1e3 * math.sqrt(2) * field.least_m) / 1e3
    most = math.ceil(1e3 * math.sqrt(2) * field.worst_m) / 1e3
    beside = field.beside(tip, reach)
    known = bounds(_GAIT, least, most)
    return followers(tip, ahead, *beside, field.ground, known, _GAIT)[:3]


def _alike(
    field: Field, walks: list[list[int]], whose: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """Evidence of clothing that passes go on with their walks."""
    result = np.zeros(len(row))
    if not len(row):
        return result
    used = np.unique(whose)
    members = np.concatenate([np.array(walks[k], dtype=np.int64) for k in used])
    owner = np.repeat(used, [len(walks[k]) for k in used])
    # Nobody wears one day what he wore the day before.
    first, last = int(field.day[row.min()]), int(field.day[row.max()])
    for today in range(first, last + 1):
        mine = field.day[members] == today
        theirs = np.flatnonzero(field.day[row] == today)
        if len(theirs):
            result[theirs] = field.wardrobe.go_on(
                members[mine], owner[mine], row[theirs], whose[theirs], len(walks)
            )
    return result
