"""Backups that are used: copied while in use, restored, compared row by row."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from pipeline.casebook import audit
from pipeline.commands import store
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import (
    backup,
    check,
    compact,
    export,
    layout,
    reader,
    repair,
    stats,
    writer,
)
from tests.pipeline.store.store_samples import unit

NOW = timedelta(0)
#: Not expired, whatever day it is.
RECENT = layout.hour_of(datetime.now(UTC)) - timedelta(hours=5)


def fill(settings: Settings, cameras: int = 4, hours: int = 2) -> None:
    for hour in range(hours):
        for camera in range(cameras):
            start = RECENT + timedelta(hours=hour)
            writer.publish(settings, *unit(camera_no=camera, start=start))


def rows(settings: Settings) -> list[dict]:
    table = reader.tracklets(settings).drop_columns("unit").sort_by("tracklet_id")
    return table.to_pylist()


def empty_like(settings: Settings, place: Path) -> Settings:
    return settings.model_copy(update={"data_dir": place})


def test_a_lost_installation_comes_back(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    audit.record(settings, "tester", "note", "store", "", {})
    result = settings.results_dir / "case=A" / "run=1" / "leg.parquet"
    result.parent.mkdir(parents=True)
    pq.write_table(unit()[0], result)
    target = tmp_path / "backup"
    done = backup.backup(settings, target)
    assert done.segments == 24
    assert done.problems == []
    assert backup.backup(settings, target).segments == 0  # nothing new
    other = empty_like(settings, tmp_path / "new")
    back = backup.restore(other, target)
    assert back.parts == 8
    assert rows(other) == rows(settings)
    assert check.check(other, grace=NOW).findings == ()
    assert (other.results_dir / "case=A" / "run=1" / "leg.parquet").exists()
    assert audit.verify(other).sound
    assert audit.entries(other)[-1]["act"] == "note"
    assert backup.restore(other, target).parts == 0


def test_it_follows_compaction_and_expiry(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    target = tmp_path / "backup"
    backup.backup(settings, target)
    for _ in range(2):
        compact.compact(settings, grace=NOW)
    done = backup.backup(settings, target)
    assert (done.segments, done.removed) == (6, 24)
    short = settings.model_copy(update={"retention_days": 1})
    backup.backup(short, target)
    left = check.check(target / "observations")
    assert left.sound
    assert left.segments == 6
    old = datetime.now(UTC) + timedelta(days=20)
    other = empty_like(settings, tmp_path / "new")
    assert backup.restore(other, target, now=old).parts == 0  # all of it expired


def test_it_gives_back_what_damage_took(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    before = rows(settings)
    target = tmp_path / "backup"
    backup.backup(settings, target)
    path = layout.segments(settings.observations_dir, "tracklet", RECENT)[1]
    path.write_bytes(path.read_bytes()[:-20])
    done = backup.backup(settings, target)  # does not copy the damage
    assert done.segments == 0
    assert len(repair.repair(settings, grace=NOW).lost) == 1
    backup.backup(settings, target)  # does not forget what the store lost
    assert backup.restore(settings, target).parts == 1
    assert rows(settings) == before


def test_damage_is_told_and_not_copied(settings: Settings, tmp_path: Path) -> None:
    fill(settings, 1, 1)
    path = layout.segments(settings.observations_dir, "tracklet", RECENT)[0]
    data = bytearray(path.read_bytes())
    data[500] ^= 4
    path.write_bytes(data)
    [problem] = backup.backup(settings, tmp_path / "backup").problems
    assert path.name in problem


def test_places_that_are_no_backup(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no finished backup"):
        backup.restore(settings, tmp_path)
    with pytest.raises(StoreError, match="another disk"):
        backup.backup(settings, settings.data_dir / "backup")


def test_the_casebook_is_copied_while_it_is_written(
    settings: Settings, tmp_path: Path
) -> None:
    audit.record(settings, "a", "note", "x", "", {})
    url = settings.casebook_database_url.removeprefix("sqlite:///")
    with sqlite3.connect(url, isolation_level=None) as writer_connection:
        writer_connection.execute("BEGIN IMMEDIATE")
        backup.backup(settings, tmp_path / "backup")
        writer_connection.execute("ROLLBACK")
    saved = tmp_path / "backup" / "casebook.sqlite"
    assert saved.stat().st_mode & 0o077 == 0
    with sqlite3.connect(saved) as copy:
        assert copy.execute("SELECT count(*) FROM audit").fetchone()[0] >= 1


def test_stats_and_export(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    writer.publish(settings, *unit(camera_no=0, start=RECENT))
    found = stats.stats(settings)
    assert (found.parts, found.cameras, found.tracklets) == (8, 4, 40)
    assert (found.hours, found.not_merged, found.superseded) == (2, 2, 1)
    assert found.footage_hours == pytest.approx(8 / 60)
    assert found.room_hours is not None
    assert export.export(settings, "counts", tmp_path / "counts.csv") == 8
    first = (tmp_path / "counts.csv").read_text().splitlines()[0]
    assert "tracklets" in first
    assert "tracklet_id" not in first
    assert (
        export.export(
            settings, "footage", tmp_path / "log.parquet", camera_numbers=[1, 2]
        )
        == 4
    )
    for what, name, message in (
        ("footage", "log.parquet", "there already"),
        ("footage", "log.xlsx", "parquet or .csv"),
        ("tracklets", "log.csv", "cannot be exported"),
    ):
        with pytest.raises(StoreError, match=message):
            export.export(settings, what, tmp_path / name)


def test_commands(settings: Settings, tmp_path: Path) -> None:
    fill(settings, 2, 1)

    app = typer.Typer()
    store.attach(app)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["store", *arguments])

    assert "0 damaged" in run("check").stdout
    assert "room for" in run("stats").stdout
    assert run("backup", str(tmp_path / "b")).exit_code == 0
    path = layout.segments(settings.observations_dir, "detection", RECENT)[0]
    path.write_bytes(b"")
    found = run("check")
    assert found.exit_code == 2
    assert len(found.stderr.splitlines()) == 1
    assert "No longer stored" in run("repair").stdout
    assert "Brought back 1 parts" in run("restore", str(tmp_path / "b")).stdout
    assert run("check").exit_code == 0
    out = tmp_path / "log.csv"
    assert "Wrote 2 rows" in run("export", "footage", "--out", str(out)).stdout
    assert audit.entries(settings)[-1]["act"] == "export"
