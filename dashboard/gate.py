"""The gate before every path of the dashboard: pages, assets, web socket alike."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import refusals
from dashboard.i18n import LANGUAGE_COOKIE, Texts, preferred
from pipeline.casebook import accounts, identity, sessions
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings, get_settings

COOKIE = "dongseon_session"
#: Set by the gate for the pages, never by those who ask.
IDENTITY_HEADER = "x-dongseon-user"
LOGIN = "/login"
#: Open without a log-in: the way in, and whether the server is up.
_OPEN = ("/_stcore/health",)
#: Attempts to log in from one address in a minute.
ATTEMPTS, PERIOD_S = 30, 60.0
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}
_REFUSAL = DongseonError(
    "The dashboard serves this machine only; open it as http://127.0.0.1.",
    code="this_machine_only",
)
_FOREIGN = DongseonError(
    "This came from a page of another address; open the dashboard itself.",
    code="foreign_page",
)
_OFTEN = DongseonError("Too many attempts; wait a minute.", code="too_often")
#: Bytes of a reason that a closed web socket can bring.
_REASON_BYTES = 120


class Gate:
    """Let through whom the installation's way of log-in has identified.

    On a single machine without accounts, that is whoever sits at it: the peer must be
    a loopback address, and the Host and Origin headers must name one (a page
    elsewhere cannot reach in by a name it controls). Otherwise it is who carries a
    session of an enabled account, or whom a trusted proxy names.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tried: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        settings = get_settings()
        refusal: Response | None = None
        user: str | None = None
        try:
            mode = await run_in_threadpool(identity.login_mode, settings)
            if mode == "single":
                if not allowed(scope):
                    refusal = _told(_REFUSAL, headers, 403)
            elif not _same_origin(headers, settings):
                refusal = _told(_FOREIGN, headers, 403)
            elif _is_login(scope["path"]):
                refusal = self._too_often(scope)
            elif scope["path"] not in _OPEN:
                user = await run_in_threadpool(_identified, scope, mode, settings)
        except NotAuthorisedError as error:
            refusal = _to_login(scope, headers, mode, error)
        except DongseonError as error:
            refusal = _told(error, headers, 503)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        named = MutableHeaders(scope=scope)
        del named[IDENTITY_HEADER]
        if user is not None:
            named[IDENTITY_HEADER] = user
        await self.app(scope, receive, _hardened(send))

    def _too_often(self, scope: Scope) -> Response | None:
        """Refuse a peer that tries too many passwords, whatever the names."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        peer = str((scope.get("client") or ("?", 0))[0])
        now = time.monotonic()
        if len(self._tried) > 10_000:
            self._tried.clear()
        tried = self._tried.setdefault(peer, deque())
        while tried and now - tried[0] > PERIOD_S:
            tried.popleft()
        if len(tried) >= ATTEMPTS:
            return _told(_OFTEN, Headers(scope=scope), 429)
        tried.append(now)
        return None


def cookie(headers: Headers, name: str = COOKIE) -> str:
    """Return a cookie's value, or "" if it was not sent."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def is_secure(scope: Scope, settings: Settings) -> bool:
    """Tell whether the browser speaks TLS, to us or to a trusted proxy."""
    if scope.get("scheme") in ("https", "wss"):
        return True
    forwarded = Headers(scope=scope).get("x-forwarded-proto", "")
    return forwarded == "https" and from_proxy(scope, settings)


def from_proxy(scope: Scope, settings: Settings) -> bool:
    """Tell whether a request comes from a trusted proxy.

    Raises
    ------
    DongseonError
        If the setting names no addresses.
    """
    try:
        networks = [
            ipaddress.ip_network(one.strip(), strict=False)
            for one in settings.trusted_proxies.split(",")
            if one.strip()
        ]
    except ValueError as error:
        raise DongseonError(
            f"trusted_proxies of the settings is wrong: {error}; write addresses or "
            "networks with commas between, e.g. 127.0.0.1,10.0.0.0/8.",
            code="settings_wrong",
        ) from None
    peer = scope.get("client")
    try:
        address = ipaddress.ip_address(peer[0] if peer else "")
    except ValueError:
        return False
    return any(address in network for network in networks)


def allowed(scope: Scope) -> bool:
    """Tell whether a request comes from this machine and was meant for it."""
    peer = scope.get("client")
    headers = Headers(scope=scope)
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


def _identified(scope: Scope, mode: str, settings: Settings) -> str:
    """Return the account behind a request; assets keep no session alive."""
    headers = Headers(scope=scope)
    if mode == "proxy":
        if not from_proxy(scope, settings):
            raise NotAuthorisedError(
                "The dashboard is open through its proxy only.", code="proxy_only"
            )
        named = headers.getlist(settings.proxy_header)
        if len(named) != 1 or not named[0].strip():
            raise NotAuthorisedError("The proxy named nobody.", code="proxy_nobody")
        name = named[0].strip()
        accounts.demand_external(name, "proxy", settings=settings)
        return name
    return sessions.whose(cookie(headers), settings=settings, touch=False)


def _same_origin(headers: Headers, settings: Settings) -> bool:
    """Tell whether a request was made by a page of this dashboard, or by none."""
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        place = urlsplit(origin).netloc
        known = urlsplit(settings.public_url or "").netloc
    except ValueError:
        return False
    return bool(place) and place in (headers.get("host", ""), known)


def _is_login(path: str) -> bool:
    return path == LOGIN or path.startswith(f"{LOGIN}/")


def language(headers: Headers) -> str:
    """Return the language of whoever asks: chosen before, or else the browser's."""
    chosen = cookie(headers, LANGUAGE_COOKIE)
    return preferred(chosen, headers.get("accept-language"))


def _told(error: DongseonError, headers: Headers, status: int) -> Response:
    return PlainTextResponse(refusals.told(error, Texts(language(headers))), status)


def _to_login(
    scope: Scope, headers: Headers, mode: str, error: DongseonError
) -> Response:
    page = "text/html" in headers.get("accept", "")
    if page and mode != "proxy" and scope.get("method") == "GET":
        return RedirectResponse(LOGIN, status_code=303)
    return _told(error, headers, 403 if mode == "proxy" else 401)


async def _refuse(
    refusal: Response, scope: Scope, receive: Receive, send: Send
) -> None:
    if scope["type"] == "http":
        await refusal(scope, receive, _hardened(send))
        return
    await receive()
    reason = bytes(refusal.body)[:_REASON_BYTES].decode(errors="ignore")
    await send({"type": "websocket.close", "code": 1008, "reason": reason})


def _hardened(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


def _names_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
