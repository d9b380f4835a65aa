"""Objects: the same rows in a folder and in an S3-compatible store on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import budgets, ingest
from pipeline.settings import Settings
from pipeline.store import compact, log, place, reader
from tests.tools.object_store import BUCKET, ObjectServer, keys_into_environment

WINDOW = (ingest.HOUR, ingest.HOUR + timedelta(minutes=10))
CAMERAS = range(20, 40)


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Publish, merge and read tracklets with faces in both."""
    units = ingest.made(rows, seed)
    keys_into_environment()
    server = ObjectServer(folder / "server")
    server.start()
    try:
        here = Settings(data_dir=folder / "here")  # type: ignore[call-arg]
        there = Settings(  # type: ignore[call-arg]
            data_dir=folder / "there",
            observations=f"s3://{BUCKET}/bench",
            observations_endpoint=f"http://127.0.0.1:{server.port}",
        )
        figures = {
            name: _figures(settings, units, threads)
            for name, settings in (("folder", here), ("object_store", there))
        }
    finally:
        server.kill()
    return {
        "tracklets": rows,
        "bytes": sum(table.nbytes for _, table in units),
        "seconds": {name: found["seconds"] for name, found in figures.items()},
        "same_answers": figures["folder"]["answers"]
        == figures["object_store"]["answers"],
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`: the answers; times are the network's."""
    same = float(found["same_answers"])
    return [budgets.Budget("same answers from both", same, 1, least=True)]


def _figures(settings: Settings, units: list, threads: int) -> dict[str, Any]:
    root = place.root_of(settings)
    seconds: dict[str, float] = {}
    answers: dict[str, Any] = {}
    publish, _ = ingest.publish(root, units, threads)
    seconds["publish"] = publish
    _timed(seconds, "merge", lambda: compact.compact(root))

    def read(window: reader.Window | None, cameras: Any, columns: list[str]) -> int:
        log._CACHE.clear()
        return reader.tracklets(settings, window, cameras, columns).num_rows

    def ask(sql: str) -> list:
        with reader.connect(settings) as connection:
            return connection.sql(sql).fetchall()

    for name, act in (
        ("all faces by Arrow", lambda: read(None, None, ["tracklet_id", "face_i8"])),
        (
            "20 cameras, 10 minutes by Arrow",
            lambda: read(WINDOW, CAMERAS, ["tracklet_id", "face_i8"]),
        ),
        ("count by DuckDB", lambda: ask("SELECT count(*) FROM tracklets")),
        (
            "groups of 20 cameras by DuckDB",
            lambda: ask(
                "SELECT camera_no, count(*), min(start_at) FROM tracklets "
                "WHERE camera_no BETWEEN 20 AND 39 GROUP BY ALL ORDER BY ALL"
            ),
        ),
    ):
        answers[name] = _timed(seconds, name, act)
    return {"seconds": seconds, "answers": answers}


def _timed(seconds: dict[str, float], name: str, act: Callable[[], Any]) -> Any:
    begin = time.perf_counter()
    found = act()
    seconds[name] = time.perf_counter() - begin
    return found
