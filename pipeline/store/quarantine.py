"""Files taken out of the store: kept aside with the reason, until they expire."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.store import layout

_LOG = "reasons.jsonl"


@dataclass(frozen=True)
class Kept:
    """What lies in quarantine."""

    files: int
    bytes: int


def folder(root: Path) -> Path:
    """Return the folder of quarantined files, within the observations' folder.

    It lies there so that the same disk holds it (a move is a rename) and that
    whatever deletes the observations deletes it too.
    """
    return root / ".quarantine"


def put(root: Path, path: Path, reason: str) -> Path | None:
    """Move a file of the store aside; return its new place, None if it was gone.

    Its place below the observations' folder is kept, so it can be put back.
    """
    inside = path.relative_to(root)
    target = folder(root) / inside
    layout.make_folder(target.parent)
    number = 0
    while target.exists():
        number += 1
        target = target.with_name(f"{path.name}.{number}")
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": str(inside),
        "kept_as": str(target.relative_to(folder(root))),
        "reason": reason,
    }
    with open(folder(root) / _LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps(entry, ensure_ascii=False) + "\n")
        log.flush()
        os.fsync(log.fileno())
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return None
    layout.flush_folder(target.parent)
    layout.flush_folder(path.parent)
    return target


def kept(root: Path) -> Kept:
    """Count what lies in quarantine."""
    sizes = [path.stat().st_size for path in _files(root)]
    return Kept(len(sizes), sum(sizes))


def expire(root: Path, before: datetime) -> Kept:
    """Delete quarantined files of hours that ended before a moment (aware)."""
    files = size = 0
    for path in _files(root):
        parts = dict(p.split("=", 1) for p in path.parts if p.count("=") == 1)
        try:
            text = parts["date"] + parts["hour"]
            hour = datetime.strptime(text, "%Y-%m-%d%H").replace(tzinfo=UTC)
        except (KeyError, ValueError):
            hour = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if hour + timedelta(hours=1) <= before:
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
                path.unlink()
                files += 1
    return Kept(files, size)


def _files(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder(root).rglob("*"))
        if path.is_file() and path.name != _LOG
    ]
