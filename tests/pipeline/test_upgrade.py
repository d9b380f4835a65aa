"""From the first release's layout to the present one; and never from a later one."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pipeline.casebook import audit, clock, database, galleries, jobs, orders
from pipeline.cli import app, register
from pipeline.errors import DongseonError, FootageError, StoreError
from pipeline.fleet.state import VERSION, State, path_of
from pipeline.settings import CHECKOUT, Settings, get_settings
from pipeline.store import check, compact, layout, log, query, reader, schema, version
from pipeline.trace import results, tables
from tests.pipeline.store.store_samples import unit

RELEASE = CHECKOUT / "tests" / "data" / "release-0.1.0"
#: In the order of the fixture's case, and while that order was in force.
START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)
THEN = datetime(2026, 11, 27, tzinfo=UTC)
UNIT = 0x0C00_0000_0000_0001


def frozen() -> ModuleType:
    place = RELEASE / "segments.py"
    spec = importlib.util.spec_from_file_location("release_0_1_0", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An installation as version 0.1.0 left it."""
    monkeypatch.setenv("DONGSEON_RETENTION_DAYS", "100000")
    get_settings.cache_clear()
    found = get_settings()
    recipe = frozen()
    recipe.write(found.observations_dir, START, UNIT)
    recipe.write_results(found.results_dir, "P-FIRST", 1, START)
    for name, place in (
        ("casebook.sql", Path(found.casebook_database_url.removeprefix("sqlite:///"))),
        ("fleet.sql", path_of(found)),
    ):
        with contextlib.closing(sqlite3.connect(place)) as connection:
            connection.executescript((RELEASE / name).read_text())
        place.chmod(0o600)
    found.key_file.parent.mkdir(parents=True)
    found.key_file.write_text(base64.b64encode(bytes(range(32))).decode() + "\n")
    found.key_file.chmod(0o600)
    [witness] = RELEASE.glob("*.witness")
    (found.key_file.parent / witness.name).write_bytes(witness.read_bytes())
    monkeypatch.setattr(clock, "now", lambda: THEN)
    log._CACHE.clear()
    yield found
    database.dispose(found)


def upgrade() -> str:
    if not app.registered_commands:
        register()
    done = CliRunner().invoke(app, ["store", "upgrade"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def whole(settings: Settings) -> None:
    """Check that all that 0.1.0 stored is there and usable."""
    recipe = frozen()
    assert check.check(settings, grace=timedelta(0)).findings == ()
    footage = reader.footage(settings)
    assert footage["footage_id"].to_pylist() == ["first-release"]
    passes = reader.tracklets(settings)
    assert passes.num_rows == recipe.TRACKLETS
    assert passes["face_i8"][0].as_py() == bytes(range(192))
    points = recipe.TRACKLETS * recipe.POINTS
    assert reader.detections(settings).num_rows == points
    counted = query.run(settings, "SELECT count(*), min(camera_id) FROM tracklets")
    assert counted.rows == [(recipe.TRACKLETS, "BC-00008")]
    permit = orders.authorise("P-FIRST", "ana", "after the upgrade", settings=settings)
    photo, tracklet = galleries.templates(permit, settings=settings)
    assert np.allclose(photo.embedding, 1 / np.sqrt(192))
    assert tracklet.tracklet_id == 2**52 + 1
    [job] = jobs.list_jobs(permit, settings=settings)
    assert (job.state, job.options) == ("queued", {"tracklet": 2**52 + 1})
    assert audit.verify(settings).sound
    for table, columns in tables.TABLES.items():
        assert results.read(permit, table, settings=settings).schema.names == (
            columns.names
        )
    assert results.read(permit, "sighting", settings=settings).num_rows == 1
    state = State(settings)
    states = {clip.path.name: clip.state for clip in state.clips()}
    assert states == {"BC-00008_a.mp4": "done", "BC-00008_b.mp4": "running"}
    assert [c.tracklets for c in state.cameras()] == [5]
    state.saw("BC-00008", 3, 60.0)
    assert state.activity() == {"BC-00008": 3.0}
    state.close()


def test_the_first_release_is_brought_to_the_present(first: Settings) -> None:
    said = upgrade()
    assert "layout 1" in said
    assert "tables 0003" in said
    whole(first)
    assert upgrade().count("; 0 segments were written anew") == 1
    whole(first)
    # It takes part in all that goes on: new rows beside, and compaction.
    writer_unit = unit(start=START + timedelta(minutes=5))
    from pipeline.store import writer

    writer.publish(first, *writer_unit)
    assert compact.compact(first, grace=timedelta(0)).merged == 2
    log._CACHE.clear()
    assert reader.footage(first).num_rows == 2


def test_the_frozen_columns_are_those_of_layout_1() -> None:
    """Other columns are another layout: count up `version.LAYOUT`."""
    known = frozen().schemas("columns")
    if version.LAYOUT == 1:
        assert known == schema.TABLES
    else:
        assert known != schema.TABLES


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program of the next layout: one column more, one of another type."""
    old = schema.TABLES["tracklet"]
    new = old.append(pa.field("gait_model", schema.LABEL))
    new = new.set(new.get_field_index("detections"), pa.field("detections", pa.int64()))
    monkeypatch.setitem(schema.TABLES, "tracklet", new)
    monkeypatch.setattr(version, "LAYOUT", 2)
    yield
    log._CACHE.clear()


def test_segments_of_an_earlier_layout_are_written_anew(
    first: Settings, later: None
) -> None:
    with pytest.raises(StoreError, match="dongseon store upgrade"):
        reader.tracklets(first)
    with pytest.raises(StoreError, match="dongseon store upgrade"):
        query.run(first, "SELECT 1 FROM tracklets")
    done = version.upgrade(first)
    assert (done.before, done.segments) == (1, 2)  # the hour's and the seed
    assert version.found(first.observations_dir) == 2
    [path] = layout.segments(first.observations_dir, "tracklet", START)
    found = layout.read(path, "tracklet")
    assert found.schema.remove_metadata() == schema.TABLES["tracklet"]
    assert found["gait_model"].null_count == found.num_rows == 5
    assert check.check(first, grace=timedelta(0)).findings == ()
    assert version.upgrade(first).segments == 0


def test_a_killed_upgrade_is_gone_on_with(
    first: Settings, later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = layout.write, []

    def killed(path: Path, *rest: object) -> int:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        return write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(layout, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        version.upgrade(first)
    monkeypatch.setattr(layout, "write", write)
    assert version.found(first.observations_dir) == 1
    assert version.upgrade(first).segments == 1
    assert version.found(first.observations_dir) == 2


def test_an_older_program_refuses_what_a_newer_one_wrote(first: Settings) -> None:
    upgrade()
    mark = first.observations_dir / ".layout.json"
    mark.write_text(json.dumps({"layout": 2, "software": "0.2.0"}))
    with pytest.raises(StoreError, match=r"newer Dongseon \(layout 2"):
        reader.footage(first)
    with pytest.raises(StoreError, match="newer Dongseon"):
        version.upgrade(first)
    assert CliRunner().invoke(app, ["store", "upgrade"]).exit_code != 0
    mark.write_text("{")
    with pytest.raises(StoreError, match="does not tell the layout"):
        reader.footage(first)
    mark.unlink()
    assert reader.footage(first).num_rows == 1
    with contextlib.closing(sqlite3.connect(path_of(first))) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(FootageError, match="newer Dongseon"):
        State(first)
    with database.writing(first) as connection:
        from sqlalchemy import text

        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DongseonError, match="newer Dongseon"):
        database.bring_up_to_date(first)


def test_a_new_store_is_marked(settings: Settings) -> None:
    from pipeline.store import writer

    writer.publish(settings, *unit())
    mark = json.loads((settings.observations_dir / ".layout.json").read_text())
    assert mark["layout"] == version.LAYOUT
