"""Trace: ten patients of a simulated city, order to stored path and contacts.

The city is simulated with its truth and compacted nowhere: the trace reads what the
simulation published. Another city, made before by `dongseon simulate`, can be given.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import budgets, machine
from pipeline.casebook import database, galleries, jobs, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.evaluate import trace as evaluation
from pipeline.evaluate.rehearsal import rehearse
from pipeline.evaluate.trace_baselines import Faces
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings, get_settings
from pipeline.simulate import run as simulation
from pipeline.trace import assembly, results
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Scope
from pipeline.worker import Worker

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
    """Ten patients at once: photos and an order each, to results by a worker.

    Parameters
    ----------
    rows : tracklets of the city to simulate, about.
    city : a simulated city to trace in instead.

    Notes
    -----
    The worker has rehearsed, as every one does that nobody waits for: the first trace
    of an installation compiles for some seconds. What that takes is told by itself.
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
    with evaluation.installation(made, settings, folder) as own:
        orders = [evaluation.order(own, f"B-{k}", made) for k in range(PATIENTS)]
        database.dispose(own)  # no connection may cross into a new process
        context = multiprocessing.get_context("fork")
        ready, aside = context.Event(), context.Value("d", 0.0)
        worker = context.Process(target=_work, args=(own, ready, aside))
        spent_before, begun = _processor_seconds(), time.perf_counter()
        with machine.PeakMemory(everybody=True) as most:
            worker.start()
            ready.wait()
            rehearsed = time.perf_counter() - begun
            seconds, done = _traced(orders, photos, own)
            again = _retraced(orders, own)
        worker.terminate()
        worker.join()
        busy = _processor_seconds() - spent_before - aside.value
        plain = _plain(orders, photos, own)
        found = [
            {
                name: results.read(order, name, job.run, settings=own)
                for name in ("run", "sighting", "contact")
            }
            for order, job in zip(orders, done, strict=True)
        ]
    each = [
        (job.finished_at - job.started_at).total_seconds()
        for job in done
        if job.finished_at is not None and job.started_at is not None
    ]
    searched = int(found[0]["run"]["tracklets_searched"][0].as_py())
    truth = json.loads((made / "truth" / "plan.json").read_text())
    return {
        "seconds": seconds,
        "budget_seconds_city_day": BUDGET_S,
        "seconds_of_each": each,
        "rehearsal_seconds": rehearsed,
        "processor_seconds_with_traces_again": busy,
        "retrace_seconds": float(np.median(again)),
        "retrace_seconds_worst": float(np.max(again)),
        "times_faster_than_threshold_greedy_speed": float(np.sum(plain) / seconds),
        "baselines_seconds": {"threshold_greedy_speed": float(np.sum(plain))},
        "tracklets": searched,
        "hours": truth["hours"],
        "residents": truth["residents"],
        "patients": PATIENTS,
        "sightings_on_path": [
            int(np.sum(r["sighting"]["on_path"].to_numpy(zero_copy_only=False)))
            for r in found
        ],
        "contacts": [r["contact"].num_rows for r in found],
        "seconds_to_simulate": spent,
        "peak_memory_bytes": most.bytes,
        "note": "by a worker, from photographs and orders to stored results; memory is "
        "anonymous, of all processes above what it was before the worker began",
    }


def _processor_seconds() -> float:
    """Processor seconds of processes that this one started and waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


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
) -> tuple[float, list[jobs.Job]]:
    """Wall seconds from photographs to results of all, by the worker that runs."""
    begun = time.perf_counter()
    for order, mine in zip(orders, photos, strict=True):
        for photo in mine:
            galleries.enrol_photo(order, photo, settings=settings)
    numbers = [jobs.queue(order, {}, settings=settings) for order in orders]
    done = _ended(orders, numbers, settings, pause_s=0.1)
    return time.perf_counter() - begun, done


def _retraced(orders: list[Authorisation], settings: Settings) -> list[float]:
    """Wall seconds of each trace again, from a verdict to the result.

    A reviewer rejected its likeliest sighting.
    """
    again = []
    for order in orders:
        table = results.read(order, "sighting", settings=settings)
        rows = sorted(table.to_pylist(), key=lambda row: -row["posterior"])
        begun = time.perf_counter()
        if rows:
            reviews.review(order, rows[0]["tracklet_id"], "reject", settings=settings)
        number = jobs.queue(order, {}, settings=settings)
        _ended([order], [number], settings, pause_s=0.02)
        again.append(time.perf_counter() - begun)
    return again


def _ended(
    orders: list[Authorisation],
    numbers: list[int],
    settings: Settings,
    *,
    pause_s: float,
) -> list[jobs.Job]:
    """Wait for jobs, one of each order, and look seldom: looking takes time as well."""
    ended: dict[int, jobs.Job] = {}
    for order, number in zip(orders, numbers, strict=True):
        while number not in ended:
            time.sleep(pause_s)
            for job in jobs.list_jobs(order, settings=settings)[:1]:
                if job.state not in ("queued", "running"):
                    ended[number] = job
    wrong = [job.error for job in ended.values() if job.state != "done"]
    if wrong:
        raise DongseonError(f"A trace of the benchmark failed: {wrong[0]}")
    return [ended[number] for number in numbers]


def _work(settings: Settings, ready: Any, aside: Any) -> None:
    """Run a worker in this process until it is told to end; say when it is ready.

    `aside` gets the processor seconds that it took to be.
    """

    def rehearsal() -> None:
        try:
            rehearse(settings)
        finally:  # traces do without it: nobody may wait for ever
            aside.value = time.process_time()
            ready.set()

    worker = Worker(settings, daily=False, rehearsal=rehearsal)
    signal.signal(signal.SIGTERM, lambda *_: worker.end())
    worker.run()


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
