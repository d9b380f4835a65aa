from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import metrics

PERFECT = np.r_[np.linspace(0.6, 0.9, 50), np.linspace(-0.2, 0.3, 150)]
TRUTH = np.r_[np.ones(50, bool), np.zeros(150, bool)]


def test_perfect_scores() -> None:
    point = metrics.at_far(PERFECT, TRUTH, 1e-2)
    assert (point.tar, point.far) == (1.0, pytest.approx(1 / 150))
    assert metrics.equal_error_rate(PERFECT, TRUTH) == 0
    assert metrics.accuracy(PERFECT, TRUTH) == (1.0, 0.0)
    assert metrics.cllr(metrics.calibrated(PERFECT, TRUTH), TRUTH) < 0.05
    assert metrics.cllr_min(PERFECT, TRUTH) == 0


def test_reversed_scores_are_as_bad_as_can_be() -> None:
    assert metrics.equal_error_rate(-PERFECT, TRUTH) == pytest.approx(1.0)
    assert metrics.at_far(-PERFECT, TRUTH, 1e-2).tar == 0


def test_random_scores_tell_nothing() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=6000)
    same = random.random(6000) < 0.3
    assert metrics.equal_error_rate(scores, same) == pytest.approx(0.5, abs=0.03)
    assert metrics.at_far(scores, same, 0.1).tar == pytest.approx(0.1, abs=0.03)
    told = metrics.accuracy(scores, same)[0]
    assert told == pytest.approx((~same).mean(), abs=0.01)
    for kind in ("logistic", "isotonic"):
        llr = metrics.calibrated(scores, same, kind)
        assert metrics.cllr(llr, same) == pytest.approx(1.0, abs=0.02)


def test_cllr_of_saying_nothing_is_one_and_of_lies_more() -> None:
    assert metrics.cllr(np.zeros(200), TRUTH) == pytest.approx(1.0)
    constant = metrics.calibrated(np.full(200, 0.4), TRUTH)
    assert metrics.cllr(constant, TRUTH) == pytest.approx(1.0, abs=1e-6)
    truth = np.where(TRUTH, 5.0, -5.0)
    # log2(1 + exp(-5)) for both kinds
    assert metrics.cllr(truth, TRUTH) == pytest.approx(np.log2(1 + np.exp(-5.0)))
    assert metrics.cllr(-truth, TRUTH) == pytest.approx(np.log2(1 + np.exp(5.0)))


def test_calibration_finds_known_likelihood_ratios() -> None:
    # N(1, 1) against N(-1, 1): the log-likelihood ratio of x is 2 x.
    random = np.random.default_rng(2)
    same = np.arange(20000) % 4 == 0
    scores = random.normal(np.where(same, 1.0, -1.0), 1.0)
    llr = metrics.calibrated(scores, same)
    assert np.polyfit(scores, llr, 1) == pytest.approx([2.0, 0.0], abs=0.1)
    true = metrics.cllr(2 * scores, same)
    assert metrics.cllr(llr, same) == pytest.approx(true, abs=0.005)
    assert metrics.cllr_min(scores, same) <= true + 1e-9
    # The error rate of that pair of laws: the normal's tail beyond 1.
    assert metrics.equal_error_rate(scores, same) == pytest.approx(0.1587, abs=0.01)


def test_calibration_follows_a_measure_beside_the_score() -> None:
    # Half of the pairs tell four times as much as the others: 2 x against 0.5 x.
    random = np.random.default_rng(3)
    same = np.arange(6000) % 4 == 0
    good = random.random(6000) < 0.5
    middle = np.where(good, 1.0, 0.25)
    scores = random.normal(np.where(same, middle, -middle), 1.0)
    beside = metrics.calibrated(scores, same, beside=good.astype(float))
    assert np.polyfit(scores[good], beside[good], 1)[0] == pytest.approx(2.0, abs=0.2)
    assert np.polyfit(scores[~good], beside[~good], 1)[0] == pytest.approx(0.5, abs=0.2)
    alone = metrics.cllr(metrics.calibrated(scores, same), same)
    assert metrics.cllr(beside, same) < alone - 0.01
    nothing = metrics.calibrated(scores, same, beside=np.ones(6000))
    assert metrics.cllr(nothing, same) == pytest.approx(alone, abs=2e-3)


def test_known_list_of_scores() -> None:
    scores = np.array([0.9, 0.8, 0.4, 0.2, 0.7, 0.5, 0.3, 0.1])
    same = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    point = metrics.at_far(scores, same, 0.25)
    assert (point.threshold, point.tar, point.far) == (0.5, 0.5, 0.25)
    none = metrics.at_far(scores, same, 0.1)
    assert (none.threshold, none.tar, none.far) == (0.7, 0.5, 0.0)
    assert metrics.equal_error_rate(scores, same) == pytest.approx(0.5)


def test_pairs_without_a_score_never_match() -> None:
    scores = PERFECT.copy()
    scores[:10] = np.nan
    assert metrics.at_far(scores, TRUTH, 1e-2).tar == pytest.approx(0.8)
    assert metrics.at_far(scores, TRUTH, 1.0).tar == pytest.approx(0.8)
    assert metrics.accuracy(scores, TRUTH)[0] == pytest.approx(190 / 200)
    assert metrics.equal_error_rate(scores, TRUTH) > 0
    llr = metrics.calibrated(scores, TRUTH)
    assert np.isnan(llr[:10]).all()
    assert np.isfinite(llr[10:]).all()


def test_best_threshold_lies_between_the_kinds() -> None:
    assert 0.3 <= metrics.best_threshold(PERFECT, TRUTH) < 0.6
    everyone = metrics.best_threshold(np.full(4, 0.5), np.array([1, 1, 1, 0], bool))
    assert everyone < 0.5
    nobody = metrics.best_threshold(np.full(4, 0.5), np.array([1, 0, 0, 0], bool))
    assert nobody >= 0.5


@given(st.integers(0, 2**32 - 1), st.floats(-1, 2), st.floats(0, 0.3))
@settings(deadline=None, max_examples=40)
def test_rates_stay_in_range_and_order(seed: int, apart: float, missing: float) -> None:
    random = np.random.default_rng(seed)
    same = np.arange(120) % 3 == 0
    scores = np.round(random.normal(np.where(same, apart, 0), 1), 1)
    scores[random.random(120) < missing] = np.nan
    strict = metrics.at_far(scores, same, 1e-2)
    loose = metrics.at_far(scores, same, 1e-1)
    assert strict.far <= 1e-2
    assert loose.far <= 1e-1
    assert 0 <= strict.tar <= loose.tar <= 1
    rate = metrics.equal_error_rate(scores, same)
    assert 0 <= rate <= 1
    # No order but that of the scores counts.
    assert metrics.equal_error_rate(scores * 3 + 1, same) == pytest.approx(rate)
    floor = metrics.cllr_min(scores, same)
    assert 0 <= floor <= 1 + 1e-9
    # No rising map of the scores, taken as evidence, does better than the floor.
    filled = np.where(np.isnan(scores), -4.0, scores)
    for slope in (0.3, 1.0, 2.0):
        given = metrics.cllr(slope * filled, same)
        assert metrics.cllr_min(filled, same) <= given + 1e-6


def test_calibration_error() -> None:
    sure = np.full(100, 0.8)
    assert metrics.calibration_error(sure, np.arange(100) < 80) == pytest.approx(0)
    assert metrics.calibration_error(sure, np.arange(100) < 50) == pytest.approx(0.3)
    assert np.isnan(metrics.calibration_error(np.empty(0), np.empty(0, bool)))


def test_wilson_interval() -> None:
    # Worked example: 8 of 10.
    low, high = metrics.wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert metrics.wilson(0, 50)[0] == pytest.approx(0, abs=1e-12)
    assert metrics.wilson(0, 50)[1] == pytest.approx(0.0714, abs=1e-4)
    assert np.isnan(metrics.wilson(0, 0)).all()
