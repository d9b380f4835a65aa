"""Why a sighting is proposed, the time a trace yet takes, what patients remember."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import i18n
from dashboard.maps import network
from dashboard.panels import contacts, progress, sightings, statements, why
from dashboard.trace_view import Trace, unseen
from pipeline.casebook import anchors, orders
from pipeline.casebook.jobs import Job
from pipeline.settings import CHECKOUT, Settings
from pipeline.trace import results
from tests.dashboard import installation

ENGLISH = i18n.Texts("en")


@pytest.fixture
def trace(traced: Settings) -> Trace:
    permission = orders.authorise(installation.CASE, "asker", "test", settings=traced)
    found = {
        name: results.read(permission, name, settings=traced)
        for name in ("run", "sighting", "leg", "contact", "episode", "airspace")
    }
    run = found.pop("run").to_pylist()[0]
    return Trace(run, zone=ZoneInfo("Asia/Seoul"), **found)


def test_each_reason_is_a_sentence(trace: Trace) -> None:
    first, second = trace.sightings[:2]
    for language in i18n.LANGUAGES:
        assert "<li>" in why.told(first, trace, i18n.Texts(language))
    told = why.told(second, trace, ENGLISH)
    assert "From sighting 1: 330 m in 4 min 20 s, fits walking (1.3 m/s)" in told
    assert "To sighting 3" in told
    assert "55 times likelier for the patient" in told  # exp(4), the LLR stored
    assert "moderate evidence" in told
    assert "pointed at" in why.told(first, trace, ENGLISH)
    aside = why.told({**second, "on_path": False, "llr": -2.0}, trace, ENGLISH)
    assert "7 times likelier for a stranger" in aside
    assert "not on the path" in aside


def test_what_a_result_holds_beside_the_path_is_told(trace: Trace) -> None:
    first, second = [leg for leg in trace.leg.to_pylist() if leg["kind"] == "inferred"][
        :2
    ]
    assert unseen(first, ENGLISH) == "no camera recorded along the straight way"
    assert "1 camera(s) recorded" in str(unseen(second, ENGLISH))
    assert "74%" in str(unseen(second, ENGLISH))  # exp(-0.3), as stored
    tips = [leg["tip"] for leg in trace.legs(ENGLISH) if leg["kind"] == "inferred"]
    assert [len(tip) for tip in tips] == [3] * len(tips)
    assert unseen(trace.leg.to_pylist()[0], ENGLISH) is None  # a pass that was seen
    assert unseen({**first, "miss_probability": None}, ENGLISH) is None  # of old

    company, other = trace.contact.to_pylist()[0], trace.contact.to_pylist()[2]
    assert "companion (household or group), at 60%" in contacts.relation(
        company, ENGLISH
    )
    assert contacts.relation(other, ENGLISH) == "passed by"
    assert contacts.relation({**other, "relation": None}, ENGLISH) == "–"

    names = [row["person"] for row in trace.airspace_within(0, trace.seconds)]
    assert names == ["A-003", "A-001"]  # the longest together first
    assert [row["person"] for row in trace.airspace_within(0, 400)] == ["A-001"]


def test_a_posterior_has_a_word_beside_its_number() -> None:
    for value, word in (
        (1.0, "nearly certain"),
        (0.93, "very likely"),
        (0.6, "rather likely"),
        (0.31, "open"),
        (0.0, "unlikely"),
    ):
        shown = sightings._share(value, ENGLISH)
        assert f"{value:.2f}" in shown
        assert f">{word}<" in shown
    assert sightings._share(None, ENGLISH) == "–"


def test_the_way_is_judged_by_its_speed(trace: Trace) -> None:
    row = trace.sightings[1]
    for speed, mode, words in (
        (0.1, "still", "stayed near"),
        (4.0, "cycle", "fits cycling"),
        (12.0, "vehicle", "only by vehicle"),
        (40.0, "vehicle", "too fast"),
    ):
        trace.leg_to[row["sighting"]].update(speed_m_s=speed, mode=mode)
        assert words in why.travel(row, trace, ENGLISH)
    assert why.travel(trace.sightings[0], trace, ENGLISH) == "first sighting"


def test_detail_grows_towards_the_camera(trace: Trace, traced: Settings) -> None:
    registry = network.load(traced.registry)
    row = trace.sightings[1]
    camera = registry.get(row["camera_id"])
    north = 1 / 111_320
    # Heading 37 degrees: both places lie before the camera.
    near, far = (
        why._pixels(
            {
                **row,
                "lon": camera.lon + metres * 0.6 * north * 1.26,
                "lat": camera.lat + metres * 0.8 * north,
            },
            registry,
        )
        for metres in (6.0, 24.0)
    )
    assert near is not None
    assert far is not None
    # 768 pixels at 70 degrees: a focal length of 548 pixels; depth along the axis of
    # a lens 4 m up that looks 25 degrees down.
    assert near == pytest.approx(548 / (6 * 0.906 + 4 * 0.423), rel=0.02)
    assert far == pytest.approx(548 / (24 * 0.906 + 4 * 0.423), rel=0.02)
    assert why.detail({**row, "lon": None}, registry, ENGLISH) == "–"


def test_time_left_follows_the_pace() -> None:
    begun = datetime(2025, 11, 3, tzinfo=UTC)
    job = Job(
        1, "C", 1, {}, "running", "search", 25, "a", begun, "w", begun, begun, None,
        None, None, 1,
    )  # fmt: skip
    assert progress.seconds_left(job, begun + timedelta(seconds=20)) == 60
    for other in (
        Job(**{**job.__dict__, "progress": 5}),
        Job(**{**job.__dict__, "state": "queued"}),
        Job(**{**job.__dict__, "started_at": None}),
    ):
        assert progress.seconds_left(other, begun + timedelta(seconds=20)) is None
    assert "left" in progress.told(job, ENGLISH)


def test_statements_stand_against_the_path(trace: Trace, traced: Settings) -> None:
    permission = orders.authorise(installation.CASE, "asker", "test", settings=traced)
    lon, lat, after, _ = installation.STOPS[2]
    at = installation.START + timedelta(seconds=after + 20)
    anchors.add(
        permission, at=at, lon=lon, lat=lat, seconds=60, place="clinic", settings=traced
    )
    anchors.add(permission, at=at, lon=lon, lat=lat + 0.01, seconds=60, settings=traced)
    early = installation.START - timedelta(hours=3)
    anchors.add(permission, at=early, lon=lon, lat=lat, seconds=60, settings=traced)
    words = [
        statements.fit(one, trace, ENGLISH)
        for one in anchors.listed(permission, settings=traced)
    ]
    assert words[0] == ("the path says nothing of this time", "casual")
    assert words[1][1] == "good"
    assert words[2][1] == "close"
    assert words[2][0].startswith("apart: 1,0")  # a hundredth of a degree north

    page = AppTest.from_file(str(CHECKOUT / "dashboard/pages/trace.py"))
    page.run(timeout=60)
    assert not page.exception
    data = json.loads(page.get("bidi_component")[0].proto.json)
    pinned = {layer["id"]: layer for layer in json.loads(data["spec"])["layers"]}
    assert len(pinned["anchors"]["data"]) == 3
    assert installation.CASE not in json.dumps(pinned["anchors"])
    page.toggle(key="anchor-new").set_value(True).run(timeout=60)
    page.text_input(key="anchor-where").set_value("37.49, 126.78")
    page.text_input(key="anchor-words").set_value("bakery")
    next(b for b in page.button if "Enter the statement" in b.label).click()
    page.run(timeout=60)
    assert not page.exception
    assert {one.place for one in anchors.listed(permission, settings=traced)} >= {
        "bakery"
    }
    (number,) = (
        one.id
        for one in anchors.listed(permission, settings=traced)
        if one.place == "bakery"
    )
    page.button(key=f"anchor-gone-{number}").click().run(timeout=60)
    assert not page.exception
    assert len(anchors.listed(permission, settings=traced)) == 3
