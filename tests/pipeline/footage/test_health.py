"""Health of the network: states, minutes by hour, coverage of neighbourhoods."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.casebook import accounts
from pipeline.errors import NotAuthorisedError
from pipeline.footage import health
from pipeline.settings import Settings, get_settings
from pipeline.store import writer
from tests.dashboard import installation
from tests.pipeline.store import store_samples
from tests.pipeline.store.store_samples import START


@pytest.fixture
def network(settings: Settings, tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    get_settings.cache_clear()
    found = get_settings()
    found.data_dir.mkdir(parents=True)
    installation.write_registry(found)
    return found


def publish(settings: Settings, camera: int, minutes: float, seconds: float) -> None:
    start = START + timedelta(minutes=minutes)
    writer.publish(
        settings,
        *store_samples.unit(camera_no=camera, start=start, seconds=seconds),
    )


def test_states_and_hours(network):
    publish(network, 0, 0, 300)
    publish(network, 1, 118, 300)  # over the full hour
    publish(network, 49, 118, 60)  # the registry says it is out of order
    publish(network, 2, -26 * 60, 300)  # longer ago than a day
    found = health.health("operator", settings=network)
    assert found.newest == START + timedelta(minutes=123)
    assert found.lag == found.made_at - found.newest
    assert found.states["BC-00001"] == "late"
    assert found.states["BC-00002"] == "recording"
    assert found.states["BC-00003"] == "silent"
    assert found.states["BC-00050"] == "outage"
    assert found.counts == {
        "outage": 8,
        "late": 1,
        "recording": 1,
        "silent": 390,
        "removed": 0,
    }
    assert len(found.hours) == 24
    assert found.hours[-1] == START + timedelta(hours=2)
    assert found.minutes["BC-00002"][-2:] == pytest.approx((2.0, 3.0))
    assert found.minutes["BC-00001"][-3:] == pytest.approx((5.0, 0.0, 0.0))
    assert "BC-00003" not in found.minutes
    assert found.recorded["BC-00002"].seconds == pytest.approx(300)
    assert found.recorded["BC-00002"].tracklets in (0, 5)


def test_no_footage_at_all(network):
    found = health.health("operator", settings=network)
    assert (found.newest, found.lag, found.hours, found.minutes) == (None, None, (), {})
    assert found.counts["silent"] == 392


def test_neighbourhoods_the_least_covered_first(network):
    rows = health.by_dong("operator", settings=network)
    assert len(rows) == 24
    assert [row.covered for row in rows] == sorted(row.covered for row in rows)
    assert all(0 <= row.covered < 0.2 for row in rows)
    mine = next(row for row in rows if row.dong == "심곡동")
    assert (mine.cameras, mine.outages, mine.calibrated) == (400, 8, 0)
    assert mine.error_m is None
    cameras = [
        replace(one, calibration={"kind": "homography", "error_m": error})
        for one, error in zip(installation.cameras(3), (0.4, 2.0, None), strict=True)
    ]
    assert health._error([*cameras, *installation.cameras(9)]) == 1.2
    assert 0 < health.shares(rows) < 0.1
    assert health.shares([]) is None


def test_who_may_look(network):
    accounts.first_administrator(network)
    accounts.add("mayor", "briefing", "administrator", settings=network)
    assert health.health("administrator", settings=network).counts["outage"] == 8
    for look in (health.health, health.by_dong):
        with pytest.raises(NotAuthorisedError):
            look("mayor", settings=network)
