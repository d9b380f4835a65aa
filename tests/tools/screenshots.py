"""Take the documentation's pictures of every page, in both languages.

    python -m tests.tools.screenshots --demo data --out docs/images

Needs Chromium and what `dongseon demo` made (`--demo` is its data folder; it is
copied, so that nothing is added to it). Pages that say little about one person's
street clip are taken of a made-up installation, whose pictures are labelled so in
docs and README. People of every role log in as they would.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from dashboard import remembered
from pipeline.casebook import orders
from pipeline.settings import CHECKOUT, get_settings
from pipeline.store.worked_queries import WORKED
from tests.dashboard import patients, tour
from tests.dashboard.browsing import watch
from tests.dashboard.conftest import serving, started
from tests.dashboard.test_trace_page import QUIET

SIZE = {"width": 1440, "height": 900}
TALL = {"width": 1440, "height": 1240}  # its table lies below the map
#: Colours kept of a picture that would be too large with all.
COLOURS = 255
MOST_BYTES = 250_000
#: Name of the picture -> (role, page, language) of the made-up installation.
MADE_UP = {
    "path": ("investigator", "trace", "en"),
    "path-ko": ("investigator", "trace", "ko"),
    "contacts": ("investigator", "contacts", "en"),
    "contacts-ko": ("investigator", "contacts", "ko"),
    "exposure": ("investigator", "exposure", "en"),
    "exposure-ko": ("investigator", "exposure", "ko"),
    "exposure-all": ("analyst", "exposure", "en"),
    "cases-ko": ("approver", "cases", "ko"),
    "briefing": ("briefing", "briefing", "en"),
    "briefing-ko": ("briefing", "briefing", "ko"),
    "sql": ("analyst", "sql", "en"),
    "sql-ko": ("analyst", "sql", "ko"),
    "network-ko": ("administrator", "network", "ko"),
    "audit": ("administrator", "audit", "en"),
}


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--demo", type=Path, default=CHECKOUT / "data")
    parser.add_argument("--key", type=Path, help="key file of the demo's casebook")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "images")
    parser.add_argument("--only", help="pictures whose name starts so")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, tour.chromium() as browser:
        folder = Path(place)
        if not chosen.only or "trace".startswith(chosen.only):
            _demo(browser, chosen.demo, chosen.key, chosen.out, folder)
        _made_up(browser, chosen.out, folder, chosen.only or "")


def _demo(browser, demo: Path, key: Path | None, out: Path, folder: Path) -> None:
    """The Trace page of the real street clip, as the demonstration serves it."""
    if not (demo / "casebook.sqlite").is_file():
        sys.exit(f"There is no demonstration in {demo}; run dongseon demo --no-serve.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DONGSEON_DATA_DIR", str(demo))
        if key is not None:
            patch.setenv("DONGSEON_KEY_FILE", str(key))
        patch.setenv("DONGSEON_LOGIN", "auto")
        get_settings.cache_clear()
        with serving(folder) as url:
            page = watch(browser.new_page(viewport=SIZE)).page
            page.goto(f"{url}/trace")
            settle(page)
            save(page, out / "trace.png")
            page.get_by_text("한국어", exact=True).click()
            settle(page)
            save(page, out / "trace-ko.png")
            page.get_by_role("button", name="지도 ›").first.click()
            settle(page)
            save(page, out / "sighting-ko.png")
            page.close()
    get_settings.cache_clear()


def _made_up(browser, out: Path, folder: Path, only: str) -> None:
    with tour.installed(folder) as settings, started(folder) as url:
        house = tour.House(url, settings, browser)
        for name, (role, page, language) in MADE_UP.items():
            if not name.startswith(only):
                continue
            window = tour.go(house, role, page, language).page
            wide = {"width": 1920, "height": 1080}
            size = wide if page == "briefing" else SIZE
            window.set_viewport_size(TALL if page == "exposure" else size)
            if page == "sql":
                window.get_by_role("combobox").first.click()
                telling = [one for one in WORKED if "case_contacts" in one.sql]
                window.get_by_role("option").nth(WORKED.index(telling[0])).click()
                tour.still(window)
                window.locator(".stButton button[kind=primary]").click()
                window.locator("[data-testid=stDataFrame]").wait_for()
            if page == "briefing":
                window.locator(".wall [data-act=play]").click()  # stand still
            if page in ("network", "trace", "exposure"):
                settle(window)
            tour.still(window)
            window.wait_for_timeout(1_500)
            save(window, out / f"{name}.png")
        if "patients".startswith(only) or "closed".startswith(only):
            _beside(house, patients.build(settings, 4), out)


def _beside(house: tour.House, names: list[str], out: Path) -> None:
    """Several patients on one map; a page that is not for the role."""
    window = tour.go(house, "investigator", "trace", "en").page
    # As somebody who had them beside each other before.
    known = {
        one.case: str(one.id)
        for one in orders.list_orders("asker", settings=house.settings)
    }
    beside = [known[name] for name in names[1:]]
    kept = {
        remembered.ORDER_COOKIE: known[names[0]],
        remembered.BESIDE_COOKIE: ".".join(beside),
    }
    window.context.add_cookies(
        [{"name": name, "value": kept[name], "url": house.url} for name in kept]
    )
    window.reload()
    window.locator(".trace-map .lane").nth(len(beside) - 1).wait_for(timeout=180_000)
    window.set_viewport_size(SIZE)
    settle(window)
    save(window, out / "patients.png")
    visit = house.as_role("briefing")
    visit.page.goto(f"{house.url}/contacts")
    visit.page.locator("[data-testid=stAlert]").wait_for(timeout=60_000)
    tour.choose(visit, "ko")
    tour.still(visit.page)
    visit.page.set_viewport_size({"width": 1440, "height": 420})
    save(visit.page, out / "closed-ko.png")


def settle(page: Page) -> None:
    """Wait until the map has drawn, and the server has sent what it had to."""
    page.wait_for_timeout(1_000)
    page.wait_for_function(QUIET, timeout=120_000)
    tour.still(page)
    page.wait_for_timeout(1_500)
    page.wait_for_function(QUIET, timeout=120_000)


def save(page: Page, path: Path) -> None:
    """Save what the page shows; refuse a picture that is too large."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        picture = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=0)
        picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path} {size // 1000} kB")
    if size > MOST_BYTES:
        sys.exit(f"{path} is larger than {MOST_BYTES // 1000} kB.")


if __name__ == "__main__":
    main()
