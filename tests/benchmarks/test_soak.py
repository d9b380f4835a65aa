"""The soak: leaks are seen, losses are seen, and everything runs at once."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import memory, soak
from benchmarks.feeding import Feeder, cut

HOUR = np.arange(0, 3600, 5.0)


def test_a_leak_is_told_from_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 5, len(HOUR))
    still = memory.slope(HOUR, 400 + noise)
    leaking = memory.slope(HOUR, 400 + 30 * HOUR / 3600 + noise)
    assert still is not None
    assert leaking is not None
    assert still.low < 0 < still.high
    assert still.low <= soak.FLAT_MB
    assert leaking.low > soak.FLAT_MB
    assert leaking.low < 30 < leaking.high
    # What a program needs while it warms up is no leak.
    warming = np.minimum(HOUR, 600) / 6
    settled = memory.slope(HOUR, 400 + warming)
    assert settled is not None
    assert settled.high == 0
    assert memory.slope(HOUR[:40], noise[:40]) is None


def found(**changes: object) -> dict:
    good = {
        "minutes": 60.0, "lost": 0, "doubled": 0, "unknown": 0, "refused": 0,
        "faults": 0, "traces_failed": 0, "damaged": 0, "ended_too_early": [],
        "exit_codes": {"watch": 0, "dashboard": -15}, "upkeep_faults": [], "done": 9,
        "waiting": 0, "fed": 9, "readers": {"analyst": {"reads": 9, "errors": {}}},
        "processes": {
            "watch": {
                "own_mb_slope": {"per_hour": 0.5, "low": -1.0, "high": 2.0},
                "files_early": 9, "files_last": 9,
            }
        },
    }  # fmt: skip
    return good | changes


@pytest.mark.parametrize(
    ("changes", "budget"),
    [
        ({"lost": 1}, "lost"),
        ({"doubled": 1}, "twice"),
        ({"faults": 2}, "faults"),
        ({"exit_codes": {"watch": -9}}, "did not end well"),
        ({"ended_too_early": ["worker"]}, "fell"),
        ({"upkeep_faults": ["store compact"]}, "upkeep"),
        ({"done": 0}, "analysed"),
        ({"waiting": 5}, "waiting"),
        ({"readers": {"analyst": {"reads": 9, "errors": {"lock": 1}}}}, "errors"),
        ({"readers": {"analyst": {"reads": 0, "errors": {}}}}, "reads"),
    ],
)
def test_each_budget_can_fail(changes: dict, budget: str) -> None:
    assert all(one.met for one in soak.limits(found()))
    [missed] = [one for one in soak.limits(found(**changes)) if not one.met]
    assert budget in missed.what


def test_growth_fails_when_the_run_is_long_enough() -> None:
    grown = found()
    told = grown["processes"]["watch"]
    told["own_mb_slope"] = {"per_hour": 60.0, "low": 40.0, "high": 80.0}
    told["files_last"] = 99
    assert [one.met for one in soak.limits(grown)].count(False) == 2
    assert all(one.met for one in soak.limits(grown | {"minutes": 1.0}))


def test_a_sampler_sees_this_process() -> None:
    sampler = memory.Sampler({"own": os.getpid()}, 0.05)
    sampler.start()
    time.sleep(0.5)
    sampler.stop()
    sampler.join()
    at, size = sampler.series("own", "own_mb")
    assert len(at) >= 3
    assert 10 < size[-1] < 20_000
    _, files = sampler.series("own", "files")
    assert files[-1] > 2


@pytest.mark.media
def test_clips_are_cut_from_films_and_named_as_new_footage(
    media: Path, tmp_path: Path
) -> None:
    from pipeline.fleet import sources
    from pipeline.footage import clock
    from pipeline.footage import sources as clips

    film = media / "video" / "one-by-one-person-detection.mp4"
    made = cut([film, media / "video" / "classroom.gif"], tmp_path / "clips", 3.0)
    assert len(made) == 9
    for path in made[:8]:
        assert 2.5 < clips.open_clip(path).duration_s < 4.5
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    feeder = Feeder(
        made, ["BC-00001", "BC-00002"], tmp_path / "footage", begin=begin,
        step=timedelta(minutes=10), rounds=3, pace_s=0.0,
    )  # fmt: skip
    feeder.start()
    feeder.join(20)
    names = sorted(p.name for p in (tmp_path / "footage").rglob("*.*"))
    assert len(names) == len(set(names)) == len(feeder.fed) == 6
    for path in (tmp_path / "footage").rglob("BC-*.*"):
        camera = sources.Source(None, path.parent).camera_of(path)

        class One:
            id, clips = camera, ()

        start = clock.of_clip(path, One(), None).start_at
        assert (camera, start) in feeder.fed


@pytest.mark.media
@pytest.mark.models
def test_everything_at_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Watch, worker, dashboard, its reader and two analysts over one store."""
    out = tmp_path / "soak.json"
    arguments = ["soak", "--together", "--minutes", "0.4", "--cameras", "2"]
    arguments += ["--hours", "0.25", "--every", "300", "--json", str(out)]
    code = command.main([*arguments, "--folder", str(tmp_path)])
    told = json.loads(out.read_text())
    for name in ("lost", "doubled", "unknown", "refused", "faults", "damaged"):
        assert told[name] == 0
    assert told["done"] >= 1
    assert told["ended_too_early"] == []
    for name in ("dashboard reader", "analyst in a shell", "analyst by sql"):
        assert told["readers"][name]["reads"] > 0
        assert told["readers"][name]["errors"] == {}
    assert told["exit_codes"]["watch"] == told["exit_codes"]["worker"] == 0
    # What is left to fail is time: a busy machine leaves clips waiting.
    missed = [b["what"] for b in told["budgets"] if not b["met"]]
    assert missed in ([], ["share of the clips still waiting"])
    assert code == bool(missed)
    assert [p.name for p in tmp_path.iterdir()] == ["soak.json"]
    assert json.loads(capsys.readouterr().out)["benchmark"] == "soak"
