"""Log-in to the real server: by password, by a proxy, by an OpenID provider."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from dashboard import gate
from pipeline.casebook import (
    accounts,
    audit,
    clock,
    database,
    identity,
    sessions,
    tables,
)
from pipeline.casebook.demo import demo_order
from pipeline.commands.dashboard import serve
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings
from tests.dashboard import installation
from tests.dashboard.conftest import started

PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def book(traced: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The traced installation, for whose dashboard people must log in."""
    monkeypatch.setenv("DONGSEON_LOGIN", "auto")
    get_settings.cache_clear()
    yield get_settings()
    database.dispose(get_settings())


def add(book: Settings, name: str, role: str, by: str, *, local: bool = True) -> None:
    once = accounts.add(name, role, by, local=local, settings=book)
    if once:
        accounts.change_password(name, once, PASSWORD, settings=book)


def upgrade(url: str, **headers: str) -> int:
    """Ask for the web socket as a browser does; return the status."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request(
        "GET",
        "/_stcore/stream",
        headers={
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
            "Sec-WebSocket-Protocol": "streamlit",
            **headers,
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status


def acts(book: Settings, act: str) -> list[dict]:
    return [entry for entry in audit.entries(book) if entry["act"] == act]


class TestModes:
    def test_the_demonstration_asks_for_no_login(self, settings: Settings) -> None:
        own = settings.model_copy(update={"login": "auto"})
        assert identity.login_mode(own) == "local"
        window = (installation.START - timedelta(hours=1), installation.START)
        assert installation.approve_order(own).state == "approved"
        assert identity.login_mode(own) == "local"
        demo_order(own, "DEMO-9", window, "local", "other")
        assert identity.login_mode(own) == "single"
        accounts.add("boss", "administrator", "local", settings=own)
        assert identity.login_mode(own) == "local"
        forced = own.model_copy(update={"login": "single"})
        assert identity.login_mode(forced) == "local"

    def test_single_is_refused_where_there_are_accounts(self, book: Settings) -> None:
        accounts.first_administrator(book)
        with pytest.raises(DongseonError, match="has accounts"):
            serve(single=True)

    def test_the_network_needs_tls(self, book: Settings) -> None:
        accounts.first_administrator(book)
        with pytest.raises(DongseonError, match="TLS"):
            serve(address="0.0.0.0")
        with pytest.raises(DongseonError, match="both --certificate and --key"):
            serve(certificate=Path("x.pem"))


def test_by_password(book: Settings, tmp_path: Path) -> None:
    with started(tmp_path) as url:
        printed = (tmp_path / "server.log").read_text()
        named = re.search(r"First account: administrator; .* is in (\S+),", printed)
        assert named, printed
        kept = Path(named[1])
        assert kept.parent == book.key_file.parent
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        once = kept.read_text().strip()
        assert once not in printed

        # Without a session: no page, no asset, no socket; only the way in.
        assert requests.get(url, headers=PAGE, allow_redirects=False).status_code == 303
        for path in ("/", "/trace", "/static/index.js", "/dongseon/0/cameras.json"):
            assert requests.get(url + path).status_code == 401, path
        assert upgrade(url) == 403
        assert upgrade(url, Cookie=f"{gate.COOKIE}=made-up") == 403
        assert upgrade(url, **{gate.IDENTITY_HEADER: "administrator"}) == 403
        form = requests.get(url + "/login")
        assert "Log in" in form.text
        assert "frame-ancestors 'none'" in form.headers["Content-Security-Policy"]
        assert "로그인" in requests.get(url + "/login?language=ko").text

        # The one-time password is good for choosing one's own.
        first = {"name": "administrator", "password": once}
        answer = requests.post(url + "/login", data=first)
        assert "one-time" in answer.text
        assert gate.COOKIE not in answer.cookies
        change = {**first, "new": PASSWORD, "again": PASSWORD + "x"}
        answer = requests.post(url + "/login/password", data=change)
        assert (answer.status_code, "differ" in answer.text) == (403, True)
        change["again"] = PASSWORD
        answer = requests.post(url + "/login/password", data=change)
        token = answer.cookies[gate.COOKIE]
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert "SameSite=strict" in answer.headers["Set-Cookie"]
        assert not kept.exists()

        # With it: pages and socket; not from a page of another address.
        mine = {"Cookie": f"{gate.COOKIE}={token}"}
        assert requests.get(url, headers={**PAGE, **mine}).status_code == 200
        assert upgrade(url, **mine) == 101
        assert upgrade(url, **mine, Origin="https://elsewhere.example") == 403
        assert upgrade(url, **mine, Origin="null") == 403
        post = {**mine, "Origin": "https://elsewhere.example"}
        assert requests.post(url + "/login/out", headers=post).status_code == 403
        assert upgrade(url, **mine) == 101

        # Gone at once: after log-out, after the account is disabled, when idle.
        requests.post(url + "/login/out", headers=mine, allow_redirects=False)
        assert upgrade(url, **mine) == 403
        add(book, "ana", "investigator", "administrator")
        enter = {"name": "ana", "password": PASSWORD}
        mine = {
            "Cookie": f"{gate.COOKIE}="
            + requests.post(url + "/login", data=enter).cookies[gate.COOKIE]
        }
        assert upgrade(url, **mine) == 101
        accounts.disable("ana", "administrator", settings=book)
        assert upgrade(url, **mine) == 403
        accounts.reset("ana", "administrator", settings=book)
        token = sessions.begin("ana", "test", settings=book)
        mine = {"Cookie": f"{gate.COOKIE}={token}"}
        assert upgrade(url, **mine) == 101
        with database.writing(book) as connection:
            before = clock.now() - sessions.IDLE
            connection.execute(tables.sessions.update().values(seen_at=before))
        assert upgrade(url, **mine) == 403

        # Wrong passwords lock; what was typed as a name is not kept.
        wrong = {"name": "administrator", "password": "guess"}
        for _ in range(accounts.FAILURES):
            assert requests.post(url + "/login", data=wrong).status_code == 403
        right = {"name": "administrator", "password": PASSWORD}
        answer = requests.post(url + "/login", data=right)
        assert "locked" in answer.text
        requests.post(url + "/login", data={"name": PASSWORD, "password": "x"})
        assert PASSWORD not in json.dumps(audit.entries(book))
        answers = [
            requests.post(url + "/login", data=wrong).status_code for _ in range(30)
        ]
        assert answers[-1] == 429
    assert audit.verify(book).sound
    assert len(acts(book, "login")) == 3
    assert len(acts(book, "logout")) >= 2


def test_by_proxy(book: Settings, tmp_path: Path) -> None:
    accounts.first_administrator(book)
    add(book, "kim@city.example", "approver", "administrator", local=False)
    add(book, "local-kim", "approver", "administrator")
    header = "X-Forwarded-User"
    trusted = {
        "DONGSEON_LOGIN": "proxy",
        "DONGSEON_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1",
    }
    with started(tmp_path, **trusted) as url:
        good = {header: "kim@city.example"}
        assert requests.get(url, headers={**PAGE, **good}).status_code == 200
        assert upgrade(url, **good) == 101
        for name in ("nobody", "administrator", "local-kim", "", "a,kim@city.example"):
            assert requests.get(url, headers={**PAGE, header: name}).status_code == 403
            assert upgrade(url, **{header: name}) == 403
        assert upgrade(url, **{gate.IDENTITY_HEADER: "kim@city.example"}) == 403
        accounts.disable("kim@city.example", "administrator", settings=book)
        assert upgrade(url, **good) == 403
    with started(tmp_path, DONGSEON_LOGIN="proxy") as url:  # trusts no proxy
        assert upgrade(url, **good) == 403
        assert requests.get(url, headers=good).status_code == 403


class Provider(BaseHTTPRequestHandler):
    """A small OpenID provider on loopback, that may be told to lie."""

    name = "kim"
    lie: dict = {}  # noqa: RUF012
    key = None
    signing = None
    asked: dict[str, dict] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        issuer = f"http://127.0.0.1:{self.server.server_port}"
        if place.path == "/.well-known/openid-configuration":
            self._send(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                }
            )
        elif place.path == "/keys":
            self._send({"keys": [self.key.as_dict(private=False)]})
        else:
            asked = {k: v[0] for k, v in parse_qs(place.query).items()}
            code = secrets.token_hex(8)
            self.asked[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()

    def do_POST(self) -> None:
        from joserfc import jwt

        length = int(self.headers["Content-Length"])
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
        asked = self.asked.pop(form.get("code", ""), None)
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != proof:
            self._send({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {
            "iss": f"http://127.0.0.1:{self.server.server_port}",
            "aud": "dongseon",
            "sub": "1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": self.name,
        } | self.lie
        token = jwt.encode(
            {"alg": "RS256", "kid": self.key.kid}, claims, self.signing or self.key
        )
        self._send({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _send(self, content: dict, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    pytest.importorskip("authlib", reason="the extra oidc is not installed")
    from joserfc.jwk import RSAKey

    Provider.key = RSAKey.generate_key(2048, {"kid": "k1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_by_openid(
    book: Settings, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joserfc.jwk import RSAKey

    accounts.first_administrator(book)
    add(book, "kim", "approver", "administrator", local=False)
    add(book, "local-kim", "approver", "administrator")
    with started(
        tmp_path,
        DONGSEON_LOGIN="oidc",
        DONGSEON_OIDC_ISSUER=provider,
        DONGSEON_PUBLIC_URL="http://127.0.0.1:1",
    ) as url:
        assert "organisation" in requests.get(url + "/login").text

        def attempt(browser: requests.Session | None = None) -> requests.Response:
            here = requests.Session()
            begun = here.get(url + "/login/oidc", allow_redirects=False)
            there = requests.get(begun.headers["Location"], allow_redirects=False)
            back = urlsplit(there.headers["Location"])
            assert back.path == "/login/oidc/back"
            return (browser or here).get(f"{url}{back.path}?{back.query}")

        answer = attempt()
        mine = {"Cookie": f"{gate.COOKIE}={answer.cookies[gate.COOKIE]}"}
        assert upgrade(url, **mine) == 101

        # Another browser's answer, a repeated one, none at all.
        assert attempt(requests.Session()).status_code == 403
        assert requests.get(url + "/login/oidc/back?state=x&code=y").status_code == 403

        # A person without an external account here; a token that does not hold.
        for name in ("nobody", "administrator", "local-kim", ""):
            monkeypatch.setattr(Provider, "name", name)
            answer = attempt()
            assert (answer.status_code, gate.COOKIE in answer.cookies) == (403, False)
        monkeypatch.setattr(Provider, "name", "kim")
        past = int(time.time()) - 3600
        for lie in (
            {"nonce": "other"},
            {"aud": "another-client"},
            {"iss": "https://elsewhere.example"},
            {"exp": past, "iat": past - 10},
        ):
            monkeypatch.setattr(Provider, "lie", lie)
            assert attempt().status_code == 403, lie
        monkeypatch.setattr(Provider, "lie", {})
        other = RSAKey.generate_key(2048, {"kid": "k1"})
        monkeypatch.setattr(Provider, "signing", other)
        assert attempt().status_code == 403
        monkeypatch.setattr(Provider, "signing", None)
        assert attempt().status_code == 200
    logins = acts(book, "login")
    assert [json.loads(one["detail"])["how"] for one in logins] == ["oidc", "oidc"]


@pytest.mark.browser
def test_in_a_browser(book: Settings, tmp_path: Path) -> None:
    """Log in, open a page by its address, log out; what was shown is gone."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    accounts.first_administrator(book)
    add(book, "ana", "investigator", "administrator")
    with started(tmp_path) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{url}/cases")
        assert page.url == f"{url}/login"
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Acting as ana (investigator)")).to_be_visible(
            timeout=30_000
        )
        page.goto(f"{url}/cases")  # not past the menu, nor past who is acting
        expect(page.get_by_text("Acting as ana (investigator)")).to_be_visible()
        expect(page.get_by_text(installation.CASE).first).to_be_visible()
        expect(page.get_by_text("Page not found")).not_to_be_visible()
        page.goto(f"{url}/audit")
        expect(page.get_by_text("Acting as ana (investigator)")).to_be_visible()
        expect(page.get_by_text("order.approve")).not_to_be_visible()
        page.goto(f"{url}/cases")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("link", name="Log in")).to_be_visible()
        expect(page.get_by_text(installation.CASE)).not_to_be_visible()
        browser.close()
    assert [one["act"] for one in audit.entries(book)].count("logout") == 1
