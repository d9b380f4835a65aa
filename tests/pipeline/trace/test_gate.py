"""Attempts to see more than an order allows."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.casebook import audit, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError, StoreError
from pipeline.trace import results
from pipeline.trace.observations import Scope
from pipeline.trace.run import trace
from pipeline.trace.tables import TABLES


@pytest.fixture
def crowd(world):
    """Nine cameras on a grid, passes all over six hours, detections each second."""
    people = [world.person() for _ in range(5)]
    for number in [world.camera(400.0 * (k % 3), 400.0 * (k // 3)) for k in range(9)]:
        for k, start in enumerate(range(0, 21_600, 1200)):
            world.stand(
                people[k % 5],
                number,
                start + 37.0 * number,
                30,
                offset=(3 * k % 40, number),
            )
        world.film(number, 0, 21_600)
    return world


def test_no_row_outside_the_order_comes_back(crowd, authorise):
    registry = crowd.publish()
    case = authorise()

    @given(
        start=st.integers(-4000, 22_000),
        length=st.integers(1, 20_000),
        corner=st.tuples(st.integers(-300, 900), st.integers(-300, 900)),
        size=st.tuples(st.integers(10, 1200), st.integers(10, 1200)),
    )
    @hypothesis(
        deadline=None,
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def attempt(start, length, corner, size):
        x, y = corner
        permit = authorise(start, start + length, (x, y, x + size[0], y + size[1]))
        scope = Scope(permit, crowd.settings, registry)
        passes = scope.passes()
        opens, closes = permit.window_start.timestamp(), permit.window_end.timestamp()
        assert (passes.start >= opens).all()
        assert (passes.end <= closes).all()
        assert scope.inside(passes.first).all()
        assert scope.inside(passes.last).all()
        found = scope.detections(range(1, 10), permit.window_start, permit.window_end)
        stamps = found["at"].to_pylist()
        assert all(permit.window_start <= at <= permit.window_end for at in stamps)
        ground = np.column_stack(
            [found["east_cm"].to_numpy() / 100, found["north_cm"].to_numpy() / 100]
        )
        assert scope.inside(ground).all()
        # Cut to moments of cameras, they are the same rows, fewer.
        middle = (opens + closes) / 2
        spans = [(2, opens, middle), (3, middle, closes)]
        few = scope.detections(
            range(1, 10), permit.window_start, permit.window_end, None, spans
        )
        seconds = found["at"].cast(pa.int64()).to_numpy() / 1e6
        camera = found["camera_no"].to_numpy()
        kept = ((camera == 2) & (seconds <= middle)) | (
            (camera == 3) & (seconds >= middle)
        )
        assert few.equals(found.filter(pa.array(kept)))
        film = scope.footage()
        assert ((film.start >= opens) & (film.end <= closes)).all()
        # And nothing inside is withheld.
        inside = 0
        for one in crowd.passes:
            at = one["at"] + datetime(2025, 11, 3, 5, tzinfo=UTC).timestamp()
            camera = scope.places.get(one["camera"])
            ends = np.round(one["points"][[0, -1]], 2)
            inside += bool(
                camera is not None
                and at[0] >= opens
                and at[-1] <= closes
                and scope.inside(ends).all()
            )
        assert inside == len(passes)

    attempt()
    assert case.case == "P-001"


def test_a_made_up_authorisation_opens_nothing(crowd, authorise):
    registry = crowd.publish()
    real = authorise()
    forged = Authorisation(
        case="P-001",
        order_id=1,
        user="kim",
        purpose="curiosity",
        window_start=datetime(2000, 1, 1, tzinfo=UTC),
        window_end=datetime(2100, 1, 1, tzinfo=UTC),
        area=box(-180, -90, 180, 90),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    widened = dataclasses.replace(real, window_start=datetime(2000, 1, 1, tzinfo=UTC))
    moved = dataclasses.replace(real, area=box(-180, -90, 180, 90))
    prolonged = dataclasses.replace(real, expires_at=forged.expires_at)
    other = dataclasses.replace(real, case="P-002")
    for permit in (forged, widened, moved, prolonged, other, None, "P-001"):
        with pytest.raises(NotAuthorisedError):
            trace(permit, settings=crowd.settings, tracklet=1, registry=registry)
        with pytest.raises(NotAuthorisedError):
            Scope(permit, crowd.settings, registry)
        with pytest.raises(NotAuthorisedError):
            results.runs(permit, settings=crowd.settings)
        with pytest.raises(NotAuthorisedError):
            results.read(permit, "sighting", settings=crowd.settings)
        with pytest.raises(NotAuthorisedError):
            results.write(permit, {}, settings=crowd.settings)


def test_revoked_order_stops_a_running_trace_and_hides_results(crowd, authorise):
    registry = crowd.publish()
    permit = authorise()
    seed = crowd.passes[0]["id"]
    trace(permit, settings=crowd.settings, tracklet=seed, registry=registry)

    def revoke(stage, share):
        if stage == "contacts":
            orders.revoke(permit.order_id, "lee", "withdrawn", settings=crowd.settings)

    with pytest.raises(NotAuthorisedError):
        trace(permit, settings=crowd.settings, registry=registry, progress=revoke)
    with pytest.raises(NotAuthorisedError):
        results.read(permit, "sighting", settings=crowd.settings)
    folders = list((crowd.settings.results_dir / "case=P-001").iterdir())
    assert len(folders) == 1


def test_expired_order_opens_nothing(crowd, authorise, monkeypatch):
    registry = crowd.publish()
    permit = authorise(expires_at=datetime.now(UTC) + timedelta(minutes=5))
    seed = crowd.passes[0]["id"]
    trace(permit, settings=crowd.settings, tracklet=seed, registry=registry)
    later = datetime.now(UTC) + timedelta(minutes=6)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return later.astimezone(tz)

    monkeypatch.setattr("pipeline.casebook.authorisation.datetime", Clock)
    scope_free = [
        lambda: Scope(permit, crowd.settings, registry),
        lambda: results.read(permit, "contact", settings=crowd.settings),
        lambda: trace(permit, settings=crowd.settings, registry=registry),
    ]
    for attempt in scope_free:
        with pytest.raises(NotAuthorisedError):
            attempt()


def test_another_order_of_the_case_shows_only_what_it_covers(crowd, authorise):
    registry = crowd.publish()
    wide = authorise()
    first = crowd.passes[0]
    trace(wide, settings=crowd.settings, tracklet=first["id"], registry=registry)
    narrow = authorise(0, 7200, (-50, -50, 60, 60))
    everything = results.read(wide, "sighting", settings=crowd.settings)
    some = results.read(narrow, "sighting", settings=crowd.settings)
    assert 0 < some.num_rows < everything.num_rows
    for row in some.to_pylist():
        assert narrow.window_start <= row["start_at"] <= row["end_at"]
        assert row["end_at"] <= narrow.window_end
        assert shapely.intersects_xy(narrow.area, row["lon"], row["lat"])
    known = set(some["sighting"].to_pylist())
    for leg in results.read(narrow, "leg", settings=crowd.settings).to_pylist():
        assert {leg["from_sighting"], leg["to_sighting"]} <= known
        points = zip(leg["lon"], leg["lat"], strict=True)
        assert all(shapely.intersects_xy(narrow.area, *point) for point in points)
    cells = results.read(narrow, "exposure", settings=crowd.settings)
    assert all(row["hour"] < narrow.window_end for row in cells.to_pylist())
    (run,) = results.read(narrow, "run", settings=crowd.settings).to_pylist()
    assert str(first["id"]) not in run["seed"]
    acts = [entry["act"] for entry in audit.entries(crowd.settings)]
    assert acts.count("result.read") == 5  # every read is recorded


def test_results_are_there_whole_or_not_at_all(crowd, authorise, monkeypatch):
    permit = authorise()
    tables = {name: schema.empty_table() for name, schema in TABLES.items()}
    calls = []

    def full(file, table):
        calls.append(file)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        file.write(b"x")

    with monkeypatch.context() as patch:
        patch.setattr(results, "_write_table", full)
        with pytest.raises(OSError, match="No space"):
            results.write(permit, tables, settings=crowd.settings)
    assert results.runs(permit, settings=crowd.settings) == []
    assert os.listdir(crowd.settings.results_dir / "case=P-001") == []
    with pytest.raises(StoreError, match="needs the table"):
        results.write(permit, {"run": tables["run"]}, settings=crowd.settings)
    results.write(permit, tables, settings=crowd.settings)
    (name,) = results.runs(permit, settings=crowd.settings)
    with pytest.raises(DongseonError, match="no run 'x'"):
        results.read(permit, "leg", "x", settings=crowd.settings)
    with pytest.raises(DongseonError, match="no run"):
        results.read(permit, "leg", "../../x", settings=crowd.settings)
    with pytest.raises(StoreError, match="must be one of"):
        results.read(permit, "secrets", name, settings=crowd.settings)
    assert isinstance(
        results.read(permit, "contact", name, settings=crowd.settings), pa.Table
    )
    # Of two runs made in one second the later one is the newest, whatever its name.
    made = datetime(2025, 11, 3, 14, 0, 0, tzinfo=UTC)
    for after, name in (
        (0, "20251103T140000Z-ffffffff"),
        (1, "20251103T140000Z-0000abcd"),
    ):
        row = {"case": "P-001", "made_at": made + timedelta(milliseconds=after)}
        run = pa.Table.from_pylist([row], schema=TABLES["run"])
        results.write(permit, tables | {"run": run}, run=name, settings=crowd.settings)
    first, second, _ = results.runs(permit, settings=crowd.settings)
    assert (first[-8:], second[-8:]) == ("ffffffff", "0000abcd")
