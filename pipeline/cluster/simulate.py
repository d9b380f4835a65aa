"""Simulation on Ray: a task for each hour of the city."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.cluster.engine import Engine
from pipeline.simulate import run
from pipeline.simulate.plan import Plan, Summary


@dataclass(frozen=True)
class Hour:
    """What a task simulates."""

    out: Path
    plan: Plan
    registry: Path
    hour: int


def simulate(
    out: Path,
    plan: Plan,
    registry_path: Path,
    *,
    engine: Engine,
    progress: Callable[[str, float], object] | None = None,
) -> Summary:
    """Write a city as `simulate.run.simulate` does, its hours as tasks.

    The rows are the same for any number of workers. Every machine must see `out` and
    the registry at these paths.
    """

    def spread(plan: Plan, hours: list[int]) -> Iterator[dict[str, int]]:
        tasks = [Hour(out, plan, registry_path, hour) for hour in hours]
        for done in engine.run(hour_of_city, tasks):
            if done.error is not None:
                raise done.error
            assert done.value is not None
            yield done.value

    return run.simulate(
        out, plan, registry_path, threads=1, progress=progress, spread=spread
    )


def hour_of_city(hour: Hour) -> dict[str, int]:
    """Simulate and store one hour: the task. Returns its counts."""
    return run.one_hour(hour.out, hour.plan, hour.registry, hour.hour)
