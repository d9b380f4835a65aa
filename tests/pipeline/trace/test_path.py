"""The chain: brute force on small cases, feasibility, certainty."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import constants as c
from pipeline.trace import motion, path


def chain(start, place, llr, *, length=5.0, camera=None, certain=None, rate=0.05):
    start = np.asarray(start, float)
    place = np.asarray(place, float)
    n = len(start)
    camera = np.arange(n) if camera is None else np.asarray(camera)
    return path.Candidates(
        start=start,
        end=start + length,
        first=place,
        last=place,
        error_m=np.full(n, 1.0),
        camera_no=camera,
        llr=np.asarray(llr, float),
        certain=np.zeros(n, bool) if certain is None else np.asarray(certain),
        rate=np.full(n, rate),
    )


def footage(place, seconds=600.0):
    """Everybody who passes: one a second before each camera."""
    unique = np.unique(np.asarray(place, float), axis=0)
    at = np.repeat(np.arange(seconds), len(unique))
    where = np.tile(unique, (int(seconds), 1))
    return motion.Seen(where, at, np.ones(len(at)), seconds * len(unique))


def brute_force(these, seen):
    """Posteriors and best path by listing every sequence."""
    n = len(these.start)
    score = path._steps(these, seen)
    step, sound = score.step, score.sound
    begin, finish, nothing = path._ends(these, seen)
    llr = np.where(these.certain, 0.0, these.llr)
    weights, best = {(): nothing}, ((), nothing)
    for size in range(1, n + 1):
        for rows in itertools.combinations(range(n), size):
            score = begin[rows[0]] + llr[list(rows)].sum() + finish[rows[-1]]
            score += sum(step[i, j] for i, j in itertools.pairwise(rows))
            weights[rows] = score
            if score > best[1]:
                best = (rows, score)
    total = np.logaddexp.reduce(list(weights.values()))
    posterior = np.array(
        [
            np.exp(
                np.logaddexp.reduce(
                    [w for rows, w in weights.items() if k in rows] or [-np.inf]
                )
                - total
            )
            for k in range(n)
        ]
    )

    def gain(rows):
        if not rows:
            return 0.0 if np.isfinite(nothing) else -np.inf
        possible = all(sound[i, j] for i, j in itertools.pairwise(rows))
        ends = np.isfinite(begin[rows[0]]) and np.isfinite(finish[rows[-1]])
        return sum(posterior[list(rows)] - 0.5) if possible and ends else -np.inf

    most = max(gain(rows) for rows in weights)
    return best[0], posterior, np.exp(nothing - total), gain, most


@given(data=st.data(), n=st.integers(1, 7))
@settings(deadline=None, max_examples=60)
def test_equals_the_sum_over_all_sequences(data, n):
    start = np.sort(data.draw(st.lists(st.floats(0, 500), min_size=n, max_size=n)))
    place = data.draw(
        st.lists(
            st.tuples(st.floats(0, 800), st.floats(0, 800)), min_size=n, max_size=n
        )
    )
    llr = data.draw(st.lists(st.floats(-2, 14), min_size=n, max_size=n))
    certain = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    these = chain(start, place, llr, certain=certain)
    seen = footage(place)
    rows, posterior, absent, gain, most = brute_force(these, seen)
    found = path.solve(these, seen)
    if np.isfinite(posterior).all():
        np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
        assert found.absent == pytest.approx(absent, abs=1e-9)
        assert tuple(found.most_probable) == rows
        if np.isfinite(most):
            assert gain(tuple(found.rows)) == pytest.approx(most, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_those_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    n = 60
    place = rng.uniform(0, 900, (n, 2))
    these = replace(
        chain(np.sort(rng.uniform(0, 900, n)), place, np.zeros(n)),
        last=place + rng.normal(0, 20, (n, 2)),
        camera_no=rng.integers(0, 8, n),
        error_m=rng.uniform(0, 9, n),
        certain=rng.random(n) < 0.05,
    )
    these = replace(these, end=these.start + rng.exponential(20, n))
    found = path._steps(these, footage(place))
    mass = motion.reachable(these.last, these.end, footage(place))
    i, j = np.triu_indices(n, 1)
    way = np.hypot(*(these.first[j] - these.last[i]).T)
    gap = these.start[j] - these.end[i]
    error = np.hypot(these.error_m[i], these.error_m[j])
    same, near = these.camera_no[i] == these.camera_no[j], way <= 30 + 2 * error
    need = np.maximum(np.maximum(way - 2 * error, 0) - 15, 0) / (50 / 3.6)
    short = np.where(~same & near & (gap < 0), 0, np.maximum(need - gap, 0))
    score = np.log(c.PRIOR_NEXT / (these.rate[j] * mass[i]))
    score += np.log(motion.spread(way, np.maximum(gap, 0)))
    bell = np.exp(-0.5 * (short / c.CLOCK_SD_SECONDS) ** 2)
    score += np.log((1 - c.CLOCK_WRONG_SHARE) * bell + c.CLOCK_WRONG_SHARE)
    over = np.concatenate([[0], np.cumsum(these.certain)])
    cannot = (short > c.CLOCK_LIMIT_SECONDS) | (these.end[j] < these.end[i])
    cannot |= same & (gap < -c.SAME_CAMERA_OVERLAP_SECONDS)
    cannot |= ~same & ~near & (gap < -c.CLOCK_LIMIT_SECONDS)
    cannot |= over[j] > over[i + 1]
    expected = np.full((n, n), -np.inf)
    expected[i, j] = np.where(cannot, -np.inf, score)
    for conflict in found.conflicts:
        assert expected[conflict] == -np.inf
        expected[conflict] = path._IMPOSSIBLE
    np.testing.assert_allclose(found.step, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.sound, np.isfinite(expected))


def test_certain_passes_are_on_the_path_even_against_the_evidence():
    place = [(0, 0), (100, 0), (200, 0)]
    these = chain([0, 120, 240], place, [0, -9, 0], certain=[True, True, True])
    found = path.solve(these, footage(place))
    assert found.rows.tolist() == [0, 1, 2]
    assert found.posterior.tolist() == [1, 1, 1]
    assert not found.conflicts


def test_certain_but_impossible_is_reported_not_hidden():
    place = [(0, 0), (9000, 0)]
    these = chain([0, 20], place, [0, 0], certain=[True, True])
    found = path.solve(these, footage(place))
    assert found.rows.tolist() == [0, 1]
    assert found.conflicts == ((0, 1),)


@pytest.mark.parametrize("metres", [3000.0, 8000.0])
def test_no_one_is_at_two_places_at_once(metres):
    place = [(0, 0), (metres, 0)]
    these = chain([0, 10], place, [14, 14], certain=[True, False])
    found = path.solve(these, footage(place))
    assert found.rows.tolist() == [0]
    assert found.posterior[1] < 1e-6


def test_two_passes_at_once_before_one_camera_exclude_each_other():
    place = [(0, 0), (5, 0)]
    these = chain([0, 2], place, [12, 9], camera=[4, 4])
    found = path.solve(these, footage(place))
    assert found.rows.tolist() == [0]
    assert found.posterior.sum() <= 1 + 1e-9


def test_clocks_may_differ_a_little():
    place = [(0, 0), (150, 0)]  # 150 m need 9.7 s; 5 s are missing
    these = chain([0, 10], place, [14, 14], certain=[True, False])
    assert path.solve(these, footage(place)).rows.tolist() == [0, 1]


def test_the_same_likeness_says_more_in_an_empty_alley():
    place = [(0, 0), (100, 0)]
    quiet = chain([0, 90], place, [0, 5], certain=[True, False], rate=0.002)
    busy = chain([0, 90], place, [0, 5], certain=[True, False], rate=0.5)
    seen = footage(place)
    assert path.solve(quiet, seen).posterior[1] > 0.9
    assert path.solve(busy, seen).posterior[1] < 0.5


def test_nobody_like_the_patient_is_nobody():
    place = [(0, 0), (100, 0)]
    found = path.solve(chain([0, 90], place, [0.1, 0.1]), footage(place))
    assert found.rows.size == 0
    assert found.absent > 0.8
    empty = path.solve(chain([], np.empty((0, 2)), []), footage(place))
    assert empty.absent == 1.0


def test_thinning_keeps_the_count():
    for count in (0, 5, motion.SAMPLES, 10_000, 3_000_000):
        rows, share = motion._thinned(count)
        assert share.sum() == count
        assert len(rows) <= motion.SAMPLES


def test_spread_is_a_density_of_the_plane():
    r = np.linspace(0, 40_000, 400_001)
    for t in (0.0, 60.0, 3600.0):
        total = np.trapezoid(motion.spread(r, np.array(t)) * 2 * np.pi * r, r)
        soon, late = c.NEXT_SOON_SECONDS, c.NEXT_LATE_SECONDS
        wait = c.NEXT_SOON_SHARE / soon * np.exp(-t / soon)
        wait += (1 - c.NEXT_SOON_SHARE) / late * np.exp(-t / late)
        assert total == pytest.approx(wait, rel=1e-4)


def test_a_thousand_candidates_take_seconds_not_minutes():
    rng = np.random.default_rng(1)
    n = 1000
    place = rng.uniform(0, 5000, (n, 2))
    these = chain(np.sort(rng.uniform(0, 86_400, n)), place, rng.normal(2, 3, n))
    seen = motion.Seen(place, these.start, np.full(n, 4320.0), 50 * 86_400.0)
    found = path.solve(these, seen)
    assert len(found.posterior) == n
    assert np.isfinite(found.posterior).all()
