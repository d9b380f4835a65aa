"""kill -9 at seeded moments: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.settings import Settings
from pipeline.store import check, compact, layout, retention
from tests.faults import programs
from tests.faults.conftest import account, start, wait
from tests.faults.table import Row

NOW = timedelta(0)


def lines(file: Path) -> set[str]:
    return set(file.read_text().split()) if file.exists() else set()


def fill(root: Path, parts: int, hour: int = 0, tag: str = "old") -> set[str]:
    names = {f"{tag}-{hour}-{number}" for number in range(parts)}
    for number, name in enumerate(sorted(names)):
        programs.publish(root, name, camera_no=number % 7, hour=hour)
    return names


@pytest.mark.usefixtures("beside")
def test_kill_of_ingest(settings: Settings, tmp_path: Path, row: Row) -> None:
    chance, root = random.Random(1), settings.observations_dir
    log = tmp_path / "acknowledged"
    for turn in range(45):
        after = chance.randrange(1, 45)
        wait(start("ingest", root, f"a{turn}", log, after), lambda: False)
        row.tries += 1
        account(settings, row, lines(log))
        if turn % 15 == 14:
            compact.compact(root, grace=programs.SHORT)
    assert len(lines(log)) > 60  # the kills hit work, not idling


@pytest.mark.usefixtures("beside")
def test_kill_of_ingest_by_the_clock(
    settings: Settings, tmp_path: Path, row: Row
) -> None:
    chance, root = random.Random(2), settings.observations_dir
    log = tmp_path / "acknowledged"
    for turn in range(20):
        before = len(lines(log))
        workers = [start("ingest", root, f"{w}{turn}", log, 0) for w in "bc"]
        for worker in workers:
            wait(worker, lambda: len(lines(log)) > before)  # noqa: B023
            worker.join(chance.uniform(0, 0.02))
        row.tries += 2
        account(settings, row, lines(log))
        if turn % 10 == 9:
            compact.compact(root, grace=programs.SHORT)


@pytest.mark.usefixtures("beside")
def test_kill_of_compaction(settings: Settings, row: Row) -> None:
    chance, root = random.Random(3), settings.observations_dir
    names: set[str] = set()
    for turn in range(30):
        names |= fill(root, 3, tag=f"t{turn}")
        wait(start("merge", root, chance.randrange(1, 25)), lambda: False)
        row.tries += 1
        account(settings, row, names)
    # The grace of the reader beside is over; now it can be swept.
    for _ in range(2):
        compact.compact(root, grace=timedelta(seconds=1))


@pytest.mark.usefixtures("beside")
def test_kill_of_both_at_once(settings: Settings, tmp_path: Path, row: Row) -> None:
    chance, root = random.Random(4), settings.observations_dir
    log = tmp_path / "acknowledged"
    for turn in range(15):
        writer = start("ingest", root, f"w{turn}", log, chance.randrange(10, 90))
        merger = start("merge", root, chance.randrange(5, 90))
        wait(writer, lambda: False)
        wait(merger, lambda: False)
        row.tries += 2
        account(settings, row, lines(log))


@pytest.mark.usefixtures("beside")
def test_kill_of_expiry(settings: Settings, row: Row) -> None:
    """What has not expired stays; what has is gone once expiry ran through."""
    chance, root = random.Random(5), settings.observations_dir
    now = programs.RECENT + timedelta(days=14, minutes=40)
    for turn in range(10):
        kept = fill(root, 2, hour=1, tag=f"k{turn}")
        old = fill(root, 4, tag=f"e{turn}")
        due = {n for n in old if sum(n.encode()) % 3000 + 60 <= 40 * 60}
        work = start("expire", root, chance.randrange(1, 60), 14, now)
        wait(work, (root / "pass").exists)
        (root / "pass").unlink(missing_ok=True)
        row.tries += 1
        account(settings, row, kept | (old - due))
        retention.expire(root, 14, now=now)
        assert not account(settings, row, kept) & due


def test_kill_of_repair(settings: Settings, row: Row) -> None:
    chance, root = random.Random(6), settings.observations_dir
    names: set[str] = set()
    for turn in range(10):
        names |= fill(root, 3, tag=f"r{turn}")
        [bad] = fill(root, 1, tag=f"x{turn}")
        unit = layout.segments(root, "footage", programs.RECENT)[-1]
        path = root / "detection" / unit.relative_to(root / "footage")
        path.write_bytes(path.read_bytes()[: chance.randrange(100)])
        wait(start("mend", root, chance.randrange(1, 40)), (root / "pass").exists)
        (root / "pass").unlink(missing_ok=True)
        wait(start("mend", root, 100_000), (root / "pass").exists)
        (root / "pass").unlink()
        row.tries += 1
        assert bad not in account(settings, row, names)
    assert check.check(root, grace=NOW).sound


def test_kill_of_backup(settings: Settings, tmp_path: Path, row: Row) -> None:
    from pipeline.store import backup

    chance, root = random.Random(7), settings.observations_dir
    target = tmp_path / "backup"
    names: set[str] = set()
    for turn in range(10):
        names |= fill(root, 2, tag=f"b{turn}")
        if turn % 5 == 4:
            compact.compact(root, grace=NOW)
        work = start("copy", settings, target, chance.randrange(1, 40))
        wait(work, (target / "pass").exists)
        (target / "pass").unlink(missing_ok=True)
        row.tries += 1
        assert check.check(target / "observations", grace=NOW).sound
    backup.backup(settings, target)
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    backup.restore(other, target)
    account(other, row, names)
    shutil.rmtree(target)


def test_kill_of_results(settings: Settings, tmp_path: Path, row: Row) -> None:
    """A run of a trace is there whole or not at all."""
    from pipeline.casebook import database, orders
    from pipeline.trace import results
    from tests.pipeline.casebook.conftest import open_case, request

    case = open_case(settings, "P-FAULT")
    orders.approve(request(settings, case).id, "bora", settings=settings)
    chance, log = random.Random(8), tmp_path / "acknowledged"
    database.dispose(settings)
    for _ in range(15):
        work = start("trace", settings, case, log, chance.randrange(1, 60))
        wait(work, lambda: False, 10)
        row.tries += 1
        authorisation = orders.authorise(case, "ana", "faults", settings=settings)
        found = results.runs(authorisation, settings=settings)
        row.lost += len(lines(log) - set(found))
        row.doubled += len(found) - len(set(found))
        home = settings.results_dir / f"case={case}"
        for run in found:
            for table, rows in programs.result_tables().items():
                read = pq.read_table(home / f"run={run}" / f"{table}.parquet")
                row.torn += read.num_rows != rows.num_rows
        for run in found[:-1]:
            shutil.rmtree(home / f"run={run}")
            log.write_text("\n".join(lines(log) - {run}) + "\n")
    assert row.tries == 15
    assert datetime.now(UTC) > programs.RECENT


def test_kill_of_purge(settings: Settings, row: Row) -> None:
    """What is over its limit goes in the end, once; what is not stays throughout."""
    from pipeline.casebook import audit, cases, database, signing
    from tests.pipeline.casebook.conftest import open_case

    case = open_case(settings, "P-KEPT")
    chance, root = random.Random(10), settings.observations_dir
    kept = fill(root, 3)
    mine = settings.results_dir / f"case={case}" / "run=1" / "run.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"x" * 1000)
    for turn in range(15):
        over = fill(root, 2, hour=-24 * 15 + turn % 2, tag=f"o{turn}")
        gone = settings.results_dir / f"case=P-GONE{turn}" / "run=1" / "run.parquet"
        gone.parent.mkdir(parents=True)
        gone.write_bytes(b"x" * 1000)
        database.dispose(settings)
        work = start("purge", settings, chance.randrange(1, 120))
        wait(work, (settings.data_dir / "pass").exists, 20)
        (settings.data_dir / "pass").unlink(missing_ok=True)
        row.tries += 1
        account(settings, row, kept)
        row.lost += not mine.exists()
        assert audit.verify(settings).sound
        for certificate in (settings.data_dir / "certificates").glob("*.json"):
            signing.check(certificate, settings=settings)
        if turn % 3 == 2:
            database.dispose(settings)
            work = start("purge", settings, 100_000)
            wait(work, (settings.data_dir / "pass").exists, 60)
            (settings.data_dir / "pass").unlink()
            assert not account(settings, row, kept) & over
            assert not gone.exists()
    assert [c.pseudonym for c in cases.list_cases("ana", settings=settings)] == [case]
