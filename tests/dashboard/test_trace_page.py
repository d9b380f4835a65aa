"""The Trace page in a real Chromium, with every request to elsewhere blocked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.dashboard import installation

pytestmark = pytest.mark.browser

#: Counts what WebGL draws, and remembers when it last did.
DRAW_HOOK = """
for (const name of ["drawElements", "drawArrays", "drawElementsInstanced",
                    "drawArraysInstanced"]) {
  const original = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (...values) {
    window.draws = (window.draws || 0) + 1;
    window.lastDraw = performance.now();
    return original.apply(this, values);
  };
}
"""
QUIET = "window.draws > 0 && performance.now() - window.lastDraw > 1500"


@dataclass
class Visit:
    """A page with what it asked for and complained about."""

    page: object
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    frames: list[object] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)


@pytest.fixture
def visit(server: str) -> Iterator[Visit]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
            ],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        found = Visit(page)

        def gate(route) -> None:
            address = urlsplit(route.request.url)
            if address.scheme in ("data", "blob") or address.hostname == "127.0.0.1":
                route.continue_()
            else:
                found.elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", gate)
        page.on(
            "console",
            lambda message: (
                found.complaints.append(message.text)
                if message.type == "error"
                else None
            ),
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda frame: found.frames.append(frame)
            ),
        )
        page.add_init_script(DRAW_HOOK)
        page.goto(server)
        page.wait_for_function(QUIET, timeout=90_000)
        yield found
        browser.close()


def test_the_page_draws_filters_and_plays_offline(visit: Visit) -> None:
    from playwright.sync_api import expect

    page = visit.page
    text = page.inner_text("body")
    assert installation.CASE in text
    assert "street.avi stands for 6 cameras" in text
    assert "camera network is synthetic" in text
    cards = page.locator(".card")
    assert cards.count() == 6
    assert "6 of 6 in 14:00:00–14:32:40" in shown(page)
    assert page.locator(".contacts tbody tr").count() == 12

    # Narrow the range from the right by keyboard: fewer sightings and contacts.
    end = page.get_by_label("End of the range")
    end.focus()
    before = page.evaluate("window.draws")
    for _ in range(4):
        page.keyboard.press("PageDown")
    page.wait_for_function(
        "document.querySelectorAll('.card').length < 6", timeout=10_000
    )
    page.wait_for_function(f"window.draws > {before}", timeout=10_000)
    page.wait_for_function(QUIET, timeout=30_000)
    assert "14:32:40" not in shown(page)
    assert "of 6 in 14:00:00–14:19:36" in shown(page)
    assert cards.count() == 4
    assert page.locator(".trace-map .ends .to").inner_text().endswith("14:19:36")
    assert page.locator(".contacts tbody tr").count() == 8

    # Playing advances the time and draws, and needs nothing from the server.
    page.wait_for_timeout(500)
    moment = page.locator(".trace-map .moment")
    began, draws, frames = (
        moment.inner_text(),
        page.evaluate("window.draws"),
        len(visit.frames),
    )
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(
        """([began]) => [...document.querySelectorAll('*')]
            .map((each) => each.shadowRoot?.querySelector('.moment')
                           ?? (each.matches('.moment') ? each : null))
            .some((each) => each && each.textContent > began)""",
        arg=[began],
        timeout=20_000,
    )
    page.wait_for_function(f"window.draws > {draws} + 10", timeout=20_000)
    assert len(visit.frames) == frames
    page.get_by_role("button", name="Pause").click()
    stopped = moment.inner_text()
    assert stopped > began
    page.wait_for_timeout(600)
    assert moment.inner_text() == stopped

    # A sighting of the list is shown on the map, and back.
    scale = page.locator(".trace-map .scale")
    wide = scale.inner_text()
    page.get_by_role("button", name="Map ›").nth(2).click()
    page.locator(".card.picked").wait_for()
    expect(scale).not_to_have_text(wide, timeout=20_000)
    expect(moment).to_contain_text("14:11:40", timeout=20_000)
    page.get_by_role("button", name="Whole path").click()
    expect(scale).to_have_text(wide, timeout=20_000)

    # In Korean the same facts, and the range stays.
    page.get_by_text("한국어").click()
    page.wait_for_function("document.body.innerText.includes('포착 목록')")
    assert "14:00:00–14:19:36, 전체 6건 중 4건" in shown(page)
    page.wait_for_function(QUIET, timeout=30_000)

    assert visit.elsewhere == []
    assert visit.complaints == []
    body = page.inner_text("body")
    assert "Uncaught" not in body
    assert "Traceback" not in body
    assert "encountered an error" not in body


def shown(page) -> str:
    return page.locator("[data-testid=shown]").inner_text()
