"""Trace: ten patients of a simulated city, order to stored path and contacts."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import budgets, machine
from pipeline.evaluate import trace as evaluation
from pipeline.evaluate.trace_baselines import Faces
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import get_settings
from pipeline.simulate import run as simulation
from pipeline.trace import assembly
from pipeline.trace import run as tracing
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Scope

PATIENTS, HOURS = 10, 14
#: Tracklets that a resident makes in that time.
TRACKLETS_EACH = 24
#: Tracklets of a city-day, to which the budget belongs.
FULL = 10_000_000
#: Cosine of the baseline, and the seconds of the budget at a city-day.
THRESHOLD, BUDGET_S = 0.6, 10.0


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Ten patients one after the other: photos and a pass pointed at, to results."""
    settings = get_settings().model_copy(update={"threads": threads})
    city = folder / "city"
    residents = max(rows // TRACKLETS_EACH, 200)
    plan = simulation.make_plan(residents, HOURS, seed, patients=200)
    summary = simulation.simulate(city, plan, settings.registry, threads=threads)
    known = Known(city)
    chosen = evaluation.choose(known, PATIENTS, seed)
    photos = evaluation.photographs(city, settings, chosen)
    stages: dict[str, float] = {}
    each, again, plain = [], [], []
    with tempfile.TemporaryDirectory(dir=folder) as home, machine.PeakMemory() as most:
        own = evaluation.installation(Path(home), city, settings)
        orders = [evaluation.order(own, f"B-{k}", city) for k in range(PATIENTS)]
        for order, mine in zip(orders, photos, strict=True):
            begun = time.perf_counter()
            result = tracing.trace(order, settings=own, photos=mine)
            each.append(time.perf_counter() - begun)
            for name, spent in result.stages.items():
                stages[name] = stages.get(name, 0.0) + spent
        for order in orders:
            begun = time.perf_counter()
            tracing.trace(order, settings=own)
            again.append(time.perf_counter() - begun)
        for order, mine in zip(orders, photos, strict=True):
            begun = time.perf_counter()
            faces = Faces.read(Scope(order, own), mine)
            found = faces.passes.take(faces.path(THRESHOLD, True))
            assembly.contacts_of(faces.scope, found, Rule())
            plain.append(time.perf_counter() - begun)
    return {
        "seconds": float(np.sum(each)),
        "budget_seconds_city_day": BUDGET_S,
        "seconds_first": each[0],
        "seconds_each_after": float(np.mean(each[1:])),
        "seconds_retrace": float(np.median(again)),
        "times_faster_than_threshold_greedy_speed": float(np.sum(plain) / np.sum(each)),
        "stages_seconds": stages,
        "baselines_seconds": {"threshold_greedy_speed": float(np.sum(plain))},
        "tracklets": summary.tracklets,
        "detections": summary.detections,
        "patients": PATIENTS,
        "peak_memory_bytes": most.bytes,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    return [
        budgets.seconds("ten traces", found["seconds"], BUDGET_S, rows, FULL),
        budgets.Budget("seconds of a trace again", found["seconds_retrace"], 0.5),
    ]
