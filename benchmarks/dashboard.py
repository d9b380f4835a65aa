"""Dashboard: key press to last draw beside plain pydeck, playback, ten people at once.

The map has the whole network, ten patients' paths and the heatmap of contacts. Draws
are WebGL's own calls, seen by a hook; a key's time ends with the last of them. The
baseline is what a page of Streamlit with `st.slider` and `st.pydeck_chart` does with
the same cameras, paths and cells inline. People at once are sessions on the server's
web socket without browsers (`benchmarks.visitor`), which would take its processor.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import budgets
from benchmarks.visitor import Answer, Visitor
from dashboard import remembered
from dashboard.maps import heat_cells
from pipeline.cameras import registry
from pipeline.casebook import orders
from pipeline.settings import Settings, get_settings
from pipeline.trace import results
from tests.dashboard import crowd, installation, patients
from tests.dashboard.browsing import FLAGS, watch
from tests.dashboard.conftest import serving

PATIENTS, CONTACTS, PEOPLE = 10, 600, 10
#: Key presses of a kind, and moments at which all people act.
PRESSES, ROUNDS = 20, 5
PLAYED_S = 5.0
#: The other patients, and how many of them are put beside the first by hand.
_OTHERS = [f"TEST-{number:03d}" for number in range(2, PATIENTS + 1)]
CHOSEN = 3
#: Budgets, seconds.
TO_DRAW_S, TO_ANSWER_S, TO_SHOW_S = 0.150, 1.0, 1.0
WINDOW = {"width": 1366, "height": 768}
#: Nothing drawn for so long: the picture is whole, milliseconds.
REST_MS = 700
#: A key that has drawn nothing by then drew nothing, milliseconds.
NOTHING_MS = 8_000
#: A browser that has not come so far by then will not, milliseconds.
PATIENCE_MS = 240_000
_ACT = f"""(kind) => new Promise((done) => {{
  window.addEventListener(kind, () => {{
    const begun = performance.now();
    window.lastDraw = 0;
    const look = () => {{
      const last = window.lastDraw || null;
      const idle = performance.now() - (last ?? begun);
      if (idle > (last ? {REST_MS} : {NOTHING_MS})) done(last && last - begun);
      else setTimeout(look, 50);
    }};
    setTimeout(look, 50);
  }}, {{ capture: true, once: true }});
  window.waiting = true;
}})"""
_PLAIN = """
import json, pathlib, pydeck, streamlit as st
found = json.loads(pathlib.Path({data!r}).read_text())
until = st.slider("time", 0, 1000, 1000)
kept = [cell for cell in found["cells"] if cell["t"] <= until]
st.pydeck_chart(pydeck.Deck(layers=[
    pydeck.Layer("ScatterplotLayer", found["cameras"], id="cameras", get_position="p",
                 get_radius=5, radius_min_pixels=2, pickable=True),
    pydeck.Layer("PathLayer", found["paths"], id="paths", get_path="p", get_width=5,
                 width_min_pixels=3),
    pydeck.Layer("PolygonLayer", kept, id="heat", get_polygon="outline",
                 get_fill_color=[227, 26, 28, 160]),
], initial_view_state=pydeck.ViewState(126.783, 37.503, zoom=12),
   map_provider=None, map_style=None), height=600)
"""


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Keys, playback and people, on a network of `rows` cameras."""
    with installed(folder, rows) as settings:
        with serving(folder, DONGSEON_LOGIN="single", DONGSEON_USER="asker") as url:
            with _browser() as browser:
                found = _ours(browser, url, _remembered(settings, url))
            people = _people(url)
        data = _inline(settings, folder)
    script = folder / "plain.py"
    script.write_text(_PLAIN.format(data=str(data)))
    options = ["-m", "streamlit", "run", str(script), "--server.fileWatcherType=none"]
    run = [sys.executable, *options]
    with serving(folder, command=run) as url, _browser() as browser:
        plain = _plain(browser, url)
    return {
        "seconds": found["playhead"]["median"],
        "cameras": rows,
        "patients": PATIENTS,
        "key_to_last_draw_seconds": {
            name: found[name] for name in ("playhead", "range")
        },
        "patient_to_last_draw_seconds": found["patients"],
        "playback": found["playback"],
        "people": people,
        "times_faster_than_plain_pydeck": plain["median"] / found["range"]["median"],
        "baselines_seconds": {"plain_pydeck_inline": plain},
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    checks = [
        budgets.Budget(f"{key} key to last draw, {what}, seconds", value, TO_DRAW_S)
        for key, figures in found["key_to_last_draw_seconds"].items()
        for what, value in figures.items()
        if what in ("median", "p95")
    ]
    checks += [
        budgets.Budget("messages while playing", float(found["playback"][way]), 0)
        for way in ("frames_sent", "frames_received")
    ]
    checks += [
        budgets.Budget(
            f"ten people at once, {act}, p95, seconds",
            found["people"][act]["p95"],
            TO_ANSWER_S,
        )
        for act in ("moves_the_range", "opens_the_page")
    ]
    checks.append(
        budgets.Budget(
            "patient chosen to last draw, median, seconds",
            found["patient_to_last_draw_seconds"]["median"],
            TO_SHOW_S,
        )
    )
    checks.append(
        budgets.Budget(
            "times faster than plain pydeck inline",
            found["times_faster_than_plain_pydeck"],
            1,
            least=True,
        )
    )
    return checks


@contextmanager
def installed(folder: Path, rows: int) -> Iterator[Settings]:
    """Ten patients before a network of `rows` cameras, in settings of their own."""
    home = {
        "DONGSEON_DATA_DIR": str(folder / "data"),
        "DONGSEON_KEY_FILE": str(folder / "keys" / "casebook.key"),
        "DONGSEON_REGISTRY": str(folder / "registry.geojson"),
    }
    before = {name: os.environ.get(name) for name in home}
    os.environ.update(home)
    get_settings.cache_clear()
    try:
        settings = get_settings()
        settings.data_dir.mkdir(parents=True)
        registry.save(installation.cameras(rows), settings.registry)
        patients.build(settings, PATIENTS - 1)
        crowd.build(settings, number=1, contacts=CONTACTS)  # the newest is shown first
        yield settings
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        get_settings.cache_clear()


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed (apt-get install chromium).")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def _ours(browser: Any, url: str, cookie: dict[str, str]) -> dict[str, Any]:
    """Measure the Trace page with ten patients."""
    visit = watch(browser.new_page(viewport=WINDOW))
    page = visit.page
    page.set_default_timeout(PATIENCE_MS)
    page.context.add_cookies([cookie])
    page.goto(f"{url}/trace")
    page.locator(".trace-map .play").wait_for()
    _rest(page)
    _still(page)
    found: dict[str, Any] = {"patients": _choose_patients(page)}
    _rest(page)
    head = page.locator(".trace-map input.head")
    end = page.locator(".trace-map input.edge.end")
    for name, control, keys in (
        ("playhead", head, ("PageUp", "PageUp", "PageDown")),
        ("range", end, ("PageDown", "PageDown", "PageUp")),
    ):
        control.focus()
        found[name] = _presses(page, keys)
    page.locator(".trace-map").focus()
    _rest(page)
    found["playback"] = _playback(visit)
    assert not visit.elsewhere, visit.elsewhere
    return found


def _remembered(settings: Settings, url: str) -> dict[str, str]:
    """Return the cookie of somebody who looked at all patients but the last ones."""
    known = {
        one.case: str(one.id) for one in orders.list_orders("asker", settings=settings)
    }
    beside = [known[name] for name in _OTHERS[:-CHOSEN]]
    return {"name": remembered.BESIDE_COOKIE, "value": ".".join(beside), "url": url}


def _choose_patients(page: Any) -> dict[str, Any]:
    """Put the last patients beside the others by hand; from click to last draw."""
    box = page.locator("[data-testid=stSidebar] [data-testid=stMultiSelect]")
    field = box.locator("input").last
    spent = []
    for number, name in list(enumerate(_OTHERS))[-CHOSEN:]:
        option = page.get_by_role("option", name=name, exact=True)
        for _ in range(20):  # the list closes when the page is drawn anew
            if option.count():
                break
            field.click()
            page.wait_for_timeout(500)
        taken = _drawn(page, "pointerdown", option.click)
        if taken is None:
            raise SystemExit(f"{name} was chosen, but nothing was drawn.")
        spent.append(taken)
        box.locator(".react-aria-ComboBox [data-tag]").nth(number).wait_for()
        _still(page)
    page.keyboard.press("Escape")
    return _figures(spent)


def _still(page: Any) -> None:
    """Wait until the server has sent all: a list that is drawn anew closes."""
    page.wait_for_timeout(300)
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState"
        " !== 'running'"
    )


def _presses(page: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    spent = []
    for press in range(PRESSES):
        taken = _drawn(
            page, "keydown", lambda at=press: page.keyboard.press(keys[at % len(keys)])
        )
        if taken is not None:
            spent.append(taken)
    if len(spent) < 0.8 * PRESSES:
        raise SystemExit(f"Only {len(spent)} of {PRESSES} key presses drew anything.")
    return _figures(spent)


def _drawn(page: Any, kind: str, act: Callable[[], None]) -> float | None:
    """Act; return the seconds from the event to the last draw, None if none came."""
    page.evaluate("window.waiting = false")
    page.evaluate_handle(
        f"(kind) => {{ window.acted = ({_ACT})(kind); }}", kind
    ).dispose()
    page.wait_for_function("window.waiting")
    act()
    taken = page.evaluate("() => window.acted")
    return None if taken is None else taken / 1000


def _playback(visit: Any) -> dict[str, Any]:
    """Play for some seconds; count messages both ways, and that time went on."""
    page = visit.page
    moment = page.locator(".trace-map .moment")
    page.locator(".trace-map .speed, .trace-map select").first.select_option("60")
    page.locator(".trace-map input.head").focus()
    page.keyboard.press("Home")  # from the range's first moment on
    _rest(page)
    began = moment.inner_text()
    received, sent = len(visit.frames), len(visit.sent)
    draws = page.evaluate("window.frames = 0, window.draws")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(PLAYED_S * 1000)
    counted = {
        "seconds": PLAYED_S,
        "frames_sent": len(visit.sent) - sent,
        "frames_received": len(visit.frames) - received,
        "draw_calls": page.evaluate("window.draws") - draws,
        "advanced": moment.inner_text() > began,
    }
    page.get_by_role("button", name="Pause").click()
    if not counted["advanced"]:
        raise SystemExit("Time did not go on while playing.")
    return counted


def _plain(browser: Any, url: str) -> dict[str, Any]:
    """Measure the baseline: a slider of Streamlit over an inline deck."""
    page = watch(browser.new_page(viewport=WINDOW)).page
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.locator("[data-testid=stDeckGlJsonChart] #deckgl-overlay").wait_for()
    _rest(page)
    slider = page.locator("[data-testid=stSlider]").locator("[role=slider], input")
    slider.last.focus()
    return _presses(page, ("PageDown", "PageDown", "PageUp"))


def _people(url: str) -> dict[str, Any]:
    """Ten sessions that act at the same moments; seconds to each one's answer."""
    with ThreadPoolExecutor(PEOPLE) as pool:
        everybody = list(pool.map(lambda _: Visitor(url, "trace"), range(PEOPLE)))

        def at_once(act: Any) -> list[Answer]:
            return list(pool.map(act, everybody, range(PEOPLE)))

        at_once(lambda one, _: one.open())
        opened = [a.seconds for _ in range(ROUNDS) for a in at_once(_open)]
        moved = [
            answer.seconds
            for turn in range(ROUNDS)
            for answer in at_once(partial(_move, turn))
        ]
        for one in everybody:
            one.close()
    return {
        "sessions": PEOPLE,
        "moves_the_range": _figures(moved),
        "opens_the_page": _figures(opened),
    }


def _open(one: Visitor, _: int) -> Answer:
    return one.open()


def _move(turn: int, one: Visitor, number: int) -> Answer:
    return one.change("map-trace", {"range": [0.0, 600.0 + 60.0 * (turn + number)]})


def _inline(settings: Settings, folder: Path) -> Path:
    """Write what the baseline draws: the same cameras, paths and cells."""

    known = registry.load(settings.registry, check=False).cameras
    paths, cells = [], []
    for order in orders.list_orders("asker", settings=settings):
        permission = orders.authorise(order.case, "asker", "test", settings=settings)
        legs = results.read(permission, "leg", settings=settings).to_pylist()
        paths += [
            {"p": list(map(list, zip(x["lon"], x["lat"], strict=True)))} for x in legs
        ]
        if order.case.startswith("CROWD"):
            episodes = results.read(permission, "episode", settings=settings)
            start = episodes["start_at"].to_pylist()[0].timestamp()
            cells = heat_cells.heat_records(episodes, start)
    outline = {cell["k"]: cell["outline"] for cell in cells if "outline" in cell}
    last = max((cell["t1"] for cell in cells), default=1.0)
    target = folder / "inline.json"
    target.write_text(
        json.dumps(
            {
                "cameras": [
                    {
                        "p": [one.lon, one.lat],
                        "id": one.id,
                        "usage": one.usage,
                        "dong": one.dong,
                        "status": one.status,
                    }
                    for one in known
                ],
                "paths": paths,
                "cells": [
                    {"outline": outline[cell["k"]], "t": 1000 * cell["t0"] / last}
                    for cell in cells
                ],
            }
        )
    )
    return target


def _rest(page: Any) -> None:
    page.wait_for_function(
        f"window.draws > 0 && performance.now() - window.lastDraw > {REST_MS}"
    )
    page.wait_for_timeout(500)


def _figures(seconds: list[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(seconds),
        "p95": float(np.percentile(seconds, 95)),
        "most": max(seconds),
        "times": len(seconds),
    }
