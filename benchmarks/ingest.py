"""Ingest: tracklets published durably in the observation store."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import budgets, machine
from pipeline.simulate import recogniser
from pipeline.simulate.plan import APPEARANCE_WIDTH
from pipeline.store import ids, vectors, writer
from pipeline.store.schema import DETECTION
from pipeline.store.schema import UTC as UTC_TYPE

CAMERAS = 200
MEMORY = Path("/dev/shm")
FACE = ("face_i8", "face_f16")
UNIT_ROWS = 100_000
#: Times that rows are published; the quickest counts. One publication of 200,000 rows
#: takes 0.2 s, in which one slow flush is a fifth.
ROUNDS = 3
#: Rows a second to reach; and, where the disk alone is slower than that, how many
#: times as long as plain bytes and a flush the rows may take.
LEAST_RATE, MOST_TIMES_RAW = 1_000_000, 1.5
HOUR = datetime(2025, 11, 3, tzinfo=UTC)


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Tracklets with faces published by the writer, against raw bytes and fsync.

    Told beside it, on fewer rows: the same without a disk (files in memory), and rows
    of other kinds (no embedding at all; face and clothing, the heaviest there are).
    """
    units = made(rows, seed)
    payload = sum(table.nbytes for _, table in units)
    runs, raws = [], []
    with machine.PeakMemory() as memory:
        for _ in range(ROUNDS):  # in turns, as the disk's rate is not steady
            for name in ("observations", "raw"):
                shutil.rmtree(folder / name, ignore_errors=True)
            runs.append(publish(folder / "observations", units, threads))
            raws.append(raw_seconds(folder / "raw", units))
    (seconds, busy), raw = min(runs), min(raws)
    some = units[: max(1, len(units) // 4)]
    others = {}
    if os.access(MEMORY, os.W_OK):
        with tempfile.TemporaryDirectory(dir=MEMORY) as place:
            others["faces_without_a_disk"] = rate(Path(place), some, threads)
    bare = [(f, t.drop_columns([*FACE, "face_scale"])) for f, t in some]
    others["no_embedding"] = rate(folder / "bare", bare, threads)
    full = [(f, clothed(t)) for f, t in some]
    others["face_and_clothing"] = rate(folder / "full", full, threads)
    return {
        "seconds": seconds,
        "processor_seconds": busy,
        "rows_per_second": rows / seconds,
        "bytes": payload,
        "bytes_per_row": payload / rows,
        "bytes_per_second": payload / seconds,
        "peak_memory_bytes": memory.bytes,
        "baselines_seconds": {"raw_write_fsync": raw},
        "rows_per_second_of_raw_write": rows / raw,
        "times_raw_write": seconds / raw,
        "other_rows": others,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    if rows < UNIT_ROWS:
        return []
    if rows / found["baselines_seconds"]["raw_write_fsync"] > LEAST_RATE:
        rate = found["rows_per_second"]
        return [
            budgets.Budget("tracklets written a second", rate, LEAST_RATE, least=True)
        ]
    # The disk alone takes longer: what counts is that nothing else does.
    times = found["times_raw_write"]
    return [budgets.Budget("times as long as the raw write", times, MOST_TIMES_RAW)]


def made(rows: int, seed: int) -> list[tuple[pa.Table, pa.Table]]:
    """Units of tracklets with faces, ready to publish."""
    return [
        unit(
            min(UNIT_ROWS, rows - start), number, np.random.default_rng([seed, number])
        )
        for number, start in enumerate(range(0, rows, UNIT_ROWS))
    ]


def publish(
    root: Path, units: list[tuple[pa.Table, pa.Table]], threads: int
) -> tuple[float, float]:
    """Publish units; return wall and processor seconds."""
    empty = DETECTION.empty_table()
    begin, busy = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda u: writer.publish(root, u[0], u[1], empty), units))
    return time.perf_counter() - begin, time.process_time() - busy


def rate(
    root: Path, units: list[tuple[pa.Table, pa.Table]], threads: int
) -> dict[str, float]:
    """Publish units; return rows a second and their size."""
    rows = sum(table.num_rows for _, table in units)
    seconds, busy = publish(root, units, threads)
    return {
        "rows": rows,
        "rows_per_second": rows / seconds,
        "rows_per_processor_second": rows / busy,
        "bytes_per_row": sum(table.nbytes for _, table in units) / rows,
    }


def clothed(table: pa.Table) -> pa.Table:
    """Tracklets with an appearance too, as wide as the default model's."""
    rng = np.random.default_rng(table.num_rows)
    looks = rng.normal(size=(table.num_rows, APPEARANCE_WIDTH)).astype(np.float32)
    values, scale = vectors.quantise(looks)
    for name, column in (
        ("appearance_i8", vectors.to_binary(values)),
        ("appearance_scale", pa.array(scale)),
        ("appearance_f16", vectors.to_f16_bytes(looks)),
    ):
        table = table.append_column(name, column)
    return table


def unit(rows: int, number: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """One part of footage a camera, and tracklets with faces, ready to publish."""
    law = recogniser.load()
    faces = law.people(rng, rows) @ law.basis
    i8, scale = vectors.quantise(faces)
    camera = np.sort(rng.integers(0, CAMERAS, rows)).astype(np.uint16)
    start = HOUR.timestamp() + rng.integers(0, 35_000, rows) / 10
    start = start[np.lexsort((start, camera))]
    same = np.zeros(rows, dtype=np.int64)
    same[1:] = (camera[1:] == camera[:-1]) & (start[1:] == start[:-1])
    ends = np.cumsum(same)
    ordinal = ends - np.maximum.accumulate(np.where(same == 0, ends, 0))
    names = [f"bench-{number}-{c}" for c in range(CAMERAS)]
    keys = np.array([writer.part_key(name, 0) for name in names])
    moments = pa.array(np.rint(start * 1e6).astype(np.int64)).cast(UTC_TYPE)
    footage = pa.table(
        {
            "footage_id": names,
            "part": pa.array(np.zeros(CAMERAS, np.int32)),
            "camera_id": [f"BC-{c:05d}" for c in range(CAMERAS)],
            "camera_no": pa.array(np.arange(CAMERAS, dtype=np.uint16)),
            "start_at": pa.array([HOUR] * CAMERAS, UTC_TYPE),
            "end_at": pa.array([HOUR.replace(hour=1)] * CAMERAS, UTC_TYPE),
        }
    )
    tracklets = pa.table(
        {
            "tracklet_id": pa.array(ids.tracklet_ids(camera, start, ordinal)),
            "part_key": pa.array(keys[camera]),
            "camera_id": pa.DictionaryArray.from_arrays(
                pa.array(camera.astype(np.int16)),
                pa.array([f"BC-{c:05d}" for c in range(CAMERAS)]),
            ),
            "camera_no": pa.array(camera),
            "start_at": moments,
            "end_at": moments,
            "face_i8": vectors.to_binary(i8),
            "face_scale": pa.array(scale),
            "face_f16": vectors.to_f16_bytes(faces),
        }
    )
    return footage, tracklets


def raw_seconds(folder: Path, units: list[tuple[pa.Table, pa.Table]]) -> float:
    """Seconds to write the same bytes plainly, each unit flushed to disk."""
    folder.mkdir(parents=True)
    buffers = [
        [b for column in table.columns for c in column.chunks for b in c.buffers() if b]
        for _, table in units
    ]
    begin = time.perf_counter()
    for number, parts in enumerate(buffers):
        with open(folder / f"{number}.bin", "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - begin
