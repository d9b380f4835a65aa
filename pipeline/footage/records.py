"""Tracks of one part of footage as rows of the observation store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import pyarrow as pa

from pipeline.store.ids import metric_to_local_cm, tracklet_ids
from pipeline.store.schema import DETECTION, MASK_STATES, TRACKLET
from pipeline.store.vectors import quantise, to_binary, to_f16_bytes
from pipeline.vision.types import NO_FACE, Provenance, Track

#: Ordinals below this are for tracklets of the part in which their tenth of a
#: second began, those above for the part that begins within that tenth.
_SHARED_ORDINAL = 64
_ORDINALS = 128


class Projector(Protocol):
    """Ground projection of one camera, for one picture size."""

    def project(self, foot_px: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels [n, 2] -> (x_m, y_m, error_m), EPSG:5186, NaN where none."""


@dataclass(frozen=True)
class Records:
    """What one part of footage adds to the store."""

    tracklets: pa.Table  #: schema.TRACKLET, unit and part_key left null
    detections: pa.Table  #: schema.DETECTION, the same
    faces: int  #: detections with a face
    masks: dict[str, int]  #: tracklets by mask state


def records(
    tracks: Sequence[Track],
    *,
    clip_start: datetime,
    part_start_s: float,
    camera_id: str,
    camera_no: int,
    projector: Projector | None,
    provenance: Provenance,
) -> Records:
    """Turn tracks into rows: ids, times, ground points, quantised embeddings.

    Parameters
    ----------
    tracks : tracks of one part, boxes in pixels, times in seconds of the clip.
    clip_start : UTC time of the clip's first frame.
    part_start_s : start of the part within the clip, seconds.
    projector : gives ground points in EPSG:5186 metres; None where uncalibrated.
    provenance : names the models that made the embeddings.
    """
    tracks = sorted(tracks, key=lambda t: (t.offsets_s[0], t.boxes[0, 0]))
    count = len(tracks)
    lengths = np.array([len(t.frames) for t in tracks], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)[:count]
    last = first + lengths - 1
    whole = _joined(tracks)
    zero_us = round(clip_start.timestamp() * 1e6)
    at = zero_us + np.rint(whole["offsets_s"] * 1e6).astype(np.int64)
    ids = _ids(at[first], zero_us + round(part_start_s * 1e6), camera_no)
    east, north, error, known = _ground(projector, whole["foot_px"])
    seen = ~np.isnan(whole["face_boxes"][:, 0])

    detections = pa.table(
        _columns(
            DETECTION,
            tracklet_id=np.repeat(ids, lengths),
            camera_no=np.full(len(at), camera_no, np.uint16),
            second=(at // 1_000_000).astype(np.int32),
            at=at,
            frame=whole["frames"],
            **_box(whole["boxes"], ""),
            score=whole["scores"],
            east_cm=_masked(east, known),
            north_cm=_masked(north, known),
            ground_error_cm=_masked(error, known),
            **_box(whole["face_boxes"], "face_"),
            face_score=whole["face_scores"],
            mask_state=_states(whole["mask_states"]),
            mask_probability=whole["mask_probabilities"],
        ),
        schema=DETECTION,
    )

    near, far, middle = _ends(first, lengths, known, error)
    face = _embedding([t.face_embedding for t in tracks])
    appearance = _embedding([t.appearance for t in tracks])
    best = first + np.array([t.best for t in tracks], dtype=np.int64)
    states = np.array([t.mask_state for t in tracks], dtype=np.int8)
    tracklets = pa.table(
        _columns(
            TRACKLET,
            tracklet_id=ids,
            camera_id=[camera_id] * count,
            camera_no=np.full(count, camera_no, np.uint16),
            start_at=at[first],
            end_at=at[last],
            detections=lengths.astype(np.int32),
            first_east_cm=_masked(east[near], known[near]),
            first_north_cm=_masked(north[near], known[near]),
            last_east_cm=_masked(east[far], known[far]),
            last_north_cm=_masked(north[far], known[far]),
            ground_error_cm=_masked(middle, known[near]),
            faces=_sums(seen, first),
            face_model=_model(provenance, "face_embedding", face[3]),
            face_i8=face[0],
            face_scale=face[1],
            face_f16=face[2],
            face_quality=np.array([t.face_quality for t in tracks], np.float32),
            face_width_px=np.array([t.face_width_px for t in tracks], np.float32),
            appearance_model=_model(provenance, "appearance", appearance[3]),
            appearance_i8=appearance[0],
            appearance_scale=appearance[1],
            appearance_f16=appearance[2],
            mask_state=[MASK_STATES[code] for code in states],
            mask_probability=np.array([t.mask_probability for t in tracks], np.float32),
            best_at=at[best],
            **_box(whole["boxes"][best], "best_"),
        ),
        schema=TRACKLET,
    )
    masks = {
        state: int((states == code).sum()) for code, state in enumerate(MASK_STATES)
    }
    return Records(tracklets, detections, int(seen.sum()), masks)


def _joined(tracks: Sequence[Track]) -> dict[str, np.ndarray]:
    """Concatenate the per-detection arrays of all tracks."""
    shapes = {
        "frames": (np.int32, ()),
        "offsets_s": (np.float64, ()),
        "boxes": (np.float32, (4,)),
        "scores": (np.float32, ()),
        "foot_px": (np.float32, (2,)),
        "face_boxes": (np.float32, (4,)),
        "face_scores": (np.float32, ()),
        "mask_states": (np.int8, ()),
        "mask_probabilities": (np.float32, ()),
    }
    return {
        name: np.concatenate(
            [np.zeros((0, *shape), dtype)]
            + [np.asarray(getattr(track, name), dtype) for track in tracks]
        )
        for name, (dtype, shape) in shapes.items()
    }


def _ids(start_us: np.ndarray, part_us: int, camera_no: int) -> np.ndarray:
    """Number tracklets, sorted by start, so that no two of a camera agree.

    A tenth of a second that began before the part did may hold tracklets of the
    part before it: the two take ordinals from different halves. A tenth that is
    full (more than 64 or 128 persons appear at once) lends from the next.
    """
    tenths = np.asarray(start_us) // 100_000
    ordinal = np.zeros(len(tenths), dtype=np.int64)
    first_tenth = part_us // 100_000
    shared = part_us % 100_000 > 0
    current, used = -1, 0
    for index, tenth in enumerate(tenths.tolist()):
        if tenth > current:
            current = tenth
            used = _SHARED_ORDINAL if shared and tenth == first_tenth else 0
        elif used == _limit(current, first_tenth, shared):
            current, used = current + 1, 0
        tenths[index], ordinal[index] = current, used
        used += 1
    number = np.full(len(tenths), camera_no, dtype=np.int64)
    return tracklet_ids(number, tenths / 10, ordinal)


def _limit(tenth: int, first_tenth: int, shared: bool) -> int:
    return _ORDINALS if shared and tenth == first_tenth else _SHARED_ORDINAL


def _ground(
    projector: Projector | None, foot_px: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (east_cm, north_cm, error_cm) int32 and where they are known."""
    count = len(foot_px)
    zero = np.zeros(count, dtype=np.int32)
    if projector is None or count == 0:
        return zero, zero, zero, np.zeros(count, dtype=bool)
    x, y, error = projector.project(foot_px)
    known = np.isfinite(x) & np.isfinite(y)
    east, north = metric_to_local_cm(
        np.where(known, x, 170_000.0), np.where(known, y, 535_000.0)
    )
    centimetres = np.where(known & np.isfinite(error), error * 100, 0)
    return east, north, np.rint(centimetres).astype(np.int32), known


def _ends(
    first: np.ndarray, lengths: np.ndarray, known: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per track the first and last row with a ground point, median error."""
    near, far = first.copy(), first + lengths - 1
    middle = np.zeros(len(first), dtype=np.int32)
    for index, (begin, length) in enumerate(zip(first, lengths, strict=True)):
        rows = begin + np.flatnonzero(known[begin : begin + length])
        if len(rows):
            near[index], far[index] = rows[0], rows[-1]
            middle[index] = round(float(np.median(error[rows])))
    return near, far, middle


def _embedding(
    vectors: list[np.ndarray | None],
) -> tuple[pa.Array, pa.Array, pa.Array, np.ndarray]:
    """Return (int8 rows, scales, float16 rows, where present)."""
    present = np.array([vector is not None for vector in vectors], dtype=bool)
    if not present.any():
        count = len(vectors)
        return (
            pa.nulls(count, pa.binary()),
            pa.nulls(count, pa.float32()),
            pa.nulls(count, pa.binary()),
            present,
        )
    width = next(len(vector) for vector in vectors if vector is not None)
    rows = np.zeros((len(vectors), width), dtype=np.float32)
    for index, vector in enumerate(vectors):
        if vector is not None:
            rows[index] = vector
    values, scale = quantise(rows)
    return (
        to_binary(values, present),
        pa.array(scale, pa.float32(), mask=~present),
        to_f16_bytes(rows, present),
        present,
    )


def _model(provenance: Provenance, role: str, present: np.ndarray) -> list[str | None]:
    name = provenance.models.get(role, {}).get("name", role)
    return [name if has else None for has in present]


def _states(codes: np.ndarray) -> list[str | None]:
    return [None if code == NO_FACE else MASK_STATES[code] for code in codes]


def _sums(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    if not len(first):
        return np.zeros(0, dtype=np.int32)
    return np.add.reduceat(values.astype(np.int32), first).astype(np.int32)


def _box(boxes: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": boxes[:, i] for i, name in enumerate("xywh")}


def _masked(values: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(values, pa.int32(), mask=~known)


def _columns(schema: pa.Schema, **values: object) -> list[pa.Array]:
    """Bring columns to the schema: NaN and absent columns become null."""
    count = len(next(iter(values.values())))  # type: ignore[arg-type]
    columns = []
    for field in schema:
        value = values.get(field.name)
        if value is None:
            columns.append(pa.nulls(count, field.type))
            continue
        if not isinstance(value, pa.Array):
            value = pa.array(value, from_pandas=True)
        if pa.types.is_dictionary(field.type):
            value = value.cast(field.type.value_type).dictionary_encode()
        elif pa.types.is_timestamp(field.type) and value.type == pa.int64():
            value = value.cast(pa.timestamp("us")).cast(field.type)
        columns.append(value.cast(field.type))
    return columns


def moment(zero: datetime, seconds: float) -> datetime:
    """Return the UTC time so many seconds after another, to the microsecond."""
    micros = round(zero.timestamp() * 1e6) + round(seconds * 1e6)
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(
        microsecond=micros % 1_000_000
    )
