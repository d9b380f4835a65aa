"""A second copy of the store and the casebook, and the way back from it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import __version__
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import compact, disk, integrity, layout, log, reader, steady
from pipeline.store.place import ObjectPath, Place, root_of
from pipeline.store.schema import FOOTAGE, TABLES

_ORDER = ("detection", "tracklet", "footage")  # the log last, as in publishing
_MANIFEST = "backup.json"
_SQLITE = "sqlite:///"


@dataclass
class Copied:
    """What `backup` or `restore` did."""

    segments: int = 0  #: copied now
    bytes: int = 0
    removed: int = 0  #: segments removed from the backup: superseded or expired
    parts: int = 0  #: parts of footage brought back
    casebook: str = ""  #: what became of the casebook, one sentence
    problems: list[str] = field(default_factory=list)


def backup(settings: Settings, target: Path) -> Copied:
    """Bring a backup up to date; the store stays in use meanwhile.

    Only new segments are copied, and each copy's digest is compared. What expired in
    the store is deleted from the backup too; what the store lost otherwise is kept.
    The casebook is copied as of one moment; its key and the audit's witness are not
    copied: keep those elsewhere.

    Raises
    ------
    StoreError
        If the target lies in the data folder or cannot be written.
    """
    target = target.absolute()
    if target.is_relative_to(settings.data_dir.absolute()):
        raise StoreError(
            f"{target} lies in the data folder that it would copy; name a folder on "
            "another disk."
        )
    steady.demand(settings)  # what expired by the clock is deleted there
    done = Copied()
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        root, copy = root_of(settings), target / "observations"
        for hour in compact.all_hours(root):
            with layout.lock(root, hour, exclusive=False):
                _copy_hour(root, copy, hour, done)
        _drop(settings, root, copy, done)
        _copy_tree(settings.results_dir, target / "results", mirror=True)
        if settings.registry.exists():
            _copy_file(settings.registry, target / "camera_registry.geojson")
        _copy_casebook(settings, target, done)
        _write_manifest(target, done)
    except PermissionError as error:
        raise StoreError(
            f"{error.filename} cannot be read or written ({error.strerror}); run this "
            "as the user that owns the store."
        ) from error
    except OSError as error:
        raise StoreError(
            f"the backup to {target} broke off ({error.strerror or error}); mend that "
            "and run it again, it goes on from there."
        ) from error
    return done


def restore(settings: Settings, source: Path, *, now: datetime | None = None) -> Copied:
    """Bring back from a backup what the store lacks; safe to repeat.

    Parts of footage that are stored already are left as they are, expired ones are
    not brought back. The casebook is restored only where there is none.

    Raises
    ------
    StoreError
        If there is no backup, or the disk has no room.
    """
    if not (source / _MANIFEST).is_file():
        raise StoreError(
            f"{source} holds no finished backup (no {_MANIFEST}); name the folder "
            "given to `dongseon store backup`."
        )
    done = Copied()
    root, copy = root_of(settings), source / "observations"
    oldest = (now or datetime.now(UTC)) - timedelta(days=settings.retention_days)
    for hour in compact.all_hours(copy):
        if hour + timedelta(hours=1) <= oldest:
            continue
        disk.demand(settings, disk.size_of(copy, hour))
        with layout.lock(root, hour, exclusive=True):
            _bring_back(root, copy, hour, done)
    _copy_tree(source / "results", settings.results_dir)
    saved = source / "camera_registry.geojson"
    if saved.exists() and not settings.registry.exists():
        _copy_file(saved, settings.registry)
    elif saved.exists() and saved.read_bytes() != settings.registry.read_bytes():
        done.problems.append(
            f"{settings.registry} differs from the backup's {saved.name}; it was left "
            "as it is."
        )
    _restore_casebook(settings, source, done)
    return done


def _copy_hour(root: Place, copy: Path, hour: datetime, done: Copied) -> None:
    for name in _ORDER:
        for path in layout.segments(root, name, hour):
            unit = layout.unit_of(path)
            if unit is None:
                continue
            place = copy / layout.inside(root, path)
            if place.exists() and place.stat().st_size == path.stat().st_size:
                continue
            fault = _copy_segment(path, place)
            if fault:
                done.problems.append(
                    f"The {name} segment {path} was not copied: it {fault}; run "
                    "`dongseon store repair`."
                )
                continue
            done.segments += 1
            done.bytes += place.stat().st_size


def _copy_segment(path: Place, place: Path) -> str:
    """Copy one segment if it is whole, there whole or not; else say what it is."""
    try:
        if integrity.whole(path) is False:
            return "is damaged"
        _copy_file(path, place)
        if integrity.whole(place) is False:
            place.unlink()
            return "was damaged on the way"
    except integrity.TornError as error:
        return f"is torn ({error})"
    return ""


def _drop(settings: Settings, root: Place, copy: Path, done: Copied) -> None:
    """Remove from the backup what expired, and what compaction replaced."""
    oldest = datetime.now(UTC) - timedelta(days=settings.retention_days)
    for hour in compact.all_hours(copy):
        over = hour + timedelta(hours=1) <= oldest
        here = set(_keys(root, hour, winners=True))
        live = {layout.unit_of(p) for p in layout.segments(root, "footage", hour)}
        for path in layout.segments(copy, "footage", hour):
            unit = layout.unit_of(path)
            if unit is None or (unit in live and not over):
                continue
            held = layout.read(path, "footage", ["part_key"])["part_key"].to_pylist()
            # Expired here but not there would come back with the next restore.
            if over or set(held) <= here:
                count, _ = compact.remove(copy, hour, unit)
                done.removed += count


def _keys(root: Place, hour: datetime, *, winners: bool) -> list[int]:
    rows = log.every_row(root, hour)
    return (log.winners(rows) if winners else rows)["part_key"].to_pylist()


def _bring_back(root: Place, copy: Path, hour: datetime, done: Copied) -> None:
    rows = log.every_row(copy, hour, FOOTAGE.names)
    best = log.winners(rows)
    stored = set(_keys(root, hour, winners=False))
    missing = [key not in stored for key in best["part_key"].to_pylist()]
    wanted = best.filter(pa.array(missing, pa.bool_()))
    if not wanted.num_rows:
        return
    tables = {}
    for name in ("tracklet", "detection"):
        parts = [TABLES[name].empty_table()]
        for unit in np.unique(wanted["unit"].to_numpy()):
            mine = wanted["part_key"].to_numpy()[wanted["unit"].to_numpy() == unit]
            path = layout.segment(copy, name, hour, int(unit))
            held = reader.Segment(path, hour, int(unit), np.zeros(0, dtype=np.int64))
            table = reader.read_segment(held, name)
            parts.append(table.filter(np.isin(table["part_key"].to_numpy(), mine)))
        tables[name] = pa.concat_tables(parts).unify_dictionaries()
    compact.publish_again(root, hour, wanted, tables)
    done.parts += wanted.num_rows


def _copy_casebook(settings: Settings, target: Path, done: Copied) -> None:
    url = settings.casebook_database_url
    if not url.startswith(_SQLITE):
        done.casebook = "The casebook is no file: back it up with pg_dump."
        return
    path = Path(url.removeprefix(_SQLITE))
    if not path.exists():
        done.casebook = "There is no casebook yet."
        return
    place = target / "casebook.sqlite"
    pending = _pending(place)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
            contextlib.closing(sqlite3.connect(pending)) as saved,
        ):
            db.backup(saved)
            saved.execute("PRAGMA journal_mode = DELETE").close()
            [(state,)] = saved.execute("PRAGMA integrity_check").fetchall()[:1]
        if state != "ok":
            raise StoreError(f"the casebook {path} is damaged ({state}); restore it.")
        os.chmod(pending, 0o600)
        _durable(pending, place)
    except sqlite3.Error as error:
        raise StoreError(
            f"the casebook {path} cannot be copied ({error}); run `dongseon doctor`."
        ) from error
    finally:
        pending.unlink(missing_ok=True)
    done.casebook = "The casebook is copied; its key is not: keep that elsewhere."


def _restore_casebook(settings: Settings, source: Path, done: Copied) -> None:
    saved = source / "casebook.sqlite"
    url = settings.casebook_database_url
    if not saved.exists():
        done.casebook = "The backup holds no casebook."
        return
    if not url.startswith(_SQLITE):
        done.casebook = "The casebook is no file: restore it with pg_restore."
        return
    path = Path(url.removeprefix(_SQLITE))
    if path.exists() and path.stat().st_size:
        done.casebook = f"The casebook {path} is there and was left as it is."
        return
    _copy_file(saved, path)
    os.chmod(path, 0o600)
    done.casebook = "The casebook is restored; put its key back too."


def _copy_tree(source: Path, target: Path, *, mirror: bool = False) -> None:
    """Copy results that are not there yet; they never change once published.

    With `mirror`, those that are gone at the source go in the target too, so that a
    closed case does not live on in a backup.
    """
    for path in sorted(source.rglob("*.parquet")):
        inside = path.relative_to(source)
        if (target / inside).exists() or any(p[0] == "." for p in inside.parts):
            continue
        with contextlib.suppress(FileNotFoundError):  # its case ended meanwhile
            _copy_file(path, target / inside)
    if not mirror or not source.exists():
        return
    for path in sorted(target.rglob("*"), reverse=True):
        if not (source / path.relative_to(target)).exists():
            path.rmdir() if path.is_dir() else path.unlink()


def _copy_file(source: Place, place: Path) -> None:
    layout.make_folder(place.parent)
    pending = _pending(place)
    try:
        if isinstance(source, ObjectPath):
            pending.write_bytes(source.read_bytes())
        else:
            shutil.copyfile(source, pending)
        _durable(pending, place)
    finally:
        pending.unlink(missing_ok=True)


def _durable(pending: Path, place: Path) -> None:
    with open(pending, "rb+") as file:
        os.fsync(file.fileno())
    os.rename(pending, place)
    layout.flush_folder(place.parent)


def _pending(place: Path) -> Path:
    return place.with_name(f".pending-{os.getpid()}-{secrets.token_hex(4)}")


def _write_manifest(target: Path, done: Copied) -> None:
    about = {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": __version__,
        "segments_copied": done.segments,
        "problems": done.problems,
    }
    pending = _pending(target / _MANIFEST)
    pending.write_text(json.dumps(about, indent=2), encoding="utf-8")
    _durable(pending, target / _MANIFEST)
