"""Search: every visible pass weighed against a patient's templates.

Exact: the stored integers are scanned, what could reach the threshold is scored
again from the float16 vectors (`kernel.scan`). Embeddings of different models
never meet: each template is compared with the rows of its own model only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store import vectors
from pipeline.trace import calibration, kernel
from pipeline.trace import constants as c
from pipeline.trace.columns import texts
from pipeline.trace.observations import Passes

#: Korea keeps no summer time: a date in Seoul is this far ahead of UTC.
SEOUL = timezone(timedelta(hours=9))
#: Least cosine of a face worth scoring; below it the evidence is at its floor.
_FACE_LEAST = 0.25
#: Rows from which the strangers' statistics are taken at most.
_COHORT_ROWS = 20_000


@dataclass(frozen=True)
class Template:
    """One view of the patient (or of somebody who was rejected)."""

    kind: str  #: "face" or "appearance"
    model: str  #: registry name of the model that made it
    vector: np.ndarray  #: float32 [d], unit length
    mask: str = "none"  #: mask state of the face seen
    width_px: float = 112.0  #: width of the face seen
    day: int | None = None  #: appearance: date in Seoul, days since 1970
    tracklet: int | None = None  #: where it comes from, None for a photo


@dataclass(frozen=True)
class Evidence:
    """What the search says of each pass; n rows in the order of the passes."""

    llr: np.ndarray  #: float64 [n], natural logarithm, face and appearance summed
    face_llr: np.ndarray  #: float64 [n], 0 where there is no face to compare
    appearance_llr: np.ndarray  #: float64 [n], 0 where nothing was comparable
    similarity: np.ndarray  #: float64 [n], cosine of what decided, NaN if nothing
    kind: np.ndarray  #: str [n]: face, appearance, face+appearance or none
    remarks: tuple[str, ...] = ()


def search(
    passes: Passes,
    templates: Sequence[Template],
    *,
    rejected: Sequence[Template] = (),
    threads: int = 2,
) -> Evidence:
    """Weigh every pass against the templates of one patient.

    Parameters
    ----------
    passes : what the order lets see.
    templates : faces (any day) and clothing (its own day in Seoul only). Several
        of one kind are averaged as likelihoods: each is as likely to be the view
        that fits.
    rejected : templates of people a reviewer said are not the patient. A pass that
        fits one of them as well is doubted by so much.
    threads : of the scan; the result is the same for any.
    """
    remarks: list[str] = []
    face, face_sim = _faces(passes, templates, threads, remarks)
    looks, looks_sim = _appearances(passes, templates, threads)
    total = face + looks
    if rejected:
        other = _faces(passes, rejected, threads, [])[0]
        other = other + _appearances(passes, rejected, threads)[0]
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
        llr=total,
        face_llr=face,
        appearance_llr=looks,
        similarity=np.where(decided_by_face, face_sim, looks_sim),
        kind=kind,
        remarks=tuple(dict.fromkeys(remarks)),
    )


def templates_of(passes: Passes, row: int) -> list[Template]:
    """Return the templates that one pass offers: its face, its clothing."""
    found = []
    record = passes.table.slice(row, 1)
    for kind in ("face", "appearance"):
        model = texts(record[f"{kind}_model"])[0]
        raw = record[f"{kind}_f16"][0].as_py()
        if raw is None:
            continue
        vector = np.frombuffer(raw, dtype="<f2").astype(np.float32)
        norm = float(np.linalg.norm(vector))
        if norm == 0:
            continue
        found.append(
            Template(
                kind=kind,
                model=model,
                vector=vector / norm,
                mask=str(passes.mask_state[row]),
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


def _faces(
    passes: Passes, templates: Sequence[Template], threads: int, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Evidence [n] and best cosine [n] (NaN: none) of faces."""
    llr, best = np.zeros(len(passes)), np.full(len(passes), np.nan)
    chosen = [t for t in templates if t.kind == "face"]
    if not len(passes) or not chosen:
        return llr, best
    for model in sorted(set(filter(None, texts(passes.table["face_model"])))):
        if model == "unknown":
            continue
        if not any(t.model == model for t in chosen):
            remarks.append(
                f"Some passes carry faces by {model}, which none of the patient's "
                "templates was made with; they were not compared by face."
            )
    for model in sorted({t.model for t in chosen}):
        if not calibration.is_calibrated(model):
            remarks.append(
                f"Faces by {model} are not calibrated and were not compared."
            )
            continue
        views = [t for t in chosen if t.model == model]
        rows, cosines = _cosines(passes, "face", model, views, _FACE_LEAST, threads)
        if not len(rows):
            continue
        parts = np.empty(cosines.shape)
        for k, view in enumerate(views):
            masked = calibration.mask_pair(
                passes.mask_state[rows], np.full(len(rows), view.mask, dtype=object)
            )
            width = np.fmin(passes.face_width_px[rows], view.width_px)
            seen = np.where(
                np.isnan(cosines[:, k]), c.FACE_IMPOSTOR_MEAN, cosines[:, k]
            )
            parts[:, k] = calibration.face_llr(seen, width, masked)
        llr[rows] += _mean_likelihood(parts)
        best[rows] = np.fmax(best[rows], _best(cosines))
    return llr, best


def _appearances(
    passes: Passes, templates: Sequence[Template], threads: int
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
        if not len(today):
            continue
        of_day = passes.take(today)
        rows, cosines = _cosines(of_day, "appearance", model, views, -1.0, threads)
        if not len(rows):
            continue
        step = max(1, len(rows) // _COHORT_ROWS)
        parts = np.empty(cosines.shape)
        for k, view in enumerate(views):
            cohort = cosines[::step, k][of_day.ids[rows[::step]] != view.tracklet]
            parts[:, k] = calibration.appearance_llr(cosines[:, k], cohort)
        llr[today[rows]] += _mean_likelihood(parts)
        best[today[rows]] = np.fmax(best[today[rows]], _best(cosines))
    return llr, best


def _cosines(
    passes: Passes,
    kind: str,
    model: str,
    views: Sequence[Template],
    least: float,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one model, int64 [m], and cosines [m, views], NaN below `least`."""
    rows, e8, scale, exact = passes.kept(
        ("stored", kind, model), lambda: _stored(passes, kind, model)
    )
    probes = np.stack([view.vector for view in views]).astype(np.float32)
    cosines = np.full((len(rows), len(views)), np.nan)
    if not len(rows):
        return rows, cosines

    def rerank(wanted: np.ndarray) -> np.ndarray:
        taken = exact[wanted].astype(np.float32)
        norm = np.linalg.norm(taken, axis=1, keepdims=True)
        return taken / np.where(norm > 0, norm, 1)

    hits = kernel.scan(e8, scale, probes, least, rerank, threads=threads)
    cosines[hits.rows, hits.probe] = np.clip(hits.score, -1, 1)
    return rows, cosines


def _stored(
    passes: Passes, kind: str, model: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of one model [m], their int8 [m, d], scales [m] and float16 [m, d]."""
    labels = passes.table[f"{kind}_model"].cast(pa.string())
    same = pc.and_(
        pc.equal(labels, model), pc.is_valid(passes.table[f"{kind}_i8"])
    ).fill_null(False)
    rows = np.flatnonzero(np.asarray(same.to_numpy(zero_copy_only=False), dtype=bool))
    names = [f"{kind}_{part}" for part in ("i8", "scale", "f16")]
    table = passes.table.select(names).take(pa.array(rows, pa.int64()))
    if not len(rows):
        empty = np.empty((0, 0))
        return rows, empty.astype(np.int8), np.empty(0, np.float32), empty
    e8, _ = vectors.from_binary(table[names[0]].combine_chunks())
    exact, _ = vectors.from_binary(table[names[2]].combine_chunks(), "<f2")
    scale = table[names[1]].to_numpy().astype(np.float32)
    return rows, np.ascontiguousarray(e8), scale, exact


def _mean_likelihood(parts: np.ndarray) -> np.ndarray:
    """Logarithm of the mean likelihood ratio over the last axis."""
    peak = parts.max(axis=1)
    return peak + np.log(np.exp(parts - peak[:, None]).mean(axis=1))


def _best(cosines: np.ndarray) -> np.ndarray:
    filled = np.where(np.isnan(cosines), -2.0, cosines).max(axis=1)
    return np.where(filled < -1.5, np.nan, filled)
