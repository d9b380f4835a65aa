"""The same contact before several cameras, within one case only.

Nobody but the people near the patient is compared, and the names given hold for
this run only.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as field_of

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import calibration
from pipeline.trace import constants as c
from pipeline.trace.field import Field
from pipeline.trace.passes import Passes
from pipeline.trace.rowmap import RowSet
from pipeline.trace.search import FACE_LEAST, search, templates_of
from pipeline.trace.walks import follow

#: Passes compared with each other at most; beyond, the rest stay apart.
_MOST = 500


@dataclass(frozen=True)
class People:
    """People near the patient."""

    #: tracklet -> the smallest tracklet id of its person
    group: dict[int, int]
    #: that id -> int64, rows of the field that are the person's, wherever
    rows: dict[int, np.ndarray] = field_of(default_factory=dict)


def same_person(
    passes: Passes,
    *,
    least_llr: float = c.CONTACT_LINK_LLR,
    field: Field | None = None,
    avoid: np.ndarray | None = None,
    along: dict[int, tuple[float, float]] | None = None,
) -> People:
    """Group passes of people near the patient.

    Parameters
    ----------
    passes : passes near the patient, each at least once; n rows.
    least_llr : log-likelihood ratio (face and, on one day, clothing) from which
        two passes are one person.
    field : all passes: those of one walk are one person, and walks are compared by
        what they wore over all of their passes.
    avoid : int64, rows of the field that are the patient's.
    along : tracklet -> first and last second, of passes that go along with the patient;
        two within a walk of each other need `ALONG_LINK_LLR` only.

    Returns
    -------
    The people. The most alike pairs join first; passes that overlap in time, or that
    nobody could reach from each other, never share a group.
    """
    n = min(len(passes), _MOST)
    group = {int(one): int(one) for one in passes.ids}
    if not n:
        return People(group)
    few = passes.take(np.arange(n))
    if field is None:
        llr = np.full((n, n), -np.inf)
        for i in range(n):
            mine = templates_of(few, i)
            if mine:
                llr[i] = search(few, mine).llr
        # The weaker direction counts: a match must hold whichever is the template.
        both = np.minimum(llr, llr.T)
    else:
        both = _faces_alike(few)
        walk, alike, walked = _walked(few, field, avoid)
        same = walk[:, None] == walk[None, :]
        both = np.where(same, np.maximum(both + alike, 2 * least_llr), both + alike)
    one, other = np.triu_indices(n, 1)
    least = np.where(_follow(few, along or {}), c.ALONG_LINK_LLR, least_llr)
    strong = both[one, other] >= least[one, other]
    one, other = one[strong], other[strong]
    apart = _cannot(few)
    members = {k: [k] for k in range(n)}
    owner = np.arange(n)
    for k in np.lexsort((other, one, -both[one, other])):
        a, b = int(owner[one[k]]), int(owner[other[k]])
        if a == b or apart[a, b]:
            continue
        keep, gone = min(a, b), max(a, b)
        # What one of a group cannot be, none of it can.
        apart[keep] |= apart[gone]
        apart[:, keep] |= apart[:, gone]
        members[keep] += members.pop(gone)
        owner[members[keep]] = keep
    known = {}
    for rows in members.values():
        name = int(few.ids[rows].min())
        group.update(dict.fromkeys(few.ids[rows].tolist(), name))
        if field is not None:
            known[name] = np.unique(
                np.concatenate([walked[k] for k in np.unique(walk[rows])])
            )
    return People(group, known)


def _follow(passes: Passes, along: dict[int, tuple[float, float]]) -> np.ndarray:
    """Pairs [n, n] that go along with the patient within a walk of each other."""
    nobody = (np.inf, -np.inf)
    first, last = np.array([along.get(int(one), nobody) for one in passes.ids]).T
    gap = np.maximum(first[:, None] - last[None, :], first[None, :] - last[:, None])
    return np.asarray(gap <= c.WALK_GAP_SECONDS)


def _faces_alike(passes: Passes) -> np.ndarray:
    """Evidence [n, n] of the faces of each two passes; 0 where one has none."""
    n = len(passes)
    result = np.zeros((n, n))
    codes, names = passes.models("face")
    width = np.nan_to_num(passes.face_width_px.astype(float), nan=c.FACE_SMALL_PX)
    state = passes.mask_state(np.arange(n))
    masked = calibration.mask_pair(state, np.full(n, "none", dtype=object))
    for code in np.unique(codes[codes >= 0]):
        rows = np.flatnonzero(codes == code)
        if not calibration.is_calibrated(names[code]):
            continue
        found = passes.embeddings("face", rows, names[code])
        cosine = np.clip(np.einsum("ij,kj->ik", found, found), -1, 1)
        result[np.ix_(rows, rows)] = calibration.face_llr(
            np.where(cosine < FACE_LEAST, c.FACE_IMPOSTOR_MEAN, cosine),
            np.minimum.outer(width[rows], width[rows]),
            np.add.outer(masked[rows], masked[rows]),
            names[code],
        )
    return result


def _walked(
    passes: Passes, field: Field, avoid: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Walk of each pass [n], evidence of clothing of each two [n, n], rows of walks."""
    rows = np.searchsorted(field.passes.start, passes.start)
    while (wrong := field.passes.ids[rows] != passes.ids).any():
        rows = rows + wrong  # of several that begin at one moment
    taken = RowSet()
    if avoid is not None:
        taken[avoid] = True
    walks = follow(field, rows, taken)
    walked = np.concatenate([walk.rows for walk in walks])
    whose = np.repeat(np.arange(len(walks)), [len(walk.rows) for walk in walks])
    order = np.argsort(walked)
    alike = np.zeros((len(walks), len(walks)))
    day = np.array([field.day[walk.rows[0]] for walk in walks])
    for today in np.unique(day):
        which = np.flatnonzero(day == today)
        means, views = [], []
        for k in which.tolist():
            worn, law = field.wear(walks[k].rows)
            worn = worn[~np.isnan(worn[:, 0])]
            means.append(worn.mean(axis=0) if len(worn) else None)
            views.append(len(worn))
        known = np.array([m is not None for m in means])
        if law is None or not known.any():
            continue
        which = which[known]
        table = np.stack([m for m in means if m is not None])
        count = np.array(views)[known]
        for n, number in enumerate(which):
            alike[number, which] = law.llr(table[n], int(count[n]), table, count)
    own = whose[order[np.searchsorted(walked, rows, sorter=order)]]
    together = np.minimum(alike, alike.T)[np.ix_(own, own)]
    return own, together, [walk.rows for walk in walks]


def _cannot(passes: Passes) -> np.ndarray:
    """Tell for each pair [n, n] that one person cannot have made both passes."""
    n = len(passes)
    gap = np.maximum(
        passes.start[:, None] - passes.end[None, :],
        passes.start[None, :] - passes.end[:, None],
    )
    distance = np.minimum(
        np.hypot(*(passes.first[:, None] - passes.last[None, :]).transpose(2, 0, 1)),
        np.hypot(*(passes.last[:, None] - passes.first[None, :]).transpose(2, 0, 1)),
    )
    error = 2 * np.hypot(passes.error_m[:, None], passes.error_m[None, :])
    same = passes.camera_no[:, None] == passes.camera_no[None, :]
    need = np.maximum(distance - error - travel_time.SLACK_M, 0)
    need /= travel_time.VEHICLE_MPS
    result = need > np.maximum(gap, 0) + c.CLOCK_LIMIT_SECONDS
    result |= same & (gap < -c.SAME_CAMERA_OVERLAP_SECONDS)
    result |= ~same & (gap < 0) & (distance > c.OVERLAP_METRES + error)
    result[np.arange(n), np.arange(n)] = False
    return result
