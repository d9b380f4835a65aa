"""Segments in an object store: the same store, the same rows, the same upkeep."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import (
    backup,
    check,
    compact,
    layout,
    log,
    place,
    query,
    reader,
    repair,
    retention,
    stats,
    writer,
)
from pipeline.trace import pages
from tests.pipeline.store.store_samples import START, WIDTH, unit
from tests.tools.object_store import ObjectServer

NOW = timedelta(0)


def fill(target: Settings | place.Place, count: int = 4) -> None:
    for number in range(count):
        writer.publish(target, *unit(camera_no=number, footage_id=f"f{number}"))


def compared(table: pa.Table) -> list[dict]:
    """Rows without what differs between any two stores."""
    kept = [c for c in table.column_names if c not in ("unit", "generation")]
    key = "tracklet_id" if "tracklet_id" in kept else "part_key"
    rows = table.select(kept).to_pylist()
    return sorted(rows, key=lambda row: (row[key], row.get("at")))


def contents(settings: Settings) -> list[list[dict]]:
    log._CACHE.clear()
    return [
        compared(read(settings))
        for read in (reader.footage, reader.tracklets, reader.detections)
    ]


def test_the_same_rows_as_in_a_folder(settings: Settings, objects: Settings) -> None:
    fill(settings)
    fill(objects)
    assert contents(objects) == contents(settings)
    assert writer.part_done(objects, "f2", 0, START)
    assert not writer.part_done(objects, "f9", 0, START)
    near = (START, START + timedelta(seconds=30))
    found = reader.tracklets(objects, near, [1, 2], ["tracklet_id"])
    assert found.equals(reader.tracklets(settings, near, [1, 2], ["tracklet_id"]))


def test_duckdb_reads_them(objects: Settings) -> None:
    fill(objects, 3)
    writer.publish(objects, *unit(camera_no=1, footage_id="f1", tracklets=2))
    with reader.connect(objects) as connection:
        rows = connection.sql("SELECT count(*) FROM tracklets").fetchall()
    assert rows == [(12,)]
    found = query.run(
        objects,
        "SELECT camera_no, count(*) FROM detections GROUP BY ALL ORDER BY camera_no",
    )
    assert [tuple(row) for row in found.rows] == [(0, 20), (1, 8), (2, 20)]
    # The analyst's connection reaches the segments and nothing else of the store.
    with query._guarded(objects, {}) as guarded, pytest.raises(Exception, match="acce"):
        guarded.sql("SELECT * FROM read_parquet('s3://city/other/*.parquet')")


def test_upkeep(objects: Settings, tmp_path: Path) -> None:
    objects = objects.model_copy(update={"retention_days": 10_000})
    fill(objects)
    before = contents(objects)
    done = compact.compact(objects)
    assert (done.hours, done.merged, done.problems) == (1, 4, ())
    assert done.removed == 0  # a reader may still hold them
    assert compact.compact(objects, grace=NOW - timedelta(seconds=2)).removed == 12
    assert contents(objects) == before
    found = check.check(objects)
    assert found.sound
    assert not found.findings
    assert stats.stats(objects).tracklets == 20
    assert stats.stats(objects).room_hours is None
    copied = backup.backup(objects, tmp_path / "copy")
    assert copied.segments == 3
    assert not copied.problems
    with pytest.raises(StoreError, match="positive"):
        retention.expire(objects, 0)
    gone = retention.expire(objects, 14)
    assert (gone.parts, gone.files) == (4, 3)
    assert contents(objects) == [[], [], []]
    assert not layout.segments(place.root_of(objects), "tracklet", START)
    restored = backup.restore(objects, tmp_path / "copy")
    assert restored.parts == 4
    assert contents(objects) == before


def test_damage_is_found_and_repaired(objects: Settings) -> None:
    fill(objects, 2)
    root = place.root_of(objects)
    path = layout.segments(root, "detection", START)[0]
    data = bytearray(path.read_bytes())
    data[80] ^= 8  # in the first page
    path.write_bytes(bytes(data))
    log._CACHE.clear()
    [finding] = check.check(objects, grace=NOW).findings
    assert (finding.kind, finding.path) == ("damaged", path)
    with pytest.raises(StoreError, match="repair"):
        reader.detections(objects)
    done = repair.repair(objects, grace=NOW)
    assert done.moved == 3
    assert len(done.lost) == 1
    assert check.check(objects, grace=NOW).sound
    assert reader.tracklets(objects).num_rows == 5


def test_embeddings_are_read_by_range(objects: Settings, settings: Settings) -> None:
    fill(settings, 1)
    fill(objects, 1)
    [here] = layout.segments(settings.observations_dir, "tracklet", START)
    [there] = layout.segments(place.root_of(objects), "tracklet", START)
    one = pages.plain_column(here, "face_i8", WIDTH)
    other = pages.plain_column(there, "face_i8", WIDTH)
    assert one is not None
    assert other is not None
    assert [m.tolist() for m in other.matrices] == [m.tolist() for m in one.matrices]


def test_a_publication_outranks_a_merger_that_has_not_seen_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No lock joins two machines: whichever ends first, the newer rows count."""
    root = place.at(f"memory://{tmp_path.name}")
    writer.publish(root, *unit(footage_id="a", tracklets=5))
    writer.publish(root, *unit(footage_id="b", camera_no=9, tracklets=1))
    original, published = layout.write, []

    def between(path: place.Place, table: pa.Table, name: str) -> int:
        if name == "footage" and not published:  # the merger's log comes next
            published.append(1)
            writer.publish(root, *unit(footage_id="a", tracklets=3, seed=1))
        return original(path, table, name)

    monkeypatch.setattr(layout, "write", between)
    compact.rewrite(root, START)
    monkeypatch.undo()
    for _ in range(2):
        rows = log.visible(root, [START])
        assert sorted(rows["tracklets"].to_pylist()) == [1, 3]
        assert compact.rewrite(root, START) == 2  # and again after a merger of both
        compact.compact(root, grace=-timedelta(minutes=1))
        writer.publish(root, *unit(footage_id="b", camera_no=9, tracklets=1))
    assert check.check(root, grace=NOW).sound


class TestRefusals:
    def test_no_such_bucket(self, objects: Settings) -> None:
        wrong = objects.model_copy(update={"observations": "s3://town/x"})
        with pytest.raises(StoreError, match="no bucket 'town'"):
            writer.publish(wrong, *unit())

    def test_no_such_scheme(self, settings: Settings) -> None:
        wrong = settings.model_copy(update={"observations": "ftpx://town/x"})
        with pytest.raises(StoreError, match="ftpx"):
            reader.footage(wrong)

    def test_no_bucket_in_the_address(self) -> None:
        with pytest.raises(StoreError, match="names no bucket"):
            place.at("s3://")

    def test_wrong_keys(
        self, object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        endpoint = f"http://127.0.0.1:{object_server.port}"
        with pytest.raises(StoreError, match="check its address, endpoint and keys"):
            place.at("s3://city/x", endpoint=endpoint, patience_s=9.5)


def test_rows_that_took_too_long_are_not_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compaction might sweep them up between their writing and their log."""
    root = place.at(f"memory://{tmp_path.name}")
    monkeypatch.setattr(writer, "_LONGEST_S", -1.0)
    with pytest.raises(StoreError, match="publish this part again"):
        writer.publish(root, *unit())
    assert not log.visible(root, [START]).num_rows
    assert timedelta(seconds=300) * 2 <= compact.GRACE
