"""kill -9 of workers in the middle of a trace: each job is done once in the end."""

# ruff: noqa: F401, F811 (fixtures of other rooms)

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cameras import registry as registries
from pipeline.casebook import clock, database, jobs
from pipeline.settings import get_settings
from pipeline.trace import results
from pipeline.worker import Worker
from tests.faults.conftest import kill, start
from tests.faults.table import Row
from tests.pipeline.trace.conftest import World, authorise, world


def test_kill_of_a_worker_in_mid_trace(
    world: World,
    authorise,
    tmp_path: Path,
    row: Row,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = world.person()
    places = [world.camera(400.0 * k, 0) for k in range(2)]
    seed = world.stand(patient, places[0], 100, 30)
    world.stand(patient, places[1], 700, 30)
    for place in places:
        world.film(place, 0, 3600)
    registries.save(world.publish().cameras, tmp_path / "registry.geojson")
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    get_settings.cache_clear()
    settings, permit = get_settings(), authorise()
    chance, begun = random.Random(11), tmp_path / "begun"
    numbers = []
    for _ in range(10):
        job = jobs.queue(permit, {"tracklet": seed}, settings=settings)
        numbers.append(job)
        database.dispose(settings)  # no connection may cross into a new process
        worker = start("work", settings, begun)
        limit = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < limit:
            time.sleep(0.005)
        worker.join(chance.uniform(0, 0.5))
        kill(worker)
        begun.unlink()
        row.tries += 1
    # Their jobs fall silent; another worker takes them.
    moment = datetime.now(UTC) + 2 * jobs.SILENCE
    monkeypatch.setattr(clock, "now", lambda: moment)
    Worker(settings, daily=False).run(once=True)
    found = jobs.list_jobs(permit, settings=settings)
    assert sorted(job.id for job in found) == numbers
    assert any(job.attempts == 2 for job in found)  # the kills hit work
    row.lost += sum(job.state != "done" for job in found)
    runs = results.runs(permit, settings=settings)
    row.lost += len({job.run for job in found} - set(runs))
    row.doubled += len(runs) - len(found)
