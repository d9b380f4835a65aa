"""The Contacts page in a real Chromium."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pipeline.casebook import audit
from pipeline.settings import Settings
from tests.dashboard import crowd
from tests.dashboard.browsing import clipped, sound, visiting
from tests.dashboard.conftest import started

pytestmark = pytest.mark.browser


@pytest.fixture
def crowded(traced: Settings) -> Settings:
    crowd.build(traced, number=1)
    return traced


def test_contacts_are_ranked_followed_up_and_exported(
    crowded: Settings, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with (
        started(tmp_path, DONGSEON_USER="asker") as url,
        visiting(f"{url}/contacts", 1600, 1000) as visit,
    ):
        page = visit.page
        person = page.locator(".person")
        expect(person).to_be_visible(timeout=60_000)
        expect(page.locator("h1")).to_have_text("Contacts of CROWD-001")
        # The closest ranks first, with the reason and the sum of its worst day.
        expect(person).to_contain_text("in 4 episode(s)")
        expect(person).to_contain_text("in the worst 24 hours; close from 15 min")
        first = person.locator("b").inner_text()
        metrics = page.locator("[data-testid=stMetric]")
        expect(metrics.nth(0)).to_contain_text("36 (6)")
        expect(metrics.nth(2)).to_contain_text("36")

        # Two persons accepted what it was seen at: it may be entered as reached.
        page.get_by_role("button", name="Reached", exact=True).click()
        expect(person).to_contain_text("Reached", timeout=20_000)
        expect(metrics.nth(3)).to_contain_text("1")
        page.get_by_role("button", name="Tested", exact=True).click()
        expect(person).to_contain_text("Tested", timeout=20_000)

        # Both masks over time; the network without any name, until asked.
        assert page.locator("svg.timeline").first.locator("rect").count() == 8
        page.get_by_role("tab", name="Network").click()
        net = page.locator("svg.net")
        expect(net).to_be_visible()
        assert net.locator("circle").count() == 37
        for name in ("K-0", "CROWD", "BC-"):
            assert name not in net.inner_html()
        page.get_by_text("Show pseudonyms and cameras").click()
        expect(net).to_contain_text(first, timeout=20_000)

        page.get_by_role("tab", name="Export").click()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Go.Data contacts").click()
        saved = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert waiting.value.suggested_filename == "CROWD-001-contacts-godata.csv"
        assert len(list(csv.DictReader(io.StringIO(saved)))) == 36
        assert clipped(page) == []
        page.get_by_text("한국어").click()
        expect(page.locator("h1")).to_have_text("CROWD-001 접촉자", timeout=20_000)
        for size in ((1920, 1080), (1366, 768), (1024, 768)):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.wait_for_timeout(500)
            assert clipped(page) == []
        sound(visit)
    entries = audit.entries(crowded)
    exported = [entry for entry in entries if entry["act"] == "export"]
    assert [json.loads(entry["detail"])["form"] for entry in exported] == ["godata"]
    entered = [entry for entry in entries if entry["act"] == "contact.followup"]
    assert [json.loads(entry["detail"])["state"] for entry in entered] == [
        "reached",
        "tested",
    ]
