"""Who reaches the dashboard, and what the pages show without an order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from dashboard import gate, serving
from pipeline.casebook import cases, database, orders, tables
from pipeline.commands.dashboard import serve
from pipeline.errors import DongseonError
from pipeline.settings import CHECKOUT, Settings
from tests.dashboard import installation

SHELL = CHECKOUT / "dashboard" / "entry" / "shell.py"


def scope(peer: str = "127.0.0.1", host: str = "127.0.0.1:8501", **more: str) -> dict:
    headers = {"host": host, **more}
    return {
        "type": "http",
        "client": (peer, 5000),
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }


@pytest.mark.parametrize(
    ("request_", "passes"),
    [
        (scope(), True),
        (scope(host="localhost:8501"), True),
        (scope("::1", "[::1]:8501", origin="http://[::1]:8501"), True),
        (scope("192.0.2.7"), False),
        (scope(host="rebound.example:8501"), False),
        (scope(host=""), False),
        (scope(origin="https://elsewhere.example"), False),
        (scope(origin="null"), False),
    ],
)
def test_only_this_machine_is_served(request_: dict, passes: bool) -> None:
    assert gate.allowed(request_) is passes


def ask(path: str, **who: str) -> tuple[int, bytes]:
    """Send one request through the gate; return status and body."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    request = scope(**who) | {
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8501),
        "http_version": "1.1",
    }
    door = gate.Gate(Starlette(routes=serving.routes()))
    asyncio.run(door(request, receive, send))
    body = b"".join(m.get("body", b"") for m in sent)
    return sent[0]["status"], body


def test_the_gate_covers_assets(settings: Settings) -> None:
    address = serving.url("map.js")
    status, body = ask(address)
    assert status == 200
    assert b"export default" in body
    assert ask("/dongseon/x/../../pyproject.toml")[0] == 404
    assert ask("/dongseon/0/no-such-thing")[0] == 404
    assert ask(address, host="a.example")[0] == 403
    assert ask(address, peer="192.0.2.7")[0] == 403


def test_deck_comes_from_the_installed_package() -> None:
    body = serving.asset("deck.js").body
    assert b"createDeck" in body
    assert body.rstrip().endswith(b"export default module.exports;")
    assert b"sourceMappingURL" not in body


def test_it_is_not_served_to_the_network(settings: Settings) -> None:
    with pytest.raises(DongseonError, match="ssh -L"):
        serve(address="0.0.0.0")


def test_a_new_installation_says_what_to_do(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    page = AppTest.from_file(str(SHELL), default_timeout=30).run()
    assert not page.exception
    assert page.code[0].value == "./run demo"
    steps = "".join(one.proto.body for one in page.get("html"))
    assert "Nothing has been stored here yet" in steps
    assert "dongseon models fetch" in steps
    assert steps.count("<li class='todo'>") >= 4  # footage, case, order, trace


def test_without_an_order_it_says_what_to_do(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    cases.open_case(
        "asker",
        test="PCR, laboratory of the tests, 1",
        confirmed_at=installation.START,
        settings=settings,
    )
    page = AppTest.from_file(str(SHELL), default_timeout=30).run()
    assert not page.exception
    assert "No approved order" in page.info[0].value
    assert page.code[0].value == "./run demo"


def test_a_traced_case_is_shown(traced: Settings) -> None:
    page = AppTest.from_file(str(SHELL), default_timeout=30).run()
    assert not page.exception
    assert page.selectbox(key="case").value == installation.CASE
    assert [metric.value for metric in page.metric][:5] == [
        "1,234",
        "6",
        "0.42",
        "6",
        "12 (6)",
    ]
    assert maps(page)
    page.radio(key="language").set_value("ko").run()
    assert not page.exception
    assert page.metric[0].label == "검색한 통행"


def maps(page: AppTest) -> list:
    """Return the page's maps (what the browser keeps and watches are parts, too)."""
    found = page.get("bidi_component")
    return [one for one in found if one.key not in ("kept", "guard")]


def test_a_revoked_order_closes_the_page(traced: Settings) -> None:
    page = AppTest.from_file(str(SHELL), default_timeout=30).run()
    assert maps(page)
    orders.revoke(1, "approver", "test", settings=traced)
    page.run()
    assert not page.exception
    assert not maps(page)
    assert "request" in page.error[0].value


def test_reads_are_recorded_under_the_acting_user(traced: Settings) -> None:
    AppTest.from_file(str(SHELL), default_timeout=30).run()
    with database.reading(traced) as connection:
        rows = connection.execute(tables.audit.select()).mappings().all()
    acts = {(row["actor"], row["act"]) for row in rows}
    assert (traced.user, "authorise") in acts
    assert Path(traced.registry).is_file()
