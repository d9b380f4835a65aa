"""Files taken out of the store: kept aside with the reason, until they expire."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.store import layout
from pipeline.store.place import ObjectPath, Place

_LOG = "reasons.jsonl"


@dataclass(frozen=True)
class Kept:
    """What lies in quarantine."""

    files: int
    bytes: int


def folder(root: Place) -> Place:
    """Return the folder of quarantined files, within the observations' folder.

    It lies there so that the same disk holds it (a move is a rename) and that
    whatever deletes the observations deletes it too.
    """
    return root / ".quarantine"


def put(root: Place, path: Place, reason: str) -> Place | None:
    """Move a file of the store aside; return its new place, None if it was gone.

    Its place below the observations' folder is kept, so it can be put back.
    """
    inside = layout.inside(root, path)
    target = folder(root) / inside
    layout.make_folder(target.parent)
    number = 0
    while target.exists():
        number += 1
        target = target.with_name(f"{path.name}.{number}")
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": inside,
        "kept_as": layout.inside(folder(root), target),
        "reason": reason,
    }
    text = json.dumps(entry, ensure_ascii=False) + "\n"
    _note(root, text, target.name)
    try:
        path.rename(target)  # type: ignore[arg-type]  # both of one kind
    except FileNotFoundError:
        return None
    layout.flush_folder(target.parent)
    layout.flush_folder(path.parent)
    return target


def _note(root: Place, text: str, name: str) -> None:
    """Add a line to the reasons; an object of its own where none can be added to."""
    log = folder(root) / _LOG
    if isinstance(log, ObjectPath):
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        log.with_name(f"{moment}-{name}-{_LOG}").write_bytes(text.encode())
        return
    with open(log, "a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def kept(root: Place) -> Kept:
    """Count what lies in quarantine."""
    sizes = [path.stat().st_size for path in _files(root)]
    return Kept(len(sizes), sum(sizes))


def expire(root: Place, before: datetime) -> Kept:
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


def _files(root: Place) -> list[Place]:
    found: list[Place] = [*folder(root).rglob("*")]
    return [p for p in found if p.is_file() and not p.name.endswith(_LOG)]
