"""A traced installation, and the server over it, for the dashboard's tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pipeline.settings import CHECKOUT, Settings, get_settings
from tests.dashboard import installation


@pytest.fixture(autouse=True)
def single_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No log-in, unless a test adds accounts."""
    monkeypatch.setenv("DONGSEON_LOGIN", "single")


@pytest.fixture
def traced(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of an installation with one traced case."""
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    get_settings.cache_clear()
    found = get_settings()
    found.data_dir.mkdir(parents=True)
    installation.build(found)
    return found


@pytest.fixture
def server(traced: Settings, tmp_path: Path) -> Iterator[str]:
    """Address of the real server over the traced installation."""
    with started(tmp_path) as found:
        yield found


def started(folder: Path, **environment: str) -> AbstractContextManager[str]:
    """Run the real server; give its address. Its output goes to folder/server.log."""
    return serving(folder, **environment)


@contextmanager
def serving(
    folder: Path,
    command: Sequence[str] = (),
    port: int | None = None,
    end: signal.Signals = signal.SIGTERM,
    **environment: str,
) -> Iterator[str]:
    """Run a server; give its address.

    Parameters
    ----------
    command : what to run instead of the dashboard; the port is told to it.
    port : of its own; default: a free one.
    end : how it is ended.
    """
    port = port or free_port()
    code = f"from pipeline.commands.dashboard import serve; serve(port={port})"
    own = (
        [*command, f"--server.port={port}"] if command else [sys.executable, "-c", code]
    )
    log = folder / "server.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            own,
            cwd=CHECKOUT,
            env={**os.environ, "NO_PROXY": "*", **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, end)
        process.wait(timeout=20)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
