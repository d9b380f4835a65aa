from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from argon2 import PasswordHasher

from pipeline.casebook import accounts, cases, clock, database, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import Settings

#: Around Bucheon station.
AREA = shapely.box(126.75, 37.47, 126.83, 37.53)
DAY = timedelta(days=1)
#: A fixed present for windows; before the real one.
ONSET = datetime(2025, 11, 3, 0, 0, tzinfo=UTC)
WINDOW = (ONSET - DAY, ONSET + DAY)


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real argon2 at its least cost, so that the tests are fast."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)
    accounts._decoy.cache_clear()


@pytest.fixture
def book(settings: Settings) -> Iterator[Settings]:
    """An empty casebook."""
    yield settings
    database.dispose(settings)


@pytest.fixture
def case(book: Settings) -> str:
    """An open case."""
    return open_case(book, "P-TEST")


@pytest.fixture
def authorisation(book: Settings, case: str) -> Authorisation:
    """A permission under an approved order of that case."""
    order = request(book, case)
    orders.approve(order.id, "bora", settings=book)
    return orders.authorise(case, "ana", "test", settings=book)


def open_case(book: Settings, pseudonym: str) -> str:
    cases.open_case(
        "ana",
        test="RT-PCR, report 17",
        confirmed_at=ONSET + DAY,
        onset_at=ONSET,
        isolated_at=ONSET + 2 * DAY,
        pseudonym=pseudonym,
        settings=book,
    )
    return pseudonym


def request(book: Settings, case: str, **changes: object) -> orders.Order:
    fields: dict = {
        "legal_basis": "IDCPA Art. 76-2 (2)",
        "purpose": "contacts of a confirmed patient",
        "area": AREA,
        "window": WINDOW,
        "settings": book,
    }
    return orders.request_order(case, "ana", **(fields | changes))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    """Move the casebook's clock forward."""

    def move(by: timedelta) -> None:
        moment = datetime.now(UTC) + by
        monkeypatch.setattr(clock, "now", lambda: moment)

    return move
