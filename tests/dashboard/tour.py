"""Every page as every role sees it: walked in one browser over one server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboard import gate
from pipeline.casebook import accounts, database
from pipeline.settings import Settings, get_settings
from tests.dashboard import crowd, installation
from tests.dashboard.browsing import FLAGS, Visit, watch
from tests.dashboard.conftest import started

LAYOUT = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")
#: A laptop, a wall or desk screen, and a tablet held upright.
SIZES = ((1366, 768), (1920, 1080), (820, 1180))
LANGUAGES = {"ko": "한국어", "en": "English"}
#: Page -> something that is there once the page is whole.
WHOLE = {
    "trace": ".trace-map .controls button.play",
    "contacts": "svg.timeline",
    "exposure": ".trace-map .controls button.play",
    "briefing": ".wall .places h3",
    "network": ".trace-map.area .controls button",
    "cases": "table.rows",
    "sql": "[data-testid=stTextArea], .sql-editor",
    "audit": "table.rows",
}
PAGES = {
    "investigator": ("trace", "contacts", "exposure", "briefing", "network", "cases"),
    "approver": ("trace", "contacts", "exposure", "briefing", "network", "cases"),
    "analyst": ("exposure", "briefing", "network", "sql"),
    "briefing": ("briefing",),
    "administrator": ("network", "audit"),
}
#: Role -> who has it here; `crowd` and `installation` act under the same names.
PEOPLE = {
    "investigator": "asker",
    "approver": "approver",
    "analyst": "counter",
    "briefing": "mayor",
    "administrator": accounts.FIRST,
}
PASSWORD = "correct horse battery"
SERIOUS = ("serious", "critical")
#: The server has sent all it had to, and nothing moves any more.
STILL = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  if (!app) return document.querySelector("main form") !== null;
  return app.dataset.testScriptState !== "running"
    && !document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner]")
    && !document.querySelector("[data-stale=true]");
}"""
#: Two frames after a change of size everything has its place.
SETTLED = """() => new Promise((done) => setTimeout(() =>
  requestAnimationFrame(() => requestAnimationFrame(done)), 150))"""


@dataclass
class House:
    """A served installation with people of every role."""

    url: str
    settings: Settings
    browser: Any
    visits: dict[str, Visit] = field(default_factory=dict)

    def as_role(self, role: str) -> Visit:
        """Return the role's own window, logged in once."""
        if role not in self.visits:
            context = self.browser.new_context()
            token = accounts.log_in(PEOPLE[role], PASSWORD, settings=self.settings)
            context.add_cookies(
                [{"name": gate.COOKIE, "value": token, "url": self.url}]
            )
            self.visits[role] = watch(context.new_page())
        return self.visits[role]

    def as_nobody(self) -> Visit:
        """Return a window without a log-in."""
        if "" not in self.visits:
            self.visits[""] = watch(self.browser.new_context().new_page())
        return self.visits[""]


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    """Build the installation, serve it, start the browser."""
    with installed(folder) as settings, started(folder) as url, chromium() as browser:
        yield House(url, settings, browser)


@contextmanager
def installed(folder: Path) -> Iterator[Settings]:
    """Build an installation with people of every role, for whom to log in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DONGSEON_DATA_DIR", str(folder / "data"))
        patch.setenv("DONGSEON_KEY_FILE", str(folder / "keys" / "casebook.key"))
        patch.setenv("DONGSEON_REGISTRY", str(folder / "registry.geojson"))
        patch.setenv("DONGSEON_LOGIN", "local")
        get_settings.cache_clear()
        settings = get_settings()
        settings.data_dir.mkdir(parents=True)
        installation.build(settings)
        crowd.build(settings, number=2)
        add_people(settings)
        yield settings
        database.dispose(settings)
    get_settings.cache_clear()


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; skip where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def add_people(settings: Settings) -> None:
    """Add one account of every role, all with the same password."""
    made = accounts.first_administrator(settings)
    assert made is not None
    accounts.change_password(made[0], made[1], PASSWORD, settings=settings)
    for role, name in PEOPLE.items():
        if name == accounts.FIRST:
            continue
        once = accounts.add(name, role, accounts.FIRST, settings=settings)
        accounts.change_password(name, once, PASSWORD, settings=settings)


def go(house: House, role: str, page: str, language: str) -> Visit:
    """Open a page in a language as a role, by the menu where there is one."""
    visit = house.as_role(role)
    window = visit.page
    window.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    link = window.locator(f"[data-testid=stSidebarNavLink][href$='/{page}']")
    if window.url == "about:blank" or not link.count():
        if urlsplit(window.url).path != f"/{page}":
            window.goto(f"{house.url}/{page}")
    elif urlsplit(window.url).path != f"/{page}":
        link.click()
    window.locator(WHOLE[page]).first.wait_for(timeout=60_000)
    choose(visit, language)
    window.locator(WHOLE[page]).first.wait_for(timeout=60_000)
    still(window)
    return visit


def choose(visit: Visit, language: str) -> None:
    """Switch the language, if it is another."""
    still(visit.page)  # a click on what is being drawn anew would be lost
    if visit.page.evaluate("document.documentElement.lang") != language:
        visit.page.get_by_text(LANGUAGES[language], exact=True).click()
        visit.page.wait_for_function(
            f"document.documentElement.lang === '{language}'", timeout=60_000
        )


def still(window: Any) -> None:
    """Wait until a page does not change any more."""
    window.wait_for_function(STILL, timeout=60_000)
    window.evaluate(SETTLED)


def faults_of_layout(window: Any) -> list[str]:
    """Return what cannot be read at any of the sizes."""
    found = []
    for width, height in SIZES:
        window.set_viewport_size({"width": width, "height": height})
        still(window)
        told = window.evaluate(LAYOUT)
        found += [f"{width}x{height}: {fault}" for fault in told]
    return found


def faults_of_access(window: Any) -> list[str]:
    """Return axe-core's serious and critical findings."""
    if not window.evaluate("typeof window.axe === 'object'"):
        window.evaluate(axe())
    found = window.evaluate(
        "async () => (await axe.run({resultTypes: ['violations']})).violations"
    )
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@lru_cache(maxsize=1)
def axe() -> str:
    """Return axe-core's script, as the development package brings it."""
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def check(house: House, role: str, page: str, language: str) -> None:
    """Demand that a role's page is legible, accessible and silent."""
    sound(go(house, role, page, language))


def sound(visit: Visit) -> None:
    """Demand that what is shown is legible, accessible and silent."""
    found = faults_of_layout(visit.page) + faults_of_access(visit.page)
    silent(visit)
    assert not found, "\n".join(found)


def silent(visit: Visit) -> None:
    """Demand that a page failed nowhere and asked for nothing elsewhere."""
    body = visit.page.inner_text("body")
    for never in ("Uncaught", "Traceback", "encountered an error"):
        assert never not in body
    assert not visit.elsewhere
    assert not visit.complaints
