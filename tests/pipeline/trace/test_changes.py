from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import changes, tables

START = datetime(2025, 11, 3, 5, tzinfo=UTC)


def sightings(on: set[int], aside: set[int] = frozenset()) -> pa.Table:
    rows = [
        {
            "tracklet_id": number,
            "on_path": number in on,
            "start_at": START + timedelta(seconds=number),
        }
        for number in on | aside
    ]
    return pa.Table.from_pylist(rows, schema=tables.TABLES["sighting"])


def contacts(number: int) -> pa.Table:
    rows = [{"contact": f"K-{index:03d}"} for index in range(number)]
    return pa.Table.from_pylist(rows, schema=tables.TABLES["contact"])


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_what_joined_and_what_left(before: set[int], after: set[int]) -> None:
    found = changes.between(
        sightings(before), sightings(after), contacts(2), contacts(2)
    )
    assert [row["tracklet_id"] for row in found.joined] == sorted(after - before)
    assert [row["tracklet_id"] for row in found.left] == sorted(before - after)
    assert bool(found) == (before != after)


def test_off_the_path_is_not_on_it() -> None:
    found = changes.between(
        sightings({1}, {2}), sightings({2}, {1}), contacts(1), contacts(3)
    )
    assert [row["tracklet_id"] for row in found.joined] == [2]
    assert [row["tracklet_id"] for row in found.left] == [1]
    assert (found.contacts_before, found.contacts_after) == (1, 3)
    same = changes.between(sightings({1}), sightings({1}), contacts(1), contacts(3))
    assert same
