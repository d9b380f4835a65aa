"""Workers as real processes: each job once, ended with its order, begun again."""

# ruff: noqa: F401, F811 (fixtures of other rooms)

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cameras import registry as registries
from pipeline.casebook import audit, clock, database, jobs, orders, purge, signing
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import CHECKOUT, Settings, get_settings
from pipeline.trace import results
from pipeline.worker import Worker
from tests.pipeline.casebook.conftest import later
from tests.pipeline.trace.conftest import World, authorise, world


@pytest.fixture
def first(world: World, tmp_path: Path, monkeypatch) -> Iterator[int]:
    """An installation where somebody passes two cameras, and the first pass."""
    patient, other = world.person(), world.person()
    numbers = [world.camera(400.0 * k, 0) for k in range(2)]
    one = world.stand(patient, numbers[0], 100, 30)
    world.stand(other, numbers[0], 100, 30, offset=(1.0, 0.0))
    world.stand(patient, numbers[1], 700, 30)
    for number in numbers:
        world.film(number, 0, 3600)
    registry = world.publish()
    path = tmp_path / "registry.geojson"
    registries.save(registry.cameras, path)
    monkeypatch.setenv("DONGSEON_REGISTRY", str(path))
    get_settings.cache_clear()
    yield one
    database.dispose(world.settings)


#: A worker whose trace takes its time at every stage.
SLOW = """
import sys, time
from pipeline.settings import get_settings
from pipeline import worker

def slow(job, authorisation, settings, progress):
    def told(stage, share):
        progress(stage, share)
        if stage == "store" or share >= 0.9:
            return
        time.sleep(float(sys.argv[1]))
    return worker._trace(job, authorisation, settings, told)

def say(event, **fields):
    print(event, *(f"{name}={value}" for name, value in fields.items()))

made = worker.Worker(get_settings(), work=slow, daily=False, say=say)
import signal
signal.signal(signal.SIGTERM, lambda *_: made.end())
print(made.run(once=True, poll_s=0.1))
"""


def start(seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(seconds)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], object], seconds: float = 90.0) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.05)


def children(parent: int) -> list[int]:
    """Return the processes that a process has started (Linux)."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    if not listed.exists():
        pytest.skip("this system does not list a process's children")
    return [int(one) for one in listed.read_text().split()]


def ended(process: int) -> bool:
    """Tell whether a process does nothing any more, reaped or not."""
    try:
        about = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return about.rpartition(")")[2].split()[0] in "ZX"


def row(book: Settings, number: int) -> dict:
    from pipeline.casebook import tables

    with database.reading(book) as connection:
        query = tables.jobs.select().where(tables.jobs.c.id == number)
        return dict(connection.execute(query).mappings().one())


def test_a_job_is_traced(first, authorise):
    permit = authorise()
    book = get_settings()
    number = jobs.queue(permit, {"tracklet": first}, settings=book)
    told: list[tuple[str, dict]] = []
    one = Worker(book, name="w1", daily=False, say=lambda *e, **f: told.append((*e, f)))
    tally = one.run(once=True)
    assert tally.done == 1
    assert [event for event, _ in told] == ["job begun", "job done"]
    assert told[1][1]["run"] == results.runs(permit, settings=book)[0]
    assert permit.case not in str(told)
    (job,) = jobs.list_jobs(permit, settings=book)
    assert (job.id, job.state, job.progress, job.attempts) == (number, "done", 100, 1)
    assert results.runs(permit, settings=book) == [job.run]
    found = results.read(permit, "sighting", job.run, settings=book)
    assert found.num_rows >= 2
    acts = [e["act"] for e in audit.entries(book) if e["actor"] == "w1"]
    assert acts == ["job.done"]


def test_jobs_of_one_scope_share_what_is_read(first, authorise, monkeypatch):
    """The worker reads once; each job sees it by its own order, and is recorded."""
    from pipeline.trace import gather, observations

    settings = get_settings()
    permits = [authorise(case=f"P-00{k}") for k in (1, 2)]
    narrow = authorise(start_s=600.0, case="P-003")  # opens after the first pass
    for permit in (*permits, narrow):
        jobs.queue(permit, {"tracklet": first}, settings=settings)
    read = []
    passes = gather.passes
    monkeypatch.setattr(
        gather, "passes", lambda *given: read.append(os.getpid()) or passes(*given)
    )
    worker = Worker(settings, daily=False)
    tally = worker.run(once=True)
    assert (tally.done, tally.failed + tally.stopped) == (2, 1)
    assert read == [os.getpid()] * 2  # once for two orders, once for the narrower
    assert not observations._LAST  # nothing stays in memory when it ends
    found = [
        results.read(permit, "sighting", settings=settings).drop_columns(["posterior"])
        for permit in permits
    ]
    assert found[0].equals(found[1])
    with pytest.raises(DongseonError, match="has no trace yet"):
        results.read(narrow, "sighting", settings=settings)
    acts = [(e["act"], e["subject"]) for e in audit.entries(settings)]
    assert {("search", "P-001"), ("search", "P-002")} <= set(acts)
    assert ("refused", "P-003") in acts


@pytest.mark.parametrize("end", ["revoke", "expire", "cancel"])
def test_a_running_job_ends_with_its_order(first, authorise, end):
    """In a real process: it stops within seconds, and nothing of it is left."""
    until = clock.now() + timedelta(seconds=15) if end == "expire" else None
    permit = authorise(expires_at=until)
    book = get_settings()
    number = jobs.queue(permit, {"tracklet": first}, settings=book)
    process = start(30.0)
    try:
        wait_for(lambda: row(book, number)["stage"] == "read")
        assert row(book, number)["worker"].endswith(f"-{process.pid}")
        if end == "revoke":
            orders.revoke(permit.order_id, "lee", "found", settings=book)
        elif end == "cancel":
            jobs.stop(permit, number, settings=book)
        out, _ = process.communicate(timeout=90)
    finally:
        process.kill()
    assert row(book, number)["state"] == "stopped"
    assert "stopped=1" in out
    assert not list(book.results_dir.rglob("*.parquet"))
    if end != "cancel":
        with pytest.raises(NotAuthorisedError):
            results.read(permit, "sighting", settings=book)
        with pytest.raises(NotAuthorisedError):
            jobs.list_jobs(permit, settings=book)
        with pytest.raises(NotAuthorisedError):
            jobs.queue(permit, {}, settings=book)


def test_an_ended_order_hides_what_was_found(first, authorise):
    permit = authorise()
    book = get_settings()
    jobs.queue(permit, {"tracklet": first}, settings=book)
    Worker(book, daily=False).run(once=True)
    assert results.read(permit, "leg", settings=book).num_rows
    orders.revoke(permit.order_id, "lee", "found", settings=book)
    for act in (
        lambda: results.runs(permit, settings=book),
        lambda: results.read(permit, "leg", settings=book),
        lambda: orders.authorise("P-001", "kim", "test", settings=book),
    ):
        with pytest.raises(NotAuthorisedError):
            act()


def test_several_workers_do_each_job_once(first, authorise):
    permit = authorise()
    book = get_settings()
    numbers = [jobs.queue(permit, {"tracklet": first}, settings=book) for _ in range(6)]
    workers = [start(0.05) for _ in range(3)]
    outs = [one.communicate(timeout=180)[0] for one in workers]
    found = jobs.list_jobs(permit, settings=book)
    assert [one.state for one in found] == ["done"] * 6
    assert sorted(one.id for one in found) == numbers
    assert {one.attempts for one in found} == {1}
    runs = {one.run for one in found}
    assert runs == set(results.runs(permit, settings=book))
    assert len(runs) == 6
    assert (
        sum(line.startswith("job done") for out in outs for line in out.split("\n"))
        == 6
    )
    assert audit.verify(book).sound


def test_a_killed_worker_takes_its_job_along(first, authorise, later):
    """Its process ends with it; another worker begins the job again, once."""
    permit = authorise()
    book = get_settings()
    number = jobs.queue(permit, {"tracklet": first}, settings=book)
    process = start(600.0)
    wait_for(lambda: row(book, number)["stage"] == "read")
    (child,) = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: ended(child))
    assert row(book, number)["state"] == "running"
    assert not list(book.results_dir.rglob("*.parquet"))
    later(jobs.SILENCE * 2)
    assert Worker(book, daily=False).run(once=True).done == 1
    assert row(book, number)["attempts"] == 2
    assert len(results.runs(permit, settings=book)) == 1


def test_a_job_that_breaks_off_is_begun_once_more(first, authorise):
    permit = authorise()
    book = get_settings()
    jobs.queue(permit, {}, settings=book)
    tally = Worker(book, work=_die, daily=False).run(once=True)
    assert (tally.broken_off, tally.failed, tally.done) == (1, 1, 0)
    (job,) = jobs.list_jobs(permit, settings=book)
    assert (job.state, job.attempts) == ("failed", 2)
    assert "-9" in str(job.error)
    assert job.failure.code == "job_broke"
    jobs.queue(permit, {}, settings=book)
    tally = Worker(book, work=_raise, daily=False).run(once=True)
    assert (tally.broken_off, tally.failed) == (1, 1)
    assert "out of memory" in str(jobs.list_jobs(permit, settings=book)[0].error)


def test_a_clear_refusal_is_not_tried_again(first, authorise):
    permit = authorise()
    book = get_settings()
    jobs.queue(permit, {}, settings=book)
    tally = Worker(book, daily=False).run(once=True)
    assert (tally.failed, tally.broken_off) == (1, 0)
    (job,) = jobs.list_jobs(permit, settings=book)
    assert (job.state, job.attempts) == ("failed", 1)
    assert "gallery" in str(job.error)
    assert (job.failure.code, set(job.failure.values)) == ("gallery_empty", {"case"})


def test_a_worker_told_to_end_gives_its_job_back(first, authorise):
    permit = authorise()
    book = get_settings()
    number = jobs.queue(permit, {"tracklet": first}, settings=book)
    process = start(30.0)
    wait_for(lambda: row(book, number)["stage"] == "read")
    process.terminate()
    process.communicate(timeout=90)
    assert process.returncode == 0
    found = row(book, number)
    assert (found["state"], found["attempts"], found["worker"]) == ("queued", 0, None)


def test_a_result_stored_at_the_last_moment_is_dropped(first, authorise):
    permit = authorise()
    book = get_settings()
    number = jobs.queue(permit, {"tracklet": first}, settings=book)
    tally = Worker(book, work=_stop_then_end, daily=False).run(once=True)
    assert tally.stopped == 1
    assert row(book, number)["state"] == "stopped"
    assert results.runs(permit, settings=book) == []


def test_the_daily_purge_runs_once_a_day(first, later):
    book = get_settings()
    one, second = Worker(book, name="w1"), Worker(book, name="w2")
    assert one.run(once=True).purges == 1
    assert second.run(once=True).purges == 0
    (path,) = (book.data_dir / "certificates").glob("*.json")
    assert signing.check(path, settings=book)["by"] == "w1"
    # The footage of 2025-11-03 is long over its limit.
    assert not list((book.observations_dir / "tracklet").rglob("*.parquet"))
    later(purge.DAILY + timedelta(minutes=1))
    assert Worker(book).run(once=True).purges == 1


def test_a_failed_purge_is_due_again_in_an_hour(first, later, monkeypatch):
    book = get_settings()

    def fail(*_args):
        raise DongseonError("the disk is full")

    monkeypatch.setattr(purge, "purge_daily", fail)
    told: list[tuple[str, dict]] = []
    failing = Worker(book, say=lambda *event, **f: told.append((*event, f)))
    assert failing.run(once=True).purges == 0
    assert told[0][0] == "purge failed"
    assert "tried again" in told[0][1]["reason"]
    monkeypatch.undo()
    assert Worker(get_settings()).run(once=True).purges == 0


def test_a_worker_rehearses_once_when_nobody_waits(first, authorise):
    said, turns = [], []
    made = Worker(
        get_settings(), daily=False, say=lambda event, **_: said.append(event)
    )

    def rehearsal():
        turns.append(len(turns))
        if made.rehearsal is None:
            threading.Timer(0.5, made.end).start()
        raise MemoryError("no room")

    made.rehearsal = rehearsal
    made.run(poll_s=0.05)
    assert turns == [0]
    assert said == ["rehearsal failed"]  # and the worker went on until told to end
    # Who waits is served first, and has compiled what there is to compile.
    number = jobs.queue(authorise(), {"tracklet": first}, settings=get_settings())
    other = Worker(get_settings(), daily=False, rehearsal=lambda: turns.append(9))
    other.say = lambda event, **_: other.end() if event == "job done" else None
    assert other.run(poll_s=0.05).done == 1
    assert row(get_settings(), number)["state"] == "done"
    assert turns == [0]


def test_the_verbs(first, authorise):
    from pipeline.cli import app, register

    if not app.registered_commands:
        register()
    authorise()
    runner = CliRunner()
    out = runner.invoke(app, ["jobs", "submit", "P-001", "--tracklet", str(first)])
    assert "Job 1 of P-001 waits" in out.output
    runner.invoke(app, ["jobs", "submit", "P-001", "--tracklet", str(first)])
    assert "is stopped" in runner.invoke(app, ["jobs", "cancel", "P-001", "2"]).output
    out = runner.invoke(app, ["worker", "--once", "--no-purge"])
    assert "1 done" in out.output
    listed = runner.invoke(app, ["jobs", "list", "P-001"]).output.splitlines()
    assert [line.split()[1] for line in listed] == ["stopped", "done"]


def _die(job, authorisation, settings, progress):
    progress("read", 0.1)
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(job, authorisation, settings, progress):
    raise MemoryError("out of memory")


def _stop_then_end(job, authorisation, settings, progress):
    from pipeline import worker

    run = worker._trace(job, authorisation, settings, progress)
    jobs.stop(authorisation, job.id, settings=settings)
    return run


def test_faces_of_cases_that_wait_are_looked_for_together(
    first, authorise, monkeypatch
):
    """Two cases over the same window: one look at all faces serves both traces."""
    from pipeline.casebook import galleries
    from pipeline.trace import finding, hits, observations

    book = get_settings()
    permits = [authorise(case=f"P-00{k}") for k in (1, 2)]
    narrow = authorise(start_s=50.0, case="P-003")
    for permit in (*permits, narrow):
        galleries.enrol_tracklet(permit, first, settings=book)
        jobs.queue(permit, {}, settings=book)
    looked: list[tuple[int, int]] = []
    deciding = hits.deciding

    def told(passes, people, *more):
        looked.append((os.getpid(), len(people)))
        return deciding(passes, people, *more)

    foreseen: list[int] = []
    forget = finding.forget_sought

    def forgotten():
        known = [passes.kept("faces", dict) for passes in observations.held()]
        foreseen.append(sum(one.foreseen for all_ in known for one in all_.values()))
        forget()
        assert not any(one.foreseen for all_ in known for one in all_.values())

    monkeypatch.setattr(hits, "deciding", told)
    monkeypatch.setattr(finding, "forget_sought", forgotten)
    assert Worker(book, daily=False).run(once=True).done == 3
    # Here, once for the first two, who seek the same person, and for the third, which
    # has another window.
    assert looked == [(os.getpid(), 1), (os.getpid(), 1)]
    assert foreseen == [1, 1]
    for permit in permits:
        path = results.read(permit, "sighting", settings=book)
        assert path["on_path"].to_pylist().count(True) == 2


def test_memory_is_given_back_to_each_new_process_and_found_again(
    first, authorise, monkeypatch
):
    from pipeline.casebook import galleries
    from pipeline.trace import spare

    book, told = get_settings(), []
    monkeypatch.setattr(spare, "give_back", lambda: told.append("given back"))
    monkeypatch.setattr(spare, "refill", lambda: told.append("found"))
    worker = Worker(book, daily=False, side_by_side=1)
    for permit in (authorise(), authorise(case="P-002")):
        galleries.enrol_tracklet(permit, first, settings=book)
        for _ in range(2):  # the second by the process that is kept
            jobs.queue(permit, {}, settings=book)
    assert worker.run(once=True).done == 4
    assert told == ["given back"] * 2  # nothing is found while it ends
    worker._opened = time.monotonic() - 10
    worker._let_go(20)
    assert told[2:] == []
    worker._let_go(5)  # idle for long enough
    assert told[2:] == ["found"]


def test_a_trace_again_does_not_look_at_all_faces(first, authorise, monkeypatch):
    """The process that is kept for the order found what decides the first time."""
    from pipeline.casebook import galleries
    from pipeline.trace import hits

    book, permit = get_settings(), authorise()
    galleries.enrol_tracklet(permit, first, settings=book)
    looked: list[int] = []
    deciding = hits.deciding

    def told(passes, people, *more):
        looked.append(len(people))
        return deciding(passes, people, *more)

    monkeypatch.setattr(hits, "deciding", told)
    worker = Worker(book, daily=False)

    def idle() -> None:
        """Queue the job a second time, once the first is done; then end."""
        if worker.tally.done == 1:
            jobs.queue(permit, {}, settings=book)
        else:
            worker.end()

    monkeypatch.setattr(worker, "_rehearse", idle)
    jobs.queue(permit, {}, settings=book)
    assert worker.run(poll_s=0.01).done == 2
    assert looked == [1]
