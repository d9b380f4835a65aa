"""A trace end to end, in a small city with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.casebook import audit
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.store import layout, place
from pipeline.trace import results
from pipeline.trace.run import trace


@pytest.fixture
def street(world):
    """Four cameras in a row, 150 m apart; the patient passes 1, 2 and 4."""
    world.numbers = [world.camera(150.0 * k, 0) for k in range(4)]
    patient = world.person()
    world.patient = patient
    world.truth = []
    for k, start in ((0, 10.0), (1, 140.0), (3, 390.0)):
        world.truth.append(world.stand(patient, world.numbers[k], start, 10))
    world.strangers = []
    for k, number in enumerate(world.numbers):
        for n in range(8):
            world.strangers.append(
                world.stand(
                    world.person(), number, 5.0 + 60 * n + 3 * k, 8, offset=(30, n)
                )
            )
        world.film(number, 0, 600)
    return world


def test_path_is_found_in_order(street, authorise):
    registry = street.publish()
    result = trace(
        authorise(),
        settings=street.settings,
        tracklet=street.truth[0],
        registry=registry,
    )
    rows = result.sightings.to_pylist()
    path = [row["tracklet_id"] for row in rows if row["on_path"]]
    assert path == street.truth
    assert all(row["posterior"] > 0.9 for row in rows if row["on_path"])
    assert not set(path) & set(street.strangers)
    kinds = result.legs["kind"].to_pylist()
    assert kinds == ["seen", "inferred", "seen", "inferred", "seen"]
    inferred = [leg for leg in result.legs.to_pylist() if leg["kind"] == "inferred"]
    assert inferred[0]["metres"] == pytest.approx(150 * 1.3, rel=0.02)
    assert inferred[0]["mode"] == "walk"
    assert result.tracklets_searched == 3 + 32
    assert result.cameras_searched == 4


def test_teleport_is_rejected(world, authorise):
    """The very same face 5 km away 20 s later is not the patient."""
    near, far = world.camera(0, 0), world.camera(5000, 0)
    patient = world.person()
    seed = world.stand(patient, near, 10, 10)
    ghost = world.stand(patient, far, 40, 10)
    back = world.stand(patient, near, 120, 10)
    for number in (near, far):
        world.film(number, 0, 300)
        for n in range(5):
            world.stand(world.person(), number, 3 + 50 * n, 8, offset=(30, n))
    result = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    rows = {row["tracklet_id"]: row for row in result.sightings.to_pylist()}
    assert rows[seed]["on_path"]
    assert rows[back]["on_path"]
    assert ghost not in rows or not rows[ghost]["on_path"]


def test_contacts_are_counted_and_explained(world, authorise):
    number = world.camera(0, 0)
    patient, friend, passer = world.person(), world.person(), world.person()
    seed = world.stand(patient, number, 10, 40, masks=["worn"] * 41)
    near = world.stand(friend, number, 20, 20, offset=(1.5, 0))
    world.stand(passer, number, 20, 20, offset=(3.0, 0))
    world.film(number, 0, 100)
    result = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    (contact,) = result.contacts.to_pylist()
    assert contact["contact"] == "K-001"
    assert contact["tracklet_ids"] == [near]
    assert contact["seconds"] == 21  # whole seconds 20..40, both ends seen
    assert contact["least_metres"] == pytest.approx(1.5, abs=0.011)
    assert contact["class"] == "casual"
    assert contact["patient_mask"] == "worn"
    assert contact["contact_mask"] == "none"
    assert "21 s in 1 episode, 1.5 m" in contact["reason"]
    assert 0 < contact["dose_low"] < contact["dose_median"] < contact["dose_high"] < 1
    cells = result.tables["exposure"].to_pylist()
    assert {cell["resolution"] for cell in cells} == {9, 10, 11, 12}
    assert all(cell["person_seconds"] == 21 for cell in cells)


def test_one_body_found_twice_is_no_contact(world, authorise):
    number = world.camera(0, 0)
    patient = world.person()
    boxes = np.tile([100.0, 100.0, 40.0, 100.0], (21, 1))
    seed = world.stand(patient, number, 10, 20, boxes=boxes)
    world.stand(patient, number, 10, 20, boxes=boxes + 1, face=False)
    world.film(number, 0, 60)
    result = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    assert result.contacts.num_rows == 0


def test_same_contact_before_two_cameras_is_one_and_close(world, authorise):
    """Ten minutes here and ten there make one close contact."""
    first, second = world.camera(0, 0), world.camera(200, 0, indoors=True)
    patient, friend = world.person(), world.person()
    seed = world.stand(patient, first, 10, 600)
    one = world.stand(friend, first, 10, 600, offset=(1, 0))
    world.stand(patient, second, 900, 600)
    two = world.stand(friend, second, 900, 600, offset=(1, 0))
    for number in (first, second):
        world.film(number, 0, 1800)
    result = trace(
        authorise(), settings=world.settings, tracklet=seed, registry=world.publish()
    )
    (contact,) = result.contacts.to_pylist()
    assert contact["tracklet_ids"] == sorted([one, two])
    assert contact["seconds"] == contact["seconds_24h"] == 1202
    assert contact["episodes"] == 2
    assert contact["class"] == "close"


def test_absent_patient_is_told_not_an_empty_answer(street, authorise):
    registry = street.publish()
    settings = street.settings

    class Photo:
        embedding = street.person().face.astype(np.float32)
        quality, face_width_px, model = 0.9, 112.0, "mobilefacenet"

    result = trace(authorise(), settings=settings, photos=[Photo()], registry=registry)
    assert not any(result.sightings["on_path"].to_pylist())
    assert result.absent > 0.5
    (remark,) = [r for r in result.remarks if r.startswith("No sighting")]
    assert "35 tracklets of 4 cameras" in remark
    assert "100.0%" in remark


def test_photo_finds_the_patient(street, authorise):
    registry = street.publish()

    class Photo:
        embedding = street.patient.face.astype(np.float32)
        quality, face_width_px, model = 0.9, 112.0, "mobilefacenet"

    result = trace(
        authorise(), settings=street.settings, photos=[Photo()], registry=registry
    )
    rows = result.sightings.to_pylist()
    assert [r["tracklet_id"] for r in rows if r["on_path"]] == street.truth


def test_faceless_pass_joins_by_clothing_of_the_day(street, authorise):
    back_view = street.stand(street.patient, street.numbers[2], 260, 10, face=False)
    tomorrow = street.stand(street.patient, street.numbers[2], 86_000.0, 10, face=False)
    street.film(street.numbers[2], 85_900, 300)
    result = trace(
        authorise(),
        settings=street.settings,
        tracklet=street.truth[0],
        registry=street.publish(),
    )
    rows = {row["tracklet_id"]: row for row in result.sightings.to_pylist()}
    assert rows[back_view]["on_path"]
    assert rows[back_view]["evidence"] == "appearance"
    assert tomorrow not in rows


def test_rejection_changes_the_next_trace_at_once(street, authorise):
    from pipeline.casebook import reviews

    permit, settings = authorise(), street.settings
    registry = street.publish()
    seed, wrong = street.truth[0], street.truth[1]
    trace(permit, settings=settings, tracklet=seed, registry=registry)
    reviews.review(permit, wrong, "reject", settings=settings)
    rows = trace(permit, settings=settings, registry=registry).sightings.to_pylist()
    state = {row["tracklet_id"]: row for row in rows}
    assert state[wrong]["review"] == "rejected"
    assert not state[wrong]["on_path"]
    reviews.review(permit, wrong, "accept", settings=settings)
    reviews.review(permit, street.strangers[9], "accept", settings=settings)
    rows = trace(permit, settings=settings, registry=registry).sightings.to_pylist()
    path = [row["tracklet_id"] for row in rows if row["on_path"]]
    assert {wrong, street.strangers[9]} <= set(path)


def test_results_are_the_same_run_to_run_and_with_any_threads(street, authorise):
    permit, settings, registry = authorise(), street.settings, street.publish()
    first = trace(
        permit, settings=settings, tracklet=street.truth[0], registry=registry
    )
    for threads in (1, 3):
        other = settings.model_copy(update={"threads": threads})
        again = trace(permit, settings=other, registry=registry)
        for name in ("sighting", "leg", "contact", "episode", "exposure"):
            assert first.tables[name].equals(again.tables[name]), name


def test_tracklet_outside_the_order_is_refused_and_recorded(street, authorise):
    from pipeline.casebook import audit

    registry = street.publish()
    permit = authorise(start_s=100.0)
    with pytest.raises(NotAuthorisedError, match="not among the observations"):
        trace(
            permit,
            settings=street.settings,
            tracklet=street.truth[0],
            registry=registry,
        )
    entries = list(audit.entries(street.settings))
    assert any(entry["act"] == "refused" for entry in entries[-3:])
    assert audit.verify(street.settings).sound
    with pytest.raises(DongseonError, match="has no trace yet"):
        results.read(permit, "sighting", settings=street.settings)


def test_empty_gallery_is_told(street, authorise):
    with pytest.raises(DongseonError, match="is empty"):
        trace(authorise(), settings=street.settings, registry=street.publish())


def test_a_trace_over_an_object_store_is_the_same(street, authorise, objects):
    """Row groups and embeddings are then read by range over the network."""
    registry = street.publish()
    here = street.settings.observations_dir
    there = place.root_of(objects)
    for path in sorted(here.rglob("*.parquet")):
        (there / layout.inside(here, path)).write_bytes(path.read_bytes())
    order = {"tracklet": street.truth[0], "registry": registry}
    one = trace(authorise(), settings=street.settings, **order)
    other = trace(authorise(), settings=objects, **order)
    assert one.sightings.num_rows >= 3
    for table in ("sightings", "legs"):
        found, wanted = getattr(other, table), getattr(one, table)
        assert found.equals(wanted), table


def test_a_search_is_entered_before_its_result_can_be_seen(
    street, authorise, monkeypatch
):
    registry, order = street.publish(), authorise()

    def searches():
        entries = audit.entries(street.settings, subject=order.case)
        return [one for one in entries if one["act"] == "search"]

    def written(*_given, **_more):
        assert len(searches()) == 1
        raise DongseonError("The disk is full.")

    monkeypatch.setattr(results, "write", written)
    with pytest.raises(DongseonError, match="full"):
        trace(
            order, settings=street.settings, tracklet=street.truth[0], registry=registry
        )
    assert len(searches()) == 1
    assert results.runs(order, settings=street.settings) == []
