"""A trace end to end, in a small city with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.trace import results
from pipeline.trace.run import trace


@pytest.fixture
def street(world):
    """Four cameras in a row, 150 m apart; the patient passes 1, 2 and 4."""
    world.numbers = [world.camera(150.0 * k, 0) for k in range(4)]
    patient = world.person()
    world.patient = patient
    world.truth = []
    for k, start in ((0, 10.0), (1, 140.0), (3, 390.0)):
        world.truth.append(world.stand(patient, world.numbers[k], start, 10))
    world.strangers = []
    for k, number in enumerate(world.numbers):
        for n in range(8):
            world.strangers.append(
                world.stand(
                    world.person(), number, 5.0 + 60 * n + 3 * k, 8, offset=(30, n)
                )
            )
        world.film(number, 0, 600)
    return world


def test_path_is_found_in_order(street, authorise):
    registry = street.publish()
    result = trace(
        authorise(),
        settings=street.settings,
        tracklet=street.truth[0],
        registry=registry,
    )
    rows = result.sightings.to_pylist()
    path = [row["tracklet_id"] for row in rows if row["on_path"]]
    assert path == street.truth
    assert all(row["posterior"] > 0.9 for row in rows if row["on_path"])
    assert not set(path) & set(street.strangers)
    kinds = result.legs["kind"].to_pylist()
    assert kinds == ["seen", "inferred", "seen", "inferred", "seen"]
    inferred = [leg for leg in result.legs.to_pylist() if leg["kind"] == "inferred"]
    assert inferred[0]["metres"] == pytest.approx(150 * 1.3, rel=0.02)
    assert inferred[0]["mode"] == "walk"
    assert result.tracklets_searched == 3 + 32
    assert result.cameras_searched == 4
