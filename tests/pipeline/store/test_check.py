"""Damaged segments are found, named, taken out; what is whole stays."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import (
    check,
    compact,
    disk,
    integrity,
    layout,
    quarantine,
    reader,
    repair,
    retention,
    writer,
)
from tests.pipeline.store.store_samples import START, unit

NOW = timedelta(0)


def fill(settings: Settings, cameras: int = 4, points: int = 4) -> None:
    for camera in range(cameras):
        writer.publish(settings, *unit(camera_no=camera, points=points))


def segment(settings: Settings, table: str, number: int = 0) -> Path:
    return layout.segments(settings.observations_dir, table, START)[number]


def flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def test_a_sound_store_has_no_findings(settings: Settings) -> None:
    fill(settings)
    found = check.check(settings, grace=NOW)
    assert found.findings == ()
    assert (found.hours, found.segments, found.undigested) == (1, 12, 0)
    assert check.check(settings, quick=True, grace=NOW).findings == ()


def test_every_flipped_bit_is_found(settings: Settings) -> None:
    fill(settings, 1)
    rng = random.Random(5)
    for table in ("footage", "tracklet", "detection"):
        path = segment(settings, table)
        good = path.read_bytes()
        for _ in range(60):
            flip(path, rng.randrange(len(good)), rng.randrange(8))
            found = check.check(settings, grace=NOW)
            assert not found.sound
            [finding] = [f for f in found.findings if f.table == table]
            assert path.name in finding.sentence
            assert finding.sentence.count("\n") == 0
            path.write_bytes(good)
    assert check.check(settings).sound


def test_every_cut_is_found(settings: Settings) -> None:
    fill(settings, 1)
    path = segment(settings, "tracklet")
    good = path.read_bytes()
    for length in (0, 3, 11, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        [finding] = check.check(settings, grace=NOW).findings
        assert finding.kind == "torn"
        with pytest.raises(StoreError, match="dongseon store repair"):
            reader.tracklets(settings)


def test_a_reader_tells_a_flipped_bit_instead_of_a_wrong_row(
    settings: Settings,
) -> None:
    fill(settings, 1)
    path = segment(settings, "tracklet")
    flip(path, path.stat().st_size // 3)
    with pytest.raises(StoreError, match=path.name):
        reader.tracklets(settings)


def test_segments_of_earlier_versions_are_decoded_instead(settings: Settings) -> None:
    import pyarrow.parquet as pq

    fill(settings, 1)
    path = segment(settings, "tracklet")
    pq.write_table(layout.read(path, "tracklet"), path)
    assert integrity.whole(path) is None
    assert check.check(settings).undigested == 1
    assert check.check(settings).sound


def test_missing_orphaned_unfinished_and_strange_files(settings: Settings) -> None:
    fill(settings, 3)
    segment(settings, "detection", 0).unlink()
    segment(settings, "footage", 1).unlink()
    directory = segment(settings, "tracklet").parent
    (directory / ".pending-1-abc").write_bytes(b"PAR1")
    (directory / "note.txt").write_text("x")
    kinds = sorted(f.kind for f in check.check(settings, grace=NOW).findings)
    assert kinds == ["missing", "orphan", "orphan", "stranger", "unfinished"]
    # Within the grace they may be work under way, but a missing file never is.
    assert [f.kind for f in check.check(settings).findings] == ["missing"]
    done = repair.repair(settings, grace=NOW)
    assert [part["camera_id"] for part in done.lost] == ["BC-00001"]
    assert check.check(settings, grace=NOW).findings == ()
    assert reader.tracklets(settings).num_rows == 5
    assert quarantine.kept(settings.observations_dir).files == done.moved == 6


def test_overlapping_recordings_are_told(settings: Settings) -> None:
    writer.publish(settings, *unit(footage_id="a"))
    late = START + timedelta(seconds=30)
    writer.publish(settings, *unit(footage_id="b", start=late))
    [finding] = check.check(settings).findings
    assert finding.kind == "overlap"
    assert check.check(settings).sound


def test_repair_keeps_the_parts_whose_rows_are_whole(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(layout.ROW_GROUP, "tracklet", 10)  # two parts of five rows
    monkeypatch.setitem(layout.ROW_GROUP, "detection", 10)
    fill(settings, 8)
    compact.compact(settings, grace=NOW)
    compact.compact(settings, grace=NOW)
    before = reader.tracklets(settings).sort_by("tracklet_id")
    path = segment(settings, "tracklet")
    import pyarrow.parquet as pq

    chunk = pq.read_metadata(path).row_group(1).column(0)
    flip(path, chunk.data_page_offset + chunk.total_compressed_size - 3)
    done = repair.repair(settings, grace=NOW)
    assert done.kept == 6
    assert sorted(part["camera_no"] for part in done.lost) == [2, 3]
    left = reader.tracklets(settings).sort_by("tracklet_id")
    numbers = before["camera_no"].to_numpy()
    kept = before.filter((numbers != 2) & (numbers != 3)).drop_columns("unit")
    assert left.drop_columns("unit").equals(kept)
    assert not writer.part_done(settings, done.lost[0]["footage_id"], 0)
    assert writer.part_done(settings, left_name(settings), 0)
    assert check.check(settings, grace=NOW).findings == ()
    assert repair.repair(settings, grace=NOW).findings == []


def left_name(settings: Settings) -> str:
    return reader.footage(settings)["footage_id"][0].as_py()


def test_an_older_publication_counts_again(settings: Settings) -> None:
    fill(settings, 1)
    fill(settings, 1)
    old, new = layout.segments(settings.observations_dir, "detection", START)
    flip(new, new.stat().st_size // 2)
    done = repair.repair(settings, grace=NOW)
    assert done.lost == []
    assert reader.detections(settings).num_rows == 20
    assert old.exists()
    assert not new.exists()


def test_a_damaged_log_is_told_and_does_not_stop_other_hours(
    settings: Settings,
) -> None:
    fill(settings, 2)
    other = START + timedelta(hours=1)
    for camera in (1, 2):
        writer.publish(settings, *unit(camera_no=camera, start=other))
    path = segment(settings, "footage")
    path.write_bytes(path.read_bytes()[:-9])
    done = compact.compact(settings, grace=NOW)
    assert done.hours == 1
    [problem] = done.problems
    assert path.name in problem
    mended = repair.repair(settings, grace=NOW)
    assert mended.unknown == 1
    assert reader.tracklets(settings).num_rows == 15


def test_quarantine_expires_with_the_observations(settings: Settings) -> None:
    fill(settings, 1)
    path = segment(settings, "tracklet")
    path.write_bytes(b"")
    repair.repair(settings, grace=NOW)
    root = settings.observations_dir
    assert quarantine.kept(root).files == 3
    retention.expire(settings, 14)
    assert quarantine.kept(root).files == 0


def test_new_work_is_refused_below_the_reserve_and_reading_goes_on(
    settings: Settings,
) -> None:
    fill(settings, 2)
    free = disk.free_bytes(settings.observations_dir)
    short = settings.model_copy(update={"reserve_gb": (free + 1e9) / 1e9})
    with pytest.raises(disk.NoRoomError, match="reserve"):
        writer.publish(short, *unit(camera_no=9))
    assert reader.tracklets(short).num_rows == 10
    done = compact.compact(short, grace=NOW)
    assert done.hours == 0
    assert "reserve" in done.problems[0]
    assert compact.compact(settings, grace=NOW).hours == 1
