"""Orders: one person asks, another approves; only then is there a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, Row, insert, select, update

from pipeline.casebook import areas, audit, cases, clock, database, roles, tables
from pipeline.casebook.authorisation import Authorisation, require, seal_of
from pipeline.casebook.clock import utc
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings

#: The window begins this long before onset: contacts are counted from two days
#: before symptoms (Korea Disease Control and Prevention Agency, response
#: guideline for COVID-19, definition of close contact; WHO, Contact tracing in
#: the context of COVID-19, 2021).
BEFORE_ONSET = timedelta(days=2)
#: No window begins earlier than the longest incubation time before onset
#: (14 days; Lauer et al. 2020, doi:10.7326/M20-0504).
EARLIEST_BEFORE_ONSET = timedelta(days=14)
DEFAULT_VALIDITY = timedelta(days=7)
LONGEST_VALIDITY = timedelta(days=30)


@dataclass(frozen=True)
class Order:
    """A request and what became of it; times are UTC, the area WGS84 lon/lat."""

    id: int
    case: str
    state: str  #: requested, approved, refused, revoked or expired
    legal_basis: str
    purpose: str
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    reason: str | None
    window_start: datetime
    window_end: datetime
    area: BaseGeometry
    expires_at: datetime


def request_order(
    case: str,
    user: str,
    *,
    legal_basis: str,
    purpose: str,
    window: tuple[datetime, datetime] | None = None,
    area: BaseGeometry | None = None,
    expires_at: datetime | None = None,
    settings: Settings,
) -> Order:
    """Ask for the trace of a case; another person must approve it.

    Parameters
    ----------
    legal_basis : the article that allows it, e.g. "IDCPA Art. 76-2 (2)".
    window : start and end of the footage that may be read, aware datetimes;
        default: two days before onset to isolation (or now).
    area : WGS84 lon/lat polygon; default: the boundary of Bucheon.
    expires_at : end of the permission; default: seven days from now.

    Raises
    ------
    DongseonError
        If a field is empty or goes beyond what an order may cover.
    """
    for field, value in (("legal basis", legal_basis), ("purpose", purpose)):
        if not value.strip():
            raise DongseonError(
                f"An order needs a {field}; none was given.",
                code="order_incomplete",
                order_field=field,
            )
    covered = areas.checked(area if area is not None else areas.default(settings))
    now = clock.now()
    expiry = utc(expires_at, "The expiry") if expires_at else now + DEFAULT_VALIDITY
    if not now < expiry <= now + LONGEST_VALIDITY:
        raise DongseonError(
            f"The expiry {expiry:%Y-%m-%d %H:%M} UTC must lie after now and within "
            f"{LONGEST_VALIDITY.days} days.",
            code="order_validity",
            days=LONGEST_VALIDITY.days,
        )
    with roles.acting_as(settings, user, "order.request", case, purpose) as (
        connection,
        note,
    ):
        start, end = _window(cases.find_open(connection, case), window, now)
        number = connection.execute(
            insert(tables.orders)
            .values(
                case_id=cases.case_id(connection, case),
                state="requested",
                legal_basis=legal_basis.strip(),
                purpose=purpose.strip(),
                requested_by=user,
                requested_at=now,
                window_start=start,
                window_end=end,
                area=shapely.to_wkt(covered, rounding_precision=7),
                expires_at=expiry,
            )
            .returning(tables.orders.c.id)
        ).scalar_one()
        note(
            "order.request",
            case,
            purpose,
            order=number,
            legal_basis=legal_basis,
            window_start=start,
            window_end=end,
            expires_at=expiry,
        )
        return _find(connection, number)


def approve(order_id: int, user: str, *, settings: Settings) -> Order:
    """Approve an order that another person requested."""
    return _decide(order_id, user, "order.approve", "approved", None, settings)


def refuse(order_id: int, user: str, reason: str, *, settings: Settings) -> Order:
    """Refuse an order that another person requested, saying why."""
    return _decide(order_id, user, "order.refuse", "refused", reason, settings)


def revoke(order_id: int, user: str, reason: str, *, settings: Settings) -> Order:
    """End an order at once: running jobs stop, results are hidden."""
    with roles.acting_as(settings, user, "order.revoke", f"order {order_id}") as (
        connection,
        note,
    ):
        order = _find(connection, order_id)
        if order.state not in ("requested", "approved"):
            raise DongseonError(
                f"Order {order_id} is {order.state} and cannot be revoked.",
                code="order_not_revocable",
                order=order_id,
            )
        _set(
            connection,
            order_id,
            state="revoked",
            revoked_by=user,
            revoked_at=clock.now(),
            reason=reason,
        )
        note("order.revoke", order.case, order=order_id, reason=reason)
        return _find(connection, order_id)


def list_orders(
    user: str, *, case: str | None = None, settings: Settings
) -> list[Order]:
    """Return orders, newest first, of one case or all."""
    with roles.acting_as(settings, user, "order.list", case or "*") as (
        connection,
        note,
    ):
        query = _query().order_by(tables.orders.c.id.desc())
        if case is not None:
            cases.find(connection, case)
            query = query.where(tables.cases.c.pseudonym == case)
        found = [_order(row) for row in connection.execute(query)]
        note("order.list", case or "*", rows=len(found))
    return found


def authorise(
    case: str,
    user: str,
    purpose: str,
    *,
    settings: Settings,
    order_id: int | None = None,
) -> Authorisation:
    """Issue the permission to trace a case under its newest approved order.

    Parameters
    ----------
    purpose : why this person asks now; recorded.
    order_id : a certain order instead of the newest approved one.

    Raises
    ------
    NotAuthorisedError
        If the case is closed or unknown, or no approved order is in force.
    """
    with roles.acting_as(settings, user, "trace", case, purpose) as (connection, note):
        order = _in_force(connection, case, order_id)
        if not purpose.strip():
            raise NotAuthorisedError(
                f"Say for what purpose case {case} is to be traced; it is recorded.",
                code="purpose_needed",
            )
        note("authorise", case, purpose, order=order.id)
    return _issued(order, user, purpose)


def still_valid(authorisation: Authorisation, settings: Settings) -> bool:
    """Tell whether the order behind a permission is still in force.

    One small query: a job may ask once a second.
    """
    try:
        demand_valid(authorisation, settings)
    except NotAuthorisedError:
        return False
    return True


def demand_valid(authorisation: Authorisation, settings: Settings) -> Authorisation:
    """Return the permission if the casebook still stands behind it.

    Raises
    ------
    NotAuthorisedError
        If it was not issued by the casebook, has expired, its order was revoked,
        its case closed, or its user's role or account taken away.
    """
    require(authorisation)
    with database.reading(settings) as connection:
        _demand(connection, authorisation)
    return authorisation


@contextmanager
def acting_under(
    authorisation: Authorisation, action: str, settings: Settings
) -> Iterator[tuple[Connection, audit.Note]]:
    """Give a transaction under a permission that is checked within it.

    A refusal is recorded, and undoes the change.
    """
    user = str(getattr(authorisation, "user", settings.user))
    case = str(getattr(authorisation, "case", "?"))
    purpose = str(getattr(authorisation, "purpose", ""))
    with roles.acting_as(settings, user, action, case, purpose) as (connection, note):
        require(authorisation)
        _demand(connection, authorisation)
        yield connection, note


def _demand(connection: Connection, authorisation: Authorisation) -> None:
    order = _in_force(connection, authorisation.case, authorisation.order_id)
    roles.demand(connection, authorisation.user, "trace")
    issued = _issued(order, authorisation.user, authorisation.purpose)
    if issued.seal != authorisation.seal:
        raise NotAuthorisedError(
            f"Order {order.id} of case {order.case} is not the one this permission "
            "was issued under; ask for it again.",
            code="order_other",
        )


def _decide(
    order_id: int,
    user: str,
    action: str,
    state: str,
    reason: str | None,
    settings: Settings,
) -> Order:
    with roles.acting_as(settings, user, action, f"order {order_id}") as (
        connection,
        note,
    ):
        order = _find(connection, order_id)
        if order.requested_by == user:
            raise NotAuthorisedError(
                f"{user!r} requested order {order_id} and cannot decide on it; "
                "another person must.",
                code="order_own",
                order=order_id,
            )
        if order.state != "requested":
            raise DongseonError(
                f"Order {order_id} is {order.state}; only a requested one can be "
                "decided on.",
                code="order_decided",
                order=order_id,
                order_state=order.state,
            )
        cases.find_open(connection, order.case)
        _set(
            connection,
            order_id,
            state=state,
            decided_by=user,
            decided_at=clock.now(),
            reason=reason,
        )
        note(action, order.case, order.purpose, order=order_id, reason=reason)
        return _find(connection, order_id)


def _window(
    case: cases.Case, window: tuple[datetime, datetime] | None, now: datetime
) -> tuple[datetime, datetime]:
    latest = case.isolated_at or now
    if window is None:
        start, end = case.infectious_from - BEFORE_ONSET, latest
    else:
        start = utc(window[0], "The window's start")
        end = utc(window[1], "The window's end")
    if start >= end:
        raise DongseonError(
            f"The window's start {start:%Y-%m-%d %H:%M} UTC must lie before its end "
            f"{end:%Y-%m-%d %H:%M} UTC.",
            code="window_reversed",
        )
    earliest = case.infectious_from - EARLIEST_BEFORE_ONSET
    if start < earliest:
        raise DongseonError(
            f"The window's start {start:%Y-%m-%d %H:%M} UTC lies more than "
            f"{EARLIEST_BEFORE_ONSET.days} days before the onset; the earliest is "
            f"{earliest:%Y-%m-%d %H:%M} UTC.",
            code="window_early",
            days=EARLIEST_BEFORE_ONSET.days,
            earliest=earliest,
        )
    if end > latest:
        what = "the patient's isolation" if case.isolated_at else "now"
        raise DongseonError(
            f"The window's end {end:%Y-%m-%d %H:%M} UTC lies after {what} "
            f"({latest:%Y-%m-%d %H:%M} UTC).",
            code="window_late",
            latest=latest,
        )
    return start, end


def _in_force(connection: Connection, case: str, order_id: int | None) -> Order:
    query = _query().where(tables.cases.c.pseudonym == case)
    if order_id is not None:
        query = query.where(tables.orders.c.id == order_id)
    rows = list(connection.execute(query.order_by(tables.orders.c.id.desc())))
    for row in rows:
        if row.case_status == "open" and _order(row).state == "approved":
            return _order(row)
    if not rows:
        reason = f"Case {case} has no order"
    elif rows[0].case_status != "open":
        reason = f"Case {case} is closed"
    else:
        newest = _order(rows[0])
        reason = f"Order {newest.id} of case {case} is {newest.state}, not approved"
    raise NotAuthorisedError(
        f"{reason}; request one (dongseon order request) and have another person "
        "approve it.",
        code="order_not_in_force",
        case=case,
    )


def _issued(order: Order, user: str, purpose: str) -> Authorisation:
    plain = Authorisation(
        case=order.case,
        order_id=order.id,
        user=user,
        purpose=purpose,
        window_start=order.window_start,
        window_end=order.window_end,
        area=order.area,
        expires_at=order.expires_at,
    )
    return replace(plain, seal=seal_of(plain))


def _set(connection: Connection, order_id: int, **values: Any) -> None:
    connection.execute(
        update(tables.orders).where(tables.orders.c.id == order_id).values(**values)
    )


def _query() -> Any:
    return select(
        tables.orders,
        tables.cases.c.pseudonym.label("case"),
        tables.cases.c.status.label("case_status"),
    ).join(tables.cases, tables.cases.c.id == tables.orders.c.case_id)


def _find(connection: Connection, order_id: int) -> Order:
    row = connection.execute(_query().where(tables.orders.c.id == order_id)).first()
    if row is None:
        raise DongseonError(
            f"There is no order {order_id}; see dongseon order list.",
            code="order_unknown",
            order=order_id,
        )
    return _order(row)


def _order(row: Row) -> Order:
    fields = dict(row._mapping)
    if (
        fields["state"] in ("requested", "approved")
        and fields["expires_at"] <= clock.now()
    ):
        fields["state"] = "expired"
    fields["area"] = shapely.from_wkt(fields["area"])
    return Order(**{name: fields[name] for name in Order.__dataclass_fields__})
