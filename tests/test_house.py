"""The house's own rules: which way imports run, how large a room is, what leaks."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from pipeline.settings import CHECKOUT

#: room -> rooms of pipeline it may import.
ALLOWED = {
    "cameras": set(),
    "vision": set(),
    "store": set(),
    "casebook": {"store"},
    "footage": {"vision", "store", "cameras", "casebook"},
    "fleet": {"footage", "vision", "store", "cameras", "casebook"},
    "trace": {"store", "cameras", "casebook"},
    "simulate": {"store", "cameras", "trace"},
    "cluster": {"footage", "simulate"},
}
ROOMS = {*ALLOWED, "commands", "evaluate"}


def modules(room: str) -> list[Path]:
    return sorted((CHECKOUT / "pipeline" / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tracked() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True
    ).stdout.split("\0")
    if not any(names):
        pytest.skip("this is not a git checkout")
    paths = (CHECKOUT / name for name in names if name)
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_run_one_way(room: str) -> None:
    wrong = []
    for path in modules(room):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "dashboard":
                wrong.append((path.name, name))
            if parts[0] != "pipeline" or len(parts) < 2 or parts[1] not in ROOMS:
                continue
            if parts[1] not in ALLOWED[room] | {room}:
                wrong.append((path.name, name))
    assert not wrong


def test_modules_stay_small() -> None:
    code = [*(CHECKOUT / "pipeline").rglob("*.py")]
    code += (CHECKOUT / "dashboard").rglob("*.py")
    large = {
        str(path.relative_to(CHECKOUT)): lines
        for path in code
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert not large


def test_constraints_are_names_and_versions_only() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    assert len(lines) > 50
    wrong = [x for x in lines if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[\w.+!]+", x)]
    assert not wrong
    assert not [x for x in lines if x.lower().startswith("opencv-python==")]


def test_nothing_names_a_package_registry_or_this_machine() -> None:
    patterns = [
        "pypi" + r"\.org",
        "files" + r"\.pythonhosted",
        "registry" + r"\.npmjs",
        r"deb\.debian" + r"\.org",
        "/opt/" + "wheels",
        "/work/" + "main",
        "/work/" + "shared",
    ]
    wanted = re.compile("|".join(patterns))
    text = {".py", ".md", ".toml", ".txt", ".json", ".geojson", ".sql", ".js", ""}
    wrong = [
        path.name
        for path in tracked()
        if path.suffix in text and wanted.search(path.read_text(errors="replace"))
    ]
    assert not wrong


def test_media_and_databases_are_not_tracked() -> None:
    forbidden = {".avi", ".mp4", ".mkv", ".gif", ".duckdb", ".sqlite", ".parquet"}
    assert not [path.name for path in tracked() if path.suffix in forbidden]


def test_every_dependency_is_justified() -> None:
    text = (CHECKOUT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    block = (CHECKOUT / "pyproject.toml").read_text().split("dependencies = [")[1]
    names = re.findall(r'"([A-Za-z0-9\-]+)', block.split("]")[0])
    assert len(names) > 15
    assert not [name for name in names if name not in text]
