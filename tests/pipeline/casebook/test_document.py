"""The data protection officer's pack says what the code does."""

from __future__ import annotations

import re

import pytest

from pipeline.casebook import accounts, orders, purge, roles, sessions
from pipeline.settings import CHECKOUT, Settings
from pipeline.store import query

TEXT = (CHECKOUT / "docs" / "safeguards.md").read_text(encoding="utf-8")


def section(number: int) -> str:
    return TEXT.split(f"\n## {number}. ")[1].split("\n## ")[0]


def test_every_guard_names_a_test_that_exists() -> None:
    known = {path.name for path in (CHECKOUT / "tests").rglob("test_*.py")}
    rows = [row for row in section(4).splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)`", row)
        assert named, row
        assert set(named) <= known, row


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("observations", Settings().retention_days),  # type: ignore[call-arg]
        ("exports", purge.EXPORT_DAYS),
        ("stills", purge.EXPORT_DAYS),
        ("results", purge.RESULT_DAYS),
        ("cases", purge.CASE_DAYS),
        ("sessions", purge.SESSION_DAYS),
        ("audit", purge.AUDIT_DAYS),
    ],
)
def test_retention_is_the_code_s(kind: str, days: int) -> None:
    (row,) = [r for r in section(3).splitlines() if r.startswith(f"| {kind} |")]
    assert re.search(rf"\b{days} day", row.split("|")[4])


def test_other_figures_are_the_code_s() -> None:
    guards = section(4)
    assert f"{accounts.FAILURES} wrong passwords" in guards
    assert f"{sessions.IDLE.seconds // 60} idle minutes" in guards
    assert f"{sessions.SESSION.seconds // 3600} hours" in guards
    assert f"{query.MOST_ROWS:,} rows" in guards
    assert f"{orders.LONGEST_VALIDITY.days} days' validity" in guards
    assert f"{orders.EARLIEST_BEFORE_ONSET.days} days before onset" in guards
    assert roles.as_markdown() in section(5)


def test_every_command_named_exists() -> None:
    import typer

    from pipeline.cli import app, register

    if not app.registered_commands:
        register()
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = set(re.findall(r"\bdongseon ([a-z]+)(?: ([a-z]+))?", TEXT))
    assert len(named) > 15
    for verb, sub in named:
        assert verb in known, verb
        more = getattr(known[verb], "commands", None)
        assert not more or not sub or sub in more, (verb, sub)
