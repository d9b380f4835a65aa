"""Trace: ten patients of a simulated city, order to stored path and contacts.

The city is simulated with its truth and compacted nowhere: the trace reads what the
simulation published. Another city, made before by `dongseon simulate`, can be given.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import budgets, machine
from pipeline.casebook import reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.evaluate import trace as evaluation
from pipeline.evaluate.trace_baselines import Faces
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings, get_settings
from pipeline.simulate import run as simulation
from pipeline.trace import assembly, observations
from pipeline.trace import run as tracing
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Scope

PATIENTS, HOURS = 10, 24
#: Tracklets that a resident makes in that time.
TRACKLETS_EACH = 22.6
#: Tracklets of a city-day, to which the budget belongs.
FULL = 10_000_000
#: Cosine of the baseline, and the seconds of the budgets.
THRESHOLD, BUDGET_S, RETRACE_S = 0.6, 10.0, 0.5
MEMORY = 8 * 2**30


def measure(
    folder: Path,
    *,
    rows: int,
    threads: int = 2,
    seed: int = 1,
    city: Path | None = None,
) -> dict[str, Any]:
    """Ten patients one after the other: photos and an order, to results.

    Parameters
    ----------
    rows : tracklets of the city to simulate, about.
    city : a simulated city to trace in instead.
    """
    settings = get_settings().model_copy(update={"threads": threads})
    made, spent = city or folder / "city", None
    if city is None:
        residents = max(round(rows / TRACKLETS_EACH), 200)
        plan = simulation.make_plan(residents, HOURS, seed, patients=200)
        begun = time.perf_counter()
        simulation.simulate(made, plan, settings.registry, threads=threads)
        spent = time.perf_counter() - begun
    known = Known(made)
    chosen = evaluation.choose(known, PATIENTS, seed)
    photos = evaluation.photographs(made, settings, chosen)
    with tempfile.TemporaryDirectory(dir=folder) as home:
        own = evaluation.installation(Path(home), made, settings)
        orders = [evaluation.order(own, f"B-{k}", made) for k in range(PATIENTS)]
        observations.forget()
        with machine.PeakMemory() as most:
            each, busy, found = _traced(orders, photos, own)
            again, busy_again = _retraced(orders, found, own)
        plain = _plain(orders, photos, own)
        searched = found[0].tracklets_searched
    stages: dict[str, float] = {}
    for result in found:
        for name, took in result.stages.items():
            stages[name] = stages.get(name, 0.0) + took
    truth = json.loads((made / "truth" / "plan.json").read_text())
    return {
        "seconds": float(np.sum(each)),
        "budget_seconds_city_day": BUDGET_S,
        "seconds_first": each[0],
        "seconds_each_after": float(np.mean(each[1:])),
        "processor_seconds": float(np.sum(busy)),
        "processor_seconds_first": busy[0],
        "processor_seconds_each_after": float(np.mean(busy[1:])),
        "retrace_processor_seconds": float(np.median(busy_again)),
        "retrace_seconds": float(np.median(again)),
        "retrace_seconds_worst": float(np.max(again)),
        "times_faster_than_threshold_greedy_speed": float(np.sum(plain) / np.sum(each)),
        "stages_seconds": stages,
        "baselines_seconds": {"threshold_greedy_speed": float(np.sum(plain))},
        "tracklets": searched,
        "hours": truth["hours"],
        "residents": truth["residents"],
        "patients": PATIENTS,
        "sightings_on_path": [
            int(np.sum(r.sightings["on_path"].to_numpy(zero_copy_only=False)))
            for r in found
        ],
        "contacts": [r.contacts.num_rows for r in found],
        "seconds_to_simulate": spent,
        "peak_memory_bytes": most.bytes,
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * 1024,
        "note": "memory is anonymous; resident counts the mapped files as well",
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    return [
        # What follows walks and meets contacts does not shrink with the city: a smaller
        # one is held to the same seconds.
        budgets.Budget(
            "ten traces, seconds",
            found["seconds"],
            BUDGET_S * max(1.0, found["tracklets"] / FULL),
        ),
        budgets.Budget(
            "a trace again after a verdict, seconds",
            found["retrace_seconds"],
            RETRACE_S,
        ),
        budgets.Budget("peak memory, bytes", found["peak_memory_bytes"], MEMORY),
    ]


def _traced(
    orders: list[Authorisation], photos: list[Any], settings: Settings
) -> tuple[list[float], list[float], list[tracing.TraceResult]]:
    """Wall and processor seconds of each trace, and what it found."""
    each, busy, found = [], [], []
    for order, mine in zip(orders, photos, strict=True):
        begun, at_work = time.perf_counter(), time.process_time()
        found.append(tracing.trace(order, settings=settings, photos=mine))
        each.append(time.perf_counter() - begun)
        busy.append(time.process_time() - at_work)
    return each, busy, found


def _retraced(
    orders: list[Authorisation], found: list[tracing.TraceResult], settings: Settings
) -> tuple[list[float], list[float]]:
    """Wall and processor seconds of each trace again, after a verdict.

    A reviewer rejected its likeliest sighting.
    """
    again, busy = [], []
    for order, result in zip(orders, found, strict=True):
        rows = sorted(result.sightings.to_pylist(), key=lambda row: -row["posterior"])
        if rows:
            reviews.review(order, rows[0]["tracklet_id"], "reject", settings=settings)
        begun, at_work = time.perf_counter(), time.process_time()
        tracing.trace(order, settings=settings)
        again.append(time.perf_counter() - begun)
        busy.append(time.process_time() - at_work)
    return again, busy


def _plain(
    orders: list[Authorisation], photos: list[Any], settings: Settings
) -> list[float]:
    """Seconds of the baseline: faces above a threshold, what is too fast left out."""
    plain = []
    for order, mine in zip(orders, photos, strict=True):
        begun = time.perf_counter()
        faces = Faces.read(Scope(order, settings), mine)
        found = faces.passes.take(faces.path(THRESHOLD, True))
        assembly.contacts_of(faces.scope, found, Rule())
        plain.append(time.perf_counter() - begun)
    return plain
