"""An order for the demo, through the same acts as any other."""

from __future__ import annotations

from datetime import datetime

from pipeline.casebook import cases, identity, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import Settings

PURPOSE = "demonstration on public test footage"
LEGAL_BASIS = "IDCPA Art. 76-2 (2) (demonstration)"
TEST = "demonstration: no real patient, no real test"


def demo_order(
    settings: Settings,
    case: str,
    window: tuple[datetime, datetime],
    requester: str,
    approver: str,
) -> Authorisation:
    """Open the case, request and approve an order, and authorise the requester.

    Repeating it uses the case again, and the order if one of the same window is
    still in force. The dashboard then asks for no log-in on this machine, until the
    first account is added.

    Parameters
    ----------
    case : pseudonym, e.g. "DEMO-1".
    window : start and end, aware datetimes in the past; the onset is set two days
        after the start, or at the end if that is earlier.
    requester, approver : two different persons.
    """
    identity.mark_single(settings)
    start, end = window
    known = {one.pseudonym for one in cases.list_cases(requester, settings=settings)}
    if case not in known:
        cases.open_case(
            requester,
            test=TEST,
            confirmed_at=end,
            onset_at=min(start + orders.BEFORE_ONSET, end),
            isolated_at=end,
            pseudonym=case,
            settings=settings,
        )
    for order in orders.list_orders(requester, case=case, settings=settings):
        same = order.window_start == start and order.window_end == end
        if order.state == "approved" and same:
            break
    else:
        order = orders.request_order(
            case,
            requester,
            legal_basis=LEGAL_BASIS,
            purpose=PURPOSE,
            window=window,
            settings=settings,
        )
        orders.approve(order.id, approver, settings=settings)
    return orders.authorise(
        case, requester, PURPOSE, settings=settings, order_id=order.id
    )
