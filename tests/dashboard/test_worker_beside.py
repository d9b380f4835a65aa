"""A worker beside the dashboard does queued traces and ends with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.casebook import jobs, orders
from pipeline.settings import CHECKOUT, Settings
from tests.dashboard import installation


def test_it_takes_jobs_and_ends_with_the_dashboard(
    traced: Settings, tmp_path: Path
) -> None:
    mine = orders.authorise(installation.CASE, "asker", "test", settings=traced)
    number = jobs.queue(mine, {}, settings=traced)

    def last() -> jobs.Job:
        (job,) = jobs.list_jobs(mine, settings=traced)
        assert job.id == number
        return job

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"from pipeline.commands.dashboard import serve; serve(port={port}, "
    with open(tmp_path / "log", "wb") as log:
        dashboard = subprocess.Popen(
            [sys.executable, "-c", code + "worker=True)"],
            cwd=CHECKOUT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        # Nothing was seen and nobody is in the gallery: it ends, with the reason.
        until(lambda: last().state == "failed")
        taken = last()
        assert taken.error
        worker = int(str(taken.worker).rpartition("-")[2])
        assert Path(f"/proc/{worker}").exists()
        dashboard.kill()  # not asked to end its children
        dashboard.wait(timeout=20)
        until(lambda: not Path(f"/proc/{worker}").exists())
    finally:
        if dashboard.poll() is None:
            os.killpg(dashboard.pid, signal.SIGTERM)


def until(happened: Callable[[], bool], seconds: float = 40.0) -> None:
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.2)
