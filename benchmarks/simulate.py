"""Simulate: a city with known truth, written as observations and their truth."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

from benchmarks import budgets, machine
from pipeline.settings import get_settings
from pipeline.simulate import run

HOURS = 2
#: Bytes written at a time by the baseline.
BLOCK = 8 * 2**20


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1, hours: int = HOURS
) -> dict[str, Any]:
    """Hours from the morning on of a city of `rows` residents, against plain bytes."""
    plan = run.make_plan(rows, hours, seed)
    busy = _busy()
    with machine.PeakMemory() as memory:
        done = run.simulate(
            folder / "city", plan, get_settings().registry, threads=threads
        )
    busy = _busy() - busy
    # Of each process's memory, what it shares with the first counts again.
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    most = memory.bytes + child * min(threads, hours)
    raw = raw_seconds(folder / "raw.bin", done.bytes)
    return {
        "seconds": done.seconds,
        "seconds_of_the_hours": done.hours_seconds,
        "processor_seconds": busy,
        "tracklets": done.tracklets,
        "ground_points": done.detections,
        "tracklets_per_second": done.tracklets / done.hours_seconds,
        "ground_points_per_second": done.detections / done.hours_seconds,
        "tracklets_per_processor_second": done.tracklets / busy,
        "bytes": done.bytes,
        "bytes_per_tracklet": done.bytes / max(1, done.tracklets),
        "bytes_per_second": done.bytes / done.hours_seconds,
        "peak_memory_bytes": most,
        "baselines_seconds": {"raw_write_fsync": raw},
        "times_raw_write": done.hours_seconds / raw,
    }


def _busy() -> float:
    """Processor seconds of this process and of those it has ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    # Below this, most of the time goes into reading the network.
    enough = found["tracklets"] >= 200_000
    return [
        budgets.Budget(
            "tracklets written a second",
            found["tracklets_per_second"] if enough else None,
            200_000,
            least=True,
        ),
        budgets.Budget("peak memory, bytes", found["peak_memory_bytes"], 8 * 2**30),
    ]


def raw_seconds(path: Path, size: int) -> float:
    """Seconds to write as many bytes plainly, flushed to disk once."""
    block = os.urandom(BLOCK)
    begin = time.perf_counter()
    with open(path, "wb") as file:
        for start in range(0, size, BLOCK):
            file.write(block[: min(BLOCK, size - start)])
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - begin
