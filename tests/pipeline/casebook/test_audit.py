from __future__ import annotations

import json
import multiprocessing
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from pipeline.casebook import audit, clock, database, purge, signing
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


class TestRetirement:
    """Old entries go; a beginning cut off by hand is found."""

    @pytest.fixture
    def retired(self, log, later):
        later(timedelta(days=10))
        audit.record(log, "ana", "read", "P-9")
        gone = audit.retire(log, "dora", clock.now() - timedelta(days=5))
        assert gone == 8
        return log

    def test_the_rest_is_sound(self, retired):
        verdict = audit.verify(retired)
        assert verdict.sound
        assert [e["seq"] for e in audit.entries(retired)] == [9, 10]
        assert audit.entries(retired)[-1]["act"] == "audit.retire"
        audit.record(retired, "ana", "read", "P-10")
        assert audit.verify(retired).entries == 11

    def test_nothing_old_is_nothing_done(self, log):
        before = clock.now() - timedelta(days=5)
        assert audit.retire(log, "dora", before) == 0
        assert audit.retire(log, "dora", clock.now(), dry_run=True) == 8
        assert len(audit.entries(log)) == 8

    def test_the_guard_is_back(self, retired):
        for verb in ("UPDATE audit SET actor = 'eve'", "DELETE FROM audit"):
            with (
                pytest.raises(DongseonError, match="append-only"),
                database.writing(retired) as connection,
            ):
                connection.execute(text(verb))

    def test_a_longer_cut_is_found(self, retired):
        tamper(retired, "DELETE FROM audit WHERE seq = 9")
        assert audit.verify(retired).broken == 9

    def test_a_forged_statement_is_found(self, retired):
        entry = audit.entries(retired)[0]
        with database.writing(retired) as connection:
            query = text("SELECT value FROM about WHERE name = 'audit begins after'")
            base = json.loads(connection.execute(query).scalar_one())
        base |= {"seq": entry["seq"], "digest": entry["digest"]}
        tamper(
            retired,
            "DELETE FROM audit WHERE seq = 9",
            f"UPDATE about SET value = '{json.dumps(base)}' "
            "WHERE name = 'audit begins after'",
        )
        verdict = audit.verify(retired)
        assert verdict.broken == 10
        assert "forged" in verdict.fault

    def test_without_the_statement_the_cut_is_found(self, retired):
        tamper(retired, "DELETE FROM about WHERE name = 'audit begins after'")
        assert audit.verify(retired).broken == 1

    def test_bytes_of_retired_entries_are_gone(self, log, later):
        audit.record(log, "ana", "read", "P-1", "a-purpose-to-be-forgotten")
        later(timedelta(days=purge.AUDIT_DAYS + 1))
        items, path = purge.purge(log, "dora")
        assert {i.kind: i.count for i in items}["audit"] == 9
        stored = b"".join(p.read_bytes() for p in log.data_dir.glob("casebook.sqlite*"))
        assert b"a-purpose-to-be-forgotten" not in stored
        assert audit.verify(log).sound
        assert signing.check(path, settings=log)["audit_sound"]


def test_an_exported_log_is_verified_elsewhere(log, tmp_path):
    from pipeline.cli import app, register

    if not app.registered_commands:
        register()
    runner, path = CliRunner(), tmp_path / "audit.jsonl"
    assert runner.invoke(app, ["audit", "export", str(path)]).exit_code == 0
    out = runner.invoke(app, ["audit", "verify", "--file", str(path)])
    assert out.exit_code == 0
    lines = path.read_text().splitlines()
    assert json.loads(lines[-1])["digest"] in out.output
    for broken in (
        [lines[0].replace("ana", "eve"), *lines[1:]],
        [*lines[:3], *lines[4:]],
        [lines[1], lines[0], *lines[2:]],
    ):
        path.write_text("\n".join(broken))
        out = runner.invoke(app, ["audit", "verify", "--file", str(path)])
        assert out.exit_code == 1
        assert "BROKEN" in out.output
    path.write_text("no log")
    with pytest.raises(DongseonError, match="no exported log"):
        audit.verify_file(path)
