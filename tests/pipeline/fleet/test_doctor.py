"""Each thing that can be wrong is found, with the way to mend it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.casebook import audit, database
from pipeline.commands import doctor as command
from pipeline.fleet import doctor
from pipeline.settings import Settings, get_settings
from pipeline.store import layout, snapshot, steady, writer
from tests.pipeline.casebook.conftest import open_case
from tests.pipeline.store.store_samples import unit

BEGIN = layout.hour_of(datetime.now(UTC)) - timedelta(hours=30)


@pytest.fixture
def well(settings: Settings) -> Settings:
    """An installation with a store, views, a casebook and its key."""
    writer.publish(settings, *unit(start=BEGIN))
    snapshot.ensure(settings)
    open_case(settings, "P-D")
    database.dispose(settings)
    return settings


def wrong(settings: Settings, **options: object) -> dict[str, doctor.Report]:
    reports = list(doctor.examine(settings, ports={}, **options))  # type: ignore[arg-type]
    assert all(bool(r.mend) == (r.state != "ok") for r in reports)
    return {r.subject: r for r in reports if r.state == "wrong"}


@pytest.mark.models
def test_nothing_is_wrong(well: Settings, weights_dir: Path) -> None:
    assert wrong(well) == {}
    assert wrong(well, thorough=True) == {}


def break_registry(settings: Settings) -> None:
    bad = settings.data_dir.parent / "registry.geojson"
    bad.write_text("{")
    settings.registry = bad


def lose_registry(settings: Settings) -> None:
    settings.registry = settings.data_dir / "none.geojson"


def lose_models(settings: Settings) -> None:
    settings.models_dir = settings.data_dir / "no-models"


def tear_segment(settings: Settings) -> None:
    path = layout.segments(settings.observations_dir, "tracklet", BEGIN)[0]
    path.write_bytes(path.read_bytes()[:-1])


def break_views(settings: Settings) -> None:
    settings.database.write_bytes(b"no database" * 1000)


def break_casebook(settings: Settings) -> None:
    path = Path(settings.casebook_database_url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    data[4096:12_000] = b"\xff" * (12_000 - 4096)
    path.write_bytes(data)


def open_casebook(settings: Settings) -> None:
    Path(settings.casebook_database_url.removeprefix("sqlite:///")).chmod(0o644)


def change_audit(settings: Settings) -> None:
    audit.record(settings, "a", "note", "x", "", {})
    from sqlalchemy import text

    with database.writing(settings) as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS audit_no_update"))
    import sqlite3

    path = settings.casebook_database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND "
            "tbl_name = 'audit'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit SET actor = 'b' WHERE seq = 1")
    connection.close()


def lose_key(settings: Settings) -> None:
    settings.key_file.unlink()


def open_key(settings: Settings) -> None:
    settings.key_file.chmod(0o644)


def fill_disk(settings: Settings) -> None:
    settings.reserve_gb = 1e9


def open_data(settings: Settings) -> None:
    settings.data_dir.chmod(0o777)


def leap(settings: Settings) -> None:
    steady.demand(settings)
    mark = settings.data_dir / ".clock.json"
    told = json.loads(mark.read_text())
    mark.write_text(json.dumps(told | {"wall": told["wall"] - 86_400}))


def newer_store(settings: Settings) -> None:
    (settings.observations_dir / ".layout.json").write_text('{"layout": 99}')


def lose_folder(settings: Settings) -> None:
    (settings.data_dir / "sources.toml").write_text(
        '[[source]]\ncamera = "BC-00001"\nfolder = "/nowhere"\n'
    )


@pytest.mark.parametrize(
    ("harm", "subject", "mend"),
    [
        (leap, "clock", "clock-is-right"),
        (newer_store, "store", "upgrade"),
        (lose_folder, "sources", "mount it"),
        (break_registry, "registry", "see"),
        (lose_registry, "registry", "cameras"),
        (lose_models, "models", "dongseon models fetch"),
        (tear_segment, "store", "dongseon store repair"),
        (break_views, "views", "store prepare"),
        (break_casebook, "casebook", "restore"),
        (open_casebook, "casebook", "chmod 600"),
        (change_audit, "casebook", "audit verify"),
        (lose_key, "key", "put"),
        (open_key, "key", "chmod 600"),
        (fill_disk, "disk", "expire"),
        (open_data, "permissions", "chmod o-w"),
    ],
)
def test_what_is_wrong_is_found(
    well: Settings, harm: Callable[[Settings], None], subject: str, mend: str
) -> None:
    settings = well.model_copy()
    harm(settings)
    found = wrong(settings)
    assert subject in found, found
    assert mend in found[subject].mend
    assert "\n" not in found[subject].text


def test_a_port_in_use_is_told(well: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        reports = list(doctor.examine(well, ports={"dashboard": port}))
    assert [r.state for r in reports if r.subject == "ports"] == ["note"]


def test_the_command_ends_with_2(
    well: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DONGSEON_RESERVE_GB", "1e9")
    get_settings.cache_clear()
    app = typer.Typer()
    command.attach(app)
    done = CliRunner().invoke(app, ["--thorough"])
    assert done.exit_code == 2
    assert "-> dongseon store stats" in done.output
