"""Bounds hold whoever is hopeful, and leave out most of those who are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import walks
from pipeline.trace.around import Beside
from pipeline.trace.arrangement import CAMERA_ERROR, CAMERA_RADIUS, CAMERA_WIDTH
from pipeline.trace.bounds import bounds

GAIT = walks._GAIT


def highest(gap, metres, busy, one, other):
    """The score of `docs/trace-model.md` with the directions that speak most for it."""
    error = np.hypot(one, other)
    sigma = np.sqrt((0.25 * gap) ** 2 + error**2 + 0.5**2)
    bell = np.exp(-0.5 * ((metres - 1.15 * gap) / sigma) ** 2)
    bell /= sigma * np.sqrt(2 * np.pi)
    chance = max(2 * max(metres, error) / (2.5 * gap + 10 + 2 * error) ** 2, 1e-300)
    reach = 2.5 * gap + 10 + 2 * other
    stray = max((busy + 1) / 120 * (reach / 150) ** 2, 1e-6)
    walked = (0.85 * bell / chance + 0.15) * 0.6 * np.exp(-gap / 45) / 45
    return np.log(walked / stray) + 2 * np.log(2.4)


def within(known, gap, metres, busy):
    crowd = np.searchsorted(known.crowd, busy, side="right") - 1
    second = min(int(gap), known.nearest.shape[1] - 1)
    near, far = known.nearest[crowd, second], known.farthest[crowd, second]
    return near <= metres <= far and gap <= known.latest[crowd]


@settings(max_examples=400, deadline=None)  # the first makes the bounds
@given(
    gap=st.floats(0, 180),
    metres=st.floats(0, 500),
    busy=st.integers(0, 5000),
    one=st.floats(0.2, 20),
    other=st.floats(0.2, 20),
)
def test_whoever_is_hopeful_is_within(gap, metres, busy, one, other):
    if metres > 2.5 * gap + 5 + 2 * other:
        return  # out of reach
    known = bounds(GAIT, 0.28, 28.3)
    if highest(gap, metres, busy, one, other) > GAIT.least:
        assert within(known, gap, metres, busy)


@pytest.mark.parametrize(("busy", "share"), [(0, 1.0), (200, 0.4), (1500, 0.15)])
def test_in_a_crowd_few_places_are_within(busy, share):
    known = bounds(GAIT, 0.28, 1.3)
    reached = [
        (gap, metres)
        for gap in np.arange(0.5, 180, 3)
        for metres in np.arange(0.5, 2.5 * gap + 5, 5)
    ]
    kept = np.mean([within(known, *place, busy) for place in reached])
    assert 0 < kept <= share


def test_cameras_around_are_those_in_reach():
    rng = np.random.default_rng(4)
    camera = np.zeros((300, CAMERA_WIDTH))
    camera[:, :2] = rng.uniform(0, 3000, (300, 2))
    camera[:, CAMERA_RADIUS], camera[:, CAMERA_ERROR] = rng.uniform(5, 30, (2, 300))
    known = Beside.nothing(300)
    for asked in (np.array([5, 7, 5]), np.array([7, 250]), np.arange(300)):
        known = known.also(asked, camera, 455.0)
        for one in asked:
            apart = np.hypot(*(camera[:, :2] - camera[one, :2]).T)
            far = 455 + camera[one, CAMERA_RADIUS] + camera[:, CAMERA_RADIUS]
            expected = np.flatnonzero(apart <= far + 2 * camera[:, CAMERA_ERROR])
            found = known.cameras[known.low[one] : known.high[one]]
            assert found.tolist() == expected.tolist()
