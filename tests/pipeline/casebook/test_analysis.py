"""What analysts learn, and what they must not."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import h3
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pipeline.casebook import (
    accounts,
    analysis,
    audit,
    cases,
    database,
    orders,
    rotation,
    tables,
)
from pipeline.errors import DongseonError, NotAuthorisedError, StoreError
from pipeline.settings import Settings
from pipeline.store import worked_queries
from pipeline.store.query import RefusedQueryError
from pipeline.trace import results
from tests.dashboard import installation
from tests.pipeline.casebook.conftest import open_case, request

CELL = h3.latlng_to_cell(37.4881, 126.7869, 10)


def store_result(book: Settings, case: str, *, cells: list[dict] | None = None) -> int:
    """Store a result under an approved order of the case; return the order's id."""
    order = request(book, case)
    orders.approve(order.id, "bora", settings=book)
    issued = orders.authorise(case, "ana", "test", settings=book)
    made = installation.result_tables(order)
    hour = installation.START
    rows = cells or [
        {"cell": CELL, "resolution": 10, "hour": hour, "contacts": 7},
        {"cell": h3.cell_to_children(CELL)[0], "resolution": 11, "hour": hour,
         "contacts": 6},
        {"cell": h3.grid_ring(CELL, 1)[0], "resolution": 10, "hour": hour,
         "contacts": 4},
    ]  # fmt: skip
    made["exposure"] = pa.Table.from_pylist(
        [{"person_seconds": 600.0, "dose_median": 0.5, **row} for row in rows],
        schema=made["exposure"].schema,
    )
    results.write(issued, made, run=results.new_run(), settings=book)
    return order.id


@pytest.fixture
def result(book: Settings, case: str) -> int:
    """The order of a stored result of `case`."""
    return store_result(book, case)


def ask(book: Settings, sql: str, user: str = "ana", **more) -> list[tuple]:
    return analysis.ask(book, user, sql, purpose="test", **more).rows


def codes(book: Settings) -> set[str]:
    rows = ask(book, "SELECT case_code, contact_code FROM case_contacts")
    return {code for row in rows for code in row}


@pytest.mark.parametrize("worked", worked_queries.WORKED, ids=lambda one: one.question)
def test_worked_queries_pass(book, result, worked):
    assert analysis.ask(book, "ana", worked.sql, purpose="test").columns


def test_no_row_names_a_person_place_or_moment(book, case, result):
    """Nothing by which a row on a person could be joined with the observations."""
    made = analysis.views(book)
    shown = json.dumps([t.to_pylist() for t in made.values()], default=str)
    assert case not in shown
    assert not re.search(r"K-\d|BC-\d|\d{12}", re.sub(r'"cell": "\w+"', "", shown))
    for name in ("case_summary", "case_contacts"):
        words = set(made[name].column_names)
        assert not words & {"lon", "lat", "cell", "camera_id", "tracklet_id", "hour"}
        assert not [field for field in made[name].schema if "timestamp" in str(field)]
    assert made["case_contacts"].num_rows == 12
    assert {row["minutes"] % 5 for row in made["case_contacts"].to_pylist()} == {0}


def test_small_cells_and_other_sizes_are_left_out(book, result):
    rows = ask(book, "SELECT cell, contacts FROM case_exposure")
    assert rows == [(CELL, 7)]


def test_cells_outside_area_or_window_are_left_out(book, case):
    hour = installation.START
    far = h3.latlng_to_cell(35.1, 129.0, 10)
    late = hour + timedelta(days=5)
    store_result(
        book,
        case,
        cells=[
            {"cell": far, "resolution": 10, "hour": hour, "contacts": 9},
            {"cell": CELL, "resolution": 10, "hour": late, "contacts": 9},
        ],
    )
    assert ask(book, "SELECT * FROM case_exposure") == []


def test_codes_differ_between_cases_and_change_with_the_key(book, case, result):
    first = codes(book)
    assert len(first) == 13
    store_result(book, open_case(book, "P-OTHER"))
    both = codes(book)
    assert len(both) == 26
    assert first < both
    rotation.rotate(book, "ana")
    assert not codes(book) & both


@pytest.mark.parametrize("end", ["revoke", "close", "expire"])
def test_an_ended_order_hides_the_case(book, case, result, end, later):
    assert codes(book)
    if end == "revoke":
        orders.revoke(result, "bora", "test", settings=book)
    elif end == "close":
        cases.close_case(case, "ana", settings=book)
    else:
        later(timedelta(days=8))
    assert not codes(book)
    assert ask(book, "SELECT count(*) FROM case_summary") == [(0,)]


def test_queries_are_recorded_before_they_are_answered(book, result):
    sql = "SELECT count(*) FROM tracklets"
    ask(book, sql)
    with pytest.raises(StoreError):
        ask(book, "SELECT nose FROM tracklets")
    with pytest.raises(RefusedQueryError):
        ask(book, "SELECT * FROM read_text('/etc/passwd')")
    with pytest.raises(DongseonError, match="purpose"):
        analysis.ask(book, "ana", sql, purpose=" ")
    found = [e for e in audit.entries(book) if e["subject"] == "views"]
    assert [entry["act"] for entry in found] == ["sql", "sql", "sql", "refused"]
    assert json.loads(found[0]["detail"])["query"] == sql
    assert "passwd" in found[-1]["detail"]
    long = f"SELECT '{'x' * 5000}'"
    ask(book, long)
    assert "query_sha256" in audit.entries(book, last=1)[0]["detail"]


def test_only_analysts_ask(book, result):
    accounts.first_administrator(book)
    for role in ("analyst", "investigator", "approver", "briefing"):
        accounts.add(f"the-{role}", role, accounts.FIRST, settings=book)
    assert ask(book, "SELECT 1", "the-analyst") == [(1,)]
    for user in ("the-investigator", "the-approver", "the-briefing", accounts.FIRST):
        with pytest.raises(NotAuthorisedError):
            ask(book, "SELECT 1", user)
    with pytest.raises(NotAuthorisedError):
        ask(book, "SELECT 1", "nobody")


def test_a_broken_result_leaves_other_questions_alone(book, case, result):
    for path in book.results_dir.rglob("contact.parquet"):
        path.write_bytes(b"torn")
    assert ask(book, "SELECT count(*) FROM tracklets") == [(0,)]
    with pytest.raises(StoreError, match="traced again"):
        ask(book, "SELECT * FROM Case_Contacts")


def test_the_command(book, result):
    from pipeline.cli import app, register

    if not app.registered_commands:
        register()
    runner = CliRunner()
    shown = runner.invoke(app, ["sql", "--examples"])
    assert shown.exit_code == 0
    assert shown.output.count("-- ") >= len(worked_queries.WORKED)
    out = runner.invoke(
        app, ["sql", "SELECT case_code FROM case_summary", "--format", "csv"]
    )
    assert re.fullmatch(r"case_code\nS-\w{8}\n", out.output)
    with database.reading(book) as connection:
        acts = connection.execute(tables.audit.select()).mappings().all()
    assert acts[-1]["act"] == "sql"
