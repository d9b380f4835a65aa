"""What the browser sent back counts for the traces that were shown then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.maps import playback


def chosen(monkeypatch: pytest.MonkeyPatch, sent: Any) -> playback.Chosen:
    answer = SimpleNamespace(range=sent, pick=None)
    monkeypatch.setattr(playback, "_component", lambda: lambda **_: answer)
    monkeypatch.setattr(playback.serving, "url", str)
    return playback.trace_map(
        key="A-1-B-2",
        spec="{}",
        timeline={"start": 0.0, "seconds": 600.0, "sightings": [], "legs": []},
        bounds=(126.7, 37.4, 126.9, 37.6),
        timed=(),
        dashed=(),
        legend=[],
        notes=[],
        texts={},
        language="ko",
        zone="Asia/Seoul",
        zone_label="",
    )


def test_a_range_counts_for_what_it_was_selected_on(monkeypatch) -> None:
    whole = (0.0, 600.0)
    assert chosen(monkeypatch, None).range == whole
    assert chosen(monkeypatch, [60.0, 120.0, "A-1-B-2"]).range == (60.0, 120.0)
    assert chosen(monkeypatch, [60.0, 120.0, "A-1"]).range == whole
