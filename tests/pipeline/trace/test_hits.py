"""Hits: which faces are worth a look, of one person and of several at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.trace import calibration, hits, search
from pipeline.trace import constants as c
from pipeline.trace.observations import Scope
from pipeline.trace.search import Faces, templates_of


@pytest.fixture
def crowd(world, authorise):
    """Faces of many sizes, some before masks, several of each person."""
    rng = np.random.default_rng(5)
    people = [world.person() for _ in range(12)]
    number = world.camera(0, 0)
    for k in range(120):
        mask = "worn" if k % 5 == 0 else "none"
        width = float(rng.choice([18.0, 26.0, 34.0, 60.0, 110.0]))
        world.stand(people[k % 12], number, 20.0 * k, 8, width=width, mask=mask)
    world.film(number, 0, 3600)
    return Scope(authorise(), world.settings, world.publish()).passes()


def views_of(passes, row):
    return [one for one in templates_of(passes, row) if one.kind == "face"]


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("least", [c.ANCHOR_LLR, 0.5, 6.0])
def test_all_that_decide_are_found_and_little_else(crowd, aware, least):
    views = views_of(crowd, int(np.nanargmax(crowd.face_width_px)))
    if aware:
        views = [replace(one, masked_vector=one.vector) for one in views]
    faces = Faces(crowd, views)
    every = np.arange(len(crowd))
    expected = every[faces[every] >= least]
    assert 0 < len(expected) < len(crowd) / 2
    found = hits.deciding(crowd, [{views[0].model: views}], least, 1)[0]
    assert set(expected) <= set(found.tolist())
    assert len(found) <= len(expected) + 3
    assert faces.strong(least, 2).tolist() == expected.tolist()


def test_several_people_are_found_as_one_by_one(crowd):
    views = [views_of(crowd, row) for row in (0, 1, 2)] + [[]]
    people = [{one.model: some for one in some} for some in views]
    together = hits.deciding(crowd, people, c.ANCHOR_LLR, 2)
    for mine, rows in zip(people, together, strict=True):
        alone = hits.deciding(crowd, [mine], c.ANCHOR_LLR, 1)[0]
        assert rows.tolist() == alone.tolist()
    assert len(together[0])
    assert not len(together[3])


def test_what_was_foreseen_is_not_looked_for_again(crowd, monkeypatch):
    some = [views_of(crowd, row) for row in (0, 1)]
    search.scan([Faces(crowd, views) for views in some], c.ANCHOR_LLR, 1)
    expected = [
        np.flatnonzero(Faces(crowd, views)[np.arange(len(crowd))] >= c.ANCHOR_LLR)
        for views in some
    ]
    monkeypatch.setattr(hits, "deciding", None)
    for views, rows in zip(some, expected, strict=True):
        told: list[float] = []
        found = Faces(crowd, views).strong(c.ANCHOR_LLR, 1, told.append)
        assert found.tolist() == rows.tolist()
        assert told == [1.0]


def test_a_cosine_below_the_least_never_reaches_the_evidence():
    rng = np.random.default_rng(2)
    for kind in (calibration.BARE, calibration.ONE_MASKED, calibration.MASK_AWARE):
        least = calibration.least_similarity(2.5, kind)
        width = rng.uniform(10, 120, 4000)
        cosine = rng.uniform(-1, 1, 4000)
        told = calibration.face_llr(cosine, width, np.full(4000, kind))
        below = cosine < least[calibration.width_level(width)]
        assert (told[below] < 2.5).all()
        assert (told[~below] >= 2.5).mean() > 0.95
    assert np.isinf(calibration.least_similarity(2.5, calibration.BARE)[:7]).all()


def test_no_templates_find_nobody(crowd):
    assert [len(rows) for rows in hits.deciding(crowd, [{}], 1.0, 1)] == [0]


def test_a_process_forgets_what_was_foreseen_of_others(crowd):
    some = [views_of(crowd, row) for row in (0, 1)]
    search.foresee([Faces(crowd, views) for views in some], c.ANCHOR_LLR, 1)
    known = crowd.kept("faces", dict)
    against = Faces(crowd, views_of(crowd, 2))  # of the case itself
    assert len(against[np.arange(3)]) == 3
    assert len(known) == 3
    search.let_go(crowd, some[0])
    left = [one.strong for one in known.values() if one.foreseen]
    assert len(known) == 2
    assert len(left) == 1
    assert left[0] == Faces(crowd, some[0])._learnt.strong


def test_faces_of_several_people_are_weighed_as_those_of_each():
    rng = np.random.default_rng(8)
    owner = np.repeat(np.arange(50), rng.integers(1, 9, 50))
    llr = rng.normal(0, 6, len(owner)) * (rng.random(len(owner)) < 0.6)
    together = calibration.faces_llrs(llr, owner, 51)
    alone = [calibration.faces_llr(llr[owner == k]) for k in range(51)]
    np.testing.assert_allclose(together, alone, atol=1e-9)
    assert together[50] == 0


def test_a_pass_without_a_face_says_nothing(world, authorise):
    one, number = world.person(), world.camera(0, 0)
    for k in range(4):
        world.stand(one, number, 20.0 * k, 8, face=k % 2 == 0)
    world.film(number, 0, 3600)
    passes = Scope(authorise(), world.settings, world.publish()).passes()
    faces, rows = Faces(passes, views_of(passes, 0)), np.array([3, 2, 1, 0, 1])
    assert (faces[rows] != 0).tolist() == [False, True, False, True, False]
    assert np.isnan(faces.similarity(rows)).tolist() == [True, False, True, False, True]
