"""Follow-up and exports of a stored result."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest

from pipeline.casebook import accounts, audit, clock, orders, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings, get_settings
from pipeline.trace import exports, followup, results
from tests.dashboard import installation


@pytest.fixture
def traced(settings: Settings, tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    get_settings.cache_clear()
    found = get_settings()
    found.data_dir.mkdir(parents=True)
    installation.build(found)
    return found


@pytest.fixture
def permission(traced: Settings) -> Authorisation:
    return orders.authorise(installation.CASE, "asker", "follow-up", settings=traced)


def accept_first(permission: Authorisation, traced: Settings) -> None:
    tracklet = results.read(permission, "sighting", settings=traced)["tracklet_id"][0]
    second = orders.authorise(permission.case, "approver", "second", settings=traced)
    for one in (permission, second):
        reviews.review(one, tracklet.as_py(), "accept", settings=traced)


def test_standings_follow_review_and_entries(permission, traced, monkeypatch):
    before = followup.standings(permission, settings=traced)
    assert len(before) == 12
    assert {one.state for one in before.values()} == {"to_notify"}
    assert not any(one.notifiable for one in before.values())
    with pytest.raises(NotAuthorisedError, match="two persons"):
        followup.enter(permission, "K-001", "reached", settings=traced)
    accept_first(permission, traced)
    now = installation.START + timedelta(hours=10)
    monkeypatch.setattr(clock, "now", lambda: now)
    with pytest.raises(DongseonError, match="no contact"):
        followup.enter(permission, "K-999", "reached", settings=traced)
    followup.enter(permission, "K-001", "reached", settings=traced)
    found = followup.standings(permission, settings=traced)
    one = found["K-001"]
    # The two contacts at the accepted sighting may be notified, no other.
    assert {name for name, one in found.items() if one.notifiable} == {"K-001", "K-002"}
    assert (one.state, one.reached_at, one.by) == ("reached", now, "asker")
    assert one.listed_at == installation.START + timedelta(hours=7)
    assert one.in_time is True
    # The others were listed a year ago and never reached.
    figures = followup.figures(found.values())
    assert (figures.in_time, figures.late, figures.pending) == (1, 11, 0)
    assert figures.share == pytest.approx(1 / 12)
    assert figures.by_state["reached"] == 1
    assert followup.figures([]).share is None


def test_each_form_is_whole_and_recorded(permission, traced):
    accept_first(permission, traced)
    made = {
        form: exports.make(permission, form, settings=traced) for form in exports.FORMS
    }
    rows = {
        form: list(csv.DictReader(io.StringIO(made[form].content.decode("utf-8-sig"))))
        for form in ("csv", "godata", "sormas")
    }
    assert {form: len(found) for form, found in rows.items()} == {
        "csv": 12,
        "godata": 12,
        "sormas": 12,
    }
    assert rows["csv"][0]["contact"] == "K-001"
    assert rows["csv"][0]["first_at"] == "2025-11-03T14:00:04+09:00"
    assert rows["csv"][0]["cameras"] == "BC-00001"
    required = exports.GODATA[:5]
    assert all(row[name] for row in rows["godata"] for name in required)
    assert rows["godata"][0]["relationship.contactDate"] == "2025-11-03"
    levels = [row["relationship.certaintyLevelId"][-6:] for row in rows["godata"]]
    assert levels[:3] == ["3_HIGH", "3_HIGH", "_1_LOW"]
    assert rows["sormas"][0]["lastContactDate"] == "03.11.2025"
    assert rows["sormas"][0]["contactClassification"] == "CONFIRMED"
    points = json.loads(made["geojson"].content)["features"]
    assert len(points) == 12
    assert points[0]["geometry"]["coordinates"] == pytest.approx([126.783, 37.48422])
    written = [entry for entry in audit.entries(traced) if entry["act"] == "export"]
    assert [json.loads(entry["detail"])["form"] for entry in written] == list(
        exports.FORMS
    )
    with pytest.raises(DongseonError, match="must be one of"):
        exports.make(permission, "xlsx", settings=traced)


def test_an_approver_reads_but_does_not_export(permission, traced):
    accounts.first_administrator(traced)
    for name, role in (("asker", "investigator"), ("approver", "approver")):
        accounts.add(name, role, "administrator", settings=traced)
    second = orders.authorise(permission.case, "approver", "second", settings=traced)
    assert len(followup.standings(second, settings=traced)) == 12
    with pytest.raises(NotAuthorisedError, match="may not do export"):
        exports.make(second, "csv", settings=traced)
    with pytest.raises(NotAuthorisedError, match=r"contact\.followup"):
        followup.enter(second, "K-001", "reached", settings=traced)
