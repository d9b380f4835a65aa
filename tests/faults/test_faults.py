"""Damaged bytes, a full disk, folders that may not be written, two at one clip."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.casebook import purge
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import (
    backup,
    check,
    compact,
    layout,
    reader,
    repair,
    retention,
    snapshot,
    steady,
)
from tests.faults import programs
from tests.faults.conftest import account, start, wait
from tests.faults.table import Row
from tests.faults.test_kills import fill, lines

NOW = timedelta(0)


@pytest.fixture
def small_disk(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """An installation on a disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        yield settings.model_copy(update={"data_dir": place, "reserve_gb": 0})
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_damaged_bytes(settings: Settings, row: Row) -> None:
    """Flipped or cut segments are found; all that was whole is still there."""
    chance, root = random.Random(11), settings.observations_dir
    names: set[str] = set()
    for turn in range(24):
        names |= fill(root, 4, tag=f"d{turn}")
        if turn % 6 == 5:
            compact.compact(root, grace=NOW)
            compact.compact(root, grace=NOW)
        table = chance.choice(("footage", "tracklet", "detection"))
        path = chance.choice(layout.segments(root, table, programs.RECENT))
        log = root / "footage" / path.relative_to(root / table)
        held = set(layout.read(log, "footage")["footage_id"].to_pylist())
        data = bytearray(path.read_bytes())
        if chance.random() < 0.5:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        good = path.read_bytes()
        path.write_bytes(data)
        found = [f for f in check.check(root, grace=NOW).findings if f.path == path]
        assert len(found) == 1, found
        assert path.name in found[0].sentence
        row.tries += 1
        if turn % 2:
            path.write_bytes(good)  # restored from elsewhere
        else:
            done = repair.repair(root, grace=NOW)
            assert check.check(root, grace=NOW).sound
            if done.unknown:
                names -= held - account(settings, row, set())
            names -= {part["footage_id"] for part in done.lost}
        account(settings, row, names)


def test_full_disk(small_disk: Settings, row: Row) -> None:
    """Writing ends with one sentence; reading, expiry and compaction go on."""
    root = small_disk.observations_dir
    snapshot.ensure(small_disk)
    names: set[str] = set()

    def publish_all() -> None:
        for number in range(1000):
            programs.publish(root, f"f{number}", camera_no=number % 7)
            names.add(f"f{number}")

    with pytest.raises((OSError, StoreError)):
        publish_all()
    row.tries += 1
    account(small_disk, row, names)
    assert len(names) > 5
    # No room to merge either: it says so, and harms nothing.
    told = compact.compact(small_disk, grace=NOW)
    assert "needs" in told.problems[0]
    row.tries += 1
    account(small_disk, row, names)
    assert check.check(root, grace=NOW).sound
    # With a reserve, nothing new is begun in the first place.
    careful = small_disk.model_copy(update={"reserve_gb": 0.0005})
    from pipeline.store import disk, writer
    from tests.pipeline.store.store_samples import unit

    with pytest.raises(disk.NoRoomError):
        writer.publish(careful, *unit(camera_no=3))
    row.tries += 1
    account(small_disk, row, names)


def test_read_only_folder(settings: Settings, tmp_path: Path, row: Row) -> None:
    """Another user who may only read reads; writing is refused in one sentence."""
    if os.geteuid():
        pytest.skip("becoming another user needs root")
    root = settings.observations_dir
    names = fill(root, 4)
    snapshot.ensure(settings)
    for path in [settings.data_dir, *settings.data_dir.parents][:2]:
        path.chmod(0o755)
    told = tmp_path / "other"
    told.touch()
    told.chmod(0o666)
    process = start("as_another_user", settings, told)
    process.join(60)
    assert told.read_text().split() == ["24", "True", "StoreError", "StoreError"]
    row.tries += 1
    account(settings, row, names)
    assert check.check(root, grace=NOW).findings == ()


@pytest.mark.usefixtures("beside")
def test_two_writers_of_the_same_footage(
    settings: Settings, tmp_path: Path, row: Row
) -> None:
    root = settings.observations_dir
    for turn in range(5):
        logs = [tmp_path / f"log-{turn}-{number}" for number in (0, 1)]
        workers = [start("ingest", root, f"same{turn}", log, 90) for log in logs]
        for worker in workers:
            wait(worker, lambda: False)
        row.tries += 2
        assert lines(logs[0]) & lines(logs[1])
        account(settings, row, lines(logs[0]) | lines(logs[1]))
    compact.compact(root, grace=programs.SHORT)
    numbers = reader.tracklets(settings, columns=["tracklet_id", "part_key"])
    pairs = set(zip(*(c.to_pylist() for c in numbers.columns), strict=True))
    row.doubled += numbers.num_rows - len(pairs)


@pytest.mark.usefixtures("beside")
def test_clock_that_leaps(settings: Settings, tmp_path: Path, row: Row) -> None:
    """Writers and compaction by clocks that differ by a month; then expiry."""
    root = settings.observations_dir
    log = tmp_path / "acknowledged"
    for turn in range(6):
        before = len(lines(log))
        programs_ = [
            start("ingest_unsteadily", root, f"w{turn}", log, turn),
            start("ingest_unsteadily", root, f"w{turn}", log, 100 + turn),
            start("merge_unsteadily", root, 200 + turn),
        ]
        for program in programs_:
            wait(program, lambda: len(lines(log)) > before + 12)  # noqa: B023
        row.tries += len(programs_)
        account(settings, row, lines(log))
    assert len(lines(log)) > 60
    # Expiry does not believe a clock that leapt by a month, until somebody looked.
    steady.demand(settings)
    leapt = steady._now()
    with pytest.MonkeyPatch.context() as patch:
        far = replace(leapt, wall=leapt.wall + 40 * 86_400)
        patch.setattr(steady, "_now", lambda: far)
        for act in (
            lambda: retention.expire(settings, settings.retention_days),
            lambda: backup.backup(settings, tmp_path / "backup"),
            lambda: purge.purge(settings, "dora"),
        ):
            with pytest.raises(StoreError, match="clock-is-right"):
                act()
            row.tries += 1
            account(settings, row, lines(log))
    retention.expire(settings, settings.retention_days)
    account(settings, row, lines(log))
