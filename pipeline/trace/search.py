"""Search: every visible pass weighed against a patient's templates.

Exact: the stored integers are scanned where they lie, what could reach the threshold
is scored again from the float16 vectors (`kernel.scan`); any other face is scored when
somebody asks. Embeddings of different models never meet: each template is compared
with the rows of its own model only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone

import numpy as np

from pipeline.trace import calibration, hits
from pipeline.trace import constants as c
from pipeline.trace.passes import Passes
from pipeline.trace.rowmap import RowMap
from pipeline.trace.templates import MASKED, Template
from pipeline.trace.vault import KINDS

#: Korea keeps no summer time: a date in Seoul is this far ahead of UTC.
SEOUL = timezone(timedelta(hours=9))
#: Least cosine of a face worth scoring; below it the evidence is at its floor.
FACE_LEAST = 0.25
#: Sets of templates of which what was worked out is remembered.
_REMEMBERED = 32
#: Rows from which the strangers' statistics are taken at most.
_COHORT_ROWS = 20_000


@dataclass(frozen=True)
class Evidence:
    """What the search says of n passes."""

    rows: np.ndarray  #: int64 [n], which passes, ascending
    llr: np.ndarray  #: float64 [n], natural logarithm, face and appearance summed
    face_llr: np.ndarray  #: float64 [n], 0 where there is no face to compare
    appearance_llr: np.ndarray  #: float64 [n], 0 where nothing was comparable
    similarity: np.ndarray  #: float64 [n], cosine of what decided, NaN if nothing
    kind: np.ndarray  #: str [n]: face, appearance, face+appearance or none
    remarks: tuple[str, ...] = ()

    def of(self, row: int) -> int:
        """Place of a pass among the n."""
        return int(np.searchsorted(self.rows, row))


@dataclass
class _Learnt:
    """What was worked out about one person's templates; kept with the passes."""

    #: Rows of passes int64, by least evidence.
    strong: dict[float, np.ndarray] = field(default_factory=dict)
    foreseen: bool = False  #: looked for before its trace began
    _at: RowMap = field(default_factory=RowMap)
    _told: np.ndarray = field(default_factory=lambda: np.empty((256, 2)))

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that nothing is known of, ascending."""
        return np.unique(rows[self._at.of(rows) < 0])

    def put(self, rows: np.ndarray, told: np.ndarray) -> None:
        """Keep evidence and best cosine [k, 2] of rows that were missing."""
        begin, end = len(self._at), len(self._at) + len(rows)
        if end > len(self._told):
            wider = np.empty((2 * end, 2))
            wider[:begin] = self._told[:begin]
            self._told = wider
        self._told[begin:end] = told
        self._at.put(rows, np.arange(begin, end))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the figures [k, 2] of rows that are known."""
        return np.asarray(self._told[self._at.of(rows)])


class Faces:
    """How well each face fits one person, worked out for the passes asked about."""

    def __init__(self, passes: Passes, templates: Sequence[Template]) -> None:
        """Take the templates of kind face; each is as likely to be the one that fits.

        A remark tells of faces that cannot be compared.
        """
        self.passes = passes
        faces = [one for one in templates if one.kind == "face"]
        self.remarks = _face_remarks(passes, faces)
        self._views = {
            model: [one for one in faces if one.model == model]
            for model in sorted({one.model for one in faces})
            if calibration.is_calibrated(model)
        }
        every: dict[bytes, _Learnt] = passes.kept("faces", dict)
        key = _digest(faces)
        learnt = every.pop(key, None)
        self._learnt = _Learnt() if learnt is None else learnt
        every[key] = self._learnt  # the last used is let go last
        if len(every) > _REMEMBERED:
            every.pop(next(iter(every)))

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Evidence [k] of some rows; 0 where there is no face to compare."""
        return self._told(rows)[:, 0]

    def similarity(self, rows: np.ndarray) -> np.ndarray:
        """Best cosine [k] of some rows, NaN where there is none."""
        return self._told(rows)[:, 1]

    def strong(
        self,
        least_llr: float,
        threads: int,
        progress: Callable[[float], object] | None = None,
    ) -> np.ndarray:
        """Rows int64, ascending, of all faces whose evidence reaches `least_llr`.

        Parameters
        ----------
        threads : of the scan; the result is the same for any.
        progress : told the share done, 0..1; raise in it to cancel.
        """
        scan([self], least_llr, threads, progress)
        return self._learnt.strong[least_llr]

    def _told(self, rows: np.ndarray) -> np.ndarray:
        """Evidence and best cosine [k, 2] of some rows."""
        rows, learnt = np.asarray(rows, dtype=np.int64), self._learnt
        result = np.column_stack([np.zeros(len(rows)), np.full(len(rows), np.nan)])
        has = np.flatnonzero(self.passes.has("face", rows)) if self._views else rows[:0]
        if len(has):
            fresh = learnt.missing(rows[has])
            if len(fresh):
                learnt.put(fresh, self._learn(fresh))
            result[has] = learnt.of(rows[has])
        return result

    def _learn(self, fresh: np.ndarray) -> np.ndarray:
        """Work out evidence and best cosine [k, 2] of rows, ascending."""
        result = np.column_stack([np.zeros(len(fresh)), np.full(len(fresh), np.nan)])
        for model, views in self._views.items():
            some, cosines = _cosines(
                self.passes, "face", model, views, FACE_LEAST, fresh
            )
            if not len(some):
                continue
            parts = np.empty(cosines.shape)
            states = self.passes.mask_state(some)
            aware = self._before_masks(model, views, some, states, cosines)
            widths = self.passes.face_width_px[some].astype(np.float64)
            for k, view in enumerate(views):
                masked = calibration.mask_pair(
                    states, np.full(len(some), view.mask, dtype=object)
                )
                masked[aware[:, k]] = calibration.MASK_AWARE
                seen = np.where(
                    np.isnan(cosines[:, k]), c.FACE_IMPOSTOR_MEAN, cosines[:, k]
                )
                parts[:, k] = calibration.face_llr(
                    seen, np.fmin(widths, view.width_px), masked, model
                )
            at = np.searchsorted(fresh, some)
            result[at, 0] += _mean_likelihood(parts)
            result[at, 1] = np.fmax(result[at, 1], _best(cosines))
        return result

    def _before_masks(
        self,
        model: str,
        views: Sequence[Template],
        rows: np.ndarray,
        states: np.ndarray,
        cosines: np.ndarray,
    ) -> np.ndarray:
        """Put in the cosines of templates made for masked faces, where both are.

        Returns where that was done, bool [rows, views].
        """
        done = np.zeros(cosines.shape, dtype=bool)
        stand_in = {
            k: replace(view, vector=np.asarray(view.masked_vector))
            for k, view in enumerate(views)
            if view.masked_vector is not None
        }
        masked = np.flatnonzero(np.isin(states, MASKED))
        if stand_in and len(masked):
            of = list(stand_in.values())
            _, told = _cosines(self.passes, "face", model, of, FACE_LEAST, rows[masked])
            place = np.ix_(masked, np.array(list(stand_in)))
            cosines[place], done[place] = told, True
        return done


def scan(
    people: Sequence[Faces],
    least_llr: float,
    threads: int,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Find what `Faces.strong` will be asked of some people, in one look at all faces.

    Parameters as there; what is known is not looked for again.
    """
    sought = [one for one in people if least_llr not in one._learnt.strong]
    # Two cases may seek one person: what is learnt of him is learnt once.
    fresh = list({id(one._learnt): one for one in sought}.values())
    if fresh:
        found = hits.deciding(
            fresh[0].passes, [one._views for one in fresh], least_llr, threads, progress
        )

        def weigh(one: Faces, rows: np.ndarray) -> None:
            one._learnt.strong[least_llr] = rows[one[rows] >= least_llr]

        with ThreadPoolExecutor(max(1, threads)) as pool:
            list(pool.map(weigh, fresh, found))
    if progress is not None:
        progress(1.0)


def foresee(people: Sequence[Faces], least_llr: float, threads: int) -> None:
    """Scan for people whose traces will begin; see `let_go`."""
    scan(people, least_llr, threads)
    for one in people:
        one._learnt.foreseen = True


def let_go(passes: Passes, templates: Sequence[Template]) -> None:
    """Forget what was foreseen of anybody else than the person of some templates."""
    mine = _digest([one for one in templates if one.kind == "face"])
    every: dict[bytes, _Learnt] = passes.kept("faces", dict)
    for key in [key for key, one in every.items() if one.foreseen and key != mine]:
        del every[key]


def search(
    passes: Passes,
    templates: Sequence[Template],
    *,
    rejected: Sequence[Template] = (),
) -> Evidence:
    """Weigh every one of a few passes against the templates of one patient.

    Parameters
    ----------
    passes : what the order lets see; for a city's worth of them see `Faces`.
    templates : faces (any day) and clothing (its own day in Seoul only). Several
        of one kind are averaged as likelihoods: each is as likely to be the view
        that fits.
    rejected : templates of people a reviewer said are not the patient. A pass that
        fits one of them as well is doubted by so much.
    """
    faces, every = Faces(passes, templates), np.arange(len(passes))
    face, face_sim = faces[every], faces.similarity(every)
    looks, looks_sim = _appearances(passes, templates)
    total = face + looks
    if rejected:
        other = Faces(passes, rejected)[every]
        other = other + _appearances(passes, rejected)[0]
        share = c.REJECTED_SHARE
        total = total - np.logaddexp(np.log(1 - share), np.log(share) + other)
    by_face = ~np.isnan(face_sim) & (face > 0)
    by_looks = ~np.isnan(looks_sim) & (looks > 0)
    kind = np.full(len(passes), "none", dtype=object)
    kind[by_looks] = "appearance"
    kind[by_face] = "face"
    kind[by_face & by_looks] = "face+appearance"
    decided_by_face = by_face | (np.isnan(looks_sim) & ~np.isnan(face_sim))
    return Evidence(
        rows=every,
        llr=total,
        face_llr=face,
        appearance_llr=looks,
        similarity=np.where(decided_by_face, face_sim, looks_sim),
        kind=kind,
        remarks=faces.remarks,
    )


def templates_of(passes: Passes, row: int) -> list[Template]:
    """Return the templates that one pass offers: its face, its clothing."""
    found, rows = [], np.array([row])
    for kind in KINDS:
        model = passes.model(kind, row)
        if model is None:
            continue
        vector = passes.embeddings(kind, rows, model)[0]
        if not vector.any():
            continue
        found.append(
            Template(
                kind=kind,
                model=model,
                vector=vector,
                mask=str(passes.mask_state(rows)[0]),
                width_px=float(np.nan_to_num(passes.face_width_px[row], nan=30.0)),
                day=int(days(passes.start[row : row + 1])[0]),
                tracklet=int(passes.ids[row]),
            )
        )
    return found


def days(start: np.ndarray) -> np.ndarray:
    """Dates in Seoul (days since 1970) of Unix seconds."""
    shift = SEOUL.utcoffset(None).total_seconds()
    return np.floor((np.asarray(start) + shift) / 86_400).astype(np.int64)


def _digest(faces: Sequence[Template]) -> bytes:
    """Tell templates apart."""
    found = hashlib.blake2b(digest_size=16)
    for one in faces:
        found.update(repr((one.model, one.mask, one.width_px)).encode())
        for vector in (one.vector, one.masked_vector):
            found.update(b"-" if vector is None else vector.tobytes())
    return found.digest()


def _face_remarks(passes: Passes, faces: Sequence[Template]) -> tuple[str, ...]:
    if not len(passes) or not faces:
        return ()

    def present() -> list[str]:
        codes, names = passes.models("face")
        count = np.bincount(codes[codes >= 0], minlength=len(names))
        return sorted(name for name, some in zip(names, count, strict=True) if some)

    of_templates = {one.model for one in faces}
    return (
        *(
            f"Some passes carry faces by {model}, which none of the patient's "
            "templates was made with; they were not compared by face."
            for model in passes.kept("face models", present)
            if model not in of_templates
        ),
        *(
            f"Faces by {model} are not calibrated and were not compared."
            for model in sorted(of_templates)
            if not calibration.is_calibrated(model)
        ),
    )


def _appearances(
    passes: Passes, templates: Sequence[Template]
) -> tuple[np.ndarray, np.ndarray]:
    """Evidence [n] and best cosine [n] (NaN: none) of clothing, day by day."""
    llr, best = np.zeros(len(passes)), np.full(len(passes), np.nan)
    chosen = [t for t in templates if t.kind == "appearance" and t.day is not None]
    if not len(passes) or not chosen:
        return llr, best
    day = days(passes.start)
    for model, date in sorted({(t.model, t.day or 0) for t in chosen}):
        views = [t for t in chosen if (t.model, t.day) == (model, date)]
        today = np.flatnonzero(day == date)
        rows, cosines = _cosines(passes, "appearance", model, views, -1.0, today)
        if not len(rows):
            continue
        step = max(1, len(rows) // _COHORT_ROWS)
        parts = np.empty(cosines.shape)
        for k, view in enumerate(views):
            cohort = cosines[::step, k][passes.ids[rows[::step]] != view.tracklet]
            parts[:, k] = calibration.appearance_llr(cosines[:, k], cohort)
        llr[rows] += _mean_likelihood(parts)
        best[rows] = np.fmax(best[rows], _best(cosines))
    return llr, best


def _cosines(
    passes: Passes,
    kind: str,
    model: str,
    views: Sequence[Template],
    least: float,
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Those of some rows that are of one model, int64 [m], and their cosines.

    float64 [m, views], NaN below `least`.
    """
    found = passes.embeddings(kind, rows, model)
    has = ~np.isnan(found[:, 0])
    rows, found = rows[has], found[has]
    if not len(rows):
        return rows, np.empty((0, len(views)))
    probes = np.stack([view.vector for view in views]).astype(np.float32)
    # Sums in one order, whatever rows are asked about together.
    cosines = np.einsum("ij,kj->ik", found, probes).astype(np.float64)
    return rows, np.where(cosines < least, np.nan, np.clip(cosines, -1, 1))


def _mean_likelihood(parts: np.ndarray) -> np.ndarray:
    """Logarithm of the mean likelihood ratio over the last axis."""
    peak = parts.max(axis=1)
    return peak + np.log(np.exp(parts - peak[:, None]).mean(axis=1))


def _best(cosines: np.ndarray) -> np.ndarray:
    filled = np.where(np.isnan(cosines), -2.0, cosines).max(axis=1)
    return np.where(filled < -1.5, np.nan, filled)
