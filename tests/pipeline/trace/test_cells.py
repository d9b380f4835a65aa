"""Exposure by cell and hour: of a case under its order, of all without anybody."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest

from pipeline.casebook import accounts, audit, orders
from pipeline.errors import NotAuthorisedError
from pipeline.trace import briefing, cells, results
from pipeline.trace.cells import Cell
from tests.dashboard import crowd, installation


def test_a_case_has_class_and_dose_beside_each_other(book):
    (name,) = crowd.build(book, number=1)
    permit = orders.authorise(name, "asker", "test", settings=book)
    (run,) = results.runs(permit, settings=book)
    found = cells.of_case(permit, run, settings=book)
    assert found.resolution in (9, 10, 11)
    assert len(found.close) == 6
    assert len(found.hours) == 5  # from 14 to 19 in Seoul, the empty ones too
    whole = cells.total(found.cells, found.close)
    assert (len(whole.close), len(whole.casual)) == (6, 30)  # each person once
    episodes = sum(one.seconds for one in found.cells)
    assert whole.seconds == pytest.approx(episodes)
    assert whole.close_seconds < whole.seconds
    low, middle, high = whole.dose
    assert low < middle < high
    assert middle == pytest.approx(whole.seconds / 2_000)


def test_cells_add_up_and_old_results_say_what_they_lack():
    hour = installation.START
    new = Cell("8a", hour, 60.0, 30.0, (0.1, 0.2, 0.4), frozenset({"K-1", "K-2"}))
    later = dataclasses.replace(new, hour=hour + timedelta(hours=1))
    both = cells.total([new, later], frozenset({"K-2"}))
    assert (both.seconds, both.close_seconds) == (120.0, 60.0)
    assert both.dose == pytest.approx((0.2, 0.4, 0.8))
    assert (both.close, both.casual) == (("K-2",), ("K-1",))
    old = dataclasses.replace(new, close_seconds=None, dose=(None, 0.2, None))
    mixed = cells.total([new, old], frozenset())
    assert mixed.close_seconds is None
    assert mixed.dose == (None, 0.4, None)
    assert cells.total([], frozenset()).dose == (0.0, 0.0, 0.0)


def test_all_together_tell_no_more_than_the_shared_screen(book):
    names = crowd.build(book, number=3)
    found = cells.of_all("counter", settings=book)
    told = {
        (one.cell, one.hour): one.contacts
        for one in briefing.make("mayor", settings=book).cells
        if one.hour is not None
    }
    assert {(one.cell, one.hour): one.persons for one in found.shown} == told
    for one in found.shown:
        assert one.persons >= 5
        assert one.persons % 5 == one.minutes % 5 == 0
        assert one.close is None or (one.close % 5 == 0 and one.close <= one.persons)
        assert one.dose[0] <= one.dose[1] <= one.dose[2]
    assert any(one.minutes and one.dose[1] for one in found.shown)
    text = json.dumps(dataclasses.asdict(found), default=str)
    for never in (*names, "K-0", "BC-", "asker"):
        assert never not in text
    acts = [entry["act"] for entry in audit.entries(book)]
    assert acts.count("aggregate.read") == 2


def test_a_single_case_is_withheld_and_roles_hold(book):
    crowd.build(book, number=1)
    found = cells.of_all("counter", settings=book)
    assert found.shown == ()
    assert found.withheld > 0
    assert found.cases is None
    accounts.first_administrator(book)
    accounts.add("mayor", "briefing", accounts.FIRST, settings=book)
    accounts.add("counter", "analyst", accounts.FIRST, settings=book)
    assert cells.of_all("counter", settings=book).withheld > 0
    for other in ("mayor", accounts.FIRST):
        with pytest.raises(NotAuthorisedError):
            cells.of_all(other, settings=book)
