"""Legs: the path as lines in place and time, seen or inferred."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cameras import travel_time
from pipeline.trace import constants as c
from pipeline.trace.columns import lonlat, moment
from pipeline.trace.contacts import Tracks
from pipeline.trace.gaps import Gaps
from pipeline.trace.observations import Passes
from pipeline.trace.streets import Streets
from pipeline.trace.tables import LEG


def legs(
    passes: Passes,
    posterior: np.ndarray,
    link: np.ndarray,
    sightings: np.ndarray,
    tracks: Tracks,
    gaps: Gaps,
    streets: Streets | None = None,
) -> pa.Table:
    """Draw the path: each pass as seen, each gap between two as inferred.

    Parameters
    ----------
    passes : passes on the path in order of time, k rows.
    posterior : float64 [k], of each pass.
    link : float64 [k - 1], probability of each gap (see `path.Path.link`).
    sightings : int [k], number of each pass in the sighting table.
    tracks : the passes' points at whole seconds; a pass without any (no calibration)
        is drawn from its first to its last place.
    gaps : what was to be seen between the passes.
    streets : default: none are known.

    Returns
    -------
    pa.Table (`tables.LEG`), in order of time. An inferred leg takes the shortest way
    by the streets; where none is known its line is straight, and its metres are that
    line's times the detour factor.
    """
    rows: list[dict[str, Any]] = []
    for k in range(len(passes)):
        rows.append(_seen(passes, k, float(posterior[k]), int(sightings[k]), tracks))
        if k + 1 < len(passes):
            pair = (int(sightings[k]), int(sightings[k + 1]))
            leg = _inferred(passes, k, float(link[k]), pair, streets)
            leg["cameras"] = int(gaps.cameras[k])
            leg["miss_probability"] = float(gaps.miss[k])
            rows.append(leg)
    for number, row in enumerate(rows):
        row["leg"] = number
    return pa.Table.from_pylist(rows, schema=LEG)


def mode(speed_m_s: float) -> str:
    """Name the way of moving at a speed: still, walk, cycle or vehicle."""
    for name, limit in c.MODE_LIMITS:
        if speed_m_s <= limit:
            return name
    return "vehicle"


def _seen(
    passes: Passes, k: int, probability: float, sighting: int, tracks: Tracks
) -> dict[str, Any]:
    mine = tracks.tracklet == passes.ids[k]
    second = tracks.second[mine].astype(float)
    places = np.column_stack([tracks.east_m[mine], tracks.north_m[mine]])
    if len(second) < 2:
        second = np.array([passes.start[k], passes.end[k]])
        places = np.stack([passes.first[k], passes.last[k]])
    metres = float(np.hypot(*np.diff(_smoothed(places), axis=0).T).sum())
    span = float(passes.end[k] - passes.start[k])
    return _row(
        sighting,
        sighting,
        "seen",
        (passes.start[k], passes.end[k]),
        metres,
        metres / span if span > 0 else 0.0,
        probability,
        places,
        second,
    )


def _inferred(
    passes: Passes,
    k: int,
    probability: float,
    pair: tuple[int, int],
    streets: Streets | None,
) -> dict[str, Any]:
    places = np.stack([passes.last[k], passes.first[k + 1]])
    leave, arrive = float(passes.end[k]), float(passes.start[k + 1])
    arrive = max(arrive, leave)  # clocks of two cameras may disagree a little
    way = None if streets is None else streets.way(places[0], places[1])
    along = _along(places if way is None else way)
    metres = float(along[-1])
    if way is None:
        metres *= travel_time.DETOUR_FACTOR
    else:
        places = way
    span = arrive - leave
    share = along / along[-1] if along[-1] > 0 else np.linspace(0, 1, len(along))
    return _row(
        *pair,
        "inferred",
        (leave, arrive),
        metres,
        metres / span if span > 0 else 0.0,
        probability,
        places,
        leave + share * span,
    )


def _along(places: np.ndarray) -> np.ndarray:
    """Metres along a line [n, 2] to each of its points."""
    steps = np.hypot(*np.diff(places, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _row(
    one: int,
    other: int,
    kind: str,
    span: tuple[float, float],
    metres: float,
    speed: float,
    probability: float,
    places: np.ndarray,
    second: np.ndarray,
) -> dict[str, Any]:
    lon, lat = lonlat(places)
    return {
        "from_sighting": one,
        "to_sighting": other,
        "kind": kind,
        "start_at": moment(span[0]),
        "end_at": moment(span[1]),
        "metres": metres,
        "speed_m_s": speed,
        "mode": mode(speed),
        "probability": probability,
        "lon": lon.tolist(),
        "lat": lat.tolist(),
        "second": second.tolist(),
    }


def _smoothed(places: np.ndarray) -> np.ndarray:
    """Running mean of three: foot points jitter, and jitter adds up to metres."""
    if len(places) < 4:
        return places
    inner = (places[:-2] + places[1:-1] + places[2:]) / 3
    return np.concatenate([places[:1], inner, places[-1:]])
