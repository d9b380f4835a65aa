"""Who is acting, and what they may see: every read passes the casebook first."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.casebook import orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import get_settings

PURPOSE = "look at the trace on the dashboard"
_REFUSAL = "The dashboard serves this machine only; open it as http://127.0.0.1."


def user() -> str:
    """Return who is acting: on a single machine, the user of the settings."""
    return get_settings().user


def authorised_orders() -> list[orders.Order]:
    """Return the approved orders in force, newest first, one per case.

    Kept for the session for a minute, so that a moved slider is no audit entry.

    Raises
    ------
    DongseonError
        If the acting user may not list orders.
    """

    def look() -> list[orders.Order]:
        found: dict[str, orders.Order] = {}
        for order in orders.list_orders(user(), settings=get_settings()):
            if order.state == "approved":
                found.setdefault(order.case, order)
        return list(found.values())

    return remembered("orders", look, seconds=60)


def authorise(order: orders.Order) -> Authorisation:
    """Return this session's permission for an order; asked for anew each time.

    The casebook is asked again on every run of the page whether it still stands
    behind the permission, so that a revoked order closes the page at once.

    Raises
    ------
    NotAuthorisedError
        If the order is not in force or the user may not trace.
    """
    settings = get_settings()
    key = ("authorisation", order.id)
    known = _memory().get(key)
    if known is None:
        known = orders.authorise(
            order.case, user(), PURPOSE, settings=settings, order_id=order.id
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
        st.error(str(error))


def forget() -> None:
    """Drop everything that this session has read."""
    _memory().clear()


def _memory() -> dict[Any, Any]:
    return st.session_state.setdefault("_kept", {})


class LocalGate:
    """Refuse whatever does not come from this machine to this machine.

    There are no accounts on a single machine, so the network must not reach it:
    the peer must be a loopback address, and the Host and Origin headers must name
    one (a page elsewhere cannot reach in by a name it controls). It covers pages,
    assets, health and the web socket alike.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket") or allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = PlainTextResponse(_REFUSAL, status_code=403)
            await refusal(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": _REFUSAL})


def allowed(scope: Scope) -> bool:
    """Tell whether a request comes from this machine and was meant for it."""
    peer = scope.get("client")
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in scope.get("headers", [])
    }
    origin = headers.get("origin")
    return (
        peer is not None
        and is_loopback(peer[0])
        and _names_loopback(f"//{headers.get('host', '')}")
        and (origin is None or _names_loopback(origin))
    )


def is_loopback(address: str) -> bool:
    """Tell whether an address or host name is this machine's own loopback."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _names_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
