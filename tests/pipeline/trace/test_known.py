"""Traces with truth: anchors, gaps, companions, shared air, wrong clocks, hats."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pipeline.casebook import anchors, reviews
from pipeline.store import ids
from pipeline.trace import clocks, motion, path, posteriors, results
from pipeline.trace import constants as c
from pipeline.trace.field import Field
from pipeline.trace.observations import Scope
from pipeline.trace.remembered import Remembered
from pipeline.trace.run import trace
from pipeline.trace.stays import stays
from tests.pipeline.trace.conftest import CORNER, START
from tests.pipeline.trace.test_path import brute_force, chain, footage
from tests.pipeline.trace.test_walks import along


def told(at, place, seconds=300.0, metres=50.0):
    return Remembered(
        number=np.arange(len(at)) + 1,
        at=np.asarray(at, float),
        place=np.asarray(place, float),
        seconds=np.full(len(at), seconds),
        metres=np.full(len(at), metres),
    )


def on_path(found):
    return {r["tracklet_id"] for r in found.sightings.to_pylist() if r["on_path"]}


def test_what_is_remembered_lifts_the_passes_near_it_and_only_those():
    place = [(0, 0), (900, 0), (0, 900), (60, 0)]
    these = chain([0, 900, 900, 2000], place, [0, 2, 2, 3], certain=np.arange(4) == 0)
    seen = footage(place, 2400)
    plain = path.solve(these, seen)
    found = path.solve(these, seen, told=told([880], [(890, 0)]))
    assert found.posterior[1] > plain.posterior[1] + 0.1
    assert found.posterior[2] < plain.posterior[2]
    assert found.fits[0] > 0.5
    away = path.solve(these, seen, told=told([880], [(-9000, 0)]))
    assert found.told > away.told + 1


def test_what_cannot_be_is_not_believed_and_changes_little():
    place = [(0, 0), (100, 0), (200, 0)]
    these = chain([0, 100, 200], place, [0, 9, 9], certain=[True, False, True])
    seen = footage(place)
    plain = path.solve(these, seen)
    found = path.solve(these, seen, told=told([100], [(30_000, 0)], 30, 50))
    np.testing.assert_allclose(found.posterior, plain.posterior, atol=0.01)
    assert found.fits[0] < 0.05


@pytest.mark.parametrize("spoken", [[0, 2, 4], [0, 1, 2, 3, 4]])
def test_right_statements_do_not_take_from_each_other(spoken):
    """Five cameras, five passes before each; he remembers where he was."""
    at, place = (
        400.0 * np.arange(5),
        np.column_stack([350.0 * np.arange(5), np.zeros(5)]),
    )
    start = (at[:, None] + np.arange(-20.0, 21, 10)).ravel()
    where, number = np.repeat(place, 5, axis=0), np.repeat(np.arange(5), 5)
    llr = np.tile([-1.5, -1.5, 1.0, -1.5, -1.5], 5)
    these = chain(start, where, llr, camera=number, rate=5 / 60)
    seen = motion.Seen(where, start, np.full(25, 12.0), 300.0)
    his = 5 * np.array(spoken) + 2
    together = path.solve(these, seen, told=told(at[spoken], place[spoken], 60))
    alone = [
        path.solve(these, seen, told=told(at[k : k + 1], place[k : k + 1], 60))
        for k in spoken
    ]
    each = np.array([one.posterior[row] for one, row in zip(alone, his, strict=True)])
    assert (each > 0.8).all()
    assert (together.posterior[his] >= 0.9 * each).all()
    assert (together.fits >= 0.95).all()


def test_nothing_remembered_is_the_chain_as_it_was():
    place = [(0, 0), (100, 0), (300, 0)]
    these = chain([0, 100, 300], place, [3, 2, 4])
    seen = footage(place)
    _, posterior, *_ = brute_force(these, seen)
    found = path.solve(these, seen, told=told([], np.empty((0, 2))))
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
    assert not len(found.fits)


def test_whereabouts_is_a_density():
    metres = np.linspace(0, 40_000, 400_001)
    for seconds in (0.0, 600.0, 86_400.0):
        density = motion.whereabouts(metres, np.full(len(metres), seconds), 50.0)
        whole = np.trapezoid(density * 2 * np.pi * metres, metres)
        assert whole == pytest.approx(1, abs=1e-3)


def test_an_anchor_of_the_case_is_used_and_pinned(road, authorise):
    patient = road.person()
    mine = along(road, patient, road.numbers, 100)
    registry = road.publish()
    order = authorise()
    lon, lat = ids.to_lonlat(*((np.add(CORNER, [[160.0, 0.0]])) * 100).T)
    number = anchors.add(
        order, at=START + timedelta(seconds=240), lon=float(lon[0]), lat=float(lat[0]),
        seconds=60, metres=30, place="clinic", settings=road.settings,
    )  # fmt: skip
    found = trace(order, settings=road.settings, tracklet=mine[0], registry=registry)
    (pin,) = found.tables["anchor"].to_pylist()
    assert pin["anchor"] == number
    assert pin["fits"] > 0.9
    assert pin["metres_off"] < 40
    before = found.sightings["tracklet_id"][pin["before_sighting"]].as_py()
    assert before == mine[2]
    stored = results.read(order, "anchor", settings=road.settings).to_pylist()
    assert stored == [pin]
    # Words stay in the casebook.
    assert not any(b"clinic" in p.read_bytes() for p in found.folder.iterdir())


def test_gaps_tell_how_easily_they_go_unseen(world, authorise):
    numbers = [world.camera(100.0 * k, 0) for k in range(6)]
    for number in numbers:
        world.film(number, 0, 1800)
        world.stand(world.person(), number, 30, 8, offset=(0, 9))
    patient = world.person()
    first = world.walk(patient, numbers[0], 100, [[0, 0], [1, 0], [2, 0]])
    world.walk(patient, numbers[5], 560, [[498, 0], [499, 0], [500, 0]])
    order = authorise()
    found = trace(
        order, settings=world.settings, tracklet=first, registry=world.publish()
    )
    (gap,) = [leg for leg in found.legs.to_pylist() if leg["kind"] == "inferred"]
    assert gap["cameras"] == 4
    share = c.GAP_SIGHT_M / c.GAP_BAND_M * 1.3 * (1 - c.GAP_MISS_SHARE)
    assert gap["miss_probability"] == pytest.approx(np.exp(-4 * share))


def test_companions_are_told_from_passers_by(road, authorise):
    patient, friend, other = road.person(), road.person(), road.person()
    mine, theirs = [], []
    for k, number in enumerate(road.numbers):
        x = road.place(number)[0]
        points = np.column_stack([x - 6 + 1.2 * np.arange(10), np.zeros(10)])
        mine.append(road.walk(patient, number, 100 + 67.0 * k, points))
        theirs.append(
            road.walk(friend, number, 100 + 67.0 * k, np.add(points, [0, 0.8]))
        )
    road.walk(other, road.numbers[2], 100 + 134.0, points[::-1] - [240, 1.0])
    order = authorise()
    found = trace(
        order, settings=road.settings, tracklet=mine[0], registry=road.publish()
    )
    people = found.contacts.to_pylist()
    going = [row for row in people if row["relation"] == "companion"]
    assert len(going) == 1
    assert set(going[0]["tracklet_ids"]) == set(theirs)
    assert going[0]["joint_share"] == 1
    assert {row["relation"] for row in people} == {"companion", "passing"}


@pytest.mark.parametrize("indoors", [True, False])
def test_shared_air_beyond_the_rule_is_listed_by_itself(world, authorise, indoors):
    number = world.camera(0, 0, indoors=indoors)
    world.film(number, 0, 1800)
    patient, far = world.person(), world.person()
    mine = world.stand(patient, number, 100, 1000)
    theirs = world.stand(far, number, 90, 1000, offset=(6.0, 0))
    order = authorise()
    found = trace(
        order, settings=world.settings, tracklet=mine, registry=world.publish()
    )
    assert not found.contacts.num_rows
    rows = found.tables["airspace"].to_pylist()
    assert [row["tracklet_ids"] for row in rows] == ([[theirs]] if indoors else [])
    if indoors:
        assert rows[0]["seconds_24h"] == 991
        assert rows[0]["median_metres"] == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("skew", [-60.0, -25.0, 25.0, 60.0])
def test_a_wrong_clock_of_a_minute_does_not_break_the_path(world, authorise, skew):
    numbers = [world.camera(220.0 * k, 0) for k in range(5)]
    for number in numbers:
        world.film(number, 0, 3000)
        for n in range(5):
            world.stand(world.person(), number, 30.0 + 400 * n, 8, offset=(0, 9))
    patient = world.person()
    mine = []
    for k, number in enumerate(numbers):
        x = world.place(number)[0]
        points = np.column_stack([x - 6 + 1.2 * np.arange(10), np.zeros(10)])
        wrong = skew if k == 2 else 0.0
        mine.append(world.walk(patient, number, 400 + 183.0 * k + wrong, points))
    found = trace(
        authorise(), settings=world.settings, tracklet=mine[0],
        registry=world.publish(),
    )  # fmt: skip
    assert set(mine) <= on_path(found)


def test_clothes_that_are_swapped_midway_do_not_merge_two_people(
    road,
    authorise,
):
    """Two people exchange coat and hat; one rejection keeps the other one out."""
    patient, other = road.person(), road.person()
    mine = along(road, patient, road.numbers[:3], 100)
    his = along(road, other, road.numbers[:3], 900)
    patient.looks, other.looks = other.looks, patient.looks
    mine += along(road, patient, road.numbers[3:], 301)
    his += along(road, other, road.numbers[3:], 1101)
    registry = road.publish()
    order = authorise()
    trace(order, settings=road.settings, tracklet=mine[0], registry=registry)
    reviews.review(order, his[3], "reject", settings=road.settings)
    found = on_path(trace(order, settings=road.settings, registry=registry))
    assert set(mine[:3]) <= found
    assert not found & set(his)


def test_nobody_found_is_said_with_coverage_and_what_would_be_missed(world, authorise):
    number, _ = world.camera(0, 0), world.camera(500, 0)
    world.film(number, 0, 1800)
    alone = world.stand(world.person(), number, 100, 20)
    found = trace(
        authorise(), settings=world.settings, tracklet=alone,
        registry=world.publish(),
    )  # fmt: skip
    (said,) = [r for r in found.remarks if "No further sighting" in r]
    assert "1 of the 2 cameras" in said
    assert "no face that decides with a probability of" in said


def test_posteriors_are_fitted_and_never_fall_with_the_chain():
    base = np.zeros((9, len(posteriors.SIGNS)))
    base[:, 0] = np.linspace(-8, 8, 9)
    said = posteriors.calibrated(base)
    assert (np.diff(said) > 0).all()
    assert ((said > 0) & (said < 1)).all()
    assert posteriors.provenance()["hunts"] > 50


def test_a_stay_in_view_and_behind_a_door_is_one():
    start = np.array([0.0, 31, 62, 1500])
    end = start + 30
    place = np.array([[0.0, 0], [0.3, 0], [0, 0.2], [30, 0]])
    (one,) = stays(start, end, place, place)
    assert one[2:].tolist() == [0, 1530]
    # Walking 380 metres takes its time; that is no stay.
    far = np.array([[0.0, 0], [380, 0]])
    at = np.array([0.0, 700])
    assert not len(stays(at, at + 10, far, far))


@pytest.mark.parametrize("skew", [-45.0, 0.0, 30.0])
def test_a_wrong_clock_is_estimated_from_those_who_walk_by(world, authorise, skew):
    numbers = [world.camera(60.0 * k, 0) for k in range(5)]
    for number in numbers:
        world.film(number, 0, 7200)
    rng = np.random.default_rng(5)
    for n in range(55):
        person, speed = world.person(), 0.9 + 0.6 * rng.random()
        back = n % 2
        for k in range(5):
            step = 4 - k if back else k
            x = 60.0 * step
            points = x + speed * (np.arange(8) - 3.5) * (-1 if back else 1)
            wrong = skew if step == 2 else 0.0
            start = 200 + 55.0 * n + 60 * k / speed - 3.5 + wrong
            line = np.column_stack([points, np.zeros(8)])
            world.walk(person, numbers[step], start, line, face=False)
    passes = Scope(authorise(), world.settings, world.publish()).passes()
    found = clocks.estimate(Field(passes), numbers[2])
    assert found is not None
    assert found.ahead_s == pytest.approx(skew, abs=4)
    assert clocks.estimate(Field(passes), 99) is None


def test_who_stands_near_for_long_is_near_whatever_each_pass_is_off(world, authorise):
    """Two people 1.2 m apart, another 4.5 m away; each pass off by half a metre."""
    number = world.camera(0, 0)
    world.film(number, 0, 3000)
    rng = np.random.default_rng(3)
    people = [world.person() for _ in range(3)]
    seen: list[list[int]] = [[], [], []]
    for k in range(36):
        for n, (person, x) in enumerate(zip(people, (0.0, 1.2, 4.5), strict=True)):
            off = rng.normal((x, 0.0), 0.5, 2)
            one = world.stand(person, number, 300 + 31.0 * k, 30, offset=tuple(off))
            seen[n].append(one)
    found = trace(
        authorise(), settings=world.settings, tracklet=seen[0][0],
        registry=world.publish(),
    )  # fmt: skip
    assert set(seen[0]) <= on_path(found)
    rows = [
        row
        for row in found.contacts.to_pylist()
        if set(row["tracklet_ids"]) & set(seen[1])
    ]
    assert len(rows) == 1
    assert rows[0]["class"] == "close"
    assert rows[0]["seconds_24h"] >= 0.95 * 36 * 31
    assert not any(
        row["class"] == "close" and set(row["tracklet_ids"]) & set(seen[2])
        for row in found.contacts.to_pylist()
    )
