"""The log-in pages: plain forms, served before anything else is."""

from __future__ import annotations

import html
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard import gate, oidc, refusals, remembered
from dashboard.i18n import LANGUAGE_COOKIE, LANGUAGES, NAMES, Texts
from dashboard.style import SHEET
from pipeline.casebook import accounts, identity, sessions
from pipeline.casebook.accounts import PasswordChangeNeededError
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings

_BINDING = "dongseon_oidc"
_MOST_FORM = 10_000


def routes() -> list[BaseRoute]:
    """Return the routes that `dashboard.app` adds to the pages."""
    return [
        Route(gate.LOGIN, _page, methods=["GET"]),
        Route(gate.LOGIN, _enter, methods=["POST"]),
        Route(f"{gate.LOGIN}/password", _change_page, methods=["GET"]),
        Route(f"{gate.LOGIN}/password", _change, methods=["POST"]),
        Route(f"{gate.LOGIN}/out", _leave, methods=["POST"]),
        Route(f"{gate.LOGIN}/oidc", _to_provider, methods=["GET"]),
        Route(oidc.CALLBACK, _from_provider, methods=["GET"]),
    ]


async def _page(request: Request) -> Response:
    return await _shown(request, _form)


async def _change_page(request: Request) -> Response:
    return await _shown(request, _change_form)


async def _enter(request: Request) -> Response:
    """Check a name and a password; give the session's cookie."""
    settings, form = get_settings(), await _read(request)
    name, password = _text(form, "name").strip(), _text(form, "password")
    try:
        token = await run_in_threadpool(
            accounts.log_in, name, password, settings=settings
        )
    except PasswordChangeNeededError:
        return await _shown(request, _change_form, name=name, status=200)
    except DongseonError as error:
        return await _shown(request, _form, error, name, status=403)
    return _admitted(request, settings, token)


async def _change(request: Request) -> Response:
    """Set one's own password, and come in with it."""
    settings, form = get_settings(), await _read(request)
    name, old = _text(form, "name").strip(), _text(form, "password")
    new, again = _text(form, "new"), _text(form, "again")

    def change() -> str:
        if new != again:
            raise DongseonError(
                "The two new passwords differ; type them again.",
                code="passwords_differ",
            )
        accounts.change_password(name, old, new, settings=settings)
        return accounts.log_in(name, new, settings=settings)

    try:
        token = await run_in_threadpool(change)
    except DongseonError as error:
        return await _shown(request, _change_form, error, name, status=403)
    return _admitted(request, settings, token)


async def _leave(request: Request) -> Response:
    token = gate.cookie(request.headers)
    await run_in_threadpool(sessions.log_out, token, settings=get_settings())
    answer = RedirectResponse(gate.LOGIN, status_code=303)
    answer.delete_cookie(gate.COOKIE)
    return answer


async def _to_provider(request: Request) -> Response:
    settings = get_settings()
    try:
        if settings.login != "oidc":
            raise DongseonError(
                "This installation has no log-in by OpenID.", code="login_no_oidc"
            )
        url, browser = await run_in_threadpool(oidc.begin, settings)
    except DongseonError as error:
        return await _shown(request, _form, error, status=503)
    answer = RedirectResponse(url, status_code=303)
    answer.set_cookie(
        _BINDING,
        browser,
        max_age=int(oidc.PATIENCE_S),
        path=gate.LOGIN,
        httponly=True,
        secure=gate.is_secure(request.scope, settings),
        samesite="lax",  # it must come back from the provider
    )
    return answer


async def _from_provider(request: Request) -> Response:
    settings, words = get_settings(), request.query_params
    browser = request.cookies.get(_BINDING, "")

    def admit() -> str:
        if settings.login != "oidc":
            raise DongseonError(
                "This installation has no log-in by OpenID.", code="login_no_oidc"
            )
        state, code = words.get("state", ""), words.get("code", "")
        name = oidc.finish(settings, state, code, browser)
        return accounts.admit(name, "oidc", settings=settings)

    try:
        token = await run_in_threadpool(admit)
    except DongseonError as error:
        return await _shown(request, _form, error, status=403)
    answer = _admitted(request, settings, token)
    answer.delete_cookie(_BINDING, path=gate.LOGIN)
    return answer


def _admitted(request: Request, settings: Settings, token: str) -> Response:
    # A page of our own, not a redirect: a strict cookie is not sent along a redirect
    # that began elsewhere, as a provider's does.
    answer = HTMLResponse(
        "<!doctype html><meta charset='utf-8'>"
        "<meta http-equiv='refresh' content='0; url=/'><a href='/'>Dongseon</a>"
    )
    answer.set_cookie(
        gate.COOKIE,
        token,
        max_age=int(sessions.SESSION.total_seconds()),
        httponly=True,
        secure=gate.is_secure(request.scope, settings),
        samesite="strict",
    )
    return answer


async def _shown(
    request: Request,
    form: Callable[[Texts, str, str], str],
    error: DongseonError | None = None,
    name: str = "",
    status: int = 200,
) -> Response:
    language = request.query_params.get("language")
    if language not in LANGUAGES:
        language = gate.language(request.headers)
    texts = Texts(language)
    mode = await run_in_threadpool(identity.login_mode, get_settings())
    others = " · ".join(
        f"<a href='?language={code}'>{NAMES[code]}</a>"
        for code in LANGUAGES
        if code != language
    )
    told = ""
    if error is not None:
        sentence = html.escape(refusals.told(error, texts))
        told = f"<p class='error' role='alert'>{sentence}</p>"
    provider = (
        f"<p class='or'><a class='button' href='{gate.LOGIN}/oidc'>"
        f"{html.escape(texts('login_oidc'))}</a></p>"
        if mode == "oidc"
        else ""
    )
    page = (
        f"<!doctype html><html lang='{language}'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>Dongseon</title><style>{_STYLE}</style><main>"
        f"<div class='brand'>Dongseon<span>{html.escape(texts('tagline'))}</span></div>"
        f"{told}{form(texts, name, mode)}{provider}"
        f"<p class='foot'>{html.escape(texts('login_note'))}</p>"
        f"<p class='foot'>{others}</p></main></html>"
    )
    answer = HTMLResponse(page, status_code=status)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    answer.set_cookie(LANGUAGE_COOKIE, language, samesite="strict")
    answer.delete_cookie(remembered.ORDER_COOKIE)
    return answer


def _form(texts: Texts, name: str, mode: str) -> str:
    return (
        f"<form method='post' action='{gate.LOGIN}'>"
        f"{_field(texts('login_name'), 'name', 'text', 'username', name)}"
        f"{_field(texts('login_password'), 'password', 'password', 'current-password')}"
        f"<button>{html.escape(texts('login_enter'))}</button></form>"
        f"<p class='foot'><a href='{gate.LOGIN}/password'>"
        f"{html.escape(texts('login_change'))}</a></p>"
    )


def _change_form(texts: Texts, name: str, mode: str) -> str:
    fresh = ("password", "new-password")
    return (
        f"<p>{html.escape(texts('login_change_note'))}</p>"
        f"<form method='post' action='{gate.LOGIN}/password'>"
        f"{_field(texts('login_name'), 'name', 'text', 'username', name)}"
        f"{_field(texts('login_old'), 'password', 'password', 'current-password')}"
        f"{_field(texts('login_new'), 'new', *fresh)}"
        f"{_field(texts('login_again'), 'again', *fresh)}"
        f"<button>{html.escape(texts('login_set'))}</button></form>"
    )


def _field(label: str, name: str, kind: str, hint: str, value: str = "") -> str:
    return (
        f"<label>{html.escape(label)}<input name='{name}' type='{kind}' required "
        f"autocomplete='{hint}' value='{html.escape(value, quote=True)}'></label>"
    )


async def _read(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=8, max_part_size=_MOST_FORM)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value[:1000] if isinstance(value, str) else ""


_STYLE = (SHEET.parent / "login.css").read_text(encoding="utf-8")
