"""Meetings of patients, from what their own traces stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cameras.frame import to_lonlat, to_metric
from pipeline.trace import tables
from pipeline.trace.contacts import Rule
from pipeline.trace.gather import UNCALIBRATED_ERROR_M
from pipeline.trace.meetings import Patient, meetings

START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)
EAST, NORTH = (float(value) for value in to_metric(126.783, 37.503))


def patient(
    case: str,
    tracklet: int,
    *,
    at: float = 0.0,
    length: float = 60.0,
    east: float = 0.0,
    camera: str = "BC-00001",
    on_path: bool = True,
    error: float | None = 0.5,
    posterior: float = 0.9,
    kind: str = "seen",
) -> Patient:
    """Return a patient who stands `east` metres beside a place for a while."""
    begin = START + timedelta(seconds=at)
    end = begin + timedelta(seconds=length)
    lon, lat = (float(value) for value in to_lonlat(EAST + east, NORTH))
    sighting: dict[str, Any] = {
        "sighting": 4,
        "tracklet_id": tracklet,
        "camera_id": camera,
        "start_at": begin,
        "end_at": end,
        "lon": lon,
        "lat": lat,
        "ground_error_m": error,
        "posterior": posterior,
        "on_path": on_path,
        "mask_state": "worn",
    }
    leg: dict[str, Any] = {
        "leg": 0,
        "from_sighting": 4,
        "to_sighting": 4,
        "kind": kind,
        "start_at": begin,
        "end_at": end,
        "lon": [lon, lon],
        "lat": [lat, lat],
        "second": [begin.timestamp(), end.timestamp()],
    }
    return Patient(
        case,
        pa.Table.from_pylist([sighting], schema=tables.SIGHTING),
        pa.Table.from_pylist([leg], schema=tables.LEG),
    )


def test_two_within_the_distance_at_one_time_meet() -> None:
    (met,) = meetings(
        [patient("A", 1, posterior=0.5), patient("B", 2, at=20, east=1.5)]
    )
    assert met.cases == ("A", "B")
    assert met.camera_id == "BC-00001"
    assert met.start == START + timedelta(seconds=20)
    assert met.seconds == 41  # whole seconds 20 to 60
    assert np.isclose(met.least_metres, 1.5, atol=0.01)
    assert np.isclose(met.probability, 0.45)
    assert met.masks == ("worn", "worn")
    assert not met.one_pass
    middle = to_metric(met.lon, met.lat)
    assert np.allclose(middle, (EAST + 0.75, NORTH), atol=0.01)


def test_who_is_apart_in_place_time_or_path_does_not_meet() -> None:
    one = patient("A", 1)
    for other in (
        patient("B", 2, east=2.5),
        patient("B", 2, at=61),
        patient("B", 2, camera="BC-00002"),
        patient("B", 2, on_path=False),
        patient("B", 2, kind="inferred"),
    ):
        assert meetings([one, other]) == []


def test_a_wider_rule_finds_those_farther_apart() -> None:
    pair = [patient("A", 1), patient("B", 2, east=2.5)]
    assert len(meetings(pair, Rule(metres=3.0))) == 1


def test_without_calibration_no_distance_is_told() -> None:
    pair = [patient("A", 1), patient("B", 2, at=30, error=UNCALIBRATED_ERROR_M)]
    (met,) = meetings(pair)
    assert met.least_metres is None
    assert met.seconds == 30
    assert not met.one_pass


def test_one_pass_claimed_twice_is_told() -> None:
    (met,) = meetings([patient("A", 1), patient("B", 1)])
    assert met.one_pass
    assert met.least_metres is None


def test_all_pairs_in_order_of_time() -> None:
    three = [patient("A", 1, at=9), patient("B", 2, east=1), patient("C", 3, east=1.9)]
    met = meetings(three)
    assert [one.cases for one in met] == [("B", "C"), ("A", "B"), ("A", "C")]
    assert meetings(three[:1]) == []


@settings(max_examples=40, deadline=None)
@given(
    east=st.floats(0.0, 4.0),
    at=st.floats(-80.0, 80.0),
    length=st.floats(5.0, 60.0),
)
def test_meetings_do_not_depend_on_the_order(
    east: float, at: float, length: float
) -> None:
    one, other = patient("A", 1), patient("B", 2, at=at, east=east, length=length)
    there, back = meetings([one, other]), meetings([other, one])
    turned = [
        replace(
            met, cases=met.cases[::-1], masks=met.masks[::-1],
            sightings=met.sightings[::-1],
        )
        for met in back
    ]  # fmt: skip
    assert [(m.start, m.seconds, m.cases) for m in there] == [
        (m.start, m.seconds, m.cases) for m in turned
    ]
    for met in there:
        assert met.least_metres is not None
        assert met.least_metres <= 2.0 + 1e-6
        assert START + timedelta(seconds=at) - timedelta(seconds=1) <= met.start
