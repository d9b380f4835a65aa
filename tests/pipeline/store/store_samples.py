"""Rows for the tests of the store: made up, but whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pipeline.store import ids, vectors

START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)
WIDTH = 192


def unit(
    *,
    camera_no: int = 7,
    start: datetime = START,
    seconds: float = 60.0,
    tracklets: int = 5,
    points: int = 4,
    footage_id: str | None = None,
    part: int = 0,
    seed: int = 0,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return footage (1 row), tracklets and detections (points per tracklet)."""
    rng = np.random.default_rng(seed)
    camera_id = f"BC-{camera_no + 1:05d}"
    end = start + timedelta(seconds=seconds)
    footage = pa.table(
        {
            "footage_id": [footage_id or f"clip-{camera_no}-{start:%Y%m%d%H%M%S}"],
            "part": [part],
            "camera_id": [camera_id],
            "camera_no": [camera_no],
            "start_at": [start],
            "end_at": [end],
            "source": ["clip.avi"],
        }
    )
    begin = start.timestamp() + np.sort(rng.uniform(0, seconds * 0.8, tracklets))
    number = ids.tracklet_ids(
        np.full(tracklets, camera_no), begin, np.arange(tracklets) % 128
    )
    steps = np.linspace(0, seconds * 0.2, points) if points else np.zeros(0)
    times = begin[:, None] + steps[None, :]
    face = rng.normal(size=(tracklets, WIDTH)).astype(np.float32)
    face /= np.linalg.norm(face, axis=1, keepdims=True)
    has_face = np.arange(tracklets) % 3 != 2
    values, scale = vectors.quantise(face)
    east = rng.integers(600_000, 1_400_000, (tracklets, max(points, 1)))
    north = rng.integers(500_000, 1_500_000, (tracklets, max(points, 1)))
    rows = pa.table(
        {
            "tracklet_id": number,
            "camera_id": [camera_id] * tracklets,
            "camera_no": np.full(tracklets, camera_no),
            "start_at": _moments(begin),
            "end_at": _moments(times[:, -1] if points else begin),
            "detections": np.full(tracklets, points),
            "first_east_cm": east[:, 0],
            "first_north_cm": north[:, 0],
            "last_east_cm": east[:, -1],
            "last_north_cm": north[:, -1],
            "ground_error_cm": np.full(tracklets, 40),
            "face_model": pa.array(
                ["mobilefacenet" if has else None for has in has_face], pa.string()
            ),
            "face_i8": vectors.to_binary(values, has_face),
            "face_scale": pa.array(scale, mask=~has_face),
            "face_f16": vectors.to_f16_bytes(face, has_face),
            "mask_state": pa.array(["worn"] * tracklets, pa.string()),
            "mask_probability": np.full(tracklets, 0.9),
        }
    )
    at = times.reshape(-1)
    seen = np.repeat(has_face, points)
    detections = pa.table(
        {
            "tracklet_id": np.repeat(number, points),
            "camera_no": np.full(len(at), camera_no),
            "second": np.floor(at).astype(np.int64),
            "at": _moments(at),
            "east_cm": east.reshape(-1)[: len(at)],
            "north_cm": north.reshape(-1)[: len(at)],
            "face_w": pa.array(np.full(len(at), 30.0), mask=~seen),
            "face_h": pa.array(np.full(len(at), 40.0), mask=~seen),
            "mask_state": pa.array(
                ["worn" if has else None for has in seen], pa.string()
            ),
        }
    )
    return footage, rows, detections


def _moments(seconds: np.ndarray) -> pa.Array:
    micros = np.rint(np.asarray(seconds) * 1e6).astype(np.int64)
    return pa.array(micros).cast(pa.timestamp("us", tz="UTC"))
