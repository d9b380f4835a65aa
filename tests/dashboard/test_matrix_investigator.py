"""Every page of the investigator, in both languages, at three sizes of window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboard import tour

pytestmark = pytest.mark.browser
ROLE = "investigator"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tour.House]:
    with tour.opened(tmp_path_factory.mktemp("house")) as found:
        yield found


@pytest.mark.parametrize("language", tour.LANGUAGES)
@pytest.mark.parametrize("page", tour.PAGES[ROLE])
def test_page(house: tour.House, page: str, language: str) -> None:
    tour.check(house, ROLE, page, language)
