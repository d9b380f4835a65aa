"""Contacts: who was within two metres of ten patients, over all ground points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks import budgets, machine
from pipeline.store import layout
from pipeline.store.schema import UTC as UTC_TYPE
from pipeline.trace import contacts

PATIENTS, PASSES = 10, 60
SECONDS_OF_PASS = 12
CAMERAS = 10_820
HOURS = 24
HOUR = datetime(2025, 11, 3, tzinfo=UTC)
#: Ground points of a city-day, for which the budget is given.
FULL = 100_000_000
#: The rule, centimetres.
NEAR_CM = 200
#: Cameras lie this far apart on a line, so that only one camera's points are near.
APART_CM = 10_000
_POINTS = """
    SELECT d.tracklet_id, d.second, d.east_cm, d.north_cm
    FROM read_parquet('{files}') d JOIN moments m
    ON d.camera_no = m.camera_no AND d.second BETWEEN m.second AND m.second"""
_JOIN = """
    SELECT d.tracklet_id, p.tracklet_id AS patient, d.second
    FROM read_parquet('{files}') d JOIN path p ON d.camera_no = p.camera_no AND {time}
    WHERE (d.east_cm - p.east_cm) ** 2 + (d.north_cm - p.north_cm) ** 2 <= {near}
    ORDER BY ALL"""
PLAIN = "d.second = p.second"
RANGE = "d.second BETWEEN p.second AND p.second"


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Ten patients' paths against all ground points of a day, files to seconds."""
    path = write(folder, rows, seed)
    pattern = str(folder / "detection" / "*" / "*" / "*.parquet")
    connection = duckdb.connect(config={"threads": threads})
    connection.register("path", path)
    with machine.PeakMemory() as memory:
        ours, busy, found = machine.best_of(3, lambda: near(connection, pattern, path))
    peers, same = {}, True
    for name, time in (("plain_join", PLAIN), ("range_join", RANGE)):
        query = _JOIN.format(files=pattern, time=time, near=NEAR_CM**2)
        peers[name], _, table = machine.best_of(3, partial(_fetch, connection, query))
        same &= table.equals(found)
    return {
        "seconds": ours,
        "processor_seconds": busy,
        "times_faster_than_plain_join": peers["plain_join"] / ours,
        "times_faster_than_range_join": peers["range_join"] / ours,
        "same_result": same,
        "seconds_in_contact": found.num_rows,
        "path_points": path.num_rows,
        "peak_memory_bytes": memory.bytes,
        "baselines_seconds": peers,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    plain = "times_faster_than_plain_join"
    return [
        budgets.seconds("contacts", found["seconds"], 0.5, rows, FULL),
        budgets.Budget(
            "agreement with the plain join (1 same)",
            float(found["same_result"]),
            1,
            least=True,
        ),
        budgets.ratio("times faster than the plain join", found[plain], 1, rows),
    ]


def near(
    connection: duckdb.DuckDBPyConnection, pattern: str, path: pa.Table
) -> pa.Table:
    """Seconds of contact: points of the path's moments fetched, compared in arrays."""
    moments = path.group_by(["camera_no", "second"]).aggregate([])
    connection.register("moments", moments)
    points = connection.sql(_POINTS.format(files=pattern)).to_arrow_table()
    found = contacts.near(_tracks(path), _tracks(points))
    return pa.table(
        {
            "tracklet_id": found.tracklet,
            "patient": found.patient,
            "second": found.second.astype(np.int32),
        }
    ).sort_by([(c, "ascending") for c in ("tracklet_id", "patient", "second")])


def write(folder: Path, rows: int, seed: int) -> pa.Table:
    """Write hourly segments of ground points; return the patients' path.

    Patients pass cameras near each other, as people on one day do; on half of
    their passes somebody walks a metre beside them.
    """
    rng = np.random.default_rng(seed)
    home = np.repeat(rng.integers(100, CAMERAS - 100, PATIENTS), PASSES)
    camera = home + rng.integers(-40, 40, len(home))
    start = rng.integers(0, HOURS * 3600, len(home)) // 60 * 60
    path = _passes(rng, camera, start)
    company = np.flatnonzero(rng.random(len(home)) < 0.5)
    per_hour = np.diff(np.linspace(0, rows, HOURS + 1).astype(np.int64))
    first = 10**6
    for hour, count in enumerate(per_hour):
        number = int(count) // SECONDS_OF_PASS + 1
        begin = hour * 3600 + rng.integers(0, 3600 - SECONDS_OF_PASS, number)
        points = _passes(rng, rng.integers(0, CAMERAS, number), begin)
        here = company[start[company] // 3600 == hour]
        beside = _beside(path, here)
        columns = {
            name: np.concatenate([points[name][: int(count)], beside[name]])
            for name in points
        }
        columns["tracklet_id"][: int(count)] += first
        first += number
        order = np.lexsort((columns["second"], columns["camera_no"]))
        table = _table({name: column[order] for name, column in columns.items()})
        moment = HOUR + timedelta(hours=hour)
        layout.write(
            layout.segment(folder, "detection", moment, hour), table, "detection"
        )
    return _table(path)


def _passes(
    rng: np.random.Generator, camera: np.ndarray, start: np.ndarray
) -> dict[str, np.ndarray]:
    """Straight walks of `SECONDS_OF_PASS` points each before the cameras."""
    step = np.arange(SECONDS_OF_PASS)
    place = rng.integers(0, 3000, (2, len(camera), 1))
    move = rng.integers(-120, 121, (2, len(camera), 1))
    east, north = place + move * step
    east = east + camera[:, None].astype(np.int64) * APART_CM
    return {
        "tracklet_id": np.repeat(np.arange(len(camera)), SECONDS_OF_PASS),
        "camera_no": np.repeat(camera, SECONDS_OF_PASS).astype(np.uint16),
        "second": (int(HOUR.timestamp()) + start[:, None] + step)
        .ravel()
        .astype(np.int32),
        "east_cm": east.ravel().astype(np.int32),
        "north_cm": north.ravel().astype(np.int32),
    }


def _beside(path: dict[str, np.ndarray], passes: np.ndarray) -> dict[str, np.ndarray]:
    """Points a metre north of some passes of the path, under other ids."""
    step = np.arange(SECONDS_OF_PASS)
    rows = (passes[:, None] * SECONDS_OF_PASS + step).ravel()
    points = {name: column[rows] for name, column in path.items()}
    points["tracklet_id"] = points["tracklet_id"] + 10**5
    points["north_cm"] = points["north_cm"] + np.int32(100)
    return points


def _table(columns: dict[str, np.ndarray]) -> pa.Table:
    at = pa.array(columns["second"].astype(np.int64) * 1_000_000).cast(UTC_TYPE)
    mask = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(at), np.int16)), pa.array(["unknown"])
    )
    return pa.table({**columns, "at": at, "mask_state": mask})


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _tracks(points: pa.Table) -> contacts.Tracks:
    return contacts.Tracks(
        tracklet=points["tracklet_id"].to_numpy(),
        second=points["second"].to_numpy().astype(np.int64),
        east_m=points["east_cm"].to_numpy() / 100,
        north_m=points["north_cm"].to_numpy() / 100,
        mask=np.zeros(points.num_rows, dtype=np.int8),
    )
