"""Hands of a worker: jobs side by side, and one process for the jobs of one order."""

# ruff: noqa: F401, F811 (fixtures of other rooms)

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest

from pipeline.casebook import database, jobs, orders
from pipeline.settings import Settings
from pipeline.worker import Worker
from tests.pipeline.trace.conftest import World, authorise, world


@pytest.fixture
def book(world: World) -> Iterator[Settings]:
    yield world.settings
    database.dispose(world.settings)


def test_jobs_run_side_by_side_each_order_in_a_process_of_its_own(book, authorise):
    permits = [authorise(case=f"P-00{k}") for k in (1, 2)]
    for permit in (*permits, *permits):
        jobs.queue(permit, {}, settings=book)
    both = multiprocessing.get_context("fork").Barrier(2)

    def work(job, authorisation, settings, progress):
        both.wait(60)  # never passed by one alone
        return f"{os.getpid()}"

    worker = Worker(book, work=work, daily=False, side_by_side=2)
    assert worker.run(once=True).done == 4
    one, other = (
        {job.run for job in jobs.list_jobs(permit, settings=book)} for permit in permits
    )
    assert not one & other
    assert not worker._kept
    assert not worker._hands


def test_a_process_is_kept_for_its_order_and_not_beyond(book, authorise):
    permit, other = authorise(), authorise(case="P-002")
    worker = Worker(book, work=lambda *_: f"{os.getpid()}", daily=False)
    for one in (permit, other, permit):
        jobs.queue(one, {}, settings=book)
        assert worker._take(0.0)
        while worker._hands:
            worker._attend(1.0)
    again, first = (job.run for job in jobs.list_jobs(permit, settings=book))
    assert again == first != jobs.list_jobs(other, settings=book)[0].run
    orders.revoke(other.order_id, "lee", "found", settings=book)
    worker._next_check = 0.0
    worker._look_after()
    (kept,) = worker._kept
    orders.revoke(permit.order_id, "lee", "found", settings=book)
    worker._next_check = 0.0
    worker._look_after()
    assert not worker._kept
    assert not kept._process.is_alive()

    def fail(job, authorisation, settings, progress):
        raise MemoryError

    jobs.queue(authorise(case="P-003"), {}, settings=book)
    failing = Worker(book, work=fail, daily=False)
    while not failing.tally.failed:
        failing._take(0.0)
        failing._attend(1.0)
    assert not failing._kept
