"""A clock that leapt ahead deletes nothing; one put right again is believed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from pipeline.cli import app, register
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import compact, layout, retention, steady, writer
from pipeline.store.steady import Mark
from tests.pipeline.store.store_samples import unit

Tick = Callable[..., None]


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> Tick:
    """Set the clock: Unix seconds, seconds since the start, which start."""

    def to(wall: float, up: float, boot: str = "one") -> None:
        monkeypatch.setattr(steady, "_now", lambda: Mark(boot, wall, up))

    return to


def test_a_leap_is_refused_until_the_clock_is_right(
    settings: Settings, tick: Tick
) -> None:
    tick(1e9, 100)
    steady.demand(settings)
    tick(1e9 + 600, 700)
    steady.demand(settings)
    tick(1e9 + 700 + 3000, 800)  # within what is no leap
    steady.demand(settings)
    tick(1e9 + 40 * 86_400, 900)
    for _ in range(2):
        with pytest.raises(StoreError, match="hours more than have passed"):
            steady.demand(settings)
    tick(1e9 + 3900, 1000)  # put right
    steady.demand(settings)


def test_a_clock_set_back_and_put_right_is_no_leap(
    settings: Settings, tick: Tick
) -> None:
    tick(1e9, 100)
    steady.demand(settings)
    tick(1e9 - 86_400, 200)
    steady.demand(settings)
    tick(1e9 + 200, 300)
    steady.demand(settings)


def test_after_a_start_of_the_machine_nothing_can_be_told(
    settings: Settings, tick: Tick
) -> None:
    tick(1e9, 100)
    steady.demand(settings)
    tick(2e9, 5, "two")
    steady.demand(settings)


def test_somebody_who_looked_is_believed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.publish(settings, *unit(start=datetime.now(UTC) - timedelta(days=1)))
    steady.demand(settings)
    real = steady._now()
    far = Mark(real.boot, real.wall + 30 * 86_400, real.up)
    monkeypatch.setattr(steady, "_now", lambda: far)
    if not app.registered_commands:
        register()
    refused = CliRunner().invoke(app, ["store", "expire"])
    assert refused.exit_code != 0
    assert "clock-is-right" in str(refused.exception)
    done = CliRunner().invoke(app, ["store", "expire", "--clock-is-right"])
    assert done.exit_code == 0, done.output
    retention.expire(settings, 14)
    mark = json.loads((settings.data_dir / ".clock.json").read_text())
    assert mark["wall"] == far.wall


def test_superseded_segments_keep_their_grace_over_a_leap(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files written before a leap of forty minutes look that much older."""
    hour = layout.hour_of(datetime.now(UTC)) - timedelta(hours=2)
    for number in range(2):
        writer.publish(settings, *unit(camera_no=number, start=hour))
    steady.demand(settings)
    compact.compact(settings)
    folder = settings.observations_dir / "footage"
    before = [p for p in folder.rglob("*.parquet") if p.stem != "seed"]
    assert len(before) == 3
    for path in before:
        os.utime(path, (time.time() - 2400,) * 2)
    real = steady._now()
    monkeypatch.setattr(
        steady, "_now", lambda: Mark(real.boot, real.wall + 2400, real.up)
    )
    assert compact.compact(settings).removed == 0
    monkeypatch.setattr(steady, "_now", lambda: real)
    assert compact.compact(settings).removed == 6


def test_numbers_of_publications_rise_whatever_the_clock_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = layout.new_unit()
    monkeypatch.setattr(layout.time, "time", lambda: 1_700_000_000.0)
    later = [layout.new_unit() for _ in range(100)]
    assert [first, *later] == sorted({first, *later})
    above = later[-1] + 10**9
    # Two that count on from the same number do not meet.
    assert len({layout.new_unit(above=above) for _ in range(2)}) == 2
    assert min(layout.new_unit(above=above) for _ in range(3)) > above
