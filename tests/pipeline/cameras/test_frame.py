from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cameras import frame


@given(st.integers(1, 6))
@settings(deadline=None, max_examples=6)
def test_curve_visits_every_cell_once_by_single_steps(order: int) -> None:
    side = 1 << order
    column, row = (axis.ravel() for axis in np.meshgrid(range(side), range(side)))
    place = frame.hilbert_index(column, row, order)
    assert sorted(place.tolist()) == list(range(side * side))
    along = np.argsort(place)
    steps = np.abs(np.diff(column[along])) + np.abs(np.diff(row[along]))
    assert (steps == 1).all()


points = st.tuples(st.floats(126.75, 126.83), st.floats(37.46, 37.55))


@given(st.lists(points, min_size=2, max_size=30), st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_known_numbers_stay_and_none_is_given_twice(
    places: list[tuple[float, float]], before: int
) -> None:
    ids = [f"C{i}" for i in range(len(places))]
    lon, lat = np.array(places).T
    known = {name: 40 + 3 * i for i, name in enumerate(ids[:before])} | {"gone": 2}
    numbers = frame.assign_numbers(ids, lon, lat, known)
    assert len(set(numbers)) == len(ids)
    assert 2 not in numbers
    for name, number in zip(ids, numbers, strict=True):
        assert known.get(name, number) == number
