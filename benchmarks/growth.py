"""Growth: each measurement at one, two and four times the size."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks import budgets, contacts, ingest, search

SIZES = (1, 2, 4)
#: A straight line takes four times as long for four times the rows; a seventh more
#: is the noise of a machine that others use too.
MOST = 4 * 8 / 7
#: Times below this say nothing about growth, seconds.
LEAST_SECONDS = 0.1
#: Ground points a tracklet.
POINTS = 10


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Search, contacts and ingest at 1x, 2x and 4x the rows."""
    result: dict[str, Any] = {}
    for name, module, unit in (
        ("search", search, 1),
        ("contacts", contacts, POINTS),
        ("ingest", ingest, 1),
    ):
        seconds = []
        for size in SIZES:
            place = folder / f"{name}-{size}"
            found = module.measure(
                place, rows=rows * unit * size, threads=threads, seed=seed
            )
            seconds.append(found["seconds"])
            shutil.rmtree(place)
        result[name] = {
            "rows": [rows * unit * size for size in SIZES],
            "seconds": seconds,
            "four_times_the_rows_take": seconds[-1] / seconds[0],
        }
    # A straight line takes four times as long for four times the rows.
    worst = max(entry["four_times_the_rows_take"] for entry in result.values())
    return {"seconds": sum(sum(e["seconds"]) for e in result.values()),
            "worst_factor_for_4x": worst, **result}  # fmt: skip


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    return [
        budgets.Budget(
            f"{name} at four times the rows, times as long",
            entry["four_times_the_rows_take"]
            if entry["seconds"][0] >= LEAST_SECONDS
            else None,
            MOST,
        )
        for name, entry in found.items()
        if isinstance(entry, dict)
    ]
