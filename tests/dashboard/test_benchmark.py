"""What `python -m benchmarks dashboard` prepares and judges, without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import budgets
from benchmarks import dashboard as benchmark
from dashboard.remembered import BESIDE_COOKIE
from pipeline.casebook import orders
from pipeline.settings import Settings
from tests.dashboard import crowd, installation, patients


def test_what_is_drawn_is_prepared_for_both_sides(
    traced: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients.build(traced, 3)
    crowd.build(traced, number=1, contacts=3)
    monkeypatch.setattr(benchmark, "_OTHERS", ["TEST-002", "TEST-003", "TEST-004"])
    monkeypatch.setattr(benchmark, "CHOSEN", 2)
    cookie = benchmark._remembered(traced, "http://127.0.0.1:1")
    (first,) = orders.list_orders("asker", case="TEST-002", settings=traced)
    assert (cookie["name"], cookie["value"]) == (BESIDE_COOKIE, str(first.id))
    kept = json.loads(benchmark._inline(traced, tmp_path).read_text())
    assert len(kept["cameras"]) == len(installation.cameras())
    assert kept["paths"]
    assert kept["cells"]


def test_a_missed_budget_is_told() -> None:
    good = {"median": 0.1, "p95": 0.14}
    found = {
        "key_to_last_draw_seconds": {"playhead": good, "range": good},
        "playback": {"frames_sent": 0, "frames_received": 0},
        "people": {"moves_the_range": {"p95": 0.9}, "opens_the_page": {"p95": 0.9}},
        "patient_to_last_draw_seconds": {"median": 0.9},
        "times_faster_than_plain_pydeck": 3.0,
    }
    kept = [one.entry() for one in benchmark.limits(found, 10_820)]
    assert budgets.failures("dashboard", kept, 0.0) == []
    worse = {**found, "playback": {"frames_sent": 1, "frames_received": 0}}
    told = [one.entry() for one in benchmark.limits(worse, 10_820)]
    assert len(budgets.failures("dashboard", told, 0.0)) == 1
