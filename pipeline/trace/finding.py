"""Finding the patient: seeds, search and path put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.casebook import galleries
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings
from pipeline.trace import constants as c
from pipeline.trace import path, review
from pipeline.trace.observations import Footage, Passes, Scope
from pipeline.trace.search import Evidence, Template, search, templates_of


@dataclass(frozen=True)
class Seeds:
    """What the search starts from."""

    templates: list[Template]
    certain: frozenset[int]  #: tracklets pointed at
    text: str  #: for the run table: "tracklet 123", "3 photos"
    remarks: tuple[str, ...] = ()


def seeds_of(authorisation: Authorisation, passes: Passes, settings: Settings) -> Seeds:
    """Return what a case's gallery offers to search with.

    Raises
    ------
    DongseonError
        If it offers nothing.
    """
    templates: list[Template] = []
    certain: list[int] = []
    remarks: list[str] = []
    count = 0
    for entry in galleries.templates(authorisation, settings=settings):
        if entry.kind == "tracklet" and entry.tracklet_id is not None:
            row = passes.row(int(entry.tracklet_id))
            if row is None:
                remarks.append(
                    f"Tracklet {entry.tracklet_id} of the gallery lies outside this "
                    "order or is no longer kept; it was not used."
                )
                continue
            certain.append(int(entry.tracklet_id))
            templates += templates_of(passes, row)
        elif entry.embedding is not None:
            count += 1
            templates.append(
                Template(
                    kind="face",
                    model=str(entry.model),
                    vector=np.asarray(entry.embedding, dtype=np.float32),
                    width_px=float(entry.face_width_px or 112.0),
                )
            )
    if not templates and not certain:
        raise DongseonError(
            f"The gallery of case {authorisation.case} is empty; point at a person "
            "with --tracklet ID or give photos with --photo FILE."
        )
    parts = [f"tracklet {one}" for one in certain]
    if count:
        parts.append("1 photo" if count == 1 else f"{count} photos")
    return Seeds(templates, frozenset(certain), ", ".join(parts), tuple(remarks))


def find(
    passes: Passes,
    footage: Footage,
    scope: Scope,
    seeds: Seeds,
    decided: review.Decisions,
    settings: Settings,
) -> tuple[Evidence, path.Path, np.ndarray]:
    """Search and path; sure faces lend their clothing to a second round.

    Returns the evidence, the path over the candidates, and their rows in `passes`.
    """
    certain = (seeds.certain | decided.certain) - decided.rejected
    templates = list(seeds.templates)
    used = {template.tracklet for template in templates}
    for tracklet in sorted(certain):
        row = passes.row(tracklet)
        if row is not None and tracklet not in used:
            templates += templates_of(passes, row)
    against = [
        template
        for tracklet in sorted(decided.rejected)
        if (row := passes.row(tracklet)) is not None
        for template in templates_of(passes, row)
    ]
    rates = _rates(passes, footage)
    seen = _seen(passes, footage, rates)
    for again in (False, True):
        evidence = search(passes, templates, rejected=against, threads=settings.threads)
        rows = _candidates(passes, evidence, certain, decided.rejected)
        found = path.solve(_chain(passes, evidence, rows, rates, certain), seen)
        if again:
            break
        lenders = [
            int(rows[k])
            for k in found.rows
            if found.posterior[k] >= c.APPEARANCE_FROM_POSTERIOR
            and evidence.face_llr[rows[k]] > 0
            and int(passes.ids[rows[k]]) not in certain
        ]
        extra = [
            template
            for row in lenders
            for template in templates_of(passes, row)
            if template.kind == "appearance"
        ]
        if not extra:
            break
        templates += extra
    return evidence, found, rows


def _candidates(
    passes: Passes,
    evidence: Evidence,
    certain: frozenset[int],
    rejected: frozenset[int],
) -> np.ndarray:
    """Rows that may be the patient's, in order of time."""
    sure = np.isin(passes.ids, np.array(sorted(certain), dtype=np.int64))
    out = np.isin(passes.ids, np.array(sorted(rejected), dtype=np.int64))
    likely = (evidence.llr > c.CANDIDATE_LLR) & ~out & ~sure
    rows = np.flatnonzero(likely)
    best = rows[np.lexsort((passes.ids[rows], -evidence.llr[rows]))]
    best = best[: c.MAX_CANDIDATES]
    return np.sort(np.concatenate([best, np.flatnonzero(sure)]))


def _chain(
    passes: Passes,
    evidence: Evidence,
    rows: np.ndarray,
    rates: dict[int, float],
    certain: frozenset[int],
) -> path.Candidates:
    these = passes.take(rows)
    return path.Candidates(
        start=these.start,
        end=these.end,
        first=these.first,
        last=these.last,
        error_m=these.error_m,
        camera_no=these.camera_no,
        llr=evidence.llr[rows],
        certain=np.isin(these.ids, np.array(sorted(certain), dtype=np.int64)),
        rate=np.array([rates[int(n)] for n in these.camera_no]),
    )


def _rates(passes: Passes, footage: Footage) -> dict[int, float]:
    """Passes a second before each camera, over its analysed footage."""
    spans = footage.seconds_by_camera()
    numbers, counts = np.unique(passes.camera_no, return_counts=True)
    return {
        int(number): float(count) / max(spans.get(int(number), 0.0), 1.0)
        for number, count in zip(numbers, counts, strict=True)
    }


def _seen(passes: Passes, footage: Footage, rates: dict[int, float]) -> path.Seen:
    """All visible passes, each with the seconds of footage it stands for."""
    numbers, where = np.unique(passes.camera_no, return_inverse=True)
    each = np.array([1.0 / rates[int(number)] for number in numbers])
    return path.Seen(
        place=passes.first,
        at=passes.start,
        weight=each[where] if len(numbers) else np.empty(0),
        seconds=float((footage.end - footage.start).sum()),
    )
