"""What a scope opens, how it is kept, and how it is searched."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.casebook import orders
from pipeline.store import compact, groups, layout, reader
from pipeline.trace import constants as c
from pipeline.trace import observations, reach, stretches
from pipeline.trace.field import Field
from pipeline.trace.motion import spread, spread_bound
from pipeline.trace.observations import Scope
from pipeline.trace.run import trace
from pipeline.trace.search import Faces, search
from pipeline.trace.templates import Template


@pytest.fixture
def square(world):
    """Twelve cameras, five people who pass all of them over three hours."""
    people = [world.person() for _ in range(5)]
    world.people = people
    for k in range(12):
        number = world.camera(300.0 * (k % 4), 300.0 * (k // 4))
        for turn, start in enumerate(range(0, 10_800, 150)):
            world.stand(
                people[(turn + k) % 5],
                number,
                start + 7.0 * k,
                6,
                offset=(turn % 9, k),
                face=turn % 3 > 0,
                face_cos=0.6 + 0.3 * (turn % 4) / 3,
            )
        world.film(number, 0, 10_800)
    return world


def template(person, model: str = "mobilefacenet") -> Template:
    return Template("face", model, person.face.astype(np.float32))


def test_nothing_is_kept_for_an_order_that_opens_less(square, authorise):
    """Two orders that overlap: each sees its own, right after the other."""
    registry = square.publish()
    wide, narrow = authorise(), authorise(start_s=3600.0, end_s=7200.0, case="P-002")
    few = authorise(area=(-100, -100, 350, 350), case="P-003")
    for order in (wide, narrow, few, wide):
        scope = Scope(order, square.settings, registry)
        passes = scope.passes()
        opens, closes = (moment.timestamp() for moment in scope.window)
        expected = [
            one["id"]
            for one in square.passes
            if one["at"][0] + _zero() >= opens
            and one["at"][-1] + _zero() <= closes
            and one["camera"] in scope.cameras
        ]
        assert sorted(passes.ids.tolist()) == sorted(expected)
        # Nor does the scan find what the order does not open.
        found = Faces(passes, [template(square.people[0])]).strong(-50.0, 2)
        assert set(passes.ids[found].tolist()) <= set(expected)
        assert (passes.vault.place >= 0).sum() == len(passes)


def test_the_same_scope_is_read_once_and_anew_when_footage_arrives(square, authorise):
    registry = square.publish()
    one, other = authorise(), authorise(case="P-002")
    first = Scope(one, square.settings, registry).passes()
    assert Scope(other, square.settings, registry).passes() is first
    observations.forget()
    again = Scope(other, square.settings, registry).passes()
    assert again is not first
    assert again.ids.tolist() == first.ids.tolist()
    late = square.stand(square.people[0], 1, 10_900, 6)
    square.footage = []
    square.film(1, 10_850, 200)
    square.publish()
    assert late in Scope(other, square.settings, registry).passes().ids


def test_strong_faces_are_those_that_reach_the_evidence(square, authorise):
    """Also after compaction, and whatever the number of threads."""
    registry = square.publish()
    for _ in range(2):
        passes = Scope(authorise(), square.settings, registry).passes()
        templates = [template(square.people[0]), template(square.people[1])]
        every = np.arange(len(passes))
        llr = Faces(passes, templates)[every]
        expected = every[llr >= c.ANCHOR_LLR]
        assert 20 < len(expected) < len(passes) / 2
        for threads in (1, 3):
            faces = Faces(passes, templates)
            found = faces.strong(c.ANCHOR_LLR, threads)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(faces[found], llr[found])
        assert search(passes, templates).face_llr.tolist() == llr.tolist()
        compact.compact(square.settings)


def test_a_search_tells_how_far_it_is_and_can_be_cancelled(square, authorise):
    registry = square.publish()
    told: list[tuple[str, float]] = []

    class Photo:
        embedding = square.people[0].face.astype(np.float32)
        quality, face_width_px, model = 0.9, 112.0, "mobilefacenet"

    def progress(stage: str, share: float) -> None:
        told.append((stage, share))

    order = authorise()
    trace(
        order,
        settings=square.settings,
        photos=[Photo()],
        registry=registry,
        progress=progress,
    )
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert sum(stage == "search" for stage, _ in told) > 5

    class StoppedError(Exception):
        pass

    def stop(stage: str, share: float) -> None:
        if stage == "search" and share > 0.2:
            raise StoppedError

    before = list(square.settings.results_dir.rglob("*.parquet"))
    with pytest.raises(StoppedError):
        trace(order, settings=square.settings, registry=registry, progress=stop)
    assert list(square.settings.results_dir.rglob("*.parquet")) == before


def test_models_in_one_segment_are_told_apart(square, authorise, settings):
    """After an update an hour holds faces of two models, of other widths."""
    registry = square.publish()
    compact.compact(settings)
    for hour in layout.hours(settings.observations_dir, "footage"):
        for path in layout.segments(settings.observations_dir, "tracklet", hour):
            table = pq.read_table(path, partitioning=None)
            if table.num_rows:
                layout.write(path, _with_other_model(table), "tracklet")
    passes = Scope(authorise(), settings, registry).passes()
    codes, names = passes.models("face")
    assert names.count("new-model") == 1
    faces = Faces(passes, [template(square.people[0])])
    assert any("new-model" in remark for remark in faces.remarks)
    found = faces.strong(c.ANCHOR_LLR, 2)
    assert len(found)
    assert {names[code] for code in codes[found]} == {"mobilefacenet"}
    theirs = np.flatnonzero(codes == names.index("new-model"))
    assert (faces[theirs] == 0).all()
    assert passes.embeddings("face", theirs, "new-model").shape == (len(theirs), 64)
    assert np.isnan(passes.embeddings("face", theirs, "mobilefacenet")).all()


def test_row_groups_that_hold_nothing_of_an_order_are_not_read(
    square, authorise, settings, monkeypatch
):
    registry = square.publish()
    monkeypatch.setitem(layout.ROW_GROUP, "tracklet", 50)
    compact.compact(settings)

    def read(order) -> int:
        scope = Scope(order, settings, registry)
        found = groups.wanted(settings, "tracklet", scope.window, sorted(scope.cameras))
        return sum(one.rows for one in found)

    everything = read(authorise())
    corner = read(authorise(area=(-100, -100, 350, 50), case="P-002"))
    minutes = read(authorise(start_s=3700.0, end_s=4000.0, case="P-003"))
    assert 0 < corner < everything / 2
    assert 0 < minutes < everything / 2


def test_a_window_over_midnight_in_a_zone_whose_clocks_go_back(world, authorise):
    """Given in New York's time over 2 November 2025, where one hour comes twice."""
    zone = ZoneInfo("America/New_York")
    opens = datetime(2025, 11, 1, 23, 0, tzinfo=zone)
    closes = datetime(2025, 11, 2, 1, 30, fold=1, tzinfo=zone)  # 3 h 30 min later
    zero = opens.timestamp() - _zero()
    number = world.camera(0, 0)
    person = world.person()
    world.film(number, zero - 2000, 5 * 3600)
    inside = [world.stand(person, number, zero + s, 5) for s in (1, 3600, 7300, 12_590)]
    world.stand(person, number, zero - 3, 5)
    world.stand(person, number, zero + 12_597, 5)
    registry = world.publish()
    permit = authorise(zero, zero + 5)
    order = orders.request_order(
        permit.case,
        "kim",
        legal_basis="IDCPA Art. 76-2 (2)",
        purpose="test",
        window=(opens, closes),
        area=permit.area,
        settings=world.settings,
    )
    orders.approve(order.id, "lee", settings=world.settings)
    permit = orders.authorise(
        permit.case, "kim", "test", settings=world.settings, order_id=order.id
    )
    assert Scope(permit, world.settings, registry).passes().ids.tolist() == inside


def test_a_city_without_observations_is_told(world, authorise):
    world.camera(0, 0)

    class Photo:
        embedding = world.person().face.astype(np.float32)
        quality, face_width_px, model = 0.9, 112.0, "mobilefacenet"

    registry = world.publish()
    result = trace(
        authorise(), settings=world.settings, photos=[Photo()], registry=registry
    )
    assert result.sightings.num_rows == result.contacts.num_rows == 0
    assert any("0 tracklets of 0 cameras" in remark for remark in result.remarks)


def test_the_best_in_reach_are_found_without_looking_at_each(
    square, authorise, monkeypatch
):
    passes = Scope(authorise(), square.settings, square.publish()).passes()
    field = Field(passes)
    monkeypatch.setattr(c, "REACHED", 40)
    monkeypatch.setattr(reach, "_FEW", 0)
    monkeypatch.setattr(reach, "_AT_ONCE", 2)
    opened: list[int] = []
    look = stretches.passes

    def counted(*what):
        found = look(*what)
        opened.append(len(found[1]))
        return found

    monkeypatch.setattr(stretches, "passes", counted)
    day = int(field.day[0])
    for a, b in ((10, 800), (-1, 400), (300, -1), (5, 12), (-1, -1)):
        low = 0 if a < 0 else int(np.searchsorted(field.start, field.end[a]))
        high = (
            len(field) if b < 0 else int(np.searchsorted(field.start, field.start[b]))
        )
        every = np.arange(low, high)
        expected = reach._best(field, a, b, every)
        opened.clear()
        found = reach._between(field, a, b, day)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.score, expected.score)
        if a >= 0 and len(every) > 300:
            assert sum(opened) < len(every)


def test_no_density_is_above_its_bound():
    rng = np.random.default_rng(5)
    near = rng.uniform(0, 8000, 5000)
    begin = rng.exponential(3000, 5000)
    end = begin + rng.exponential(2000, 5000)
    bound = spread_bound(near, begin, end)
    for share in (0.0, 0.3, 1.0):
        at = begin + share * (end - begin)
        assert (spread(near, at) <= bound * (1 + 1e-12)).all()
        assert (spread(near + 100, at) <= bound).all()


def _zero() -> float:
    from tests.pipeline.trace.conftest import START

    return START.timestamp()


def _with_other_model(table: pa.Table) -> pa.Table:
    """Every fifth face is of another model, of 64 numbers."""
    schema, rows = table.schema, table.to_pylist()
    for k, row in enumerate(rows):
        if row["face_model"] is not None and k % 5 == 0:
            row["face_model"] = "new-model"
            row["face_i8"] = row["face_i8"][:64]
            row["face_f16"] = row["face_f16"][:128]
    return pa.Table.from_pylist(rows, schema=schema)


def test_log_of_a_window_names_what_is_visible(square, authorise):
    square.publish()
    window = authorise().window_start, authorise().window_end
    before = reader.logged(square.settings, window)
    assert before == reader.logged(square.settings, window)
    square.footage = square.footage[:1]
    square.publish()
    assert reader.logged(square.settings, window) != before
