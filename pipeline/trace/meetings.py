"""Meetings: two patients before one camera at one time, within the rule's distance.

Read from what each patient's own trace stored, so that no observation is opened a
second time: whoever asks must have been allowed to read each of the traces. Only what
was seen counts; nothing is said of the ways between cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cameras.frame import to_lonlat, to_metric
from pipeline.store.schema import MASK_STATES
from pipeline.trace.columns import moment
from pipeline.trace.contacts import Rule, Tracks, episodes, near
from pipeline.trace.gather import UNCALIBRATED_ERROR_M


@dataclass(frozen=True)
class Patient:
    """What one case's trace says of its patient; tables of `trace.tables`."""

    case: str  #: pseudonym
    sighting: pa.Table
    leg: pa.Table


@dataclass(frozen=True)
class Meeting:
    """Two patients near each other; in order of the cases as they were given."""

    cases: tuple[str, str]
    camera_id: str
    start: datetime  #: UTC
    end: datetime
    seconds: int  #: within the rule's distance; of one pass, its length
    least_metres: float | None  #: None where a distance cannot be told
    masks: tuple[str, str]
    probability: float  #: that both passes are the patients', taken as independent
    sightings: tuple[int, int]
    lon: float  #: WGS84, half way between the two
    lat: float
    one_pass: bool  #: both traces claim the same pass: one of them is wrong


def meetings(patients: Sequence[Patient], rule: Rule | None = None) -> list[Meeting]:
    """Return all meetings of all pairs, in order of time.

    Parameters
    ----------
    patients : as read under each case's own authorisation; only sightings on the
        paths count.
    rule : distance and gap; default: those of contacts.
    """
    passes = [_passes(patient) for patient in patients]
    found = [
        meeting
        for (a, ours), (b, theirs) in combinations(
            zip(patients, passes, strict=True), 2
        )
        for meeting in _between((a.case, b.case), ours, theirs, rule or Rule())
    ]
    return sorted(found, key=lambda one: (one.start, one.cases))


@dataclass(frozen=True)
class _Pass:
    row: dict[str, Any]  #: of the sighting table
    second: np.ndarray  #: int64 [n], Unix time
    east_m: np.ndarray  #: float64 [n], EPSG:5186
    north_m: np.ndarray

    @property
    def placed(self) -> bool:
        """Whether its place is its own, not that of an uncalibrated camera."""
        error = self.row["ground_error_m"]
        return error is not None and error < UNCALIBRATED_ERROR_M

    @property
    def tracks(self) -> Tracks:
        """The pass as `contacts.near` takes it."""
        mask = MASK_STATES.index(self.row["mask_state"])
        size = len(self.second)
        return Tracks(
            tracklet=np.full(size, self.row["tracklet_id"], dtype=np.int64),
            second=self.second,
            east_m=self.east_m,
            north_m=self.north_m,
            mask=np.full(size, mask, dtype=np.int8),
        )


def _passes(patient: Patient) -> list[_Pass]:
    """Return the passes on the path with their points at whole seconds."""
    lines = {
        leg["from_sighting"]: leg
        for leg in patient.leg.to_pylist()
        if leg["kind"] == "seen"
    }
    found = []
    for row in patient.sighting.to_pylist():
        leg = lines.get(row["sighting"])
        if not row["on_path"] or leg is None or not leg["second"]:
            continue
        at = np.asarray(leg["second"], dtype=float)
        second = np.arange(np.ceil(at[0]), np.floor(at[-1]) + 1)
        east, north = to_metric(np.asarray(leg["lon"]), np.asarray(leg["lat"]))
        found.append(
            _Pass(
                row,
                second.astype(np.int64),
                np.interp(second, at, east),
                np.interp(second, at, north),
            )
        )
    return found


def _between(
    cases: tuple[str, str], ours: list[_Pass], theirs: list[_Pass], rule: Rule
) -> list[Meeting]:
    by_camera: dict[str, list[_Pass]] = {}
    for one in theirs:
        by_camera.setdefault(one.row["camera_id"], []).append(one)
    found = []
    for a in ours:
        for b in by_camera.get(a.row["camera_id"], ()):
            if a.row["tracklet_id"] == b.row["tracklet_id"]:
                found.append(_one_pass(cases, a, b))
            elif a.placed and b.placed:
                found += _near(cases, a, b, rule)
            else:
                found += _unplaced(cases, a, b)
    return found


def _near(cases: tuple[str, str], a: _Pass, b: _Pass, rule: Rule) -> list[Meeting]:
    met = near(a.tracks, b.tracks, rule)
    made = []
    for one in episodes(met, rule):
        lon, lat = to_lonlat(met.east_m[one.rows].mean(), met.north_m[one.rows].mean())
        made.append(
            _meeting(
                cases, a, b,
                span=(one.start, one.end),
                seconds=one.seconds,
                metres=one.least_metres,
                place=(float(lon), float(lat)),
            )
        )  # fmt: skip
    return made


def _unplaced(cases: tuple[str, str], a: _Pass, b: _Pass) -> list[Meeting]:
    """Return a meeting without a distance, where the two were there together."""
    start = max(a.row["start_at"], b.row["start_at"])
    end = min(a.row["end_at"], b.row["end_at"])
    if start >= end:
        return []
    return [
        _meeting(
            cases, a, b,
            span=(start.timestamp(), end.timestamp()),
            seconds=round((end - start).total_seconds()),
            metres=None,
            place=(a.row["lon"], a.row["lat"]),
        )
    ]  # fmt: skip


def _one_pass(cases: tuple[str, str], a: _Pass, b: _Pass) -> Meeting:
    start, end = a.row["start_at"], a.row["end_at"]
    return _meeting(
        cases, a, b,
        span=(start.timestamp(), end.timestamp()),
        seconds=round((end - start).total_seconds()),
        metres=None,
        place=(a.row["lon"], a.row["lat"]),
        one_pass=True,
    )  # fmt: skip


def _meeting(
    cases: tuple[str, str],
    a: _Pass,
    b: _Pass,
    *,
    span: tuple[float, float],
    seconds: int,
    metres: float | None,
    place: tuple[float, float],
    one_pass: bool = False,
) -> Meeting:
    sure = [1.0 if p.row["posterior"] is None else p.row["posterior"] for p in (a, b)]
    return Meeting(
        cases=cases,
        camera_id=a.row["camera_id"],
        start=moment(span[0]),
        end=moment(span[1]),
        seconds=seconds,
        least_metres=metres,
        masks=(a.row["mask_state"], b.row["mask_state"]),
        probability=float(np.prod(sure)),
        sightings=(a.row["sighting"], b.row["sighting"]),
        lon=place[0],
        lat=place[1],
        one_pass=one_pass,
    )
