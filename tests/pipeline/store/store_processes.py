"""Programs that the store's tests start as processes of their own."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

from pipeline.store import compact, writer
from tests.pipeline.store.store_samples import START, unit


def write(root: Path, worker: int, acknowledged: Path) -> None:
    """Publish until killed; each part is acknowledged by a line in a file."""
    number = 0
    tag = f"{worker}-{time.time_ns()}"
    with open(acknowledged, "ab", buffering=0) as log:
        while True:
            start = START + timedelta(seconds=60 * (number % 100))
            clip = f"{tag}-{number}"
            writer.publish(
                root,
                *unit(camera_no=worker, start=start, footage_id=clip, tracklets=6),
            )
            log.write(f"{clip}\n".encode())
            number += 1


def merge(root: Path, grace_s: float = 2.0) -> None:
    """Compact until killed, with a short grace."""
    while True:
        compact.compact(root, grace=timedelta(seconds=grace_s))
        time.sleep(0.05)


def read(database: str, seconds: float) -> None:
    """Read the views as an analyst's own program does; fail on any error."""
    import duckdb

    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        with duckdb.connect(database, read_only=True) as connection:
            wrong, parts = connection.execute(
                "SELECT count(*) FILTER (n <> 6 OR m <> 24), count(*) FROM ("
                " SELECT footage_id, count(*) AS n, sum(detections) AS m"
                " FROM tracklets GROUP BY footage_id)"
            ).fetchall()[0]
            assert wrong == 0, f"{wrong} of {parts} parts are torn"
            count += 1
    print(count, parts)


if __name__ == "__main__":
    read(sys.argv[1], float(sys.argv[2]))
