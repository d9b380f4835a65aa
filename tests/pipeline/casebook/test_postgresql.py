"""The casebook on PostgreSQL, on loopback, where a server is installed."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from pipeline.casebook import (
    accounts,
    audit,
    cases,
    clock,
    database,
    followups,
    galleries,
    jobs,
    orders,
    purge,
    reviews,
    rotation,
    sessions,
    tables,
)
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings, get_settings
from tests.pipeline.casebook.conftest import open_case, request


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a throw-away server that listens on loopback only."""
    pytest.importorskip("psycopg", reason="psycopg (extra postgres) is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (apt install postgresql)")
    owner = _unprivileged()
    if owner is None:
        pytest.skip("PostgreSQL refuses to run as root and there is no user for it")
    folder = Path(tempfile.mkdtemp(prefix="dongseon-pg-", dir="/tmp"))
    shutil.chown(folder, owner)
    data = folder / "data"

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *words],
            user=owner if os.geteuid() == 0 else None,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run("initdb", "-U", "dongseon", "-A", "trust", "-E", "UTF8", "-N")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://dongseon@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@pytest.fixture
def book(settings, server, monkeypatch, request) -> Iterator[Settings]:
    """An empty casebook in a database of its own."""
    name = f"d{abs(hash(request.node.nodeid)):x}"[:20]
    admin = create_engine(
        server.replace("postgresql", "postgresql+psycopg") + "/postgres",
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    monkeypatch.setenv("DONGSEON_CASEBOOK_URL", f"{server}/{name}")
    get_settings.cache_clear()
    book = get_settings()
    yield book
    database.dispose(book)


def test_migrations_make_the_declared_tables(book):
    with database.reading(book) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_from_case_to_confirmed_sighting_to_closing(book, authorisation):
    assert orders.still_valid(authorisation, book)
    galleries.enrol_tracklet(authorisation, 2**52 + 1, settings=book)
    found = galleries.templates(authorisation, settings=book)
    assert [one.tracklet_id for one in found] == [2**52 + 1]
    second = orders.authorise("P-TEST", "bora", "review", settings=book)
    reviews.review(authorisation, 7, "accept", settings=book)
    assert reviews.review(second, 7, "accept", settings=book) == "confirmed"
    assert cases.close_case("P-TEST", "ana", settings=book) == 1
    assert not orders.still_valid(authorisation, book)
    assert audit.verify(book).sound


def test_two_person_rule_also_in_the_database(book, case):
    order = request(book, case)
    with pytest.raises(NotAuthorisedError):
        orders.approve(order.id, "ana", settings=book)
    statement = "UPDATE orders SET state = 'approved', decided_by = 'ana'"
    with (
        pytest.raises(DongseonError, match="breaks a rule"),
        database.writing(book) as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "TRUNCATE audit"],
)
def test_audit_log_refuses_change(book, case, statement):
    with (
        pytest.raises(DongseonError, match="append-only"),
        database.writing(book) as connection,
    ):
        connection.execute(text(statement))
    with database.writing(book) as connection:
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_no_change"))
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = 1"))
    assert audit.verify(book).broken == 1


def test_old_entries_retire_and_the_guard_is_back(book, case):
    entries = len(audit.entries(book))
    assert audit.retire(book, "dora", clock.now()) == entries
    assert audit.verify(book).sound
    with (
        pytest.raises(DongseonError, match="append-only"),
        database.writing(book) as connection,
    ):
        connection.execute(text("DELETE FROM audit"))


def test_jobs_disclosure_rotation_and_purge(book, authorisation):
    jobs.queue(authorisation, {"tracklet": 7}, settings=book)
    job, issued = jobs.claim("w1", settings=book)
    assert jobs.claim("w2", settings=book) is None
    jobs.beat(job, issued, "search", 50, settings=book)
    jobs.finish(job, run="r1", settings=book)
    followups.enter(
        authorisation, "K-001", "to_notify", tracklets=[1], met_at=[], settings=book
    )
    assert rotation.rotate(book, "dora") == 1
    cases.close_case("P-TEST", "ana", settings=book)
    purge.purge_everything(book, "dora")
    assert cases.list_cases("ana", settings=book) == []
    assert audit.verify(book).sound


def test_accounts(book):
    name, once = accounts.first_administrator(book)
    accounts.change_password(name, once, "correct horse battery", settings=book)
    token = accounts.log_in(name, "correct horse battery", settings=book)
    assert sessions.whose(token, settings=book) == name
    with pytest.raises(NotAuthorisedError):
        open_case(book, "P-NO")


def test_several_processes_write_one_chain(book):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 3
    verdict = audit.verify(book)
    assert verdict.sound
    assert verdict.entries == 30


def _write(number: int) -> None:
    for turn in range(10):
        audit.record(get_settings(), f"user {number}", "read", f"turn {turn}")
