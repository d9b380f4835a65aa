"""People near the patient: the seconds, which passes are one person, how long.

Passes of others within a few metres of the patient's are gathered camera by camera and
joined to people (`linking`); distances of those who stay with the patient are freed of
steady errors (`steady`); what cameras showed of one of the two only, between moments
that show both, is inferred (`together`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.arrays import joined
from pipeline.trace import constants as c
from pipeline.trace import contacts, copied, linking, steady, together
from pipeline.trace.columns import moment
from pipeline.trace.field import Field
from pipeline.trace.observations import Passes, Scope

#: Seconds before and after a sighting in which others are looked at.
_AROUND_S = 10.0
#: What is looked at of a detection.
_COLUMNS = [
    "tracklet_id", "camera_no", "at", "x", "y", "w", "h", "east_cm", "north_cm",
    "mask_state",
]  # fmt: skip
#: Hours of a path whose detections are remembered.
_REMEMBERED = 256


def detections(scope: Scope, mine: Passes) -> pa.Table:
    """Detections of everybody before the path's cameras while the patient was there.

    Remembered with the passes: after a verdict most of them are asked for again.
    """
    from pipeline.store.schema import DETECTION

    hours: dict[int, list[tuple[int, float, float]]] = {}
    for number in np.unique(mine.camera_no).tolist():
        spans: list[list[float]] = []
        for k in np.flatnonzero(mine.camera_no == number):
            if spans and mine.start[k] <= spans[-1][1] + 2 * _AROUND_S:
                spans[-1][1] = max(spans[-1][1], float(mine.end[k]))
            else:
                spans.append([float(mine.start[k]), float(mine.end[k])])
        for start, end in spans:
            span = (number, start - _AROUND_S, end + _AROUND_S)
            hours.setdefault(int(start // 3600), []).append(span)
    memory: dict[tuple[tuple[int, float, float], ...], pa.Table]
    memory = scope.passes().kept("detections", dict)
    parts = []
    for of_hour in map(tuple, hours.values()):  # lies together in the store
        if of_hour not in memory:
            if len(memory) >= _REMEMBERED:
                memory.pop(next(iter(memory)))
            memory[of_hour] = _of_hour(scope, of_hour)
        parts.append(memory[of_hour])
    return pa.concat_tables(parts or [DETECTION.empty_table().select(_COLUMNS)])


def _of_hour(scope: Scope, spans: tuple[tuple[int, float, float], ...]) -> pa.Table:
    """Detections of cameras in spans of time (number, start, end) of one hour."""
    return scope.detections(
        [number for number, _, _ in spans],
        moment(min(start for _, start, _ in spans)),
        moment(max(end for _, _, end in spans)),
        _COLUMNS,
        spans,
    )


def company(
    mine: Passes,
    passes: Passes,
    table: pa.Table,
    tracks: contacts.Tracks,
    rule: contacts.Rule,
) -> tuple[list[contacts.Contact], contacts.Near]:
    """Find the people near the patient, and the seconds.

    Parameters
    ----------
    mine : the patient's passes; `tracks` are their points.
    table : detections, as of `detections`.
    """
    wider = replace(rule, metres=rule.metres + c.STEADY_METRES)
    wide = near(mine, passes, table, tracks, wider)
    within = wide.metres <= rule.metres + 1e-9
    going = together.going(wide, passes, mine)
    wanted = np.isin(wide.tracklet, wide.tracklet[within]) | going
    wide, going = wide.take(np.flatnonzero(wanted)), going[wanted]
    people = same(passes, mine.ids, wide, going)
    brief = steady.steadied(wide, people.group, rule, together.errors(wide, passes))
    inferred = together.inferred(brief, people, passes, tracks)
    return contacts.contacts(brief, rule, people.group, inferred), brief


def near(
    mine: Passes,
    passes: Passes,
    table: pa.Table,
    tracks: contacts.Tracks,
    rule: contacts.Rule,
) -> contacts.Near:
    """Seconds within the rule, camera by camera, without copies of the patient."""
    owner = table["tracklet_id"].to_numpy()
    camera = table["camera_no"].to_numpy().astype(np.int64)
    seen = passes.ids[passes.rows(np.unique(owner).tolist())]
    cameras = np.unique(mine.camera_no)
    kept = np.isin(camera, cameras) & np.isin(owner, seen) & ~np.isin(owner, mine.ids)
    for number in cameras:
        here = np.flatnonzero(camera == number)
        ours = mine.ids[mine.camera_no == number]
        doubles = contacts.same_bodies(table.take(pa.array(here)), ours.tolist())
        if doubles:
            kept[here] &= ~np.isin(owner[here], sorted(doubles))
    others = contacts.interpolate(table.filter(pa.array(kept)))
    # Each pass is before one camera.
    passing, first = np.unique(owner, return_index=True)
    theirs = camera[first[np.searchsorted(passing, others.tracklet)]]
    parts = []
    for number in cameras:
        ours = mine.ids[mine.camera_no == number]
        patient = pick(tracks, np.isin(tracks.tracklet, ours))
        parts.append(contacts.near(patient, pick(others, theirs == number), rule))
    if not parts:
        nobody = pick(tracks, np.zeros(len(tracks.second), dtype=bool))
        return contacts.near(nobody, nobody, rule)
    return copied.without_patient(joined(parts))


def pick(tracks: contacts.Tracks, rows: np.ndarray) -> contacts.Tracks:
    """Return some points."""
    return contacts.Tracks(
        **{name: getattr(tracks, name)[rows] for name in tracks.__dataclass_fields__}
    )


def same(
    passes: Passes,
    patient: np.ndarray,
    found: contacts.Near,
    going: np.ndarray | None = None,
) -> linking.People:
    """Tell which passes near the patient are of one person.

    Parameters
    ----------
    patient : tracklets of the patient.
    going : bool [s], seconds of passes that go along with the patient's.
    """
    copy = copied.among(found)
    first = [t for t in np.unique(found.tracklet).tolist() if t not in copy]
    along = together.along(found, going) if going is not None else {}
    field = passes.kept("field", lambda: Field(passes))
    people = linking.same_person(
        passes.take(passes.rows(first)),
        field=field,
        avoid=passes.rows(patient.tolist()),
        along=along,
    )
    for one, other in copy.items():
        people.group[one] = people.group[other]
    return people
