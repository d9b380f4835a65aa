"""The hunt for one patient: faces, the walks around them, clothing, the path.

1. The most alike faces are anchors; each is followed into a walk, whoever it is.
2. Each of the best walks is supposed to be the patient's, in turn: what it wears and
   where it goes speaks for or against all others, and the path is drawn. All faces of
   that person together say whether he is the patient; the persons are weighed against
   each other, and against the patient's not being there at all.
3. Of the likeliest persons, walks that are his with near certainty lend their
   clothing: between them in time, and within reach, passes without a face are sought,
   followed into walks and weighed; then the path is drawn again.

Where somebody was pointed at, or a reviewer accepted a pass, that is the supposition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.trace import calibration, copied, dress, path, posteriors, review
from pipeline.trace import constants as c
from pipeline.trace.dress import Worn
from pipeline.trace.field import Field
from pipeline.trace.joiners import joiners
from pipeline.trace.passes import Footage, Passes
from pipeline.trace.remembered import Remembered
from pipeline.trace.rowmap import RowMap, RowSet
from pipeline.trace.search import Evidence, Faces, templates_of
from pipeline.trace.templates import Template
from pipeline.trace.traffic import busy_of, rates, seen_of
from pipeline.trace.walks import Walk, follow

if TYPE_CHECKING:
    from pipeline.trace.streets import Streets

#: Rounds of lending clothing.
_ROUNDS = 2
#: Log evidence by which a supposition may fall short of the best and be pursued.
_PURSUED = 6.0


@dataclass
class _Supposition:
    """Something held to be so, and what follows."""

    sure: np.ndarray  #: int64, rows held to be one person's
    evidence: float  #: logarithm, prior and faces: that this is the patient
    weights: np.ndarray  #: float64 [w, 3], evidence of walks: all, face, clothing
    found: path.Path
    rows: np.ndarray  #: int64, rows of the candidates of `found`
    lenders: np.ndarray  #: int64, rows that lent their clothing


class Hunt:
    """State of one search; `run` does it."""

    def __init__(
        self,
        passes: Passes,
        footage: Footage,
        templates: list[Template],
        certain: frozenset[int],
        decided: review.Decisions,
        threads: int,
        progress: Callable[[float], object] | None = None,
        told: Remembered | None = None,
        streets: Streets | None = None,
    ) -> None:
        """Search the faces, and arrange what is known of the passes."""
        self.passes, self.threads, self.told = passes, threads, told
        self.streets = streets
        self.field, traffic = prepare(passes, footage)
        self.sure = passes.rows(certain)
        out = passes.rows(decided.rejected)
        self.marked = passes.rows(decided.rejected | decided.unsure)
        used = {t.tracklet for t in templates}
        faces = [t for t in templates if t.kind == "face"]
        faces += self._faces_of(
            [int(r) for r in self.sure if int(passes.ids[r]) not in used]
        )
        self.face = Faces(passes, faces)
        self.strong = self.face.strong(c.ANCHOR_LLR, threads, progress)
        self.walks: list[Walk] = []
        #: Of each candidate, how it came to be one (`posteriors.signs`).
        self.signs = np.empty((0, len(posteriors.SIGNS)))
        #: The walk that a pass is in.
        self.place = RowMap()
        self.worn = Worn.nothing()
        self.against = Faces(passes, [])
        self.refused = np.empty(0, np.int64)
        # Of footage that is stored twice each pass is one candidate, not two.
        self.taken = RowSet()
        self.taken[copied.known(passes)[0]] = True
        self.taken[copied.firsts(passes, self.sure)] = True
        self.taken[self.sure] = True
        if len(out):
            # Whoever was rejected: the rest of his walk is his as well.
            theirs = follow(self.field, out, self.taken)
            self.refused = np.unique(np.concatenate([w.rows for w in theirs]))
            others = self._faces_of(self.refused.tolist())
            self.against = Faces(passes, others)
        self.taken[self.sure] = False
        self.rates, self.seen, self.busy = traffic

    def run(self) -> tuple[Evidence, path.Path, np.ndarray]:
        """Return the evidence, the path, and the rows of its candidates."""
        sure = self.sure
        self._grow(sure)
        net = self.face[self.strong] - np.maximum(self.against[self.strong], 0)
        order = np.lexsort((self.passes.ids[self.strong], -net))
        self._grow(self.strong[order[net[order] >= c.ANCHOR_LLR][: c.ANCHORS]])
        if len(sure):
            held = [self._pursue(self._suppose(sure, sure))]
        else:
            held = self._persons()
        return self._answer(held)

    def _grow(self, anchors: np.ndarray) -> None:
        """Follow anchors into walks."""
        fresh = follow(self.field, anchors, self.taken)
        if not fresh:
            return
        rows = np.concatenate([walk.rows for walk in fresh])
        owner = np.repeat(np.arange(len(fresh)), [len(walk.rows) for walk in fresh])
        self.place.put(rows, len(self.walks) + owner)
        self.walks += fresh
        face = calibration.faces_llrs(self.face[rows], owner, len(fresh))
        self.worn = self.worn.and_also(dress.worn(self.field, rows, owner, face))

    def _persons(self) -> list[_Supposition]:
        """Suppose each of the best walks to be one person's; weigh the persons."""
        face = self.worn.face
        order = np.lexsort((np.arange(len(face)), -face))
        held: list[_Supposition] = []
        met = np.empty(0, np.int64)
        for number in order[: c.SUPPOSITIONS]:
            rows = self.walks[number].rows
            if np.isin(rows, met).mean() > 0.5:
                continue
            one = self._weighed(self._suppose(rows, rows, strict=True))
            met = np.concatenate([met, _likely(one)])
            held.append(one)
        held.sort(key=lambda one: -one.evidence)
        for k, one in enumerate(held[: c.PURSUED]):
            if one.evidence > held[0].evidence - _PURSUED:
                his = self._pursued(one, held[:k])
                found = self._suppose(one.sure, his) if len(his) else self._pursue(one)
                held[k] = self._weighed(found)
        return held

    def _pursued(self, one: _Supposition, others: list[_Supposition]) -> np.ndarray:
        """Rows that lent their clothing to whom of others a person turns out to be.

        None if he is none of them. To pursue one person twice would find the same.
        """
        own = self._walks_of(one.sure)
        # Not of those who are dressed otherwise, or of whom nothing is known.
        alike = [o for o in others if o.weights[own, 2].max(initial=-np.inf) > 0]
        if alike:
            likely = _likely(self._suppose(one.sure, one.lenders))
            for other in alike:
                if np.isin(likely, _likely(other)).mean() > 0.5:
                    return other.lenders
        return np.empty(0, np.int64)

    def _weighed(self, one: _Supposition) -> _Supposition:
        """Weigh by all faces of a person whether he is the patient."""
        prior = np.log(c.PRIOR_PRESENT * c.PASSES_OF_A_PERSON)
        prior -= np.log(max(len(self.passes), c.PASSES_OF_A_PERSON))
        # Who he is must not be told by the very faces that are to be weighed.
        weights = one.weights.copy()
        weights[:, 0] = weights[:, 2]
        found, rows = self._path(weights, one.sure, one.sure)
        his = np.flatnonzero(found.posterior >= 0.2)
        face = calibration.faces_llr(self.face[rows[his]], found.posterior[his])
        doubt = self._doubt(rows[his])
        return replace(one, evidence=float(prior + face - doubt + found.told))

    def _walks_of(self, rows: np.ndarray) -> np.ndarray:
        """Which walks some rows are in, ascending."""
        within = np.unique(self.place.of(rows))
        return within[within >= 0]

    def _faces(self, rows: np.ndarray) -> float:
        """Evidence of all faces of some passes of one person."""
        return calibration.faces_llr(self.face[rows])

    def _doubt(self, rows: np.ndarray) -> float:
        """What a person loses by fitting somebody who was rejected."""
        if not len(self.refused):
            return 0.0
        share = c.REJECTED_SHARE
        other = _together(self.against[rows])
        return float(np.logaddexp(np.log(1 - share), np.log(share) + other))

    def _pursue(self, one: _Supposition) -> _Supposition:
        """Let sure walks lend their clothing, and seek who wears it."""
        lent: set[int] = set(one.sure.tolist())
        for turn in range(_ROUNDS):
            on = one.found.rows
            sure = on[one.found.posterior[on] >= c.APPEARANCE_FROM_POSTERIOR]
            lenders = one.rows[sure]
            if turn and set(lenders.tolist()) == lent:
                break
            lent = set(lenders.tolist())
            self._grow(joiners(self.field, self.face, self.taken, self.place, lenders))
            one = self._suppose(one.sure, lenders)
        return one

    def _suppose(
        self,
        sure: np.ndarray,
        lenders: np.ndarray,
        strict: bool = False,
    ) -> _Supposition:
        """Weigh all walks by faces and the lenders' clothing; draw the path."""
        weights = np.zeros((len(self.walks), 3))
        weights[:, 1] = self.worn.face
        for k in self._walks_of(sure):
            rows = self.walks[k].rows
            weights[k, 1] = self._faces(rows[~np.isin(rows, sure)])
        weights[:, 2] = dress.alike(self.field, self.worn, self.place, lenders)
        weights[:, 0] = weights[:, 1] + weights[:, 2]
        if len(self.refused):
            every = [walk.rows for walk in self.walks]
            told = self.against[np.concatenate(every)]
            begin = np.cumsum([0, *map(len, every)])[:-1]
            other = np.maximum.reduceat(np.where(told != 0, told, -np.inf), begin)
            other = np.where(np.isfinite(other), other, 0.0)
            other += dress.alike(self.field, self.worn, self.place, self.refused)
            share = c.REJECTED_SHARE
            weights[:, 0] -= np.logaddexp(np.log(1 - share), np.log(share) + other)
        if strict:  # faces alone must not join walks that are dressed otherwise
            today = np.isin(self.worn.day, self.field.day[lenders])
            weights[today & (weights[:, 2] < c.PERSON_LLR), 0] = -np.inf
        found, rows = self._path(weights, sure, lenders)
        return _Supposition(sure, 0.0, weights, found, rows, lenders)

    def _path(
        self, weights: np.ndarray, sure: np.ndarray, lenders: np.ndarray
    ) -> tuple[path.Path, np.ndarray]:
        """Draw the path through the walks that may be the patient's."""
        total = weights[:, 0]
        these = self.passes
        fixed = np.zeros(len(self.walks), dtype=bool)
        fixed[self._walks_of(sure)] = True
        order = np.lexsort((np.arange(len(total)), -total, ~fixed))
        likely = [int(k) for k in order if fixed[k] or total[k] > c.CANDIDATE_LLR]
        size = np.cumsum([len(self.walks[k].rows) for k in likely])
        chosen = [
            k
            for k, upto in zip(likely, size, strict=True)
            if fixed[k] or upto <= c.MAX_CANDIDATES
        ]
        rows = np.sort(
            np.concatenate([self.walks[k].rows for k in chosen])
            if chosen
            else np.empty(0, np.int64)
        )
        n = len(rows)
        llr, before = np.zeros(n), np.full(n, -1, dtype=np.int64)
        linked, looks = np.zeros(n), np.zeros(n)
        certain = np.isin(rows, sure)
        alone = dress.own(self.field, rows, lenders)
        for k in chosen:
            own = np.searchsorted(rows, self.walks[k].rows)
            free = own[~certain[own]]
            looks[free] = max(weights[k, 2], 0.0) / max(len(free), 1)
            llr[free] = max(total[k], -50.0) / max(len(free), 1)
            if len(free) > 1:
                # Whoever took the walk over midway is dressed unlike the rest of it.
                llr[free] += c.WALK_VIEW_SHARE * (alone[free] - alone[free].mean())
            before[own[1:]], linked[own[1:]] = own[:-1], self.walks[k].link
        rate = np.array([self.rates[int(one)] for one in these.camera_no[rows]])
        rate = rate * self.busy(these.start[rows])
        candidates = path.Candidates(
            start=these.start[rows],
            end=these.end[rows],
            first=these.first[rows],
            last=these.last[rows],
            error_m=these.error_m[rows],
            camera_no=these.camera_no[rows],
            llr=llr,
            certain=certain,
            rate=rate * c.WALK_BEGIN_SHARE,
            before=before,
            linked=linked,
            looks=looks,
            trusted=np.isin(rows, lenders) | certain,
        )
        found = path.solve(candidates, self.seen, told=self.told, streets=self.streets)
        return found, rows

    def _answer(
        self, held: list[_Supposition]
    ) -> tuple[Evidence, path.Path, np.ndarray]:
        """Put the suppositions together, each by its weight."""
        if not held:
            nobody = path.solve(_no_candidates(), self.seen)
            none = np.empty(0, np.int64)
            return self._evidence(np.zeros((0, 3))), nobody, none
        # With nobody pointed at, he may not be there at all.
        nothing = -np.inf if len(self.sure) else float(np.log(1 - c.PRIOR_PRESENT))
        logs = np.array([*(one.evidence for one in held), nothing])
        weight = np.exp(logs - np.logaddexp.reduce(logs))
        best = held[int(np.argmax(weight[:-1]))]
        rows = np.unique(np.concatenate([one.rows for one in held]))
        posterior = np.zeros(len(rows))
        for one, share in zip(held, weight[:-1], strict=True):
            posterior[np.searchsorted(rows, one.rows)] += share * one.found.posterior
        kept = (posterior >= 1e-4) | np.isin(rows, best.rows)
        rows, posterior = rows[kept], posterior[kept]
        at = np.searchsorted(rows, best.rows)
        trust = float(weight[:-1].max())
        posterior = self._calibrated(posterior, rows, best, trust)
        path_rows, link = path.best_of(best.found, posterior[at], trust)
        found = replace(
            best.found,
            rows=at[path_rows],
            most_probable=at[best.found.most_probable],
            posterior=posterior,
            link=link,
            absent=float(weight[-1]),
            conflicts=tuple((int(at[a]), int(at[b])) for a, b in best.found.conflicts),
        )
        return self._evidence(best.weights), found, rows

    def _calibrated(
        self, posterior: np.ndarray, rows: np.ndarray, best: _Supposition, trust: float
    ) -> np.ndarray:
        """Posteriors [m] of rows as shares of such passes that come true."""
        each = [walk.rows for walk in self.walks]
        every, edges = np.concatenate(each), np.cumsum([len(one) for one in each])[:-1]
        held = np.isin(every, self.sure)
        pillar = held | (self.face[every] >= posteriors.PILLAR_LLR)
        self.signs = posteriors.signs(
            posterior,
            rows,
            self.field.start[rows],
            dress.own(self.field, rows, best.lenders),
            self.walks,
            best.weights,
            np.split(pillar, edges),
            np.array([one.any() for one in np.split(held, edges)], dtype=bool),
            self.field.start[best.lenders],
            trust,
        )
        result = np.where(
            dress.measured(self.field, rows),
            posteriors.calibrated(self.signs),
            posteriors.tempered(posterior),
        )
        return np.where(np.isin(rows, self.sure), 1.0, result)

    def _faces_of(self, rows: list[int]) -> list[Template]:
        return [
            template
            for row in rows
            for template in templates_of(self.passes, int(row))
            if template.kind == "face"
        ]

    def _evidence(self, weights: np.ndarray) -> Evidence:
        """Evidence of each pass: that of its walk; of others, their face."""
        in_walks = [walk.rows for walk in self.walks]
        every = np.unique(np.concatenate([self.marked, *in_walks]))
        face = self.face[every]
        total, looks = face.copy(), np.zeros(len(every))
        kind = np.full(len(every), "none", dtype=object)
        for walk, (all_of_it, _, cloth) in zip(self.walks, weights, strict=False):
            rows = np.searchsorted(every, walk.rows)
            total[rows], looks[rows] = max(all_of_it, -50.0), cloth
            # What has no face of its own is there for its clothing and its walk.
            both = "face+appearance" if cloth > 0 else "face"
            kind[rows] = np.where(face[rows] > 0, both, "appearance")
        cosine = self.face.similarity(every)
        return Evidence(every, total, face, looks, cosine, kind, self.face.remarks)


def prepare(passes: Passes, footage: Footage) -> tuple[Field, Any]:
    """Arrange what is known of the passes whoever is sought; kept with them."""

    def traffic() -> Any:
        each = rates(passes, footage)
        seen = seen_of(passes, footage, each, field.middle)
        return each, seen, busy_of(passes, footage)

    field = passes.kept("field", lambda: Field(passes))
    copied.known(passes)
    footage.index()
    return field, passes.kept("traffic", traffic)


def _likely(one: _Supposition) -> np.ndarray:
    """Rows that are more likely than not of the person supposed."""
    return np.asarray(one.rows[one.found.posterior >= 0.5])


def _together(llr: np.ndarray) -> float:
    """Evidence of several faces against one template: the best, bounded."""
    told = llr[llr != 0]
    return float(told.max()) if len(told) else 0.0


def _no_candidates() -> path.Candidates:
    none, nowhere = np.empty(0), np.empty((0, 2))
    return path.Candidates(
        none, none, nowhere, nowhere, none, none, none, none.astype(bool), none
    )
