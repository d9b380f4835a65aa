"""The Network page in a real Chromium."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.fleet.state import State
from pipeline.settings import Settings
from pipeline.store import writer
from tests.dashboard.browsing import clipped, sound, visiting
from tests.dashboard.conftest import started
from tests.dashboard.test_trace_page import QUIET
from tests.pipeline.store import store_samples

pytestmark = pytest.mark.browser


def test_health_coverage_and_footage(traced: Settings, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    for camera, minutes in ((0, 0), (1, 118)):
        start = store_samples.START + timedelta(minutes=minutes)
        rows = store_samples.unit(camera_no=camera, start=start, seconds=300)
        writer.publish(traced, *rows)
    with closing(State(traced)) as watch:
        watch.tell("BC-00001", link="waiting", fault="the stream refuses the password")
        watch.add("BC-00001", faults=3)
        watch.add("BC-00002", footage_s=300, work_s=60)
    with (
        started(tmp_path) as url,
        visiting(f"{url}/network", 1366, 900) as visit,
    ):
        page = visit.page
        metrics = page.locator("[data-testid=stMetric]")
        expect(metrics.nth(0)).to_contain_text("400", timeout=60_000)
        expect(metrics.nth(1)).to_contain_text("8")
        expect(metrics.nth(2)).to_contain_text("1")
        expect(metrics.nth(3)).to_contain_text("1")
        expect(metrics.nth(7)).to_contain_text("%", timeout=30_000)
        page.wait_for_function(QUIET, timeout=90_000)

        # From near, cameras stand for themselves and their ground is drawn.
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        area = page.locator(".trace-map.area")
        scale = area.locator(".scale")
        far = scale.inner_text()
        page.locator(".trace-map.area canvas").first.hover()
        for _ in range(12):
            page.mouse.wheel(0, -240)
            page.wait_for_timeout(60)
        expect(scale).not_to_have_text(far, timeout=10_000)
        page.wait_for_function(QUIET, timeout=30_000)
        assert any(address.endswith("/coverage.json") for address in seen)
        area.get_by_role("button", name="Whole city").click()
        expect(scale).to_have_text(far, timeout=20_000)
        area.get_by_role("button", name="Dark").click()
        assert "dark" in area.get_attribute("class")

        shown = page.locator(".rows tbody tr:visible")
        expect(shown).to_have_count(24)
        page.get_by_role("tab", name="Footage by camera and hour").click()
        rows = page.locator(".grid tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.nth(1).locator("td").nth(23)).to_have_attribute(
            "title", "BC-00002, 11-03 16: 3 min"
        )
        page.get_by_role("tab", name="Out of order and late").click()
        expect(shown).to_have_count(9)
        page.get_by_role("tab", name="Watch, now").click()
        expect(shown).to_have_count(2)
        expect(shown.nth(0)).to_contain_text("the stream refuses the password")
        assert shown.nth(0).locator("td").all_inner_texts()[5] == "4"
        assert shown.nth(1).locator("td").all_inner_texts()[4] == "5.0"
        with closing(State(traced)) as watch:
            watch.add("BC-00001", faults=4)
        expect(shown.nth(0).locator("td").nth(5)).to_have_text("8", timeout=60_000)
        assert clipped(page) == []
        page.get_by_text("한국어").click()
        expect(page.locator("h1")).to_have_text("카메라망", timeout=20_000)
        assert clipped(page) == []
        sound(visit)
