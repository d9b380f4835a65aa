"""The map of posteriors is fitted on hunts, and judged by city and way to begin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app, register
from pipeline.evaluate import posteriors as fitting
from pipeline.settings import get_settings
from pipeline.simulate import run as simulation
from pipeline.trace.posteriors import SIGNS


def hunts(city: str, alone: bool, seed: int, shift: float = 0.0) -> fitting.Told:
    """A hunt whose first sign is the log odds that come true, `shift` off."""
    rng = np.random.default_rng(seed)
    signs = np.zeros((4000, len(SIGNS)))
    signs[:, 0] = rng.normal(0, 2, 4000)
    chance = 1 / (1 + np.exp(-signs[:, 0] - shift))
    return fitting.Told(city, alone, signs, rng.random(4000) < chance)


def test_errors_are_told_by_city_and_way_to_begin() -> None:
    told = [hunts("a", False, 1), hunts("a", True, 2, shift=1.5), hunts("b", True, 3)]
    law = np.zeros(len(SIGNS)), 0.0
    law[0][0] = 1.0
    found = fitting.errors(told, law)
    assert list(found) == [("a", False), ("a", True), ("b", True)]
    assert found["a", False] < 0.02
    assert found["b", True] < 0.02
    assert found["a", True] > 0.1


def test_a_map_is_judged_on_cities_that_it_was_not_fitted_on() -> None:
    told = [hunts("a", False, 1), hunts("b", False, 2), hunts("b", True, 3, shift=2.0)]
    law = fitting.fit(told, "command")
    left_out = law["provenance"]["ece_of_each_city_by_a_map_of_the_others"]
    assert set(left_out) == {"a", "b", "bp"}
    assert left_out["bp"] > 0.1  # that of a knows nothing of the shift
    assert law["weights"][0] == pytest.approx(0.95, abs=0.15)
    assert len(law["signs"]) == len(law["weights"])
    assert fitting.fit([told[0]], "c")["provenance"]["hunts"] == 1


def test_the_command_hunts_both_ways_and_writes_the_map(tmp_path: Path) -> None:
    register()
    settings = get_settings()
    cities = []
    for seed in (1, 2):
        plan = simulation.make_plan(700, 2, seed, patients=700)
        cities.append(tmp_path / f"city{seed}")
        simulation.simulate(cities[-1], plan, settings.registry, threads=1)
    out = tmp_path / "map.json"
    words = [word for city in cities for word in ("--truth", str(city))]
    done = CliRunner().invoke(
        app, ["evaluate", "posteriors", *words, "--patients", "3", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    for city in ("city1", "city2"):
        for way in ("a pass pointed at", "photographs alone"):
            assert any(
                line.startswith(city) and way in line and "by the map in use" in line
                for line in done.output.splitlines()
            )
    law = json.loads(out.read_text())
    assert tuple(law["signs"]) == SIGNS
    assert law["provenance"]["hunts"] == 12
    assert "12 hunts" in done.output
