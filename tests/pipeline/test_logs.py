"""Logs tell of the work and of nobody: entry by entry, and over a whole case."""

# ruff: noqa: F401, F811 (fixtures of other rooms)

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.visitors import open_page
from pipeline import logs
from pipeline.cameras import registry as registries
from pipeline.casebook import cases, database, jobs, orders
from pipeline.settings import CHECKOUT, Settings, get_settings
from tests.dashboard.conftest import started
from tests.pipeline.trace.conftest import World, authorise, world

ALWAYS = {"event", "level", "timestamp", "program"}
NAME = "홍길동"


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the process's own log back as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    yield
    root.handlers[:], root.level, sys.excepthook = before
    logging.captureWarnings(False)


def entries(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["text", "json"])
def test_only_listed_fields_get_out(form: str) -> None:
    out = io.StringIO()
    say = logs.configure("worker", form, out)  # type: ignore[arg-type]
    say("job done", job=3, run="20251103T140000Z-1", case="P-001", name=NAME)
    try:
        raise KeyError(NAME)
    except KeyError as error:
        say("job broke off", job=4, **logs.cause(error))
        logging.getLogger("some.library").error("no %s of %s", "photo", NAME)
        logging.getLogger("some.library").error(f"no photo of {NAME}")
        logging.getLogger("some.library").exception("in %s", NAME)
        sys.excepthook(type(error), error, error.__traceback__)
    warnings.warn(f"{NAME} is deprecated", stacklevel=1)
    text = out.getvalue()
    assert NAME not in text
    assert "P-001" not in text
    for expected in ("KeyError", "test_logs.py", "no %s of %s", "some.library"):
        assert expected in text
    if form == "json":
        found = entries(text)
        assert [one["event"] for one in found[:2]] == ["job done", "job broke off"]
        assert found[0]["job"] == 3
        assert found[0]["level"] == "info"
        assert found[1]["level"] == "warning"
        assert all(set(one) <= ALWAYS | set(logs.FIELDS) for one in found)
        assert len(found) == 7
    else:
        assert "job=3" in text


def test_every_field_is_described() -> None:
    text = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert {name: rows.get(name) for name in logs.FIELDS} == logs.FIELDS


def run(*arguments: str, log: Path) -> subprocess.CompletedProcess:
    """Run a verb of the command, its log added to a file."""
    code = "from pipeline.cli import main; main()"
    with log.open("ab") as out:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.mark.media
@pytest.mark.models
def test_a_whole_case_leaves_nobody_in_the_logs(
    world: World,
    authorise,
    media: Path,
    weights_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Photo, trace, contacts, pages, purge; every program's log is read."""
    patient, other = world.person(), world.person()
    camera = world.camera(0, 0)
    one = world.stand(patient, camera, 100, 30)
    world.stand(other, camera, 100, 30, offset=(1.0, 0.0))
    world.film(camera, 0, 3600)
    place = tmp_path / "registry.geojson"
    registries.save(world.publish().cameras, place)
    monkeypatch.setenv("DONGSEON_REGISTRY", str(place))
    monkeypatch.setenv("DONGSEON_LOG", "json")
    monkeypatch.setenv("DONGSEON_LOGIN", "single")
    monkeypatch.setenv("DONGSEON_USER", "kim")
    get_settings.cache_clear()
    book = get_settings()
    photo = tmp_path / f"{NAME} passport" / "Hong_Gildong.jpg"
    photo.parent.mkdir()
    face = min((media / "faces" / "lfw").iterdir())
    shutil.copy(min(face.glob("*.jpg")), photo)
    authorise(case="P-HONG")
    database.dispose(book)
    log = tmp_path / "log"

    submit = ["jobs", "submit", "P-HONG", "--tracklet"]
    asked = run(*submit, str(one), "--photo", str(photo), log=tmp_path / "terminal")
    assert "P-HONG waits" in asked.stdout, (tmp_path / "terminal").read_text()
    run(*submit, "77", log=tmp_path / "terminal")  # nobody of that number: it fails
    assert "1 done, 1 failed" in run("worker", "--once", "--no-purge", log=log).stdout
    with started(tmp_path) as address:
        for page in ("cases", "trace", "contacts", "audit"):
            assert open_page(address, page) == []
    log.write_bytes(log.read_bytes() + (tmp_path / "server.log").read_bytes())
    folder = tmp_path / "clips"
    folder.mkdir()
    begin = datetime.now(UTC) - timedelta(hours=30)
    clip = folder / f"BC-00001_{begin:%Y%m%dT%H%M%S}Z.gif"
    shutil.copy(media / "video" / "classroom.gif", clip)
    (folder / f"BC-00001_{begin:%Y%m%d}T000000Z.mp4").write_bytes(b"no film")
    run("watch", "--folder", str(folder), "--once", log=log)
    segment = next((book.observations_dir / "tracklet").rglob("*.parquet"))
    assert run("store", "check", log=log).returncode == 0
    segment.write_bytes(segment.read_bytes()[:-9])
    assert run("store", "check", log=log).returncode == 2
    run("store", "repair", log=log)
    cases.close_case("P-HONG", "kim", settings=book)
    database.dispose(book)
    assert "1 purges" in run("worker", "--once", log=log).stdout

    text = log.read_text(encoding="utf-8")
    found = entries(text)
    assert all(set(entry) <= ALWAYS | set(logs.FIELDS) for entry in found)
    events = {entry["event"] for entry in found}
    assert {
        "serving", "job done", "job failed", "clip done", "clip refused", "checked",
        "finding", "repaired", "purge done",
    } <= events  # fmt: skip
    assert {entry["program"] for entry in found} == {
        "worker", "dashboard", "watch", "store",
    }  # fmt: skip
    for secret in (NAME, "Hong", "P-HONG", "passport", "synthetic", face.name):
        assert secret not in text
    for person in ("kim", "lee"):
        assert not re.search(rf"\b{person}\b", text)
