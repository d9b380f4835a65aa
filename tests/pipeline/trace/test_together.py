"""People who go along: copies of footage, steady errors, passes that were missed."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from pipeline.trace import copied, steady
from pipeline.trace.contacts import Near, Rule
from pipeline.trace.run import trace

T0 = 1_762_146_000


def seconds(tracklet, patient, second, east, north=None):
    """Seconds of others at offsets from the patient."""
    n = len(second)
    east = np.asarray(east, float)
    north = np.zeros(n) if north is None else np.asarray(north, float)
    none = np.zeros(n)
    return Near(
        tracklet=np.broadcast_to(np.asarray(tracklet, np.int64), n).copy(),
        patient=np.broadcast_to(np.asarray(patient, np.int64), n).copy(),
        second=T0 + np.asarray(second, np.int64),
        metres=np.hypot(east, north),
        east_m=none,
        north_m=none,
        patient_mask=none.astype(np.int8),
        contact_mask=none.astype(np.int8),
        away_east_m=east,
        away_north_m=north,
    )


def walking(world, people, *, unseen=frozenset(), cameras=6):
    """Let people walk abreast by cameras; returns their tracklets by person."""
    numbers = [world.camera(80.0 * k, 0) for k in range(cameras)]
    for number in numbers:
        world.film(number, 0, 1800)
    seen = [[] for _ in people]
    for k, number in enumerate(numbers):
        x = world.place(number)[0]
        points = np.column_stack([x - 6 + 1.2 * np.arange(11), np.zeros(11)])
        for n, person in enumerate(people):
            if (n, k) not in unseen:
                one = world.walk(
                    person, number, 100 + 67.0 * k, np.add(points, [0, 0.9 * n])
                )
                seen[n].append(one)
    return seen


@pytest.mark.parametrize("under", ["same camera", "camera beside"])
def test_footage_stored_twice_counts_nobody_twice(world, authorise, under):
    """The clip again, under its camera or one on the same pole."""
    number = world.camera(0, 0)
    again = number if under == "same camera" else world.camera(0.5, 0)
    patient, friend = world.person(), world.person()
    seeds, theirs = [], []
    for camera in {number, again}:
        world.film(camera, 0, 1800)
    for camera in (number, again):
        for part in range(2):
            begin = 100 + 500.0 * part
            seeds.append(world.stand(patient, camera, begin, 480))
            theirs.append(world.stand(friend, camera, begin, 480, offset=(1.0, 0)))
    found = trace(
        authorise(), settings=world.settings, tracklet=seeds[0],
        registry=world.publish(),
    )  # fmt: skip
    # Before one camera each pass is one candidate, whatever it was stored as.
    sightings = found.sightings.to_pylist()
    assert len(sightings) == (2 if under == "same camera" else 4)
    assert all(row["on_path"] for row in sightings)
    (contact,) = found.contacts.to_pylist()
    assert set(contact["tracklet_ids"]) <= set(theirs)
    assert contact["seconds"] == 2 * 481
    assert contact["least_metres"] == pytest.approx(1.0, abs=0.02)


def test_only_what_lies_on_each_other_throughout_is_a_copy():
    at = np.arange(20)
    apart = np.linspace(1.0, 1.5, 20)
    found = [
        seconds(5, 1, at, apart),
        seconds(7, 1, at, apart + 0.01),  # the copy of 5
        seconds(8, 1, at, apart[::-1]),  # crosses both
    ]
    joined = Near(
        **{k: np.concatenate([getattr(f, k) for f in found]) for k in vars(found[0])}
    )
    assert copied.among(joined) == {7: 5}
    mine = seconds(9, 1, at, np.full(20, 0.02))
    assert not len(copied.without_patient(mine).second)
    near = seconds(9, 1, at, np.r_[np.full(19, 0.02), 0.4])
    assert len(copied.without_patient(near).second) == 20
    assert copied.among(seconds(5, 1, [], [])) == {}


def test_offsets_of_companions_are_freed_of_errors_and_those_who_part_keep_theirs():
    rng = np.random.default_rng(4)
    at = np.concatenate([60 * k + np.arange(12) for k in range(12)])
    number = np.repeat(np.arange(12), 12)
    off = rng.normal(0, 0.8, (12, 2))[number]
    error = np.full(len(at), 0.8)
    with_him = seconds(100 + number, number, at, 1.4 + off[:, 0], off[:, 1])
    one = dict.fromkeys(range(100, 112), 100)
    assert len(steady.steadied(with_him, one, Rule(), error).second) == len(at)
    assert (with_him.metres > 2).sum() > 20
    # Half of the way a metre away, then four: nothing is drawn over two metres.
    parts = np.where(number < 6, 1.0, 4.0)
    part = seconds(100 + number, number, at, parts)
    kept = steady.steadied(part, one, Rule(), np.full(len(at), 0.1))
    assert kept.second.max() == T0 + at[number == 5].max()
    assert len(kept.second) == 6 * 12


def test_seconds_of_one_alone_are_inferred_between_joint_ones(world, authorise):
    """The friend is missed once, the patient once; nobody else was near."""
    patient, friend = world.person(), world.person()
    mine, _ = walking(world, [patient, friend], unseen={(1, 2), (0, 4)})
    found = trace(
        authorise(), settings=world.settings, tracklet=mine[0],
        registry=world.publish(),
    )  # fmt: skip
    (contact,) = found.contacts.to_pylist()
    assert contact["seconds"] == 4 * 11
    assert contact["inferred_seconds"] == 2 * 11
    assert contact["seconds_24h"] == 6 * 11
    assert "44 s seen and 22 s inferred in 4 episodes" in contact["reason"]


def test_who_leaves_and_comes_back_is_not_inferred(world, authorise):
    """Both are seen meanwhile, apart."""
    number = world.camera(0, 0)
    world.film(number, 0, 600)
    patient, friend = world.person(), world.person()
    seed = world.stand(patient, number, 100, 120)
    points = world.place(number) + np.array([1.0, 0])
    way = np.concatenate([np.zeros(40), np.full(40, 9.0), np.zeros(41)])
    world.walk(friend, number, 100, points + np.column_stack([way, 0 * way]))
    found = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    (contact,) = found.contacts.to_pylist()
    assert contact["seconds"] == contact["seconds_24h"] == 81
    assert contact["inferred_seconds"] == 0


@pytest.mark.parametrize("quality", ["triage", "full"])
def test_a_path_of_footage_seen_in_haste_says_so(
    world, authorise, monkeypatch, quality
):
    number = world.camera(0, 0)
    world.film(number, 0, 600)
    seed = world.stand(world.person(), number, 100, 20)
    made = world._footage_row

    def row(*args):
        table = made(*args)
        told = pa.array([json.dumps({"quality": quality, "fps": 0.5})])
        return table.set_column(table.column_names.index("options"), "options", told)

    monkeypatch.setattr(world, "_footage_row", row)
    found = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    hasty = int(quality == "triage")
    (run,) = found.tables["run"].to_pylist()
    assert json.loads(run["options"])["sightings_at_triage"] == hasty
    assert sum("counted short" in one for one in found.remarks) == hasty
