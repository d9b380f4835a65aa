"""Take the documentation's screenshots of a served dashboard.

    python -m tests.tools.screenshots --url http://127.0.0.1:8501 --out docs/images

Needs Chromium and a trace to show (`dongseon demo`).
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.dashboard.test_trace_page import DRAW_HOOK, QUIET

SIZE = {"width": 1600, "height": 1000}
MOST_BYTES = 500_000


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is not installed (apt-get install chromium).")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
            ],
        )
        page = browser.new_page(viewport=SIZE)
        page.add_init_script(DRAW_HOOK)
        page.goto(chosen.url)
        settle(page)
        save(page, chosen.out / "trace.png")

        page.get_by_role("button", name="Play").click()
        page.wait_for_timeout(9_000)
        page.get_by_role("button", name="Pause").click()
        settle(page)
        save(page, chosen.out / "playback.png")

        page.get_by_role("button", name="Map ›").nth(1).click()
        settle(page)
        save(page, chosen.out / "sighting.png")

        page.get_by_role("button", name="Whole path").click()
        page.get_by_text("한국어").click()
        settle(page)
        save(page, chosen.out / "trace-ko.png")
        browser.close()


def settle(page: Page) -> None:
    """Wait until the map has drawn, and the server has sent what it had to."""
    page.wait_for_timeout(1_000)
    page.wait_for_function(QUIET, timeout=120_000)
    page.wait_for_function(
        "!document.querySelector('[data-testid=stStatusWidget]')", timeout=120_000
    )
    page.wait_for_timeout(1_500)
    page.wait_for_function(QUIET, timeout=120_000)


def save(page: Page, path: Path) -> None:
    """Save what the page shows; refuse a picture that is too large."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path} {size // 1000} kB")
    if size > MOST_BYTES:
        sys.exit(f"{path} is larger than {MOST_BYTES // 1000} kB.")


if __name__ == "__main__":
    main()
