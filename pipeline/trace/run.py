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

from pipeline.cameras import travel_time
from pipeline.casebook import audit, galleries, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import NotAuthorisedError
from pipeline.settings import Settings
from pipeline.trace import (
    assembly,
    calibration,
    clocks,
    gaps,
    haste,
    listed,
    path,
    results,
    review,
    search,
    streets,
)
from pipeline.trace import constants as c
from pipeline.trace.contacts import Rule
from pipeline.trace.field import Field
from pipeline.trace.finding import Seeds, find, seeds_of
from pipeline.trace.observations import Footage, Passes, Scope
from pipeline.trace.search import Evidence

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
    alone: bool = False,
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
    alone : whether this process serves this order and no other: what was looked for
        ahead, for other cases, is forgotten.

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
        scope = Scope(authorisation, settings, registry)
        clock.stage("read")
        passes, footage = scope.passes(clock.within), scope.footage()
        if tracklet is not None and passes.row(int(tracklet)) is None:
            raise _outside(int(tracklet), authorisation)
        for photo in photos or ():
            galleries.enrol_photo(authorisation, photo, settings=settings)
        if tracklet is not None:
            galleries.enrol_tracklet(authorisation, int(tracklet), settings=settings)
        seeds = seeds_of(authorisation, passes, settings)
        if alone:
            search.let_go(passes, seeds.templates)
        ways = streets.of(settings, scope.registry)
    except NotAuthorisedError as error:
        _refused(settings, authorisation, tracklet, error)
        raise

    decided = review.apply(reviews.verdicts(authorisation, settings=settings))
    clock.stage("search")
    evidence, found, rows = find(
        passes, footage, seeds, decided, settings, clock.within, ways
    )
    clock.stage("contacts")
    made = assembly.assemble(
        scope, passes, footage, evidence, found, rows, seeds.certain, decided,
        rule or Rule(), seeds.told, ways,
    )  # fmt: skip
    mine = passes.take(rows[found.rows])
    hasty = haste.passes_at_triage(footage, mine)
    remarks = (
        *_remarks(passes, footage, scope, evidence, found, rows, seeds, ways),
        *haste.remark(hasty, len(mine)),
    )
    clock.stage("store")
    name = results.new_run()
    spent = time.perf_counter() - started
    searched = len(footage.cameras)
    made["run"] = _run_table(
        authorisation, name, seeds, passes, searched, rule or Rule(), spent, hasty
    )
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
    # Whoever can see a result can read who searched: the entry comes first.
    folder = results.write(authorisation, made, run=name, settings=settings)
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


def _remarks(
    passes: Passes,
    footage: Footage,
    scope: Scope,
    evidence: Evidence,
    found: path.Path,
    rows: np.ndarray,
    seeds: Seeds,
    ways: streets.Streets | None,
) -> tuple[str, ...]:
    remarks = [*seeds.remarks, *evidence.remarks]
    cameras = len(footage.cameras)
    share = cameras / max(len(scope.cameras), 1)
    others = [k for k in found.rows if int(passes.ids[rows[k]]) not in seeds.certain]
    if not others:
        what = "No further sighting" if seeds.certain else "No sighting"
        missed = gaps.unseen(passes, footage, len(scope.cameras))
        remarks.append(
            f"{what}: {len(passes)} tracklets of {cameras} cameras were searched. "
            f"{cameras} of the {len(scope.cameras)} cameras in the area "
            f"({share:.1%}) have footage in the window: not seen is not absent. "
            "Somebody who moves as others do and was in the area all the time would "
            f"have shown no face that decides with a probability of {missed:.0%}."
        )
    fits = found.fits
    for k in np.flatnonzero(fits < 0.5):
        remarks.append(
            f"What the patient remembers (anchor {seeds.told.number[k]}) fits the "
            f"path with a probability of {fits[k]:.0%} only; ask again, or review the "
            "sightings before and after."
        )
    remarks += _odd_clocks(passes, rows[found.rows], ways)
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


def _odd_clocks(
    passes: Passes, rows: np.ndarray, ways: streets.Streets | None
) -> list[str]:
    """Tell of steps of the path that clocks or places must be wrong to allow."""
    mine = passes.take(rows)
    told, asked = [], set()
    for k in range(len(mine) - 1):
        error = 2 * float(np.hypot(mine.error_m[k], mine.error_m[k + 1]))
        metres = float(np.hypot(*(mine.first[k + 1] - mine.last[k]))) - error
        if ways is not None:
            pair = mine.camera_no[k : k + 1], mine.camera_no[k + 1 : k + 2]
            least = ways.least(pair, (mine.last[k : k + 1], mine.first[k + 1 : k + 2]))
            metres = float(np.fmax(metres, least[0] - error))
        need = max(metres - travel_time.SLACK_M, 0) / travel_time.VEHICLE_MPS
        short = need - float(mine.start[k + 1] - mine.end[k])
        if metres <= c.OVERLAP_METRES or short <= 2 * c.CLOCK_SD_SECONDS:
            continue
        names = listed.cameras(passes, rows)
        told.append(
            f"Between {names[k]} and {names[k + 1]} the path is {short:.0f} s too "
            "fast for a vehicle: one of their clocks is wrong, or one of the two "
            "sightings is; please review them."
        )
        for j in (k, k + 1):
            number = int(mine.camera_no[j])
            if number in asked:
                continue
            asked.add(number)
            field = passes.kept("field", lambda: Field(passes))
            clock = clocks.estimate(field, number)
            if clock is not None and abs(clock.ahead_s) > 2 * c.CLOCK_SD_SECONDS:
                way = "ahead of" if clock.ahead_s > 0 else "behind"
                told.append(
                    f"The clock of {names[j]} seems to be {abs(clock.ahead_s):.0f} s "
                    f"{way} those around it ({clock.walkers} walkers tell); set it, "
                    "or read its times with that in mind."
                )
    return told


def _run_table(
    authorisation: Authorisation,
    name: str,
    seeds: Seeds,
    passes: Passes,
    cameras: int,
    rule: Rule,
    spent: float,
    hasty: int,
) -> pa.Table:
    from pipeline.trace.tables import RUN

    options: dict[str, Any] = {"rule": rule.__dict__, "sightings_at_triage": hasty}
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


def _outside(tracklet: int, authorisation: Authorisation) -> NotAuthorisedError:
    return NotAuthorisedError(
        f"Tracklet {tracklet} is not among the observations that order "
        f"{authorisation.order_id} of case {authorisation.case} opens; check the id, "
        "or request an order whose window and area cover it.",
        code="pass_outside",
        tracklet=tracklet,
        order=authorisation.order_id,
        case=authorisation.case,
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

    def within(self, share: float) -> None:
        """Tell that a share of a stage is done; of the search, half is the scan."""
        begin = self._SHARES[self._name]
        if self._progress is not None:
            self._progress(self._name, begin + 0.2 * share)

    def stage(self, name: str) -> None:
        """End the stage in work and begin another."""
        now = time.perf_counter()
        self.spent[self._name] = now - self._at
        self._at, self._name = now, name
        if name not in ("store", "done"):  # writing the result asks for itself
            results.demand(self._authorisation, self._settings)
        if self._progress is not None:
            self._progress(name, self._SHARES[name])
