"""What is looked up by camera, part or pair, and what is remembered of passes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.trace import listed, motion, rings
from pipeline.trace.columns import pairs
from pipeline.trace.observations import Scope
from pipeline.trace.passes import Footage, Passes


def test_passes_are_read_once_and_as_stored(road, authorise, monkeypatch):
    passes = Scope(authorise(), road.settings, road.publish()).passes()
    rows = np.array([7, 3, 7, len(passes) - 1])
    stored = passes.take(rows).stored(["camera_id", "best_at", "part_key"])
    asked: list[int] = []
    read = Passes.stored

    def counted(self, columns):
        asked.append(len(self))
        return read(self, columns)

    monkeypatch.setattr(Passes, "stored", counted)
    for _ in range(2):
        found = listed.of(passes, rows)
        assert found.camera_id == stored["camera_id"].to_pylist()
        assert found.best_at == stored["best_at"].to_pylist()
        assert found.part_key == stored["part_key"].to_pylist()
    assert listed.cameras(passes, rows) == found.camera_id
    assert asked == [3]
    every = np.arange(len(passes))
    names = passes.stored(["camera_id"])["camera_id"].to_pylist()
    assert listed.cameras(passes, every) == names
    assert listed.of(passes, every[:0]) == listed.Listed([], [], [], [])


def test_footage_is_found_by_camera_and_part(road, authorise):
    footage = Scope(authorise(), road.settings, road.publish()).footage()
    numbers = footage.cameras[::2]
    rows = footage.of_cameras(numbers)
    expected = np.flatnonzero(np.isin(footage.camera_no, numbers))
    np.testing.assert_array_equal(np.sort(rows), expected)
    assert (np.diff(footage.camera_no[rows]) >= 0).all()
    keys = [*footage.part_key[[2, 0]].tolist(), -5]
    assert footage.of_parts(keys) == [2, 0, None]
    nothing = Footage(*(np.empty(0, np.int64) for _ in range(5)), footage.names)
    assert nothing.of_parts([1]) == [None]
    assert not len(nothing.of_cameras(numbers))


@pytest.mark.parametrize("n", [0, 1, 400])
def test_pairs_are_those_of_the_rows(n):
    one, other = np.random.default_rng(n).integers(-4, 4, (2, n)) * 10**12
    found, which = pairs(one, other)
    expected = np.unique(np.column_stack([one, other]), axis=0)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[which], np.column_stack([one, other]))


def test_rings_hold_what_lies_within_them():
    ring = motion._summed()[0]
    metres = np.sqrt(ring.square)
    rng = np.random.default_rng(2)
    cameras = np.concatenate(
        [rng.normal(0, 9000, (3000, 2)), np.stack([metres, 0 * metres], axis=1)]
    )
    weight = rng.uniform(0, 1, len(cameras))
    found = rings.around(0.0, 0.0, cameras, weight, ring)
    away = (cameras**2).sum(axis=1)
    which = np.searchsorted(ring.square, away).clip(0, len(metres) - 1)
    np.testing.assert_array_equal(found, np.bincount(which, weight, len(metres)))
