"""Shared fixtures: media, model weights and a throw-away installation."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.settings import CHECKOUT, Settings, get_settings
from tests.tools.object_store import (
    BUCKET,
    ObjectServer,
    keys_into_environment,
    program,
)

pytest_plugins = ["tests.faults.table"]


def pytest_configure() -> None:
    """Take Ctrl-C again where a shell started the tests in the background without it:
    programs started by a test would pass it over as well.
    """
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Keep `__main__`: a page under test takes its place and leaves its own there,
    and every process started later would run that page first.
    """
    own = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = own


@pytest.fixture(scope="session")
def media() -> Path:
    """Folder of the shared test media; skips where it is absent."""
    folder = Path(
        os.environ.get("DONGSEON_MEDIA", CHECKOUT.parent / "shared" / "media")
    )
    if not folder.is_dir():
        pytest.skip(f"test media are not here ({folder}); set DONGSEON_MEDIA")
    return folder


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """Folder of fetched model weights; skips where they were not fetched."""
    folder = Path(os.environ.get("DONGSEON_MODELS_DIR", CHECKOUT / "data" / "models"))
    if not (folder / "centerface.onnx").is_file():
        pytest.skip("model weights are not here; run `dongseon models fetch`")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of an empty installation in a temporary folder."""
    models = os.environ.get("DONGSEON_MODELS_DIR", str(CHECKOUT / "data" / "models"))
    monkeypatch.setenv("DONGSEON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DONGSEON_KEY_FILE", str(tmp_path / "keys" / "casebook.key"))
    monkeypatch.setenv("DONGSEON_MODELS_DIR", models)
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """An S3-compatible server on this machine."""
    if program() is None:
        pytest.skip("SeaweedFS is not here; ./run setup installs it")
    keys_into_environment()
    server = ObjectServer(tmp_path_factory.mktemp("objects") / "store")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def objects(
    settings: Settings, object_server: ObjectServer, tmp_path: Path
) -> Settings:
    """Settings of an installation whose segments lie in an object store."""
    return settings.model_copy(
        update={
            "observations": f"s3://{BUCKET}/{tmp_path.name}",
            "observations_endpoint": f"http://127.0.0.1:{object_server.port}",
            "observations_patience_s": 5.0,
        }
    )
