from __future__ import annotations

import multiprocessing
from itertools import pairwise

import pytest
from sqlalchemy import text

from pipeline.casebook import audit, database
from pipeline.errors import DongseonError
from pipeline.settings import get_settings


@pytest.fixture
def log(book):
    for number in range(1, 9):
        audit.record(book, "ana", "read", f"P-{number}", "test", {"rows": number})
    return book


def tamper(book, *statements):
    """Change the log as somebody with the file would, past the guards."""
    with database.writing(book) as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        for statement in statements:
            connection.execute(text(statement))


def test_sound_log(log):
    verdict = audit.verify(log)
    assert verdict.sound
    assert verdict.entries == 8
    assert verdict.anchor == audit.entries(log)[-1]["digest"]


def test_empty_log_is_sound(book):
    assert audit.verify(book).sound


@pytest.mark.parametrize(
    "verb", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"]
)
def test_log_refuses_change(log, verb):
    with (
        pytest.raises(DongseonError, match="append-only"),
        database.writing(log) as connection,
    ):
        connection.execute(text(verb))


@pytest.mark.parametrize(
    ("statements", "first_broken", "said"),
    [
        (["UPDATE audit SET actor = 'eve' WHERE seq = 3"], 3, "content was changed"),
        (["UPDATE audit SET at = '2020' WHERE seq = 8"], 8, "content was changed"),
        (["DELETE FROM audit WHERE seq = 4"], 4, "missing"),
        (["DELETE FROM audit WHERE seq = 1"], 1, "missing"),
        (["DELETE FROM audit WHERE seq > 6"], 7, "cut off"),
        (["DELETE FROM audit"], 1, "cut off"),
        (
            [
                "UPDATE audit SET seq = 99 WHERE seq = 2",
                "UPDATE audit SET seq = 2 WHERE seq = 5",
                "UPDATE audit SET seq = 5 WHERE seq = 99",
            ],
            2,
            "does not continue",
        ),
    ],
)
def test_verify_names_the_first_broken_entry(log, statements, first_broken, said):
    tamper(log, *statements)
    verdict = audit.verify(log)
    assert verdict.broken == first_broken
    assert said in verdict.fault


def test_verify_finds_a_chain_computed_anew(log):
    """Whoever recomputes every digest is betrayed by the witness file."""
    rows = audit.entries(log)
    rows[4]["actor"] = "eve"
    changes = []
    for before, row in pairwise(rows[3:]):
        row["previous"] = before["digest"]
        row["digest"] = audit.digest_of(row)
        changes.append(
            f"UPDATE audit SET actor = '{row['actor']}', previous = "
            f"'{row['previous']}', digest = '{row['digest']}' WHERE seq = {row['seq']}"
        )
    tamper(log, *changes)
    verdict = audit.verify(log)
    assert verdict.broken == 5
    assert "witnessed" in verdict.fault


def test_without_witness_the_chain_still_holds(log):
    audit.witness_file(log).unlink()
    tamper(log, "UPDATE audit SET detail = '{}' WHERE seq = 2")
    assert audit.verify(log).broken == 2


def test_several_processes_write_one_chain(book):
    """Also the very first: each may have to make the tables."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    verdict = audit.verify(book)
    assert verdict.sound
    assert verdict.entries == 40


def _write(number: int) -> None:
    for turn in range(10):
        audit.record(get_settings(), f"user {number}", "read", f"turn {turn}")
