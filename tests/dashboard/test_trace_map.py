"""The Trace map's clock, keys, address and dark ground in a real Chromium."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.dashboard import installation
from tests.dashboard.browsing import sound, visiting
from tests.dashboard.test_trace_page import QUIET

pytestmark = pytest.mark.browser


def test_keys_steps_and_a_link_without_names(server: str) -> None:
    from playwright.sync_api import expect

    with visiting(server, 1366, 900) as visit:
        page = visit.page
        page.wait_for_function(QUIET, timeout=90_000)
        area = page.locator(".trace-map")
        moment = area.locator(".moment")
        bars = area.locator(".histogram i")
        assert bars.count() == 96
        tall = bars.evaluate_all(
            "all => all.filter((each) => parseFloat(each.style.height) > 0).length"
        )
        assert 6 <= tall <= 30  # six passes in half an hour

        # Step from sighting to sighting; by button, and by key on the map.
        expect(moment).to_contain_text("14:00:00")
        area.get_by_role("button", name="To the next sighting").click()
        expect(moment).to_contain_text("14:05:20")
        area.focus()
        frames = len(visit.frames)
        page.keyboard.press("Shift+ArrowRight")
        expect(moment).to_contain_text("14:11:40")
        page.keyboard.press("Shift+ArrowLeft")
        expect(moment).to_contain_text("14:05:20")
        page.keyboard.press("ArrowRight")  # a hundredth of the range: 19.6 s
        expect(moment).to_contain_text("14:05:39")
        page.keyboard.press("Space")
        play = area.get_by_role("button", name="Pause")
        expect(play).to_be_visible()
        page.keyboard.press("Space")
        expect(area.get_by_role("button", name="Play")).to_be_visible()
        assert len(visit.frames) == frames

        # The address follows what is shown, and names nothing.
        end = area.get_by_label("End of the range")
        end.focus()
        for _ in range(4):
            page.keyboard.press("PageDown")
        page.wait_for_function("document.querySelectorAll('.card').length === 4")
        area.get_by_role("button", name="Dark").click()
        page.wait_for_function(QUIET, timeout=30_000)
        page.wait_for_timeout(800)
        link = page.url
        mark = urlsplit(link).fragment
        assert mark.startswith("view=0.0000,0.6")
        for never in (installation.CASE, installation.RUN, "126.", "37.4", "BC-"):
            assert never not in link
        shown = moment.inner_text()
        sound(visit)

    with visiting(link, 1366, 900) as again:
        page = again.page
        page.wait_for_function(QUIET, timeout=90_000)
        expect(page.locator(".trace-map .ends .to")).to_contain_text("14:19:36")
        expect(page.locator(".trace-map .moment")).to_contain_text(shown)
        page.wait_for_function("document.querySelectorAll('.card').length === 4")

        # Back from another page by the menu, the same is shown.
        menu = page.locator("[data-testid=stSidebarNavLink]")
        page.wait_for_timeout(800)
        menu.filter(has_text="Audit").click()
        expect(page.locator("h1")).to_have_text("Audit", timeout=60_000)
        assert not urlsplit(page.url).fragment
        menu.filter(has_text="Trace").click()
        ends = page.locator(".trace-map .ends .to")
        expect(ends).to_contain_text("14:19:36", timeout=60_000)
        expect(page.locator(".trace-map .moment")).to_contain_text(shown)
        page.wait_for_function("document.querySelectorAll('.card').length === 4")

        # A link that somebody wrote by hand harms nothing.
        page.goto("about:blank")
        page.goto(f"{link.split('#')[0]}#view=9,-1,x,y,1e9,,,<b>")
        page.wait_for_function(QUIET, timeout=90_000)
        expect(page.locator(".trace-map .ends .to")).to_contain_text("14:32:40")
        sound(again)


#: Where the map looks: longitude, latitude and zoom of what is drawn.
LOOK = """root => {
  const [shown] = root.traceMap.deck.getViewports();
  return [shown.longitude, shown.latitude, shown.zoom];
}"""


def test_a_change_of_what_is_drawn_keeps_where_one_looks(server: str) -> None:
    from playwright.sync_api import expect

    with visiting(server, 1366, 900) as visit:
        page = visit.page
        page.wait_for_function(QUIET, timeout=90_000)
        area = page.locator(".trace-map")
        whole = area.evaluate(LOOK)
        box = area.locator("canvas").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
        page.mouse.wheel(0, -500)
        page.wait_for_timeout(1_000)
        closer = area.evaluate(LOOK)
        assert closer[2] > whole[2] + 0.5
        for language, menu in (("한국어", "접촉자"), ("English", "Contacts")):
            page.get_by_text(language).click()
            links = page.locator("[data-testid=stSidebarNavLink]")
            expect(links.filter(has_text=menu)).to_be_visible(timeout=60_000)
            page.wait_for_function(QUIET, timeout=60_000)
            page.wait_for_timeout(1_000)
            assert area.evaluate(LOOK) == pytest.approx(closer, abs=1e-6)
        area.get_by_role("button", name="Whole path").click()
        page.wait_for_timeout(1_000)
        assert area.evaluate(LOOK)[2] == pytest.approx(whole[2], abs=0.2)
        sound(visit)
