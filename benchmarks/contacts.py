"""Contacts: who was within two metres of ten patients, over all ground points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks import machine
from pipeline.store import layout

PATIENTS, PASSES = 10, 60
SECONDS_OF_PASS = 12
CAMERAS = 10_820
HOURS = 24
HOUR = datetime(2025, 11, 3, tzinfo=UTC)
#: The rule, centimetres.
NEAR_CM = 200

_COLUMNS = "d.tracklet_id, p.patient, count(*) AS seconds"
_NEAR = f"""(d.east_cm - p.east_cm) * (d.east_cm - p.east_cm)
    + (d.north_cm - p.north_cm) * (d.north_cm - p.north_cm) <= {NEAR_CM**2}"""
#: The patients' hours and cameras first, then camera and second of the points left.
OURS = f"""
    SELECT {_COLUMNS} FROM points d JOIN path p
    ON d.camera_no = p.camera_no AND d.second BETWEEN p.second AND p.second
    WHERE {_NEAR} GROUP BY ALL ORDER BY ALL"""
PLAIN = f"""
    SELECT {_COLUMNS} FROM points d JOIN path p
    ON d.camera_no = p.camera_no AND d.second = p.second
    WHERE {_NEAR} GROUP BY ALL ORDER BY ALL"""


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Ten patients' paths joined with all ground points of a day, files to seconds."""
    path = write(folder, rows, seed)
    connection = duckdb.connect(config={"threads": threads})
    connection.register("path", path)
    found = {}
    with machine.PeakMemory() as memory:
        ours, busy, found["ours"] = machine.best_of(
            3, lambda: run(connection, folder, path, OURS, prune=True)
        )
    range_join, _, found["range_join"] = machine.best_of(
        2, lambda: run(connection, folder, path, OURS, prune=False)
    )
    plain, _, found["plain"] = machine.best_of(
        2, lambda: run(connection, folder, path, PLAIN, prune=False)
    )
    same = all(table.equals(found["ours"]) for table in found.values())
    return {
        "seconds": ours,
        "processor_seconds": busy,
        "times_faster_than_plain_join": plain / ours,
        "times_faster_than_range_join": range_join / ours,
        "same_result": same,
        "contacts": found["ours"].num_rows,
        "path_points": path.num_rows,
        "peak_memory_bytes": memory.bytes,
        "baselines_seconds": {"plain_join": plain, "range_join": range_join},
    }


def run(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    path: pa.Table,
    query: str,
    *,
    prune: bool,
) -> pa.Table:
    """Answer the query; with `prune`, from the files and row groups concerned."""
    if prune:
        import pyarrow.dataset as ds

        numbers = np.unique(path["camera_no"].to_numpy())
        files = sorted((folder / "detection").rglob("*.parquet"))
        points = ds.dataset(files).to_table(
            columns=["tracklet_id", "camera_no", "second", "east_cm", "north_cm"],
            filter=ds.field("camera_no").isin(pa.array(numbers)),
        )
        connection.register("points", points)
    else:
        files = str(folder / "detection" / "*" / "*" / "*.parquet")
        connection.execute(
            "CREATE OR REPLACE TEMP VIEW points_of_files AS SELECT * FROM "
            f"read_parquet('{files}')"
        )
        query = query.replace("points d", "points_of_files d")
    return connection.sql(query).to_arrow_table()


def write(folder: Path, rows: int, seed: int) -> pa.Table:
    """Write hourly segments of ground points; return the patients' path.

    Patients pass cameras near each other, as people on one day do.
    """
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(PATIENTS), PASSES)
    home = rng.integers(100, CAMERAS - 100, PATIENTS)
    camera = np.repeat(home, PASSES) + rng.integers(-40, 40, len(patient))
    start = int(HOUR.timestamp()) + rng.integers(0, HOURS * 3600 - 60, len(patient))
    step = np.arange(SECONDS_OF_PASS)
    per_hour = np.diff(np.linspace(0, rows, HOURS + 1).astype(np.int64))
    first = 0
    for hour, count in enumerate(per_hour):
        passes = int(count) // SECONDS_OF_PASS + 1
        cameras = rng.integers(0, CAMERAS, passes).astype(np.uint16)
        begin = int(HOUR.timestamp()) + hour * 3600 + rng.integers(0, 3580, passes)
        second = (begin[:, None] + step).ravel()[:count]
        owner = np.repeat(np.arange(passes), SECONDS_OF_PASS)[:count]
        place = rng.integers(0, 1500, (2, passes))[:, owner]
        move = rng.integers(-120, 121, (2, passes))[:, owner]
        within = np.tile(step, passes)[:count]
        order = np.lexsort((second, cameras[owner]))
        table = pa.table(
            {
                "tracklet_id": (owner + first)[order],
                "camera_no": cameras[owner][order],
                "second": second[order].astype(np.int32),
                "east_cm": (place[0] + move[0] * within)[order].astype(np.int32),
                "north_cm": (place[1] + move[1] * within)[order].astype(np.int32),
            }
        )
        first += passes
        moment = HOUR + timedelta(hours=hour)
        layout.write(
            layout.segment(folder, "detection", moment, hour), table, "detection"
        )
    return pa.table(
        {
            "patient": np.repeat(patient, SECONDS_OF_PASS).astype(np.int32),
            "camera_no": np.repeat(camera, SECONDS_OF_PASS).astype(np.uint16),
            "second": (start[:, None] + step).ravel().astype(np.int32),
            "east_cm": np.repeat(
                rng.integers(0, 1500, len(patient)), SECONDS_OF_PASS
            ).astype(np.int32),
            "north_cm": np.repeat(
                rng.integers(0, 1500, len(patient)), SECONDS_OF_PASS
            ).astype(np.int32),
        }
    )
