"""A new installation: the first page, and what every page says while it has nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.settings import get_settings
from tests.dashboard import installation, tour
from tests.dashboard.browsing import Visit, watch
from tests.dashboard.conftest import started

pytestmark = pytest.mark.browser
#: Page -> what it says without data, or a part of it that is there nonetheless.
PAGES = {
    "start": ".steps li",
    "trace": "[data-testid=stAlert]",
    "contacts": "[data-testid=stAlert]",
    "exposure": "[data-testid=stAlert]",
    "briefing": ".wall .places p",
    "network": ".trace-map.area .controls button",
    "cases": "[data-testid=stAlert]",
    "sql": tour.WHOLE["sql"],
    "audit": ".head h1",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Visit]]:
    folder = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DONGSEON_DATA_DIR", str(folder / "data"))
        patch.setenv("DONGSEON_KEY_FILE", str(folder / "keys" / "casebook.key"))
        patch.setenv("DONGSEON_REGISTRY", str(folder / "registry.geojson"))
        patch.setenv("DONGSEON_LOGIN", "single")
        get_settings.cache_clear()
        get_settings().data_dir.mkdir(parents=True)
        installation.write_registry(get_settings())
        with started(folder) as url, tour.chromium() as browser:
            yield url, watch(browser.new_page())
    get_settings.cache_clear()


@pytest.mark.parametrize("language", tour.LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_data(
    fresh: tuple[str, Visit], page: str, language: str
) -> None:
    url, visit = fresh
    if not visit.page.url.endswith(f"/{page}"):
        visit.page.goto(f"{url}/{page}")
    visit.page.locator(PAGES[page]).first.wait_for(timeout=90_000)
    tour.choose(visit, language)
    visit.page.locator(PAGES[page]).first.wait_for(timeout=90_000)
    tour.sound(visit)
