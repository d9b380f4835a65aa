"""The store among processes that write, merge, read and are killed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipeline.settings import CHECKOUT, Settings
from pipeline.store import compact, reader, snapshot
from tests.pipeline.store import store_processes

PROGRAM = Path(__file__).with_name("store_processes.py")
#: Imports once, then forks: a new process takes milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([store_processes.__name__])


def start(verb: str, *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=getattr(store_processes, verb), args=arguments)
    process.start()
    return process


def kill(*processes: BaseProcess) -> None:
    for process in processes:
        assert process.is_alive()
        process.kill()  # SIGKILL
        process.join()


def wait_for(file: Path, lines: int) -> None:
    limit = time.monotonic() + 60
    while not file.exists() or file.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < limit, "the writer did not publish"
        time.sleep(0.01)


def whole(settings: Settings, acknowledged: list[str]) -> None:
    """Check that nothing acknowledged is lost and nothing visible is torn."""
    parts = reader.footage(settings, columns=["footage_id", "part_key"])
    names = parts["footage_id"].to_pylist()
    assert len(names) == len(set(names))
    assert set(acknowledged) <= set(names)
    for rows, each in (
        (reader.tracklets(settings, columns=["part_key"]), 6),
        (reader.detections(settings, columns=["part_key"]), 24),
    ):
        counts = rows["part_key"].value_counts().to_pylist()
        assert {c["values"] for c in counts} == set(parts["part_key"].to_pylist())
        assert {c["counts"] for c in counts} == {each}


def test_nothing_acknowledged_is_lost_when_killed(
    settings: Settings, tmp_path: Path
) -> None:
    snapshot.ensure(settings)
    root = settings.observations_dir
    log = tmp_path / "acknowledged"
    for turn in range(12):
        before = log.read_bytes().count(b"\n") if turn else 0
        writers = [start("write", root, worker, log) for worker in (1, 2)]
        merger = start("merge", root)
        wait_for(log, before + 2)
        time.sleep(0.013 * turn)  # another moment of its work each time
        kill(*writers, merger)
        whole(settings, log.read_text().split())
    compact.compact(root, grace=timedelta(0))
    compact.compact(root, grace=timedelta(0))
    whole(settings, log.read_text().split())
    left = [path for path in root.rglob("*.parquet") if path.stem != "seed"]
    hours = len(compact.all_hours(root))
    assert len(left) == 3 * hours  # one segment per hour and table: rubbish is gone
    assert not list(root.rglob(".pending-*"))


def test_views_read_from_another_process_during_writing(
    settings: Settings, tmp_path: Path
) -> None:
    snapshot.ensure(settings)
    log = tmp_path / "acknowledged"
    writer = start("write", settings.observations_dir, 3, log)
    merger = start("merge", settings.observations_dir, 3600.0)
    wait_for(log, 1)
    analyst = subprocess.run(
        [sys.executable, str(PROGRAM), str(settings.database), "3"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        cwd=tmp_path,
        check=False,
    )
    kill(writer, merger)
    assert analyst.returncode == 0, analyst.stderr
    queries, parts = map(int, analyst.stdout.split())
    assert queries > 1
    assert parts > 0
    whole(settings, log.read_text().split())
