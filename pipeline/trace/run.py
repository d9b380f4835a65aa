"""A trace: a patient's templates to sightings, path, contacts and exposure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.casebook import audit, galleries, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings
from pipeline.trace import assembly, calibration, path, results, review
from pipeline.trace import constants as c
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Footage, Passes, Scope
from pipeline.trace.search import Evidence, Template, search, templates_of

if TYPE_CHECKING:
    from pipeline.cameras.registry import Registry

#: Called with the name of the stage and the share done, 0..1; raise to cancel.
Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class TraceResult:
    """What a trace found; tables as in `trace.tables`."""

    case: str
    run: str
    folder: FilePath
    tables: dict[str, pa.Table]
    tracklets_searched: int
    cameras_searched: int  #: cameras with analysed footage in window and area
    cameras_in_area: int
    footage_seconds: float
    absent: float  #: posterior that none of the passes is the patient's
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)  #: seconds of each stage
    remarks: tuple[str, ...] = ()  #: what the reader should know

    @property
    def sightings(self) -> pa.Table:
        """Proposed and confirmed passes of the patient."""
        return self.tables["sighting"]

    @property
    def legs(self) -> pa.Table:
        """The path."""
        return self.tables["leg"]

    @property
    def contacts(self) -> pa.Table:
        """People near the patient."""
        return self.tables["contact"]


def trace(
    authorisation: Authorisation,
    *,
    settings: Settings,
    tracklet: int | None = None,
    photos: Sequence[galleries.Photo] | None = None,
    progress: Progress | None = None,
    rule: Rule | None = None,
    registry: Registry | None = None,
) -> TraceResult:
    """Retrace a case's patient and store the result.

    Parameters
    ----------
    authorisation : issued by the casebook for this case.
    tracklet : a person pointed at in footage; joins the case's gallery.
    photos : face templates of enrolment photos; join the case's gallery.
    progress : told of each stage; what it raises cancels the trace.
    rule : what counts as a contact; default: the guideline's.
    registry : default: that of the settings.

    Raises
    ------
    NotAuthorisedError
        If no order in force covers it, or the tracklet lies outside its window
        or area. The refusal is recorded.
    DongseonError
        If the gallery is empty.
    """
    started = time.perf_counter()
    clock = _Stages(progress, started, authorisation, settings)
    try:
        results.demand(authorisation, settings)
        scope = Scope(authorisation, settings, registry)
        clock.stage("read")
        passes, footage = scope.passes(), scope.footage()
        if tracklet is not None and passes.row(int(tracklet)) is None:
            raise NotAuthorisedError(_outside(int(tracklet), authorisation))
        for photo in photos or ():
            galleries.enrol_photo(authorisation, photo, settings=settings)
        if tracklet is not None:
            galleries.enrol_tracklet(authorisation, int(tracklet), settings=settings)
        seeds = _seeds(authorisation, passes, settings)
    except NotAuthorisedError as error:
        _refused(settings, authorisation, tracklet, error)
        raise

    decided = review.apply(reviews.verdicts(authorisation, settings=settings))
    clock.stage("search")
    evidence, found, rows = _find(passes, footage, scope, seeds, decided, settings)
    clock.stage("contacts")
    made = assembly.assemble(
        scope, passes, footage, evidence, found, rows, seeds.certain, decided,
        rule or Rule(), settings.threads,
    )  # fmt: skip
    remarks = _remarks(passes, footage, scope, evidence, found, rows, seeds)
    clock.stage("store")
    name = results.new_run()
    spent = time.perf_counter() - started
    searched = len(set(footage.camera_no.tolist()))
    made["run"] = _run_table(
        authorisation, name, seeds, passes, searched, rule or Rule(), spent
    )
    folder = results.write(authorisation, made, run=name, settings=settings)
    audit.record(
        settings,
        authorisation.user,
        "search",
        authorisation.case,
        authorisation.purpose,
        {
            "order": authorisation.order_id,
            "run": name,
            "seed": seeds.text,
            "tracklets": len(passes),
            "cameras": searched,
            "sightings": made["sighting"].num_rows,
            "contacts": made["contact"].num_rows,
        },
    )
    clock.stage("done")
    return TraceResult(
        case=authorisation.case,
        run=name,
        folder=folder,
        tables=made,
        tracklets_searched=len(passes),
        cameras_searched=searched,
        cameras_in_area=len(scope.cameras),
        footage_seconds=float((footage.end - footage.start).sum()),
        absent=found.absent,
        seconds=time.perf_counter() - started,
        stages=clock.spent,
        remarks=remarks,
    )


@dataclass(frozen=True)
class Seeds:
    """What the search starts from."""

    templates: list[Template]
    certain: frozenset[int]  #: tracklets pointed at
    text: str  #: for the run table: "tracklet 123", "3 photos"
    remarks: tuple[str, ...] = ()


def _seeds(authorisation: Authorisation, passes: Passes, settings: Settings) -> Seeds:
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


def _find(
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
    seen = _seen(footage, passes, scope)
    rates = _rates(passes, footage)
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


def _seen(footage: Footage, passes: Passes, scope: Scope) -> path.Seen:
    """Where people were seen before each camera with footage: its middle pass."""
    places = []
    middles = {
        int(number): np.median(
            (passes.first + passes.last)[passes.camera_no == number] / 2, axis=0
        )
        for number in np.unique(passes.camera_no)
    }
    for number in footage.camera_no:
        places.append(middles.get(int(number), scope.places[int(number)]))
    return path.samples(np.array(places).reshape(-1, 2), footage.start, footage.end)


def _remarks(
    passes: Passes,
    footage: Footage,
    scope: Scope,
    evidence: Evidence,
    found: path.Path,
    rows: np.ndarray,
    seeds: Seeds,
) -> tuple[str, ...]:
    remarks = [*seeds.remarks, *evidence.remarks]
    cameras = len(set(footage.camera_no.tolist()))
    share = cameras / max(len(scope.cameras), 1)
    others = [k for k in found.rows if int(passes.ids[rows[k]]) not in seeds.certain]
    if not others:
        what = "No further sighting" if seeds.certain else "No sighting"
        remarks.append(
            f"{what}: {len(passes)} tracklets of {cameras} cameras were searched. "
            f"{cameras} of the {len(scope.cameras)} cameras in the area "
            f"({share:.1%}) have footage in the window: not seen is not absent."
        )
    for i, j in found.conflicts:
        one, other = int(passes.ids[rows[i]]), int(passes.ids[rows[j]])
        remarks.append(
            f"Tracklets {one} and {other} are both held to be the patient's, but "
            "nobody could have been at both; please review them."
        )
    models = {template.model for template in seeds.templates if template.kind == "face"}
    if not models:
        remarks.append(
            "The gallery has no face: the search went by clothing, of one day only; "
            "its hits are leads."
        )
    elif not any(calibration.is_calibrated(model) for model in models):
        remarks.append("The gallery's faces are of models without calibration.")
    return tuple(dict.fromkeys(remarks))


def _run_table(
    authorisation: Authorisation,
    name: str,
    seeds: Seeds,
    passes: Passes,
    cameras: int,
    rule: Rule,
    spent: float,
) -> pa.Table:
    from pipeline.trace.tables import RUN

    options: dict[str, Any] = {"rule": rule.__dict__}
    row = {
        "case": authorisation.case,
        "run": name,
        "order_id": authorisation.order_id,
        "made_at": datetime.now(UTC),
        "window_start": authorisation.window_start,
        "window_end": authorisation.window_end,
        "seed": seeds.text,
        "tracklets_searched": len(passes),
        "cameras_searched": cameras,
        "options": json.dumps(options, sort_keys=True),
        "seconds": spent,
    }
    return pa.Table.from_pylist([row], schema=RUN)


def _outside(tracklet: int, authorisation: Authorisation) -> str:
    return (
        f"Tracklet {tracklet} is not among the observations that order "
        f"{authorisation.order_id} of case {authorisation.case} opens; check the id, "
        "or request an order whose window and area cover it."
    )


def _refused(
    settings: Settings,
    authorisation: Authorisation,
    tracklet: int | None,
    error: Exception,
) -> None:
    audit.record(
        settings,
        str(getattr(authorisation, "user", settings.user)),
        "refused",
        str(getattr(authorisation, "case", "?")),
        str(getattr(authorisation, "purpose", "")),
        {"action": "trace", "tracklet": tracklet, "because": str(error)},
    )


class _Stages:
    """Times the stages, tells of them, and stops when the order ends."""

    _SHARES: dict[str, float] = {  # noqa: RUF012
        "read": 0.0, "search": 0.2, "contacts": 0.6, "store": 0.9, "done": 1.0,
    }  # fmt: skip

    def __init__(
        self,
        progress: Progress | None,
        started: float,
        authorisation: Authorisation,
        settings: Settings,
    ) -> None:
        self.spent: dict[str, float] = {}
        self._progress, self._at, self._name = progress, started, "gate"
        self._authorisation, self._settings = authorisation, settings

    def stage(self, name: str) -> None:
        """End the stage in work and begin another."""
        now = time.perf_counter()
        self.spent[self._name] = now - self._at
        self._at, self._name = now, name
        if name != "done":
            results.demand(self._authorisation, self._settings)
        if self._progress is not None:
            self._progress(name, self._SHARES[name])
