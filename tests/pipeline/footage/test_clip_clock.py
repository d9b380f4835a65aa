from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import FootageError
from pipeline.footage import clock

CAMERA = SimpleNamespace(
    id="BC-00001", clips=({"file": "a.avi", "start": "2025-11-03T14:00:00+09:00"},)
)
FIVE = datetime(2025, 11, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "start", "origin"),
    [
        ("x.avi", "2025-11-03T14:00:00+09:00", "argument"),
        ("x.avi", "2025-11-03T05:00:00Z", "argument"),
        ("BC-00001_20251103T140000+0900.mp4", None, "name"),
        ("BC-00001_20251103T050000Z.mp4", None, "name"),
        ("BC-00001-20251103-140000+09:00.mp4", None, "name"),
        ("a.avi", None, "registry"),
        ("A.AVI", None, "registry"),
    ],
)
def test_where_a_start_comes_from(name: str, start: str | None, origin: str) -> None:
    assert clock.of_clip(Path(name), CAMERA, start) == clock.Clock(FIVE, origin)


def test_the_argument_wins_over_name_and_registry() -> None:
    name = Path("BC-00001_20200101T000000Z.mp4")
    found = clock.of_clip(name, CAMERA, "2025-11-03T05:00:00Z")
    assert found == clock.Clock(FIVE, "argument")


@pytest.mark.parametrize(
    ("name", "start", "says"),
    [
        ("x.avi", None, "no clock"),
        ("x.avi", "2025-11-03T14:00:00", r"write 2025-11-03T14:00:00\+09:00"),
        ("x.avi", "2025-11-03", r"no time zone; write 2025-11-03T00:00:00\+09:00"),
        ("x.avi", "yesterday", "no ISO-8601 time"),
        ("BC-00001_20251103T140000.mp4", None, "without a time zone"),
    ],
)
def test_a_clip_without_a_clock_is_refused(
    name: str, start: str | None, says: str
) -> None:
    with pytest.raises(FootageError, match=says):
        clock.of_clip(Path(name), CAMERA, start)


def test_digits_that_are_no_time_are_no_clock() -> None:
    with pytest.raises(FootageError, match="no clock"):
        clock.of_clip(Path("serial_99999999T999999Z.mp4"), CAMERA, None)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (FIVE + timedelta(days=1), "would start"),
        (FIVE - timedelta(seconds=5), "would end"),
        (datetime(1999, 1, 1, tzinfo=UTC), "before 2020"),
    ],
)
def test_impossible_times_are_refused(start: datetime, says: str) -> None:
    with pytest.raises(FootageError, match=says):
        clock.check(clock.Clock(start, "argument"), 10, Path("x.avi"), now=FIVE)


@settings(deadline=None, max_examples=50)
@given(
    moment=st.datetimes(datetime(2020, 1, 2), datetime(2030, 1, 1)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_any_zone_gives_the_same_moment(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = clock.parse(aware.isoformat())
    assert found == aware
    assert found.utcoffset() == timedelta(0)
