"""Several patients on one map, and where they met."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import i18n
from dashboard.maps import beside, palette
from dashboard.panels import companions
from dashboard.trace_view import Trace
from pipeline.casebook import orders
from pipeline.settings import CHECKOUT, Settings
from pipeline.trace import meetings, results
from tests.dashboard import installation, patients

TABLES = ("sighting", "leg", "contact", "episode")


@pytest.fixture
def several(traced: Settings) -> list[str]:
    return patients.build(traced, 3)


def _trace(settings: Settings, case: str) -> Trace:
    permission = orders.authorise(case, "asker", "test", settings=settings)
    run = results.runs(permission, settings=settings)[-1]
    found = {
        name: results.read(permission, name, run, settings=settings) for name in TABLES
    }
    row = results.read(permission, "run", run, settings=settings).to_pylist()[0]
    return Trace(row, zone=ZoneInfo("Asia/Seoul"), **found)


def test_all_share_one_clock_and_keep_their_own_times(
    traced: Settings, several: list[str]
) -> None:
    one, other = _trace(traced, several[0]), _trace(traced, several[1])
    wide, (wide_other,) = companions.widen(one, [other])
    assert wide.start == wide_other.start == min(one.start, other.start)
    ends = [trace.start + trace.seconds for trace in (one, other)]
    assert wide.start + wide.seconds == wide_other.start + wide_other.seconds
    assert wide.start + wide.seconds == pytest.approx(max(ends))
    moved = one.start - wide.start
    assert wide.sightings[0]["t0"] == pytest.approx(one.sightings[0]["t0"] + moved)
    west, south, east, north = companions.bounds([one, other])
    for trace in (one, other):
        assert west <= trace.bounds[0] < trace.bounds[2] <= east
        assert south <= trace.bounds[1] < trace.bounds[3] <= north


def test_the_page_shows_them_side_by_side(traced: Settings, several: list[str]) -> None:
    page = AppTest.from_file(str(CHECKOUT / "dashboard/pages/trace.py"))
    page.run(timeout=60)
    page.selectbox(key="case").set_value(installation.CASE).run(timeout=60)
    chosen = page.multiselect(key=f"beside-{installation.CASE}")
    others = several[1:]
    assert installation.CASE not in chosen.options
    assert set(others) == set(chosen.options)
    chosen.set_value(others).run(timeout=60)
    assert not page.exception
    assert not page.error
    data = json.loads(page.get("bidi_component")[0].proto.json)
    timeline = data["timeline"]
    assert [one["name"] for one in timeline["others"]] == others
    assert [one["rgb"] for one in timeline["others"]] == [
        palette.colour(index) for index in (1, 2, 3)
    ]
    layers = {layer["id"]: layer for layer in json.loads(data["spec"])["layers"]}
    assert set(beside.ids(3)) | {"meetings", "others"} <= set(layers)
    assert set(beside.ids(3)) | {"meetings"} <= set(data["timed"])
    expected = meetings.meetings(
        [
            meetings.Patient(case, trace.sighting, trace.leg)
            for case, trace in ((c, _trace(traced, c)) for c in several)
        ]
    )
    with_first = [one for one in expected if installation.CASE in one.cases]
    assert len(with_first) >= 3
    assert len(layers["meetings"]["data"]) == len(expected)
    assert len(timeline["meetings"]) == len(expected)
    table = page.dataframe[0].value
    assert list(table["who"]) == [" · ".join(one.cases) for one in expected]


def test_each_patient_needs_an_order_of_its_own(
    traced: Settings, several: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = AppTest.from_file(str(CHECKOUT / "dashboard/pages/trace.py"))
    page.run(timeout=60)
    page.selectbox(key="case").set_value(installation.CASE).run(timeout=60)
    page.multiselect(key=f"beside-{installation.CASE}").set_value(several[1:2]).run(
        timeout=60
    )
    order = next(
        one
        for one in orders.list_orders("asker", settings=traced)
        if one.case == several[1]
    )
    orders.revoke(order.id, "approver", reason="test", settings=traced)
    page.run(timeout=60)
    assert page.error
    assert not page.get("bidi_component")


def test_words_say_what_is_not_known() -> None:
    for language in ("en", "ko"):
        texts = i18n.Texts(language)
        met = meetings.Meeting(
            ("A", "B"), "C", *2 * [installation.START], 30, None, ("worn", "none"),
            0.5, (0, 0), 126.78, 37.5, False,
        )  # fmt: skip
        words = companions.how_near(met, texts)
        assert "0.0" not in words
        assert "None" not in words
