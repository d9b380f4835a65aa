"""What is local: sentences of errors, moments, lengths of time, numbers, units."""

from __future__ import annotations

import ast
import re
import string
from datetime import UTC, datetime

import pytest

from dashboard import refusals, tables
from dashboard.i18n import LANGUAGES, Texts, ko_errors
from dashboard.panels import contacts
from pipeline.casebook import orders
from pipeline.casebook.followups import STATES
from pipeline.casebook.roles import ROLES
from pipeline.errors import DongseonError, NotAuthorisedError, packed, unpacked
from pipeline.settings import CHECKOUT, Settings
from pipeline.store import query
from tests.dashboard import installation

KO, EN = Texts("ko"), Texts("en")
HANGUL = re.compile("[가-힣]")


def coded() -> dict[str, set[str]]:
    """Code of an error -> the values that every place brings that raises it."""
    found: dict[str, set[str]] = {}
    for room in ("pipeline", "dashboard"):
        for path in (CHECKOUT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                brought = {one.arg: one.value for one in node.keywords if one.arg}
                code = brought.pop("code", None)
                name = getattr(node.func, "id", "")
                if isinstance(code, ast.Constant) and name.endswith("Error"):
                    values = found.setdefault(str(code.value), set(brought))
                    values &= set(brought)
    return found


def test_every_error_with_a_code_has_a_korean_sentence() -> None:
    raised = coded()
    assert len(raised) > 60
    assert set(raised) == set(ko_errors.TEXTS)
    for code, form in ko_errors.TEXTS.items():
        asked = {name for _, name, _, _ in string.Formatter().parse(form) if name}
        assert asked <= raised[code], code
        assert HANGUL.search(form), code


def test_errors_are_said_in_the_language_of_the_page(traced: Settings) -> None:
    made = orders.request_order(
        installation.CASE, "asker", legal_basis="a", purpose="b", settings=traced
    )
    with pytest.raises(NotAuthorisedError) as own:
        orders.approve(made.id, "asker", settings=traced)
    assert refusals.told(own.value, EN) == str(own.value)
    assert "본인이 신청했으므로" in refusals.told(own.value, KO)
    with pytest.raises(DongseonError) as closed:
        query.check("SELECT * FROM read_csv('x')")
    told = refusals.told(closed.value, KO)
    assert "read_csv" in told
    assert "tracklets" in told
    kept = unpacked(packed(closed.value))  # as a failed trace keeps it
    assert (str(kept), refusals.told(kept, KO)) == (str(closed.value), told)
    assert str(unpacked("of an earlier version")) == "of an earlier version"
    # Moments are the city's, words of states and roles Korean.
    at = datetime(2025, 11, 3, 15, 30, tzinfo=UTC)
    ended = DongseonError("x", code="order_expired", case="P-1", order=1, at=at)
    assert "2025-11-04 00:30" in refusals.told(ended, KO)
    assert "2025-11-04 00:30" in refusals.told(unpacked(packed(ended)), KO)
    barred = DongseonError("x", code="role_forbids", role=ROLES[0], roles=[*ROLES])
    assert not re.search("[a-z]", refusals.told(barred, KO))
    step = {"contact": "K-001", "followup": STATES[0], "wanted": STATES[-1]}
    moved = DongseonError("x", code="followup_order", **step)
    assert not re.search("[a-z]", refusals.told(moved, KO))
    # What has no code is said to be English.
    assert refusals.told(DongseonError("Odd."), KO).endswith(
        "프로그램의 설명(영어): Odd."
    )


def test_moments_numbers_and_units_are_local(settings: Settings) -> None:
    at = datetime(2025, 11, 3, 15, 30, 5, tzinfo=UTC)
    assert tables.when(at) == "2025-11-04 00:30"  # Seoul, the next day
    for texts, length, share, cameras in (
        (KO, "4분 20초", "13분 · 42%", "부천시 경계 안에 임의로 배치한 10,820대"),
        (EN, "4 min 20 s", "13 min · 42%", "10,820 cameras"),
    ):
        assert contacts.duration(260, texts) == length
        assert texts("kpi_minutes", minutes=13.2, share=0.42) == share
        assert cameras in texts("notice_synthetic", cameras=10_820)
    # Units of time and counts that are words are Korean words there.
    foreign = re.compile(r"} ?(min|s|h|d|minutes|seconds|hours|days|persons|cameras)\b")
    known = {key for key, text in LANGUAGES["en"].items() if foreign.search(text)}
    assert len(known) > 10
    assert [k for k in known if foreign.search(LANGUAGES["ko"][k])] == []
