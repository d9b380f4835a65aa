"""The Briefing page in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from pipeline.settings import Settings
from tests.dashboard import crowd
from tests.dashboard.browsing import sound, visiting
from tests.dashboard.conftest import started

pytestmark = pytest.mark.browser

#: Texts of the screen that are cut off or lie outside of it.
CUT = """() => {
  const host = [...document.querySelectorAll("*")].find(
    (each) => each.shadowRoot?.querySelector(".wall"));
  const wall = (host?.shadowRoot ?? document).querySelector(".wall");
  const whole = wall.getBoundingClientRect();
  return [...wall.querySelectorAll("h2,h3,dt,dd,li,button,strong,.legend,p")]
    .filter((each) => each.textContent.trim())
    .filter((each) => {
      const box = each.getBoundingClientRect();
      return box.right > whole.right + 1 || box.bottom > whole.bottom + 1
        || each.scrollWidth > each.clientWidth + 2;
    })
    .map((each) => each.textContent.trim().slice(0, 50));
}"""


def test_the_screen_plays_and_tells_of_nobody(traced: Settings, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    names = crowd.build(traced)
    with (
        started(tmp_path, DONGSEON_USER="asker") as url,
        visiting(f"{url}/briefing", 1920, 1080) as visit,
    ):
        page = visit.page
        wall = page.locator(".wall")
        expect(wall.locator("h2")).to_have_text(
            "Contact tracing, Bucheon", timeout=60_000
        )
        expect(wall).to_contain_text("Safe to project")
        expect(wall).to_contain_text("Use of power, last 30 days")
        expect(wall.locator(".places li")).to_have_count(6)
        assert wall.locator("path.cell").count() >= 4
        text = page.inner_text("body") + wall.inner_html()
        for never in (*names, "TEST-001", "K-0", "BC-0"):
            assert never not in text
        assert page.evaluate(CUT) == []

        # It plays by itself, hour by hour, and asks the server nothing.
        page.wait_for_timeout(1000)
        frames = len(visit.frames)
        expect(wall.locator("output")).to_have_text("14:00–15:00", timeout=10_000)
        expect(wall.locator("output")).to_have_text("18:00–19:00", timeout=10_000)
        assert len(visit.frames) == frames
        wall.get_by_role("button", name="Pause").click()
        wall.get_by_role("button", name="14:00–15:00").click()
        expect(wall.locator("output")).to_have_text("14:00–15:00")
        wall.locator("h2").click()
        page.keyboard.press("ArrowLeft")
        expect(wall.locator("output")).to_have_text("13:00–14:00")
        expect(wall.locator(".empty")).to_contain_text("five contacts or more")

        with page.expect_download() as waiting:
            wall.get_by_role("button", name="PNG").click()
        picture = Image.open(waiting.value.path())
        assert picture.size == (3840, 2160)
        assert len(picture.convert("RGB").resize((96, 54)).getcolors(10_000)) > 20
        page.emulate_media(media="print")
        printed = page.pdf(landscape=True, format="A4", print_background=True)
        assert printed.startswith(b"%PDF")
        assert re.findall(rb"/Count (\d+)", printed) == [b"1"]
        page.emulate_media(media="screen")
        for size in ((3840, 2160), (1366, 768)):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.wait_for_timeout(600)
            assert page.evaluate(CUT) == []
        page.get_by_text("한국어").click()
        expect(wall.locator("h2")).to_have_text(
            "부천시 접촉자 추적 상황", timeout=20_000
        )
        assert page.evaluate(CUT) == []
        sound(visit)
