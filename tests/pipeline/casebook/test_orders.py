from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from sqlalchemy import text

from pipeline.casebook import audit, cases, database, demo_order, orders
from pipeline.casebook.authorisation import Authorisation, require
from pipeline.errors import DongseonError, NotAuthorisedError
from tests.pipeline.casebook.conftest import AREA, DAY, ONSET, WINDOW, request


def test_authorise_issues_the_order_as_approved(book, authorisation):
    assert require(authorisation) is authorisation
    assert authorisation.case == "P-TEST"
    assert (authorisation.window_start, authorisation.window_end) == WINDOW
    assert authorisation.area.equals(AREA)
    assert orders.still_valid(authorisation, book)


def test_default_window_and_area(book, case):
    folder = book.data_dir / "basemap"
    folder.mkdir()
    (folder / "bucheon_boundary.geojson").write_text(shapely.to_geojson(AREA))
    order = request(book, case, window=None, area=None)
    assert order.window_start == ONSET - timedelta(days=2)
    assert order.window_end == ONSET + 2 * DAY
    assert order.area.equals(AREA)


def test_requester_cannot_approve(book, case):
    order = request(book, case)
    with pytest.raises(NotAuthorisedError, match="another person"):
        orders.approve(order.id, "ana", settings=book)
    refusal = audit.entries(book)[-1]
    assert (refusal["act"], refusal["actor"]) == ("refused", "ana")
    with pytest.raises(NotAuthorisedError, match="requested, not approved"):
        orders.authorise(case, "ana", "test", settings=book)


def test_database_itself_refuses_one_person_for_both(book, case):
    order = request(book, case)
    with pytest.raises(DongseonError, match="breaks a rule"):  # noqa: SIM117
        with database.writing(book) as connection:
            connection.execute(
                text(
                    "UPDATE orders SET state = 'approved', decided_by = 'ana' "
                    f"WHERE id = {order.id}"
                )
            )


@pytest.mark.parametrize("end", ["refuse", "revoke", "close"])
def test_ended_order_authorises_nothing(book, case, end):
    order = request(book, case)
    if end == "refuse":
        orders.refuse(order.id, "bora", "too wide", settings=book)
        with pytest.raises(NotAuthorisedError, match="refused"):
            orders.authorise(case, "ana", "test", settings=book)
        return
    orders.approve(order.id, "bora", settings=book)
    issued = orders.authorise(case, "ana", "test", settings=book)
    if end == "revoke":
        orders.revoke(order.id, "bora", "found", settings=book)
    else:
        cases.close_case(case, "ana", settings=book)
    assert not orders.still_valid(issued, book)
    with pytest.raises(NotAuthorisedError, match=r"revoked|closed"):
        orders.authorise(case, "ana", "test", settings=book)


def test_expired_order_authorises_nothing(book, authorisation, later):
    later(orders.DEFAULT_VALIDITY + timedelta(seconds=1))
    assert not orders.still_valid(authorisation, book)
    with pytest.raises(NotAuthorisedError, match="expired"):
        orders.authorise("P-TEST", "ana", "test", settings=book)


@pytest.mark.parametrize(
    "change",
    [
        {"window_start": WINDOW[0] - DAY},
        {"window_end": WINDOW[1] + DAY},
        {"area": AREA.buffer(1)},
        {"expires_at": datetime(2100, 1, 1, tzinfo=UTC)},
        {"case": "P-OTHER"},
        {"user": "eve"},
        {"order_id": 99},
    ],
)
def test_changed_permission_is_refused(book, authorisation, change):
    forged = replace(authorisation, **change)
    with pytest.raises(NotAuthorisedError, match="issued by the casebook"):
        require(forged)
    assert not orders.still_valid(forged, book)


def test_permission_by_hand_is_refused(authorisation):
    by_hand = Authorisation("P-TEST", 1, "eve", "x", *WINDOW, AREA, ONSET + 9 * DAY)
    with pytest.raises(NotAuthorisedError):
        require(by_hand)
    with pytest.raises(NotAuthorisedError):
        require("P-TEST")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"legal_basis": " "}, "legal basis"),
        ({"purpose": ""}, "purpose"),
        ({"window": (ONSET, ONSET)}, "must lie before its end"),
        ({"window": (ONSET - 15 * DAY, ONSET)}, "more than 14 days before"),
        ({"window": (ONSET, ONSET + 3 * DAY)}, "isolation"),
        ({"window": (datetime(2025, 11, 2), ONSET)}, "no time zone"),
        ({"area": shapely.Point(126.8, 37.5)}, "polygon"),
        ({"area": shapely.box(37.4, 126.7, 37.5, 126.8)}, "longitude first"),
        ({"area": shapely.box(126, 37, 127, 38)}, "square degrees"),
        ({"area": shapely.from_wkt("POLYGON((0 0,.1 .1,.1 0,0 .1,0 0))")}, "no valid"),
        ({"expires_at": ONSET}, "must lie after now"),
        ({"expires_at": datetime.now(UTC) + 40 * DAY}, "within 30 days"),
    ],
)
def test_request_beyond_what_an_order_may_cover(book, case, change, said):
    with pytest.raises(DongseonError, match=said):
        request(book, case, **change)
    assert orders.list_orders("ana", settings=book) == []


def test_earlier_isolation_ends_orders_that_reach_beyond_it(book, authorisation):
    cases.set_isolated("P-TEST", "ana", WINDOW[1], settings=book)
    assert orders.still_valid(authorisation, book)
    earlier = WINDOW[1] - timedelta(hours=1)
    assert cases.set_isolated("P-TEST", "ana", earlier, settings=book) == 1
    assert not orders.still_valid(authorisation, book)
    with pytest.raises(DongseonError, match="isolation"):
        request(book, "P-TEST")
    with pytest.raises(DongseonError, match="before the onset"):
        cases.set_isolated("P-TEST", "ana", ONSET - DAY, settings=book)


def test_unknown_case_and_order(book):
    with pytest.raises(NotAuthorisedError, match="no order"):
        orders.authorise("P-NONE", "ana", "test", settings=book)
    with pytest.raises(DongseonError, match="no order 5"):
        orders.approve(5, "bora", settings=book)


def test_decided_order_cannot_be_decided_again(book, case):
    order = request(book, case)
    orders.refuse(order.id, "bora", "no", settings=book)
    with pytest.raises(DongseonError, match="only a requested one"):
        orders.approve(order.id, "bora", settings=book)


def test_still_valid_is_cheap(book, authorisation):
    start = time.perf_counter()
    for _ in range(50):
        orders.still_valid(authorisation, book)
    assert (time.perf_counter() - start) / 50 < 0.05


def test_demo_order_repeats(book):
    folder = book.data_dir / "basemap"
    folder.mkdir(parents=True)
    (folder / "bucheon_boundary.geojson").write_text(shapely.to_geojson(AREA))
    first = demo_order(book, "DEMO-1", WINDOW, "ana", "bora")
    second = demo_order(book, "DEMO-1", WINDOW, "ana", "bora")
    assert first.order_id == second.order_id
    assert orders.still_valid(second, book)
    with pytest.raises(NotAuthorisedError):
        demo_order(book, "DEMO-2", WINDOW, "ana", "ana")
