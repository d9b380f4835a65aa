"""Killed in mid-act, the casebook reopens clean."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time

from sqlalchemy import func, select, text

from pipeline.casebook import (
    audit,
    cases,
    database,
    orders,
    purge,
    reviews,
    signing,
    tables,
)
from pipeline.settings import Settings
from tests.pipeline.casebook.conftest import request

KILLS = 50


def test_fifty_kills_during_approval_and_review(book, authorisation):
    chance = random.Random(7)
    context = multiprocessing.get_context("fork")
    cut = 0
    for _ in range(KILLS):
        database.dispose(book)  # no connection may cross a fork
        started = context.Event()
        worker = context.Process(target=_work, args=(book, authorisation, started))
        worker.start()
        started.wait(30)
        time.sleep(chance.uniform(0, 0.06))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert worker.exitcode == -signal.SIGKILL
        cut += 1
        _check(book)
    with database.reading(book) as connection:
        done = connection.execute(
            select(func.count()).select_from(tables.reviews)
        ).scalar_one()
    assert cut == KILLS
    assert done > KILLS  # the kills hit work, not idling


def test_kills_during_purge(book, case):
    chance = random.Random(8)
    context = multiprocessing.get_context("fork")
    results = book.data_dir / "results"
    for turn in range(12):
        database.dispose(book)
        _lay(results, turn)
        started = context.Event()
        worker = context.Process(target=_purge, args=(book, results, started))
        worker.start()
        started.wait(10)
        time.sleep(chance.uniform(0, 0.08))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert audit.verify(book).sound
        for certificate in (book.data_dir / "certificates").glob("*.json"):
            signing.check(certificate, settings=book)
    purge.purge(book, "dora")
    assert [path for path in results.rglob("*") if path.is_file()] == []
    assert [one.pseudonym for one in cases.list_cases("ana", settings=book)] == [case]


def _lay(results, turn: int) -> None:
    for number in range(20):
        folder = results / f"case=P-GONE{turn}-{number}" / "run=1"
        folder.mkdir(parents=True)
        (folder / "run.parquet").write_bytes(b"x" * 1000)


def _purge(book: Settings, results, started) -> None:
    turn = 1000
    started.set()
    while True:
        purge.purge(book, "dora")
        turn += 1
        _lay(results, turn)


def _work(book: Settings, authorisation, started) -> None:
    number = 0
    while True:
        order = request(book, authorisation.case)
        orders.approve(order.id, "bora", settings=book)
        for _ in range(3):
            number += 1
            reviews.review(authorisation, number, "accept", settings=book)
        started.set()  # and on: also where the machine is slow, there was work


def _check(book: Settings) -> None:
    with database.reading(book) as connection:

        def acts(act):
            query = select(func.count()).where(tables.audit.c.act == act)
            return connection.execute(query).scalar_one()

        approved = select(func.count()).where(tables.orders.c.state == "approved")
        assert connection.execute(approved).scalar_one() == acts("order.approve")
        reviewed = select(func.count()).select_from(tables.reviews)
        assert connection.execute(reviewed).scalar_one() == acts("review")
        assert connection.execute(text("PRAGMA quick_check")).scalar() == "ok"
    assert audit.verify(book).sound
