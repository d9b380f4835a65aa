"""Pages of the other roles, and what they meet where they may not go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboard import tour

pytestmark = pytest.mark.browser
CELLS = [
    (role, page, language)
    for role in ("analyst", "briefing", "administrator")
    for language in tour.LANGUAGES
    for page in tour.PAGES[role]
]
#: For each role a page that is not for it.
CLOSED = {
    "investigator": "audit",
    "approver": "sql",
    "analyst": "trace",
    "briefing": "contacts",
    "administrator": "cases",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tour.House]:
    with tour.opened(tmp_path_factory.mktemp("house")) as found:
        yield found


@pytest.mark.parametrize(("role", "page", "language"), CELLS)
def test_page(house: tour.House, role: str, page: str, language: str) -> None:
    tour.check(house, role, page, language)


@pytest.mark.parametrize("role", CLOSED)
def test_a_page_for_others_says_so(house: tour.House, role: str) -> None:
    from playwright.sync_api import expect

    visit = house.as_role(role)
    window = visit.page
    window.goto(f"{house.url}/{CLOSED[role]}")
    told = {"en": "This page is not for your role", "ko": "제공되지 않습니다"}
    for language, words in told.items():
        tour.choose(visit, language)
        note = window.locator("[data-testid=stAlert]")
        expect(note).to_contain_text(words, timeout=60_000)
        tour.still(window)
        links = window.locator("[data-testid=stPageLink] a")
        assert links.count() == len(tour.PAGES[role])
        # The same notice for everybody: its layout is looked at once.
        (tour.sound if role == next(iter(CLOSED)) else tour.silent)(visit)
    menu = window.locator("[data-testid=stSidebarNavLink]")
    many = len(tour.PAGES[role]) > 1  # who has one page needs no menu
    assert menu.count() == (len(tour.PAGES[role]) if many else 0)
    for name in ("TEST-001", "CROWD-001", "K-00", "BC-0"):
        assert name not in window.inner_text("body")
    links.first.click()
    window.locator(tour.WHOLE[tour.PAGES[role][0]]).first.wait_for(timeout=150_000)
    assert window.url.startswith(f"{house.url}/{tour.PAGES[role][0]}")


@pytest.mark.parametrize("language", tour.LANGUAGES)
@pytest.mark.parametrize("address", ["/login", "/login/password"])
def test_the_way_in(house: tour.House, address: str, language: str) -> None:
    visit = house.as_nobody()
    visit.page.goto(f"{house.url}{address}?language={language}")
    tour.sound(visit)
