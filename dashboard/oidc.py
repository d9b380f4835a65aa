"""Log-in by an OpenID provider: authorisation code with PKCE, checked here.

Needs the extra `dongseon[oidc]` (Authlib).
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, cast

from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings

#: Seconds a log-in may take at the provider, and answers of it are waited for.
PATIENCE_S, TIMEOUT_S = 600.0, 10.0
_ALGORITHMS = ["RS256", "PS256", "ES256"]
CALLBACK = "/login/oidc/back"


@dataclass(frozen=True)
class Pending:
    """A log-in that went to the provider."""

    nonce: str
    verifier: str
    browser: str  #: value of the cookie that binds it to one browser
    at: float


_pending: dict[str, Pending] = {}
_guard = threading.Lock()


def begin(settings: Settings) -> tuple[str, str]:
    """Return the provider's address to go to, and the value of the binding cookie."""
    client = _client(settings)
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    browser = secrets.token_urlsafe(24)
    place = _discovered(settings)["authorization_endpoint"]
    url, state = client.create_authorization_url(
        place, nonce=nonce, code_verifier=verifier
    )
    now = time.monotonic()
    with _guard:
        for old in [k for k, one in _pending.items() if now - one.at > PATIENCE_S]:
            del _pending[old]
        if len(_pending) > 10_000:
            _pending.clear()
        _pending[str(state)] = Pending(nonce, verifier, browser, now)
    return str(url), browser


def finish(settings: Settings, state: str, code: str, browser: str) -> str:
    """Return the name of the person whom the provider identified.

    Raises
    ------
    NotAuthorisedError
        If the answer is not one to a question of this browser, or its token does not
        hold: signature, issuer, audience, time, nonce.
    """
    with _guard:
        known = _pending.pop(state, None)
    if (
        known is None
        or time.monotonic() - known.at > PATIENCE_S
        or not secrets.compare_digest(known.browser, browser)
    ):
        raise NotAuthorisedError(
            "This log-in is over or not yours; begin again.", code="login_provider"
        )
    about = _discovered(settings)
    token = _fetched(settings, about["token_endpoint"], code, known.verifier)
    claims = _claims(settings, about, token.get("id_token", ""), known.nonce)
    name = claims.get(settings.oidc_claim)
    if not isinstance(name, str) or not name:
        raise NotAuthorisedError(
            f"The provider's token has no {settings.oidc_claim!r}; set oidc_claim.",
            code="login_provider",
        )
    return name


def _claims(
    settings: Settings, about: dict[str, Any], token: str, nonce: str
) -> dict[str, Any]:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        keys = KeySet.import_key_set(cast(Any, _got(about["jwks_uri"])))
        found = jwt.decode(token, keys, algorithms=_ALGORITHMS)
        jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "value": about["issuer"]},
            aud={"essential": True, "value": settings.oidc_client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(found.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotAuthorisedError(
            f"The provider's token does not hold ({error}); nobody was let in.",
            code="login_provider",
        ) from None
    return dict(found.claims)


def _fetched(
    settings: Settings, place: str, code: str, verifier: str
) -> dict[str, Any]:
    from authlib.common.errors import AuthlibBaseError
    from requests import RequestException

    try:
        token = _client(settings).fetch_token(
            place, code=code, code_verifier=verifier, timeout=TIMEOUT_S
        )
    except (AuthlibBaseError, RequestException, ValueError) as error:
        raise NotAuthorisedError(
            f"The OpenID provider gave no token ({error}); begin again.",
            code="login_provider",
        ) from None
    return dict(token)


def _client(settings: Settings) -> Any:
    try:
        from authlib.integrations.requests_client import OAuth2Session
    except ModuleNotFoundError:
        raise DongseonError(
            "Log-in by OpenID needs the extra dongseon[oidc]; install it.",
            code="settings_wrong",
        ) from None
    if not settings.oidc_issuer or not settings.public_url:
        raise DongseonError(
            "Log-in by OpenID needs oidc_issuer and public_url in the settings.",
            code="settings_wrong",
        )
    secret = None
    if settings.oidc_secret_file is not None:
        try:
            secret = settings.oidc_secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise DongseonError(
                f"oidc_secret_file {settings.oidc_secret_file} cannot be read "
                f"({error.strerror}).",
                code="settings_wrong",
            ) from None
    return OAuth2Session(
        settings.oidc_client_id,
        secret,
        scope="openid profile email",
        redirect_uri=settings.public_url.rstrip("/") + CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
    )


def _discovered(settings: Settings) -> dict[str, Any]:
    issuer = str(settings.oidc_issuer).rstrip("/")
    about = _got(f"{issuer}/.well-known/openid-configuration")
    if about.get("issuer", "").rstrip("/") != issuer:
        raise DongseonError(
            f"{issuer} says that it is {about.get('issuer')!r}.", code="login_provider"
        )
    return about


def _got(url: str) -> dict[str, Any]:
    import requests

    try:
        answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise DongseonError(
            f"The OpenID provider does not answer ({type(error).__name__}); try later, "
            "or ask whoever runs it.",
            code="login_provider_down",
        ) from None
    if not isinstance(found, dict):
        raise DongseonError(
            f"{url} of the OpenID provider is no JSON object.", code="login_provider"
        )
    return found
