"""From a solved path to the tables of a result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from pipeline.trace import (
    company,
    contacts,
    exposure,
    gaps,
    legs,
    listed,
    neighbours,
    path,
    pinned,
    review,
)
from pipeline.trace.columns import lonlat, moment
from pipeline.trace.observations import Footage, Passes, Scope
from pipeline.trace.remembered import Remembered
from pipeline.trace.search import Evidence
from pipeline.trace.streets import Streets
from pipeline.trace.tables import CONTACT, EPISODE, SIGHTING

#: Candidates shown although they are not on the path, the most probable first.
_SHOWN = 100
#: Least posterior of a pass shown that is not on the path.
_LEAST_POSTERIOR = 0.02


@threadpool_limits.wrap(limits=1, user_api="blas")
def assemble(
    scope: Scope,
    passes: Passes,
    footage: Footage,
    evidence: Evidence,
    found: path.Path,
    rows: np.ndarray,
    seeds: frozenset[int],
    decided: review.Decisions,
    rule: contacts.Rule,
    told: Remembered,
    streets: Streets | None = None,
) -> dict[str, pa.Table]:
    """Make the tables of a result but for that of the run.

    Parameters
    ----------
    found : over the candidates; `rows` are their rows in `passes`.
    seeds : tracklets pointed at.
    told : what the patient remembers.
    streets : by which inferred legs are drawn, where known.
    """
    shown = _shown(passes, found, rows, decided)
    number = {int(passes.ids[row]): k for k, row in enumerate(shown)}
    on_path = rows[found.rows]
    posterior = dict(zip(rows.tolist(), found.posterior.tolist(), strict=True))
    mine = passes.take(on_path)
    detections = neighbours.detections(scope, mine)
    owner = detections["tracklet_id"].to_numpy()
    ours = np.isin(owner, mine.ids)
    tracks = contacts.interpolate(detections.filter(pa.array(ours)))
    line = legs.legs(
        mine,
        found.posterior[found.rows],
        found.link,
        np.array([number[int(one)] for one in mine.ids], dtype=np.int64),
        tracks,
        gaps.between(mine, footage, scope.places),
        streets,
    )
    people, near = neighbours.company(mine, passes, detections, tracks, rule)
    indoors = _indoors(scope, passes, near)
    unknowns = exposure.draw()
    dose = exposure.of_contacts(people, near, indoors, unknowns)
    return {
        "sighting": _sightings(
            passes, footage, evidence, posterior, shown, on_path, seeds, decided
        ),
        "leg": line,
        "contact": _contacts(people, dose, near, mine),
        "episode": _episodes(passes, people, near, number),
        "exposure": exposure.by_cell(people, near, indoors, unknowns),
        "airspace": _airspace(
            scope, passes, mine, detections, tracks, rule, people, unknowns
        ),
        "anchor": pinned.table(told, found.fits, mine, number),
    }


def contacts_of(
    scope: Scope, mine: Passes, rule: contacts.Rule
) -> list[contacts.Contact]:
    """Find the people near somebody whose passes are given, and nothing else."""
    passes = scope.passes()
    detections = neighbours.detections(scope, mine)
    ours = np.isin(detections["tracklet_id"].to_numpy(), mine.ids)
    tracks = contacts.interpolate(detections.filter(pa.array(ours)))
    return neighbours.company(mine, passes, detections, tracks, rule)[0]


def _shown(
    passes: Passes, found: path.Path, rows: np.ndarray, decided: review.Decisions
) -> np.ndarray:
    """Rows of passes to list: the path's, what was rejected, likely others."""
    on_path = set(found.rows.tolist())
    others = [
        k
        for k in np.lexsort((passes.ids[rows], -found.posterior))
        if k not in on_path and found.posterior[k] >= _LEAST_POSTERIOR
    ][:_SHOWN]
    picked = {int(rows[k]) for k in (*found.rows, *others)}
    for tracklet in decided.rejected | decided.unsure:
        row = passes.row(tracklet)
        if row is not None:
            picked.add(row)
    return np.array(sorted(picked), dtype=np.int64)


def _indoors(scope: Scope, passes: Passes, near: contacts.Near) -> np.ndarray:
    ours = passes.rows(np.unique(near.patient).tolist())
    camera = dict(
        zip(passes.ids[ours].tolist(), passes.camera_no[ours].tolist(), strict=True)
    )
    return np.array(
        [bool(scope.cameras[camera[int(one)]].indoors) for one in near.patient],
        dtype=bool,
    )


def _sightings(
    passes: Passes,
    footage: Footage,
    evidence: Evidence,
    posterior: dict[int, float],
    shown: np.ndarray,
    on_path: np.ndarray,
    seeds: frozenset[int],
    decided: review.Decisions,
) -> pa.Table:
    these = passes.take(shown)
    lon, lat = lonlat((these.first + these.last) / 2)
    stored = listed.of(passes, shown)
    clips = footage.of_parts(stored.part_key)
    states = these.mask_state(np.arange(len(these)))
    chosen = set(on_path.tolist())
    cloth = _clothing(passes, shown, seeds)
    records: list[dict[str, Any]] = []
    for k, row in enumerate(shown):
        tracklet = int(these.ids[k])
        clip = clips[k]
        seed = tracklet in seeds
        told = evidence.of(int(row))
        similarity = 1.0 if seed else float(evidence.similarity[told])
        if np.isnan(similarity) and evidence.kind[told] == "appearance":
            similarity = float(cloth[k])
        records.append(
            {
                "sighting": k,
                "tracklet_id": tracklet,
                "camera_id": stored.camera_id[k],
                "camera_no": int(these.camera_no[k]),
                "start_at": moment(these.start[k]),
                "end_at": moment(these.end[k]),
                "lon": float(lon[k]),
                "lat": float(lat[k]),
                "ground_error_m": float(these.error_m[k]),
                "evidence": "seed" if seed else str(evidence.kind[told]),
                "similarity": None if np.isnan(similarity) else similarity,
                "llr": float(evidence.llr[told]),
                "posterior": posterior.get(int(row), 0.0),
                "on_path": int(row) in chosen,
                "review": decided.state(tracklet),
                "mask_state": str(states[k]),
                "mask_probability": _or_none(stored.mask_probability[k]),
                "footage_id": _name(footage, "footage_id", clip),
                "source": _name(footage, "source", clip),
                "best_at": stored.best_at[k],
            }
        )
    return pa.Table.from_pylist(records, schema=SIGHTING)


def _clothing(passes: Passes, shown: np.ndarray, seeds: frozenset[int]) -> np.ndarray:
    """Best cosine [n] of clothing with a pass pointed at; NaN where none compares."""
    best = np.full(len(shown), np.nan)
    pointed = [row for row in map(passes.row, sorted(seeds)) if row is not None]
    for row in pointed:
        model = passes.model("appearance", row)
        if model is not None:
            mine = passes.embeddings("appearance", np.array([row]), model)[0]
            best = np.fmax(best, passes.embeddings("appearance", shown, model) @ mine)
    return best


def _contacts(
    people: list[contacts.Contact],
    dose: np.ndarray,
    near: contacts.Near,
    mine: Passes,
) -> pa.Table:
    who = [company.relation(person, near, mine) for person in people]
    records = [
        {
            "contact": person.name,
            "tracklet_ids": list(person.tracklets),
            "episodes": len(person.episodes),
            "seconds": float(person.seconds),
            "seconds_24h": float(person.seconds_24h),
            "inferred_seconds": float(person.inferred),
            "least_metres": person.least_metres,
            "class": person.kind,
            "relation": relation,
            "joint_share": share,
            "first_at": moment(min(e.start for e in person.episodes)),
            "last_at": moment(max(e.end for e in person.episodes) - 1),
            "patient_mask": person.patient_mask,
            "contact_mask": person.contact_mask,
            "dose_low": float(low),
            "dose_median": float(middle),
            "dose_high": float(high),
            "reason": person.reason,
        }
        for person, (low, middle, high), (relation, share) in zip(
            people, dose, who, strict=True
        )
    ]
    return pa.Table.from_pylist(records, schema=CONTACT)


def _episodes(
    passes: Passes,
    people: list[contacts.Contact],
    near: contacts.Near,
    number: dict[int, int],
) -> pa.Table:
    theirs = passes.rows(np.unique(near.tracklet).tolist())
    names = listed.cameras(passes, theirs)
    cameras = dict(zip(passes.ids[theirs].tolist(), names, strict=True))
    middle = [
        [near.east_m[episode.rows].mean(), near.north_m[episode.rows].mean()]
        for person in people
        for episode in person.episodes
    ]
    lon, lat = lonlat(np.array(middle).reshape(-1, 2))
    records: list[dict[str, Any]] = []
    for person in people:
        for episode in person.episodes:
            records.append(
                {
                    "contact": person.name,
                    "sighting": number[episode.patient],
                    "tracklet_id": episode.tracklet,
                    "camera_id": cameras[episode.tracklet],
                    "start_at": moment(episode.start),
                    "end_at": moment(episode.end - 1),
                    "seconds": float(episode.seconds),
                    "least_metres": episode.least_metres,
                    "patient_mask": episode.patient_mask,
                    "contact_mask": episode.contact_mask,
                    "lon": float(lon[len(records)]),
                    "lat": float(lat[len(records)]),
                }
            )
    return pa.Table.from_pylist(records, schema=EPISODE)


def _name(footage: Footage, column: str, clip: int | None) -> str | None:
    found = None if clip is None else footage.names[column][clip].as_py()
    return None if found is None else str(found)


def _airspace(
    scope: Scope,
    passes: Passes,
    mine: Passes,
    detections: pa.Table,
    tracks: contacts.Tracks,
    rule: contacts.Rule,
    people: list[contacts.Contact],
    unknowns: exposure.Draws,
) -> pa.Table:
    """Who was indoors with the patient for as long as a close contact, farther away."""
    indoors = [bool(scope.cameras[int(n)].indoors) for n in mine.camera_no]
    inside = mine.take(np.array(indoors, dtype=bool))
    wider = replace(rule, metres=rule.airspace_metres)
    wide = neighbours.near(inside, passes, detections, tracks, wider)
    known = [one for person in people for one in person.tracklets]
    wide = wide.take(
        np.flatnonzero(
            ~np.isin(wide.tracklet, known) & ~np.isin(wide.tracklet, mine.ids)
        )
    )
    who = neighbours.same(passes, mine.ids, wide).group
    others = [
        person
        for person in contacts.contacts(wide, wider, who)
        if person.seconds_24h >= rule.close_seconds
    ]
    within = np.ones(len(wide.second), dtype=bool)
    dose = exposure.of_contacts(others, wide, within, unknowns)
    theirs = passes.rows([p.tracklets[0] for p in others])
    names = listed.cameras(passes, theirs)
    cameras = dict(zip(passes.ids[theirs].tolist(), names, strict=True))
    return company.airspace(others, wide, cameras, dose)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
