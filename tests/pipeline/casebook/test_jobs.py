from __future__ import annotations

import multiprocessing

import pytest

from pipeline.casebook import cases, database, jobs, orders
from pipeline.errors import DongseonError, NotAuthorisedError


def test_from_queue_to_done(book, authorisation):
    number = jobs.queue(authorisation, {"tracklet": 7}, settings=book)
    job, issued = jobs.claim("w1", settings=book)
    assert (job.id, job.state, job.options) == (number, "running", {"tracklet": 7})
    assert issued == authorisation
    assert jobs.claim("w2", settings=book) is None
    jobs.beat(job, issued, "search", 40, settings=book)
    (seen,) = jobs.list_jobs(authorisation, settings=book)
    assert (seen.stage, seen.progress) == ("search", 40)
    jobs.finish(job, run="r1", settings=book)
    (seen,) = jobs.list_jobs(authorisation, settings=book)
    assert (seen.state, seen.run) == ("done", "r1")
    with pytest.raises(DongseonError, match="no longer"):
        jobs.finish(job, run="r2", settings=book)


def test_revoked_order_stops_the_running_job(book, authorisation):
    jobs.queue(authorisation, {}, settings=book)
    job, issued = jobs.claim("w1", settings=book)
    orders.revoke(issued.order_id, "bora", "found", settings=book)
    with pytest.raises(NotAuthorisedError):
        jobs.beat(job, issued, "search", 40, settings=book)
    with pytest.raises(DongseonError, match="no longer"):
        jobs.finish(job, run="r1", settings=book)
    with pytest.raises(NotAuthorisedError):
        jobs.list_jobs(authorisation, settings=book)


def test_waiting_job_of_an_ended_order_is_never_done(book, authorisation):
    jobs.queue(authorisation, {}, settings=book)
    jobs.queue(authorisation, {}, settings=book)
    orders.revoke(authorisation.order_id, "bora", "found", settings=book)
    assert jobs.claim("w1", settings=book) is None


def test_closed_case_stops_its_jobs(book, authorisation):
    jobs.queue(authorisation, {}, settings=book)
    job, issued = jobs.claim("w1", settings=book)
    cases.close_case(authorisation.case, "ana", settings=book)
    with pytest.raises(DongseonError):
        jobs.beat(job, issued, "search", 40, settings=book)


def test_job_of_a_dead_worker_is_done_by_another(book, authorisation, later):
    jobs.queue(authorisation, {}, settings=book)
    dead, issued = jobs.claim("w1", settings=book)
    later(jobs.SILENCE * 2)
    job, _ = jobs.claim("w2", settings=book)
    assert job.id == dead.id
    with pytest.raises(DongseonError, match="no longer"):
        jobs.beat(dead, issued, "search", 1, settings=book)
    jobs.finish(job, error="the disk is full", settings=book)
    assert jobs.list_jobs(authorisation, settings=book)[0].state == "failed"


def test_stopping(book, authorisation):
    number = jobs.queue(authorisation, {}, settings=book)
    jobs.stop(authorisation, number, settings=book)
    assert jobs.claim("w1", settings=book) is None
    with pytest.raises(DongseonError, match="no waiting or running job"):
        jobs.stop(authorisation, number, settings=book)


def test_every_job_is_taken_once(book, authorisation):
    expected = [jobs.queue(authorisation, {}, settings=book) for _ in range(12)]
    database.dispose(book)
    context = multiprocessing.get_context("fork")
    taken = context.Queue()
    workers = [
        context.Process(target=_claim, args=(book, f"w{n}", taken)) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    numbers = [taken.get(timeout=30) for _ in expected]
    for worker in workers:
        worker.join(30)
    assert sorted(numbers) == expected


def _claim(book, name, taken):
    while (found := jobs.claim(name, settings=book)) is not None:
        taken.put(found[0].id)


def test_a_sign_of_life_of_a_clock_since_set_back_is_none(book, authorisation, later):
    """Its worker died while the clock was ahead; the job waits no day for it."""
    from datetime import timedelta

    number = jobs.queue(authorisation, {}, settings=book)
    later(timedelta(days=1))
    assert jobs.claim("w1", settings=book)[0].id == number
    later(timedelta(0))
    assert jobs.claim("w2", settings=book)[0].id == number


def test_waiting_jobs_are_told_with_their_permissions_and_go_on_waiting(
    book, authorisation
):
    first = jobs.queue(authorisation, {}, settings=book)
    second = jobs.queue(authorisation, {"tracklet": 3}, settings=book)
    found = jobs.waiting(9, settings=book)
    assert [job.id for job, _ in found] == [first, second]
    assert all(permit == authorisation for _, permit in found)
    assert len(jobs.waiting(1, settings=book)) == 1
    assert jobs.claim("w1", settings=book)[0].id == first
    assert [job.id for job, _ in jobs.waiting(9, settings=book)] == [second]
    orders.revoke(authorisation.order_id, "bora", "found", settings=book)
    assert jobs.waiting(9, settings=book) == []
