"""Who is acting, and what they may see: every read passes the casebook first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import gate, i18n, refusals
from pipeline.casebook import accounts, identity, orders, roles, sessions
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import get_settings

#: A page shows buttons for a role as old as this; the acts ask anew.
ROLE_SECONDS = 2.0
PURPOSE = "look at the trace on the dashboard"


def user(*, touch: bool = True) -> str:
    """Return who is acting; on a single machine without accounts, the settings' user.

    Parameters
    ----------
    touch : whether a person acts, which keeps the session alive; False for what a
        page does by itself.

    Raises
    ------
    NotAuthorisedError
        If nobody is logged in, or the session has ended.
    """
    settings = get_settings()
    mode = identity.login_mode(settings)
    if mode == "single":
        return settings.user
    if mode == "proxy":
        return _of_proxy(touch)
    return sessions.whose(_token(), settings=settings, touch=touch)


def role() -> str | None:
    """Return the acting user's role; None on a single machine without accounts."""
    return accounts.role(user(touch=False), settings=get_settings())


def _shown_role() -> str | None:
    """Return the role as of a moment ago: a page asks it for every button."""
    return remembered("role", role, seconds=ROLE_SECONDS)


def may(action: str) -> bool:
    """Tell whether the acting user's role may do this (the act itself asks again)."""
    return roles.may(_shown_role(), action)


def single_machine() -> bool:
    """Tell whether no log-in is asked for."""
    return identity.login_mode(get_settings()) == "single"


def still_here() -> bool:
    """Tell whether the session goes on; looking does not keep it alive."""
    try:
        user(touch=False)
    except NotAuthorisedError:
        return False
    return True


def log_out() -> None:
    """End the session, and forget what it has read."""
    sessions.log_out(_token(), settings=get_settings())
    forget()


def _token() -> str:
    return str(st.context.cookies.get(gate.COOKIE, ""))


def _of_proxy(touch: bool) -> str:
    """Return whom the proxy named when this page was opened; the gate has checked."""
    name = st.context.headers.get(gate.IDENTITY_HEADER)
    if not name:
        raise NotAuthorisedError(
            "The proxy named nobody; open the dashboard anew.", code="proxy_nobody"
        )
    accounts.demand_external(name, "proxy", settings=get_settings())
    _demand_active()
    if touch:
        st.session_state["_acted_at"] = datetime.now(UTC)
    return str(name)


def _demand_active() -> None:
    """Refuse a page that was left alone: a proxy's people have no session here."""
    now = datetime.now(UTC)
    begun = st.session_state.setdefault("_begun_at", now)
    acted = st.session_state.get("_acted_at", now)
    if now >= acted + sessions.IDLE or now >= begun + sessions.SESSION:
        raise NotAuthorisedError(
            "This page was left alone for too long; reload it.", code="left_alone"
        )


def authorised_orders() -> list[orders.Order]:
    """Return the approved orders in force, newest first, one per case.

    Kept for the session for a minute, so that a moved slider is no audit entry.

    Raises
    ------
    DongseonError
        If the acting user may not list orders.
    """
    who = user()

    def look() -> list[orders.Order]:
        found: dict[str, orders.Order] = {}
        for order in orders.list_orders(who, settings=get_settings()):
            if order.state == "approved":
                found.setdefault(order.case, order)
        return list(found.values())

    return remembered(f"orders-{who}", look, seconds=60)


def authorise(order: orders.Order, *, touch: bool = True) -> Authorisation:
    """Return this session's permission for an order; asked for anew each time.

    The casebook is asked again on every run of the page whether it still stands
    behind the permission, so that a revoked order closes the page at once. `touch` as
    for `user`.

    Raises
    ------
    NotAuthorisedError
        If the order is not in force or the user may not trace.
    """
    settings = get_settings()
    who = user(touch=touch)
    key = ("authorisation", order.id, who)
    known = _memory().get(key)
    if known is None:
        known = orders.authorise(
            order.case, who, PURPOSE, settings=settings, order_id=order.id
        )
        _memory()[key] = known
    try:
        return orders.demand_valid(known, settings)
    except DongseonError:
        forget()
        raise


def remembered(name: str, make: Callable[[], Any], *, seconds: float) -> Any:
    """Return `make()`, kept within this session for some seconds."""
    now = datetime.now(UTC).timestamp()
    kept = _memory().get(name)
    if kept is None or now - kept[0] > seconds:
        kept = (now, make())
        _memory()[name] = kept
    return kept[1]


@contextmanager
def refusals_shown() -> Iterator[None]:
    """Show a refusal, or any other clear error, as its one sentence."""
    try:
        yield
    except DongseonError as error:
        st.error(refusals.told(error, i18n.choose()))


def forget() -> None:
    """Drop everything that this session has read."""
    _memory().clear()


def forget_starting(prefix: str) -> None:
    """Drop what was kept under names that start so."""
    for name in [key for key in _memory() if str(key).startswith(prefix)]:
        del _memory()[name]


def _memory() -> dict[Any, Any]:
    return st.session_state.setdefault("_kept", {})
