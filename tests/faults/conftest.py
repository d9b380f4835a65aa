"""Processes that faults strike, and the reader beside them."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.store import log, reader, snapshot
from tests.faults import programs
from tests.faults.table import Row, keep

#: Imports once, then forks: a new process takes milliseconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["pytest", programs.__name__, "pipeline.casebook.purge", "pipeline.trace.run"]
)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory: a killed process leaves the same there as on a disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="dongseon-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    """A row of the table; the test fails unless all but its tries are zero."""
    made = Row(request.node.name.removeprefix("test_").replace("_", " "))
    yield made
    if not made.tries:
        return  # skipped
    keep(request.node, made)
    assert (made.lost, made.doubled, made.torn, made.errors) == (0, 0, 0, 0)


@pytest.fixture
def beside(settings: Settings, tmp_path: Path, row: Row) -> Iterator[None]:
    """A reader in a process of its own while the test runs."""
    snapshot.ensure(settings)
    stop, told = tmp_path / "stop", tmp_path / "told"
    process = start("read", settings, stop, told)
    yield
    stop.touch()
    process.join(60)
    assert process.exitcode == 0
    row.reads, row.errors = map(int, told.read_text().split())
    errors = told.with_suffix(".errors")
    assert not errors.exists(), errors.read_text()[:3000]
    assert row.reads


def start(verb: str, *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=getattr(programs, verb), args=arguments)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    process.kill()  # SIGKILL; no harm if it has struck itself
    process.join()


def wait(process: BaseProcess, until: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for the process to be struck, or for something else; then kill it."""
    limit = time.monotonic() + seconds
    while process.is_alive() and not until() and time.monotonic() < limit:
        process.join(0.005)
    kill(process)


def account(settings: Settings, row: Row, acknowledged: set[str]) -> set[str]:
    """Count what is lost, doubled or torn; return the ids of the footage stored."""
    log._CACHE.clear()  # as a program that starts now
    footage = reader.footage(settings, columns=["footage_id", "part_key"])
    names = footage["footage_id"].to_pylist()
    keys = set(footage["part_key"].to_pylist())
    row.lost += len(acknowledged - set(names)) * programs.TRACKLETS
    row.doubled += len(names) - len(set(names))
    for rows, each in (
        (reader.tracklets(settings, columns=["part_key"]), programs.TRACKLETS),
        (
            reader.detections(settings, columns=["part_key"]),
            programs.TRACKLETS * programs.POINTS,
        ),
    ):
        counts = {
            c["values"]: c["counts"]
            for c in rows["part_key"].value_counts().to_pylist()
        }
        row.doubled += sum(max(0, n - each) for n in counts.values())
        row.torn += sum(n < each for n in counts.values()) + len(keys ^ set(counts))
    return set(names)
