"""The SQL editor in a real Chromium: names complete, keys run, drafts stay."""

from __future__ import annotations

import re

import pytest

from dashboard.panels import editor
from tests.dashboard.browsing import sound, visiting

pytestmark = pytest.mark.browser
CHOICES = ".ace_autocomplete .ace_line"


def test_names_complete_and_keys_run(server: str) -> None:
    from playwright.sync_api import expect

    with visiting(f"{server}/sql") as visit:
        page = visit.page
        typing = page.locator(".sql-editor .ace_text-input")
        expect(typing).to_have_attribute(
            "aria-label", re.compile("^Query"), timeout=60_000
        )
        text = page.locator(".sql-editor .ace_content")
        expect(text).to_contain_text("FROM tracklets")

        # After the name that stands for a view, its columns and no others.
        typing.focus()
        page.keyboard.press("Control+a")
        page.keyboard.type("SELECT c.usage FROM cameras AS c WHERE c.")
        page.wait_for_timeout(500)
        page.keyboard.type("instal", delay=60)
        expect(page.locator(CHOICES).first).to_contain_text("installed")
        expect(page.locator(CHOICES).first).to_contain_text("cameras")
        assert page.locator(CHOICES).count() == 1
        page.keyboard.press("Enter")
        expect(text).to_contain_text("c.installed")

        # Ctrl+Enter runs what was typed last.
        page.keyboard.press("Control+a")
        page.keyboard.type("SELECT 40 + 2 AS answer")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("1 rows").first).to_be_visible(timeout=30_000)
        expect(page.locator("table.rows pre").first).to_have_text(
            "SELECT 40 + 2 AS answer"
        )

        # A page that begins anew, as after a restart, still has the draft.
        page.keyboard.press("End")
        page.keyboard.type(" -- kept")
        page.wait_for_timeout(600)
        page.reload()
        expect(text).to_contain_text("-- kept", timeout=60_000)
        sound(visit)


def test_functions_are_those_of_the_database() -> None:
    known = editor._functions()
    assert {"date_trunc", "quantile_cont", "count"} <= set(known)
    assert known == sorted(set(known))
