"""The units and the compose file: valid, and every command in them one of ours."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pipeline.cameras import registry as registries
from pipeline.cli import app, register
from pipeline.fleet import sources
from pipeline.settings import CHECKOUT, Settings

OPS = CHECKOUT / "ops"
PROGRAM = "/opt/dongseon/.venv/bin/dongseon"
#: Fields of a service that Compose knows, of those used here.
SERVICE = {
    "image", "build", "init", "restart", "stop_grace_period", "environment", "volumes",
    "depends_on", "command", "ports", "healthcheck", "network_mode",
}  # fmt: skip


def parsed(arguments: list[str]) -> None:
    """Parse a command line of ours; typer complains of what it does not know."""
    if not app.registered_commands:
        register()
    command: Any = typer.main.get_command(app)
    name = "dongseon"
    while hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands, f"there is no verb {name}"
        command = command.commands[name]
    command.make_context(name, list(arguments))


def lines(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


UNITS = sorted([*OPS.glob("*.service"), *OPS.glob("*.timer")])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here; apt-get install systemd")
    for path in UNITS:
        text = path.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert unit.name.partition(".")[0] not in done.stderr


def test_what_is_no_command_line_is_found() -> None:
    for wrong in (["wach"], ["store", "compress"], ["watch", "--jason"]):
        with pytest.raises(BaseException, match=r"no verb|No such option|jason"):
            parsed(wrong)


@pytest.mark.parametrize(
    "unit", [u for u in UNITS if u.suffix == ".service"], ids=lambda path: path.name
)
def test_units_start_verbs_that_exist(unit: Path) -> None:
    [line] = lines(unit, "ExecStart")
    program, *arguments = shlex.split(line.replace("%H-%i", "host-1"))
    assert program == PROGRAM
    parsed(arguments)
    assert lines(unit, "EnvironmentFile")[0] == "/etc/dongseon/environment"
    [writable] = lines(unit, "ReadWritePaths")
    assert "/var/lib/dongseon" in writable.split()


def test_timers_have_their_service() -> None:
    for unit in OPS.glob("*.timer"):
        assert unit.with_suffix(".service").exists()


def test_the_environment_names_settings() -> None:
    text = (OPS / "environment.example").read_text()
    names = re.findall(r"^DONGSEON_(\w+)=(.+)$", text, re.MULTILINE)
    assert len(names) > 4
    Settings(**{name.lower(): value for name, value in names})  # type: ignore[arg-type]
    assert {name.lower() for name, _ in names} <= set(Settings.model_fields)


def test_the_compose_file_holds_together() -> None:
    text = (OPS / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    assert {k for k in compose if not k.startswith("x-")} == {"services", "volumes"}
    services = compose["services"]
    for name, service in services.items():
        assert set(service) <= SERVICE, name
        assert (OPS / service["build"]["context"]).resolve() == CHECKOUT
        assert (CHECKOUT / service["build"]["dockerfile"]).is_file()
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source[0] in "./" or source in compose["volumes"], volume
        assert set(service["depends_on"]) <= set(services)
        for variable in service["environment"]:
            assert variable.removeprefix("DONGSEON_").lower() in Settings.model_fields
        command = service["command"]
        if command.startswith("sh -c"):
            command = re.sub(r"while sleep \d+; do|; done", "", shlex.split(command)[2])
        for one in command.split("&&"):
            program, *arguments = shlex.split(one)
            assert program == "dongseon"
            parsed(arguments)
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    # Published ports need the container's own network.
    assert not [s for s in services.values() if "ports" in s and "network_mode" in s]


def test_the_example_of_sources_is_read(settings: Settings, tmp_path: Path) -> None:
    place = OPS / "sources.example.toml"
    assert tomllib.loads(place.read_text())
    known = registries.load(settings.registry)
    found = sources.load(place, known, tmp_path)
    assert len(found) == 3
    assert found[0].offset_s("BC-00001") == 12.5
    assert found[1].offset_s("BC-00002") == -3.0
    assert found[1].offset_s("BC-00009") == 0.0
    assert found[2].rtsp
