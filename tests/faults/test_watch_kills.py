"""kill -9 of the watch: the next one goes on, and nothing is stored twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from pipeline.fleet.state import State
from pipeline.settings import Settings
from pipeline.store import check, reader
from tests.faults import programs
from tests.faults.conftest import kill
from tests.faults.table import Row
from tests.pipeline.fleet import light_work


def test_kill_of_watch(settings: Settings, tmp_path: Path, row: Row) -> None:
    import multiprocessing

    # Not a daemon: it has children of its own.
    context = multiprocessing.get_context("forkserver")
    chance, folder = random.Random(9), tmp_path / "clips"
    folder.mkdir()
    names = set()
    for number in range(6):
        start = programs.RECENT + timedelta(minutes=5 * number)
        path = folder / f"BC-{number % 3 + 1:05d}_{start:%Y%m%dT%H%M%S}Z.mp4"
        path.write_text("slow")
        names.add(path.name)
    for _ in range(3):
        process = context.Process(target=programs.watch, args=(settings, folder))
        process.start()
        before = len(parts(settings))
        limit = time.monotonic() + 30
        while len(parts(settings)) <= before and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 1))
        kill(process)
        row.tries += 1
        assert check.check(settings, grace=timedelta(0), quick=True).sound
    process = context.Process(target=programs.watch, args=(settings, folder))
    process.start()
    process.join(90)
    assert process.exitcode == 0
    found = Counter(parts(settings))
    row.lost = sum(light_work.PARTS - found[name] for name in names)
    row.doubled = sum(max(0, n - light_work.PARTS) for n in found.values())
    row.doubled += reader.tracklets(settings).num_rows - 5 * light_work.PARTS * len(
        names
    )
    state = State(settings)
    assert {clip.state for clip in state.clips()} == {"done"}
    state.close()


def parts(settings: Settings) -> list[str]:
    if not settings.observations_dir.exists():
        return []
    return reader.footage(settings, columns=["footage_id"])["footage_id"].to_pylist()
