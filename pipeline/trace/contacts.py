"""Contacts: who was how near to the patient, how long, with which masks.

Both tracks are interpolated to whole seconds; a second counts as within the rule
when the ground distance at that second is at most the rule's metres. Seconds are
joined to episodes, episodes of one person to a contact, and a contact's seconds
are cumulated over any 24 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.store.schema import MASK_STATES
from pipeline.trace import constants as c
from pipeline.trace.columns import floats, seconds, texts

_UNKNOWN = MASK_STATES.index("unknown")
_TRACKED = ["tracklet_id", "at", "east_cm", "north_cm", "mask_state"]


@dataclass(frozen=True)
class Rule:
    """What counts as a contact; defaults are the guideline's."""

    metres: float = c.CONTACT_METRES
    close_seconds: float = c.CLOSE_SECONDS  #: in any `cumulation_seconds`
    cumulation_seconds: float = c.CUMULATION_SECONDS
    episode_gap_seconds: int = c.EPISODE_GAP_SECONDS
    #: indoors, people this near who are no contacts are listed by themselves
    airspace_metres: float = c.AIRSPACE_METRES


@dataclass(frozen=True)
class Tracks:
    """Passes as points at whole seconds, ordered by pass, then second; p rows."""

    tracklet: np.ndarray  #: int64 [p]
    second: np.ndarray  #: int64 [p], Unix time
    east_m: np.ndarray  #: float64 [p], metres of the local frame
    north_m: np.ndarray  #: float64 [p]
    mask: np.ndarray  #: int8 [p], index into MASK_STATES


@dataclass(frozen=True)
class Near:
    """Seconds at which somebody was within the rule of the patient; s rows."""

    tracklet: np.ndarray  #: int64 [s], of the other person
    patient: np.ndarray  #: int64 [s], tracklet of the patient
    second: np.ndarray  #: int64 [s], Unix time
    metres: np.ndarray  #: float64 [s]
    east_m: np.ndarray  #: float64 [s], half way between the two
    north_m: np.ndarray  #: float64 [s]
    patient_mask: np.ndarray  #: int8 [s]
    contact_mask: np.ndarray  #: int8 [s]
    away_east_m: np.ndarray  #: float64 [s], from the patient to the other
    away_north_m: np.ndarray  #: float64 [s]

    def take(self, rows: np.ndarray) -> Near:
        """Return the given rows."""
        return Near(**{k: getattr(self, k)[rows] for k in self.__dataclass_fields__})


@dataclass(frozen=True)
class Episode:
    """Seconds of one pair of passes, close together in time."""

    tracklet: int  #: of the other person
    patient: int  #: tracklet of the patient
    rows: np.ndarray  #: int64, rows of `Near`
    start: int  #: first second within the rule, Unix time
    end: int  #: one past the last
    seconds: int
    least_metres: float
    patient_mask: str
    contact_mask: str


@dataclass(frozen=True)
class Contact:
    """One person near the patient, over all episodes."""

    name: str  #: pseudonym within the run, K-001 ...
    tracklets: tuple[int, ...]
    episodes: tuple[Episode, ...]
    seconds: int  #: within the rule, all episodes
    seconds_24h: int  #: most in any sliding 24 hours, with those inferred
    inferred: int  #: seconds of one of the two alone, between joint ones
    least_metres: float
    kind: str  #: close or casual
    patient_mask: str
    contact_mask: str
    reason: str
    rows: np.ndarray = field(repr=False, default_factory=lambda: np.empty(0, int))


def interpolate(
    detections: pa.Table, *, largest_gap_s: float = c.INTERPOLATION_GAP_SECONDS
) -> Tracks:
    """Place every pass at the whole seconds between its detections.

    Parameters
    ----------
    detections : columns tracklet_id, at, east_cm, north_cm, mask_state; any order.
        Rows without a ground point are left out.
    largest_gap_s : no point is made up between detections farther apart.

    Returns
    -------
    Tracks, linear in time between the detections around each second; a second
    outside the pass has no point. Masks are those of the nearer detection that
    showed a face, else of the pass's most frequent state.
    """
    keep = ~np.isnan(floats(detections["east_cm"]))
    table = (
        detections.select(_TRACKED)
        .filter(pa.array(keep))
        .sort_by([("tracklet_id", "ascending"), ("at", "ascending")])
    )
    owner = table["tracklet_id"].to_numpy().astype(np.int64)
    at = seconds(table["at"])
    east, north = floats(table["east_cm"]) / 100, floats(table["north_cm"]) / 100
    mask = _filled_masks(owner, _mask_codes(table))
    if not len(owner):
        none = np.empty(0)
        whole = none.astype(np.int64)
        return Tracks(whole, whole, none, none, none.astype(np.int8))
    pair = (owner[1:] == owner[:-1]) & (np.diff(at) <= largest_gap_s)
    # Each pair of neighbours owns the seconds in (at, next at]; a pass's first
    # detection (or first after a gap) owns its own second if it falls on one.
    low = np.where(np.r_[False, pair], np.floor(np.r_[at[0], at[:-1]]) + 1, np.ceil(at))
    count = np.maximum(np.floor(at) - low + 1, 0).astype(np.int64)
    right = np.repeat(np.arange(len(at)), count)
    step = np.arange(len(right)) - np.repeat(np.cumsum(count) - count, count)
    second = low[right] + step
    left = np.where(np.r_[False, pair][right], right - 1, right)
    width = at[right] - at[left]
    share = np.where(width > 0, (second - at[left]) / np.where(width > 0, width, 1), 0)
    nearer = np.where(share < 0.5, left, right)
    return Tracks(
        tracklet=owner[right],
        second=second.astype(np.int64),
        east_m=east[left] + share * (east[right] - east[left]),
        north_m=north[left] + share * (north[right] - north[left]),
        mask=mask[nearer],
    )


def near(patient: Tracks, others: Tracks, rule: Rule | None = None) -> Near:
    """Find the seconds at which others were within the rule of the patient.

    Both belong to one camera (or to cameras with one clock and frame). Ordered by
    the other's tracklet, then second, then the patient's tracklet.
    """
    rule = rule or Rule()
    order = np.argsort(patient.second, kind="stable")
    sorted_seconds = patient.second[order]
    begin = np.searchsorted(sorted_seconds, others.second, side="left")
    finish = np.searchsorted(sorted_seconds, others.second, side="right")
    count = finish - begin
    theirs = np.repeat(np.arange(len(others.second)), count)
    offset = np.arange(len(theirs)) - np.repeat(np.cumsum(count) - count, count)
    ours = order[begin[theirs] + offset]
    apart = patient.tracklet[ours] != others.tracklet[theirs]
    theirs, ours = theirs[apart], ours[apart]
    metres = np.hypot(
        others.east_m[theirs] - patient.east_m[ours],
        others.north_m[theirs] - patient.north_m[ours],
    )
    # Ground points are whole centimetres: exactly 2 m must not fall to rounding.
    kept = metres <= rule.metres + 1e-9
    theirs, ours, metres = theirs[kept], ours[kept], metres[kept]
    order = np.lexsort(
        (patient.tracklet[ours], others.second[theirs], others.tracklet[theirs])
    )
    theirs, ours, metres = theirs[order], ours[order], metres[order]
    return Near(
        tracklet=others.tracklet[theirs],
        patient=patient.tracklet[ours],
        second=others.second[theirs],
        metres=metres,
        east_m=(others.east_m[theirs] + patient.east_m[ours]) / 2,
        north_m=(others.north_m[theirs] + patient.north_m[ours]) / 2,
        patient_mask=patient.mask[ours],
        contact_mask=others.mask[theirs],
        away_east_m=others.east_m[theirs] - patient.east_m[ours],
        away_north_m=others.north_m[theirs] - patient.north_m[ours],
    )


def episodes(found: Near, rule: Rule | None = None) -> list[Episode]:
    """Join the seconds of each pair of passes; order of start, then tracklet."""
    rule = rule or Rule()
    if not len(found.second):
        return []
    order = np.lexsort((found.second, found.patient, found.tracklet))
    same = (np.diff(found.tracklet[order]) == 0) & (np.diff(found.patient[order]) == 0)
    gap = np.diff(found.second[order]) - 1
    cut = np.flatnonzero(~(same & (gap <= rule.episode_gap_seconds))) + 1
    result = []
    for rows in np.split(order, cut):
        result.append(
            Episode(
                tracklet=int(found.tracklet[rows[0]]),
                patient=int(found.patient[rows[0]]),
                rows=rows,
                start=int(found.second[rows[0]]),
                end=int(found.second[rows[-1]]) + 1,
                seconds=len(rows),
                least_metres=float(found.metres[rows].min()),
                patient_mask=_prevailing(found.patient_mask[rows]),
                contact_mask=_prevailing(found.contact_mask[rows]),
            )
        )
    return sorted(result, key=lambda e: (e.start, e.tracklet, e.patient))


def contacts(
    found: Near,
    rule: Rule | None = None,
    same_person: dict[int, int] | None = None,
    inferred: dict[int, np.ndarray] | None = None,
) -> list[Contact]:
    """Sum episodes up by person; the longest near first, names K-001 ... by rank.

    Parameters
    ----------
    same_person : tracklet -> any number shared by passes of one person (see
        `linking.same_person`); default: every pass is a person of its own.
    inferred : that number -> Unix seconds of the two together that nobody saw both in
        (`together.inferred`); they count for the 24 hours and are told apart.
    """
    rule = rule or Rule()
    groups: dict[int, list[Episode]] = {}
    for episode in episodes(found, rule):
        who = (same_person or {}).get(episode.tracklet, episode.tracklet)
        groups.setdefault(who, []).append(episode)
    none = np.empty(0, np.int64)
    drafts = [
        _contact(found, group, rule, (inferred or {}).get(who, none))
        for who, group in groups.items()
    ]
    drafts.sort(key=lambda d: (-d.seconds_24h, -d.seconds, d.tracklets))
    return [
        Contact(**{**draft.__dict__, "name": f"K-{rank:03d}"})
        for rank, draft in enumerate(drafts, start=1)
    ]


def most_in_window(second: np.ndarray, span_s: float) -> int:
    """Most seconds (distinct Unix seconds) in any sliding window of `span_s`."""
    moments = np.unique(np.asarray(second))
    if not len(moments):
        return 0
    upto = np.searchsorted(moments, moments + span_s, side="left")
    return int((upto - np.arange(len(moments))).max())


def same_bodies(detections: pa.Table, patient: Sequence[int]) -> set[int]:
    """Tracklets whose boxes lie on the patient's in the same frames.

    A detector that finds one body twice would otherwise make the patient his own
    nearest contact.
    """
    owner = detections["tracklet_id"].to_numpy().astype(np.int64)
    moment = detections["at"].cast(pa.int64()).to_numpy()
    box = np.column_stack([floats(detections[k]) for k in ("x", "y", "w", "h")])
    ours = np.isin(owner, np.asarray(list(patient), dtype=np.int64))
    order = np.argsort(moment[ours], kind="stable")
    known, boxes = moment[ours][order], box[ours][order]
    theirs = np.flatnonzero(~ours)
    if not len(known) or not len(theirs):
        return set()
    at = np.minimum(np.searchsorted(known, moment[theirs]), len(known) - 1)
    hit = known[at] == moment[theirs]
    theirs, at = theirs[hit], at[hit]
    overlap = _iou(box[theirs], boxes[at])
    known = ~np.isnan(overlap)  # simulated passes have no boxes
    overlap, who = overlap[known], owner[theirs][known]
    return {
        int(one)
        for one in np.unique(who)
        if np.median(overlap[who == one]) > c.SAME_BODY_IOU
    }


def _contact(
    found: Near, group: list[Episode], rule: Rule, inferred: np.ndarray
) -> Contact:
    rows = np.concatenate([episode.rows for episode in group])
    moments = found.second[rows]
    total = len(np.unique(moments))
    most = most_in_window(np.r_[moments, inferred], rule.cumulation_seconds)
    least = min(episode.least_metres for episode in group)
    close = most >= rule.close_seconds
    patient_mask = _prevailing(found.patient_mask[rows])
    contact_mask = _prevailing(found.contact_mask[rows])
    return Contact(
        name="",
        tracklets=tuple(sorted({episode.tracklet for episode in group})),
        episodes=tuple(group),
        seconds=total,
        seconds_24h=most,
        inferred=len(inferred),
        least_metres=least,
        kind="close" if close else "casual",
        patient_mask=patient_mask,
        contact_mask=contact_mask,
        reason=_reason(
            total, len(inferred), len(group), least, patient_mask, contact_mask
        ),
        rows=np.sort(rows),
    )


def _reason(
    total: int, inferred: int, count: int, least: float, patient: str, other: str
) -> str:
    length = _length(total)
    if inferred:
        length += f" seen and {_length(inferred)} inferred"
    times = "1 episode" if count == 1 else f"{count} episodes"
    if patient == other:
        masks = {
            "worn": "both masked",
            "none": "both unmasked",
            "incorrect": "both masks worn incorrectly",
            "unknown": "masks unknown",
        }[patient]
    else:
        masks = f"patient's mask {patient}, contact's {other}"
    return f"{length} in {times}, {least:.1f} m at the nearest, {masks}"


def _length(total: int) -> str:
    return f"{total // 60} min {total % 60:02d} s" if total >= 60 else f"{total} s"


def _mask_codes(table: pa.Table) -> np.ndarray:
    states = texts(table["mask_state"])
    known = {state: code for code, state in enumerate(MASK_STATES)}
    return np.array([known.get(state, _UNKNOWN) for state in states], dtype=np.int8)


def _filled_masks(owner: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill unknown moments with the pass's prevailing known state."""
    names, which = np.unique(owner, return_inverse=True)
    known = np.flatnonzero(mask != _UNKNOWN)
    states = len(MASK_STATES)
    count = np.bincount(
        which[known] * states + mask[known], minlength=len(names) * states
    ).reshape(-1, states)
    most = np.where(count.any(axis=1), count.argmax(axis=1), _UNKNOWN)
    return np.where(mask == _UNKNOWN, most[which], mask).astype(np.int8)


def _prevailing(codes: np.ndarray) -> str:
    """The most frequent known state, unknown if none is known."""
    known = codes[codes != _UNKNOWN]
    return MASK_STATES[int(np.bincount(known).argmax())] if len(known) else "unknown"


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    left = np.maximum(a[:, :2], b[:, :2])
    right = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    common = np.clip(right - left, 0, None).prod(axis=1)
    union = a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - common
    return common / np.maximum(union, 1e-9)
