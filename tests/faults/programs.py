"""What the faults strike: programs that are processes of their own."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import backup, compact, layout, reader, repair, retention, writer
from tests.pipeline.store.store_samples import unit

TRACKLETS, POINTS = 6, 4
#: Footage that does not expire while the tests run, in two UTC hours.
RECENT = layout.hour_of(datetime.now(UTC)) - timedelta(hours=30)
SHORT = timedelta(seconds=1)
#: Acts on files, counted by `strike`.
_ACTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile"}


def strike(place: Path, after: int) -> None:
    """Kill this process with SIGKILL just before its `after`-th act on files there."""
    left, folder = after, str(place)

    def count(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in _ACTS and str(arguments[0]).startswith(folder):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def ingest(root: Path, tag: str, acknowledged: Path, after: int) -> None:
    """Publish parts, also some again; acknowledge each by a line in a file."""
    if after:
        strike(root, after)
    number = 0
    with open(acknowledged, "ab", buffering=0) as log:
        while True:
            again = number % 5 == 4
            clip = f"{tag}-{number - 1 if again else number}"
            try:
                publish(root, clip, camera_no=number % 7)
            except StoreError as error:
                # A machine that stood still for longer than the short grace.
                if "publish this part again" not in str(error):
                    raise
                continue
            log.write(f"{clip}\n".encode())
            number += 1


def publish(root: Path, clip: str, camera_no: int = 7, hour: int = 0) -> None:
    """Publish one part of `TRACKLETS` tracklets and as many times `POINTS`."""
    second = sum(clip.encode()) % 3000
    start = RECENT + timedelta(hours=hour, seconds=second)
    writer.publish(
        root,
        *unit(
            camera_no=camera_no,
            start=start,
            footage_id=clip,
            tracklets=TRACKLETS,
            points=POINTS,
        ),
    )


def merge(root: Path, after: int) -> None:
    """Compact with a short grace, until struck or idle."""
    strike(root, after)
    while True:
        done = compact.compact(root, grace=SHORT)
        if not done.hours and not done.removed:
            os.kill(os.getpid(), signal.SIGKILL)


def expire(root: Path, after: int, days: float, now: datetime) -> None:
    """Expire for ever."""
    strike(root, after)
    while True:
        retention.expire(root, days, now=now)
        (root / "pass").touch()


def purge(settings: Settings, after: int) -> None:
    """Purge for ever: observations, results, exports, rows of the casebook."""
    from pipeline.casebook import purge as purges

    strike(settings.data_dir, after)
    while True:
        purges.purge(settings, "dora")
        (settings.data_dir / "pass").touch()


def unsteady(seed: int) -> random.Random:
    """Let this process number what it publishes by a clock that leaps by a month."""
    chance = random.Random(seed)

    def leaping() -> float:
        return time.time() + chance.choice((0, 1, -1)) * 10 ** chance.uniform(0, 6.4)

    layout.time = SimpleNamespace(time=leaping)  # type: ignore[attr-defined]
    return chance


def ingest_unsteadily(root: Path, tag: str, acknowledged: Path, seed: int) -> None:
    """Publish parts, also some again, by a clock that leaps."""
    unsteady(seed)
    ingest(root, tag, acknowledged, 0)


def merge_unsteadily(root: Path, seed: int) -> None:
    """Compact by a clock that leaps, until killed."""
    chance = unsteady(seed)
    while True:
        now = datetime.now(UTC) + timedelta(seconds=chance.uniform(-3e6, 3e6))
        compact.compact(root, grace=SHORT, now=now)
        time.sleep(0.05)


def work(settings: Settings, begun: Path) -> None:
    """Do one queued trace after the other."""
    from pipeline.worker import Worker

    worker = Worker(settings, daily=False, say=lambda *_event, **_fields: begun.touch())
    worker.run(once=True, poll_s=0.1)


def mend(root: Path, after: int) -> None:
    """Repair for ever."""
    strike(root, after)
    while True:
        repair.repair(root, grace=SHORT)
        (root / "pass").touch()


def copy(settings: Settings, target: Path, after: int) -> None:
    """Back up for ever."""
    strike(target, after)
    while True:
        backup.backup(settings, target)
        (target / "pass").touch()


def trace(settings: Settings, case: str, acknowledged: Path, after: int) -> None:
    """Store results of a case for ever; acknowledge each run."""
    from pipeline.casebook import orders
    from pipeline.trace import results

    authorisation = orders.authorise(case, "ana", "faults", settings=settings)
    tables = result_tables()
    strike(settings.results_dir, after)
    with open(acknowledged, "ab", buffering=0) as log:
        while True:
            folder = results.write(authorisation, tables, settings=settings)
            log.write(f"{folder.name.removeprefix('run=')}\n".encode())


def result_tables(rows: int = 3) -> dict[str, pa.Table]:
    """Return rows of every table of results, all null."""
    from pipeline.trace.tables import TABLES

    return {
        name: pa.table(
            [pa.nulls(rows, field.type) for field in schema], names=schema.names
        )
        for name, schema in TABLES.items()
    }


def read(settings: Settings, stop: Path, told: Path) -> None:
    """Read as an analyst and as a trace do, until told; write down every error."""
    from pipeline.store import query

    reads = errors = 0
    rng = random.Random(1)
    while not stop.exists():
        try:
            if rng.random() < 0.5:
                [(torn,)] = query.run(
                    settings,
                    f"SELECT count(*) FILTER (n <> {TRACKLETS}) FROM (SELECT "
                    "count(*) AS n FROM tracklets GROUP BY footage_id, part)",
                ).rows
            else:
                rows = reader.detections(settings, columns=["part_key"])
                counts = rows["part_key"].value_counts().to_pylist()
                torn = sum(c["counts"] != TRACKLETS * POINTS for c in counts)
            assert not torn, f"{torn} parts are torn"
        except Exception:
            errors += 1
            with told.with_suffix(".errors").open("a") as log:
                log.write(traceback.format_exc() + "\n")
        reads += 1
        time.sleep(0.1)
    told.write_text(f"{reads} {errors}")


def as_another_user(settings: Settings, told: Path) -> None:
    """Read, check, write and repair as a user who may only read the store."""
    from pipeline.errors import StoreError
    from pipeline.store import check

    found: list[object] = []
    for user in (None, 65_534):  # first as we are: imports everything
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        rows = reader.tracklets(settings, columns=["part_key"]).num_rows
        found = [rows, check.check(settings).sound]
    for act in (
        lambda: publish(settings.observations_dir, "new"),
        lambda: repair.repair(settings),
    ):
        try:
            act()
        except (OSError, StoreError) as error:
            found.append(type(error).__name__)
    told.write_text(" ".join(map(str, found)))


def watch(settings: Settings, folder: Path) -> None:
    """Watch a folder until every clip in it is done."""
    from pipeline.fleet.sources import Source
    from pipeline.fleet.watch import Watch
    from tests.pipeline.fleet import light_work

    source = Source(None, folder, settle_s=0)
    Watch(settings, [source], work=light_work.store, scan_s=0.1).run(once=True)
