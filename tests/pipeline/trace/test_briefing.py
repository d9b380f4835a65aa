"""Nothing that leaves for the shared screen tells of a person."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pipeline.casebook import accounts, audit
from pipeline.errors import NotAuthorisedError
from pipeline.trace import briefing
from tests.dashboard import crowd, installation


def test_a_single_patient_is_never_on_the_map(book):
    crowd.build(book, number=1)
    made = briefing.make("mayor", settings=book)
    assert made.cells == ()  # 36 contacts, but of one case
    assert made.cases is None
    assert (made.contacts, made.close) == (36, 6)


def test_cells_hold_enough_contacts_of_several_cases(book):
    names = crowd.build(book, number=3)
    made = briefing.make("mayor", settings=book)
    assert made.cells
    assert all(cell.contacts >= 5 and cell.contacts % 5 == 0 for cell in made.cells)
    assert {cell.hour for cell in made.cells} >= {None, 14}
    for cell in made.cells:
        assert len(cell.outline) in (5, 6)
        total = next(c for c in made.cells if (c.cell, c.hour) == (cell.cell, None))
        assert cell.contacts <= total.contacts
    text = json.dumps(dataclasses.asdict(made), default=str)
    for never in (*names, "K-0", "BC-", "asker"):
        assert never not in text
    assert made.power["orders approved"] == 3
    assert len(made.places) == 9
    assert made.mismatch == 0.0
    assert made.share_in_time == 0.0  # listed a year ago, nobody reached
    assert audit.entries(book)[-2]["act"] == "aggregate.read"


def test_few_contacts_are_not_told(book):
    crowd.build(book, number=2, contacts=2)
    made = briefing.make("mayor", settings=book)
    assert (made.contacts, made.close, made.share_in_time) == (None, None, None)
    assert made.cells == ()


@pytest.mark.parametrize(
    ("number", "of", "told"),
    [(0, None, 0), (4, None, None), (5, None, 5), (30, 33, None), (30, 30, 30)],
)
def test_what_subtraction_would_tell_is_left_out(number, of, told):
    assert briefing.told(number, of) == told


def test_empty_book_and_roles(book):
    installation.write_registry(book)
    made = briefing.make("mayor", settings=book)
    assert (made.cases, made.contacts, made.cells, made.places) == (0, 0, (), ())
    accounts.first_administrator(book)
    accounts.add("mayor", "briefing", "administrator", settings=book)
    assert briefing.make("mayor", settings=book).cases == 0
    with pytest.raises(NotAuthorisedError):
        briefing.make("administrator", settings=book)
