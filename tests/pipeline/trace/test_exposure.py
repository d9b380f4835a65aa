"""The dose index against analytic values."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.store.schema import MASK_STATES
from pipeline.trace import constants as c
from pipeline.trace import exposure
from pipeline.trace.contacts import Near, contacts

CODE = {state: code for code, state in enumerate(MASK_STATES)}


def seconds(count, metres=1.0, patient="none", contact="none", first=1_762_146_000):
    n = np.ones(count)
    return Near(
        tracklet=np.full(count, 2),
        patient=np.full(count, 1),
        second=first + np.arange(count),
        metres=n * metres,
        east_m=n * 9000,
        north_m=n * 8000,
        patient_mask=np.full(count, CODE[patient], np.int8),
        contact_mask=np.full(count, CODE[contact], np.int8),
        away_east_m=n * metres,
        away_north_m=n * 0,
    )


def dose(near, indoors=True):
    group = np.zeros(len(near.second), np.int64)
    inside = np.full(len(near.second), indoors)
    return exposure.doses(near, inside, group, exposure.draw())[0]


def test_reference_exposure_is_dose_one_and_index_by_wells_riley():
    np.testing.assert_allclose(dose(seconds(900)), 1.0)
    np.testing.assert_allclose(exposure.index(dose(seconds(900))), 1 - np.exp(-1))
    np.testing.assert_allclose(dose(seconds(450)), 0.5)


def test_distance_dilutes_between_jet_and_sphere():
    two = dose(seconds(900, metres=2.0))
    assert 2.0**-2 <= two.min() < two.max() <= 2.0**-1
    # E[2^-e] for e uniform on 1..2 is (1/2 - 1/4) / ln 2.
    assert two.mean() == pytest.approx(0.25 / np.log(2), rel=0.02)
    near = dose(seconds(900, metres=0.1))
    np.testing.assert_allclose(near, dose(seconds(900, metres=0.5)))


def test_masks_hold_back_by_the_stated_efficiencies():
    out, inward = np.mean(c.MASK_OUTWARD), np.mean(c.MASK_INWARD)
    worn = dose(seconds(900, patient="worn")).mean()
    assert worn == pytest.approx(1 - out, rel=0.03)
    both = dose(seconds(900, patient="worn", contact="worn")).mean()
    assert both == pytest.approx((1 - out) * (1 - inward), rel=0.03)
    loose = dose(seconds(900, contact="incorrect")).mean()
    assert loose == pytest.approx(1 - inward * np.mean(c.MASK_INCORRECT_LEFT), rel=0.03)
    unknown = dose(seconds(900, contact="unknown")).mean()
    assert unknown == pytest.approx(1 - inward * c.MASK_UNKNOWN_WORN, rel=0.03)
    assert worn > both
    assert unknown < 1


def test_outdoors_is_less():
    out = dose(seconds(900), indoors=False)
    assert out.mean() == pytest.approx(np.mean(c.OUTDOOR_SHARE), rel=0.03)


def test_same_seed_same_numbers():
    one, other = exposure.draw(seed=5), exposure.draw(seed=5)
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_intervals_and_cells_add_up():
    found = seconds(7200)
    inside = np.ones(7200, bool)
    people = contacts(found)
    low, middle, high = exposure.of_contacts(people, found, inside, exposure.draw())[0]
    assert low == middle == high == pytest.approx(1 - np.exp(-8))
    table = exposure.by_cell(people, found, inside, exposure.draw()).to_pylist()
    for resolution in c.H3_RESOLUTIONS:
        rows = [row for row in table if row["resolution"] == resolution]
        assert sum(row["person_seconds"] for row in rows) == 7200
        assert sum(row["dose_median"] for row in rows) == pytest.approx(8)
        assert sum(row["close_seconds"] for row in rows) == 7200
        assert sum(row["dose_high"] for row in rows) == pytest.approx(8)
        assert {row["contacts"] for row in rows} == {1}
        assert {tuple(row["who"]) for row in rows} == {(people[0].name,)}
        assert len({row["hour"] for row in rows}) == 2  # from 05:00 to 07:00
