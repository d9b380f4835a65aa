"""A server killed in mid-session: what the person did and saw is there again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dashboard.i18n import Texts
from pipeline.casebook import orders, reviews
from pipeline.trace import followup, results
from tests.dashboard import tour
from tests.dashboard.browsing import watch
from tests.dashboard.conftest import free_port, serving

pytestmark = pytest.mark.browser
KO = Texts("ko")
CASE = "CROWD-001"  # not the one that is shown at first


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    port = free_port()
    with tour.installed(tmp_path) as settings, tour.chromium() as browser:
        page = watch(browser.new_page(viewport={"width": 1366, "height": 900})).page
        with serving(tmp_path, port=port, end=signal.SIGKILL) as url:
            page.goto(f"{url}/login?language=ko")
            page.fill("input[name=name]", tour.PEOPLE["investigator"])
            page.fill("input[name=password]", tour.PASSWORD)
            page.keyboard.press("Enter")
            heading = page.locator(".head h1")
            # The language of the log-in is that of the pages.
            expect(heading).to_have_text("사례 CROWD-002", timeout=90_000)
            side = page.locator("[data-testid=stSidebar]")
            side.get_by_role("combobox").first.click()
            page.get_by_role("option", name=CASE, exact=True).click()
            expect(heading).to_have_text(f"사례 {CASE}", timeout=60_000)
            page.get_by_role("button", name=KO("do_reject"), exact=True).nth(4).click()
            expect(page.locator(".card").nth(4)).to_contain_text(
                KO.of("verdict", "reject"), timeout=60_000
            )
            end = page.get_by_label(KO("map_range_end"))
            end.focus()
            for _ in range(4):
                page.keyboard.press("PageDown")
            to = page.locator(".trace-map .ends .to")
            expect(to).to_contain_text("14:19:36")
            page.wait_for_function("location.hash.startsWith('#view=')")
            page.wait_for_timeout(600)  # the address follows the view
            link = page.url
            assert CASE not in link
            shown = page.locator("[data-testid=shown]")
            expect(shown).to_contain_text("14:19:36", timeout=30_000)

        # Until there is a server that knows the page, nothing can be clicked in vain.
        away = page.get_by_role("status").filter(has_text=KO("reconnecting"))
        expect(away).to_be_visible()

        # Killed, and up again: the page goes on without a reload or a log-in.
        with serving(tmp_path, port=port, end=signal.SIGKILL) as url:
            app = page.locator("[data-testid=stApp]")
            expect(app).to_have_attribute(
                "data-test-connection-state", "CONNECTED", timeout=90_000
            )
            # Clicked as early as it can be: the page has not been run yet.
            page.get_by_role("button", name=KO("do_unsure"), exact=True).nth(3).click(
                timeout=90_000
            )
            expect(away).not_to_be_attached()
            expect(side).to_contain_text(tour.PEOPLE["investigator"])
            expect(page.locator(".card").nth(3)).to_contain_text(
                KO.of("verdict", "unsure"), timeout=90_000
            )
            expect(heading).to_have_text(f"사례 {CASE}")
            expect(shown).to_contain_text("14:19:36")

            # The same by its address anew: case, language and view are kept.
            page.goto("about:blank")
            page.goto(link)
            expect(heading).to_have_text(f"사례 {CASE}", timeout=90_000)
            expect(to).to_contain_text("14:19:36", timeout=60_000)
            expect(page.locator(".card").nth(4)).to_contain_text(
                KO.of("verdict", "reject")
            )

            page.locator("[data-testid=stSidebarNavLink][href$='/contacts']").click()
            person = page.locator(".person")
            expect(person).to_be_visible(timeout=60_000)
            page.get_by_role("button", name=KO("followup_reached"), exact=True).click()
            expect(person).to_contain_text(KO("followup_reached"), timeout=60_000)
            name = person.locator("b").inner_text()

        asker = tour.PEOPLE["investigator"]
        permission = orders.authorise(CASE, asker, "test", settings=settings)
        given = reviews.verdicts(permission, settings=settings)
        assert {"reject", "unsure"} <= {mine.get(asker) for mine in given.values()}
        run = results.runs(permission, settings=settings)[-1]
        standings = followup.standings(permission, run, settings=settings)
        assert standings[name].state == "reached"
