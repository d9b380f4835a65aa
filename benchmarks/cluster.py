"""Cluster: a city simulated by one process, and by Ray with one and two workers."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import budgets
from pipeline.cluster import engine as engines
from pipeline.cluster import simulate as cluster
from pipeline.settings import Settings, get_settings
from pipeline.simulate import run
from pipeline.simulate.plan import Plan
from pipeline.store import reader

HOURS = 12
ROUNDS = 2
#: Written by the act of publishing, whoever publishes.
VOLATILE = {"unit", "generation", "analysed_at", "seconds"}
#: Two workers on two idle cores, against one.
LEAST_SPEED_UP = 1.5


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Twelve hours of `rows` residents; what every worker does once is apart.

    That is Ray's own start, the imports, and the drawing of people and network, which
    the baseline does before its clock too.
    """
    registry = get_settings().registry
    plan = run.make_plan(rows, HOURS, seed)
    done = run.simulate(folder / "local", plan, registry, threads=1)
    counted = replace(plan, cameras=done.cameras)
    expected = digest(folder / "local", registry)
    out = folder / "ray"
    runs: dict[int, list[float]] = {w: [] for w in range(1, threads + 1)}
    same: dict[int, bool] = dict.fromkeys(runs, True)
    begin = time.perf_counter()
    with engines.connected(None, threads) as engine:
        ray = sys.modules["ray"]
        # One task a worker, long enough that each takes one.
        list(engine.run(ready, [(out, counted, registry)] * threads))
        set_up = time.perf_counter() - begin
        for workers in [*runs] * ROUNDS:  # in turns: the machine's load drifts
            found = cluster.simulate(
                out, plan, registry, engine=engines.Engine(ray, workers)
            )
            runs[workers].append(found.hours_seconds)
            same[workers] &= digest(out, registry) == expected
            shutil.rmtree(out)
    least = {workers: min(times) for workers, times in runs.items()}
    return {
        "tracklets": done.tracklets,
        "ground_points": done.detections,
        "baselines_seconds": {"one_process_one_thread": done.hours_seconds},
        "set_up_seconds": set_up,
        "seconds": runs,
        "same_rows": same,
        "speed_up": {w: least[1] / s for w, s in least.items()},
        "tracklets_per_second": {w: done.tracklets / s for w, s in least.items()},
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    same = all(found["same_rows"].values())
    checks = [budgets.Budget("same rows as one process", float(same), 1, least=True)]
    if found["tracklets"] >= 200_000 and 2 in found["speed_up"]:
        speed_up = found["speed_up"][2]
        checks.append(
            budgets.Budget("speed-up by two", speed_up, LEAST_SPEED_UP, least=True)
        )
    return checks


def ready(city: tuple[Path, Plan, Path]) -> None:
    """Do in a worker what its first hour would do first."""
    run.drawn(*city)
    time.sleep(1.0)  # long enough that each worker takes one


def digest(folder: Path, registry: Path) -> str:
    """A digest of every stored row, without what differs from run to run."""
    settings = Settings(data_dir=folder, registry=registry)  # type: ignore[call-arg]
    total = hashlib.sha256()
    for read in (reader.footage, reader.tracklets, reader.detections):
        table = read(settings)
        kept = [n for n in table.column_names if n not in VOLATILE]
        order = [n for n in ("part_key", "tracklet_id", "at") if n in kept]
        table = table.select(kept).sort_by([(n, "ascending") for n in order])
        total.update(json.dumps(kept).encode())
        for column in table.columns:
            total.update(_bytes(column))
    return total.hexdigest()


def _bytes(column: pa.ChunkedArray) -> bytes:
    """A column's values, however they lie in memory."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    sink = pa.BufferOutputStream()
    table = pa.table({"values": column.combine_chunks()})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()
