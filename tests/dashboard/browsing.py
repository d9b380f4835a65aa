"""A real Chromium on a served page, with every request to elsewhere blocked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.dashboard.test_trace_page import DRAW_HOOK, Visit

#: What the browser says of Streamlit's own probing for its server below a page's path.
PROBED = "Failed to load resource: the server responded with a status of 404"
#: Boxes with text that stick out of the window or are cut off by their parents.
CLIPPED = """() => {
  const found = [];
  const wide = document.documentElement.clientWidth;
  for (const each of document.querySelectorAll(
    "[data-testid=stMainBlockContainer] " +
    ":is(h1,h2,p,span,td,th,button,label,div.section)"
  )) {
    if (!each.textContent.trim() || each.children.length) continue;
    const box = each.getBoundingClientRect();
    if (!box.width || each.closest("[data-testid=stDataFrame],.wide,.visually-hidden"))
      continue;
    const style = getComputedStyle(each);
    const cut = style.overflow === "hidden" && each.scrollWidth > each.clientWidth + 1
      && style.textOverflow !== "ellipsis";
    if (box.right > wide + 1 || box.left < -1 || cut)
      found.push(each.tagName + ": " + each.textContent.trim().slice(0, 60));
  }
  return found;
}"""


#: Draws WebGL without a graphics card, also as root in a container.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def visiting(url: str, width: int = 1366, height: int = 768) -> Iterator[Visit]:
    """Open a page; keep what it asked of elsewhere and complained about."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        found = watch(browser.new_page(viewport={"width": width, "height": height}))
        found.page.goto(url)
        yield found
        browser.close()


def watch(page) -> Visit:
    """Block a page's requests to elsewhere; keep what it asked and complained."""
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
            if message.type == "error" and not message.text.startswith(PROBED)
            else None
        ),
    )
    page.on("pageerror", lambda error: found.complaints.append(str(error)))

    def socket(one) -> None:
        if urlsplit(one.url).hostname != "127.0.0.1":
            found.elsewhere.append(one.url)
        one.on("framereceived", lambda frame: found.frames.append(frame))
        one.on("framesent", lambda frame: found.sent.append(frame))

    page.on("websocket", socket)
    page.add_init_script(DRAW_HOOK)
    return found


def clipped(page) -> list[str]:
    """Return texts that cannot be read whole."""
    return page.evaluate(CLIPPED)


def sound(visit: Visit) -> None:
    """Demand that a page asked for nothing elsewhere and failed nowhere."""
    assert visit.elsewhere == []
    assert visit.complaints == []
    body = visit.page.inner_text("body")
    for never in ("Uncaught", "Traceback", "encountered an error"):
        assert never not in body
