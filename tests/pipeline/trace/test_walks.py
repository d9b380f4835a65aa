"""Walks and persons: strangers on their way, twins, clothing of a day."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.casebook import reviews
from pipeline.evaluate import trace_figures as figures
from pipeline.trace import calibration, clothing, observations, walks
from pipeline.trace import constants as c
from pipeline.trace.field import Field
from pipeline.trace.finding import Seeds, prepared
from pipeline.trace.followers import Bounds, followers
from pipeline.trace.observations import Scope
from pipeline.trace.rowmap import RowSet
from pipeline.trace.run import trace
from pipeline.trace.stays import stays
from pipeline.trace.templates import Template
from pipeline.trace.walks import follow


def along(world, person, numbers, start_s, **more):
    """Let a person walk past cameras 80 m apart at 1.2 m/s."""
    passed = []
    for k, number in enumerate(numbers):
        x = world.place(number)[0]
        points = np.column_stack([x - 6 + 1.2 * np.arange(10), np.zeros(10)])
        passed.append(world.walk(person, number, start_s + 67.0 * k, points, **more))
    return passed


def test_a_walk_is_followed_from_camera_to_camera(road, authorise):
    one, other = road.person(), road.person()
    mine = along(road, one, road.numbers, 100, face=False)
    theirs = along(road, other, road.numbers, 112, face=False)
    passes = Scope(authorise(), road.settings, road.publish()).passes()
    taken = RowSet()
    rows = [passes.row(mine[2]), passes.row(theirs[3])]
    walks = follow(Field(passes), np.array(rows), taken)
    assert passes.ids[walks[0].rows].tolist() == mine
    assert passes.ids[walks[1].rows].tolist() == theirs
    assert all(0.5 <= p <= 1 for walk in walks for p in walk.link)
    # Nothing is followed twice.
    assert not follow(Field(passes), np.array(rows), taken)


def test_a_twin_is_not_merged_after_one_rejection(road, authorise):
    """The same face in other clothes; a reviewer rejects one of his passes."""
    patient, twin = road.person(), road.person()
    twin.face = patient.face
    mine = along(road, patient, road.numbers[:3], 100)
    his = along(road, twin, road.numbers[3:], 700)
    registry = road.publish()
    order = authorise()
    trace(order, settings=road.settings, tracklet=mine[0], registry=registry)
    reviews.review(order, his[1], "reject", settings=road.settings)
    found = trace(order, settings=road.settings, registry=registry)
    path = {r["tracklet_id"] for r in found.sightings.to_pylist() if r["on_path"]}
    assert set(mine) <= path
    assert not path & set(his)


def test_who_turns_out_to_be_a_person_pursued_is_not_pursued_again(road, authorise):
    """Seen twice, with a face each time; and somebody else who is dressed otherwise."""
    patient, other = road.person(), road.person()
    early = along(road, patient, road.numbers[:3], 100)
    late = along(road, patient, road.numbers[3:], 700)
    his = along(road, other, road.numbers[3:], 900)
    registry = road.publish()
    scope = Scope(authorise(), road.settings, registry)
    passes = scope.passes()
    rows = {name: passes.rows(ids) for name, ids in
            (("early", early), ("late", late), ("his", his))}  # fmt: skip
    photo = Template("face", "mobilefacenet", patient.face.astype(np.float32))
    seeds = Seeds([photo], frozenset(), "a photo")
    hunt = prepared(passes, scope.footage(), seeds, road.settings)
    hunt._grow(np.concatenate(list(rows.values())))
    done = hunt._pursue(hunt._suppose(rows["early"], rows["early"]))
    assert set(done.lenders) == {*rows["early"], *rows["late"]}
    same = hunt._suppose(rows["late"], rows["late"])
    assert set(hunt._pursued(same, [done])) == set(done.lenders)
    assert not len(hunt._pursued(same, []))
    different = hunt._suppose(rows["his"], rows["his"])
    assert not len(hunt._pursued(different, [done]))


def test_sets_of_views_say_more_than_one_but_are_bounded():
    rng = np.random.default_rng(3)
    people = rng.normal(0, 1, (600, 12))
    law = clothing.fit(people + rng.normal(0, 0.6, people.shape))
    views = law.place(people[0] + rng.normal(0, 0.6, (20, 12)))
    others = law.place(people[1:400])
    same = law.llr(views[:10].mean(0), 10, views[10:].mean(0)[None], np.array([10]))
    single = law.llr(views[0], 1, views[10:11], np.array([1]))
    strangers = law.llr(views[:10].mean(0), 10, others, np.ones(len(others)))
    assert single[0] <= c.APPEARANCE_CAP < same[0] <= c.CLOTHING_CAP
    assert np.median(strangers) < 0
    assert (strangers > 3).mean() < np.exp(-3)


def test_clothing_is_placed_the_same_whatever_it_is_asked_with():
    rng = np.random.default_rng(6)
    views = rng.normal(0, 1, (700, 96)).astype(np.float32)
    law = clothing.fit(views)
    whole = law.place(views)
    for n in (1, 3, 50, 191, 300):
        rows = np.sort(rng.choice(len(views), n, replace=False))
        np.testing.assert_array_equal(law.place(views[rows]), whole[rows])


def test_many_faces_are_worth_less_than_their_sum():
    assert calibration.faces_llr(np.array([5.0])) == 5
    assert 5 < calibration.faces_llr(np.full(4, 5.0)) < 20
    assert calibration.faces_llr(np.full(50, 9.0)) == c.FACES_CAP
    assert calibration.faces_llr(np.zeros(3)) == 0


def test_figures_of_known_counts():
    tally = figures.Tally(
        passes=(3, 4, 6),
        seconds=(30.0, 40.0, 60.0),
        probability=np.array([0.9, 0.9, 0.1, 0.1]),
        right=np.array([True, True, False, False]),
        said={1: 70, 2: 30},
        truly={1: 65, 3: 900},
        shown={1: 50, 3: 700},
    )
    found = figures.figures_of([tally])
    assert found["path_idf1"] == pytest.approx(60 / 100)
    assert found["sighting_precision"] == 0.75
    assert found["sighting_recall"] == 0.5
    assert found["path_hota"] == pytest.approx(3 / 7)
    assert found["contact_f1_1min"] == pytest.approx(2 / 3)
    assert found["contact_f1_1min_shown"] == 0  # 1 is said, 3 would be right
    assert (found["contacts_15min_true"], found["contacts_15min_true_shown"]) == (1, 0)
    assert found["contact_seconds_share"] == 0
    assert found["posterior_ece"] == pytest.approx(0.1)


def test_a_lead_is_told_patient_by_patient():
    def tally(hit: float) -> figures.Tally:
        return figures.Tally(
            passes=(0, 0, 0),
            seconds=(hit, 50.0, 50.0),
            probability=np.array([0.5]),
            right=np.array([True]),
        )

    hard_and_easy = [10.0, 40.0, 11.0, 39.0, 12.0, 41.0]
    ours = [tally(hit + 2) for hit in hard_and_easy]
    lead = figures.lead_of(ours, [tally(hit) for hit in hard_and_easy])["path_idf1"]
    assert lead["difference"] == pytest.approx(0.04)
    assert lead["interval_5_95"] == pytest.approx([0.04, 0.04])
    assert lead["share_ahead"] == 1.0
    assert figures.lead_of(ours, ours)["path_idf1"]["share_ahead"] == 0.0


def test_stays_are_matched_by_place_and_time():
    at = np.array([[0.0, 0], [0, 5], [900, 0]])
    said = stays(np.array([0.0, 1000, 1100]), np.array([10.0, 1010, 1110]), at, at)
    np.testing.assert_allclose(said, [[0, 2.5, 0, 1010]])
    counts, errors = figures.match_stays(said, np.array([[20.0, 0, 40, 990]]))
    assert counts == (1, 1, 1)
    assert errors == [40]
    assert figures.match_stays(said, np.array([[900.0, 0, 40, 990]]))[0] == (0, 1, 1)


@pytest.mark.parametrize("ahead", [True, False])
def test_who_is_in_reach_is_found_as_by_looking_at_everybody(world, authorise, ahead):
    rng = np.random.default_rng(4)
    numbers = [world.camera(*rng.uniform(0, 700, 2)) for _ in range(12)]
    for _ in range(240):
        number = numbers[int(rng.integers(12))]
        world.stand(
            world.person(), number, rng.uniform(0, 3000), int(rng.integers(3, 40))
        )
    for number in numbers:
        world.film(number, 0, 3500)
    field = Field(Scope(authorise(), world.settings, world.publish()).passes())
    tip = np.arange(0, len(field), 7)
    edges, rows, score, counted = in_reach(field, tip, ahead)
    expected, told, busy = [], [], np.zeros(len(tip), dtype=int)
    for n, one in enumerate(tip):
        near = []
        for row in range(len(field)):
            a, b = (one, row) if ahead else (row, one)
            gap = field.start[b] - field.end[a]
            metres = np.hypot(*(field.first[b] - field.last[a]))
            if row == one or not -1 <= gap <= 180:
                continue
            busy[n] += metres < 150 and gap < 120
            same = field.camera_no[row] == field.camera_no[one]
            limit = 2.5 * max(gap, 0) + 5 + 2 * field.error_m[row]
            if metres <= limit and not (same and gap < 0):
                near.append((row, a, b, max(gap, 0.0), metres))
        expected += [(n, row) for row, *_ in near]
        told += [goes_on(field, *one, busy[n]) for one in near]
    assert len(expected) > 100
    number = np.repeat(np.arange(len(tip)), np.diff(edges))
    assert list(zip(number.tolist(), rows.tolist(), strict=True)) == expected
    assert counted.tolist() == busy.tolist()
    # Records keep places to millimetres, and times to milliseconds.
    np.testing.assert_allclose(score, told, rtol=0, atol=2e-3)


def goes_on(field, row, a, b, gap, metres, busy):
    """How much better walking on explains a pass, as `docs/trace-model.md` has it."""
    error = np.hypot(field.error_m[a], field.error_m[b])
    sigma = np.sqrt((0.25 * gap) ** 2 + error**2 + 0.5**2)
    bell = np.exp(-0.5 * ((metres - 1.15 * gap) / sigma) ** 2)
    bell /= sigma * np.sqrt(2 * np.pi)
    chance = 2 * max(metres, error) / (2.5 * gap + 10 + 2 * error) ** 2
    reach = 2.5 * gap + 10 + 2 * field.error_m[row]
    stray = max((busy + 1) / 120 * (reach / 150) ** 2, 1e-6)
    score = np.log((0.85 * bell / chance + 0.15) * 0.6 * np.exp(-gap / 45) / 45 / stray)
    one, other = field.last[a] - field.first[a], field.last[b] - field.first[b]
    way = field.first[b] - field.last[a]
    pairs = [(one, way), (other, way)] if metres > max(8, 3 * error) else [(one, other)]
    for x, y in pairs:
        long = np.hypot(*x), np.hypot(*y)
        if min(long) > 3:
            cosine = x @ y / (long[0] * long[1])
            score += np.log(2.4 if cosine > 0.707 else 0.6 if cosine > -0.707 else 0.4)
    return score


def in_reach(field, tip, ahead):
    """Ask for everybody in reach, hopeful or not."""
    any_m = np.full((1, 180), 1e9)
    everybody = Bounds(
        np.zeros(1, np.int64), 0 * any_m, any_m, any_m, np.array([180.0])
    )
    anybody = walks._GAIT._replace(least=-np.inf)
    beside = field.beside(tip, 455.0)
    return followers(tip, ahead, *beside, field.ground, everybody, anybody)


def test_what_is_remembered_changes_nothing(road, authorise):
    """A trace after a verdict, with what the first one left in memory and without."""
    patient, other = road.person(), road.person()
    mine = along(road, patient, road.numbers[:4], 100)
    along(road, other, road.numbers, 700)
    registry, order = road.publish(), authorise()
    trace(order, settings=road.settings, tracklet=mine[0], registry=registry)
    reviews.review(order, mine[3], "reject", settings=road.settings)
    found = [trace(order, settings=road.settings, registry=registry)]
    observations.forget()
    found.append(trace(order, settings=road.settings, registry=registry))
    for name in ("sighting", "leg", "contact", "exposure"):
        one, two = (result.tables[name].to_pylist() for result in found)
        assert repr(one) == repr(two)
    assert mine[3] not in {
        row["tracklet_id"] for row in found[0].sightings.to_pylist() if row["on_path"]
    }


def test_passes_too_far_off_to_be_hopeful_are_dropped_and_no_others(world, authorise):
    rng = np.random.default_rng(8)
    numbers = [world.camera(*rng.uniform(0, 900, 2)) for _ in range(30)]
    for number in numbers:
        world.film(number, 0, 1200)
        for _ in range(12):
            world.stand(world.person(), number, rng.uniform(0, 900), 6)
    field = Field(Scope(authorise(), world.settings, world.publish()).passes())
    tip = np.arange(0, len(field), 3)
    edges, rows, score = walks._hopeful(field, tip, True)
    every, them, same, _ = in_reach(field, tip, True)
    hopeful = same > walks._HOPELESS
    assert 0 < hopeful.sum() < len(them)
    np.testing.assert_array_equal(rows, them[hopeful])
    np.testing.assert_array_equal(score, same[hopeful])
    whose = np.repeat(tip, np.diff(edges))
    assert (np.hypot(*(field.first[rows] - field.last[whose]).T) > 160).any()
    assert len(every) == len(edges)
