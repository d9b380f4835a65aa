"""Where the watch is, in a file: a restart goes on exactly there."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FootageError
from pipeline.settings import Settings

#: States of a clip. Refused ones wait for the file to change.
STATES = ("waiting", "running", "done", "refused")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    path TEXT PRIMARY KEY,
    camera TEXT NOT NULL,
    source TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    found_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    footage_id TEXT,
    start_at REAL,
    end_at REAL,
    parts INTEGER,
    done_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS clips_by_state ON clips (state, camera);
CREATE TABLE IF NOT EXISTS cameras (
    camera TEXT PRIMARY KEY,
    link TEXT NOT NULL DEFAULT '',
    fault TEXT NOT NULL DEFAULT '',
    faults INTEGER NOT NULL DEFAULT 0,
    footage_s REAL NOT NULL DEFAULT 0,
    work_s REAL NOT NULL DEFAULT 0,
    tracklets INTEGER NOT NULL DEFAULT 0,
    share REAL NOT NULL DEFAULT 0,
    last_at REAL,
    changed_at REAL
) STRICT;
"""
#: Version of the tables -> what brings those of the version before there. The tables
#: above are those of version 1, of the first release, and stay as they are.
_MIGRATIONS = {2: "ALTER TABLE cameras ADD COLUMN activity REAL"}
VERSION = max(_MIGRATIONS)
#: A camera's activity is a mean over about so much of its latest footage, seconds.
_ACTIVITY_S = 1800.0
#: Nothing waits longer than this: a moment farther ahead is of a clock that was wrong.
LONGEST_WAIT_S = 600.0


@dataclass(frozen=True)
class Clip:
    """A clip that was found."""

    path: Path
    camera: str
    source: str
    size: int
    modified_ns: int
    state: str
    found_at: float
    tries: int = 0
    due_at: float = 0.0
    note: str = ""
    footage_id: str | None = None
    start_at: float | None = None
    end_at: float | None = None
    parts: int | None = None
    done_at: float | None = None


@dataclass(frozen=True)
class CameraState:
    """Figures of a camera; times are Unix seconds."""

    camera: str
    link: str  #: of a stream: connected, waiting; else empty
    fault: str  #: the last one, one sentence; empty when all is well
    faults: int
    footage_s: float
    work_s: float
    tracklets: int
    waiting: int
    refused: int
    last_at: float | None  #: end of the newest footage that is stored

    def lag_s(self, now: float) -> float | None:
        """Return the seconds since the newest footage that is stored."""
        return None if self.last_at is None else max(0.0, now - self.last_at)


def path_of(settings: Settings) -> Path:
    """Return the place of the state."""
    return settings.data_dir / "fleet.sqlite"


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the watch of this installation.

    Raises
    ------
    FootageError
        If another one runs.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    place = settings.data_dir / ".watch.lock"
    descriptor = os.open(place, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FootageError(
                f"another dongseon watch works on {settings.data_dir}; stop it first."
            ) from None
        yield
    finally:
        os.close(descriptor)


class State:
    """The watch's memory. One writer (see `only_one`), any readers.

    Raises
    ------
    FootageError
        If a newer version of the program has written it.
    """

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        path = path_of(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._db = sqlite3.connect(
            where, isolation_level=None, timeout=10, check_same_thread=False, uri=True
        )
        self._db.row_factory = sqlite3.Row
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        self.empty = version == 0  #: it is just being made
        if version > VERSION:
            self._db.close()
            raise FootageError(
                f"{path} was written by a newer Dongseon (tables {version}, this one "
                f"knows {VERSION}); update the program."
            )
        if not read_only:
            self._db.execute("PRAGMA journal_mode = WAL").close()
            self._migrate(version)

    def _migrate(self, version: int) -> None:
        self._db.executescript(_SCHEMA)
        for number in range(max(version, 1) + 1, VERSION + 1):
            self._db.executescript(
                f"BEGIN; {_MIGRATIONS[number]}; PRAGMA user_version = {number}; COMMIT"
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def found(
        self, path: Path, camera: str, source: str, size: int, modified_ns: int
    ) -> bool:
        """Enter a clip that is whole; return whether it is new or has changed."""
        known = self._db.execute(
            "SELECT size, modified_ns FROM clips WHERE path = ?", (str(path),)
        ).fetchone()
        if known is not None and tuple(known) == (size, modified_ns):
            return False
        self._db.execute(
            "INSERT OR REPLACE INTO clips (path, camera, source, size, modified_ns, "
            "state, found_at) VALUES (?, ?, ?, ?, ?, 'waiting', ?)",
            (str(path), camera, source, size, modified_ns, time.time()),
        )
        return True

    def known(self, path: Path) -> tuple[int, int] | None:
        """Return (size, modified_ns) of a clip as last entered."""
        row = self._db.execute(
            "SELECT size, modified_ns FROM clips WHERE path = ?", (str(path),)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def resume(self) -> None:
        """After a restart: what was being done waits again."""
        self._db.execute("UPDATE clips SET state = 'waiting' WHERE state = 'running'")
        self._db.execute("UPDATE cameras SET link = ''")

    def oldest_waiting(self) -> list[Clip]:
        """Return each camera's oldest clip that waits and is due."""
        rows = self._db.execute(
            "SELECT *, min(path) FROM clips WHERE state = 'waiting' "
            "AND (due_at <= :now OR due_at > :now + :longest) "
            "AND camera NOT IN (SELECT camera FROM clips WHERE state = 'running') "
            "GROUP BY camera",
            {"now": time.time(), "longest": LONGEST_WAIT_S},
        ).fetchall()
        return [_clip(row) for row in rows]

    def clip(self, path: Path) -> Clip:
        """Return a clip that was entered."""
        row = self._db.execute(
            "SELECT * FROM clips WHERE path = ?", (str(path),)
        ).fetchone()
        return _clip(row)

    def clips(self, state: str | None = None) -> list[Clip]:
        """Return the clips, or those in a state, by path."""
        rows = self._db.execute(
            "SELECT * FROM clips WHERE ? IS NULL OR state = ? ORDER BY path",
            (state, state),
        ).fetchall()
        return [_clip(row) for row in rows]

    def set(self, path: Path, state: str, **values: object) -> None:
        """Enter what became of a clip."""
        columns = ", ".join(f"{name} = :{name}" for name in ("state", *values))
        self._db.execute(
            f"UPDATE clips SET {columns} WHERE path = :path",
            {"path": str(path), "state": state, **values},
        )

    def forget(self, path: Path) -> None:
        """Drop a clip whose file and observations are gone."""
        self._db.execute("DELETE FROM clips WHERE path = ?", (str(path),))

    def shares(self) -> dict[str, float]:
        """Return each camera's share of work so far, weighted (see `schedule`)."""
        rows = self._db.execute("SELECT camera, share FROM cameras")
        return {row[0]: row[1] for row in rows}

    def add(self, camera: str, **amounts: float) -> None:
        """Enter a camera, and add to its sums."""
        self._camera(camera)
        if not amounts:
            return
        sums = ", ".join(f"{name} = {name} + :{name}" for name in amounts)
        self._db.execute(
            f"UPDATE cameras SET {sums} WHERE camera = :camera",
            {"camera": camera, **amounts},
        )

    def saw(self, camera: str, tracklets: int, footage_s: float) -> None:
        """Enter how busy a camera was over some footage."""
        if footage_s <= 0:
            return
        self._camera(camera)
        new = 1 - math.exp(-footage_s / _ACTIVITY_S)
        self._db.execute(
            "UPDATE cameras SET activity = coalesce(activity + :new * (:rate - "
            "activity), :rate) WHERE camera = :camera",
            {"camera": camera, "new": new, "rate": 60 * tracklets / footage_s},
        )

    def activity(self) -> dict[str, float]:
        """Return the people a minute of each camera of which footage was analysed."""
        rows = self._db.execute(
            "SELECT camera, activity FROM cameras WHERE activity IS NOT NULL"
        )
        return {row[0]: row[1] for row in rows}

    def tell(self, camera: str, **values: object) -> None:
        """Set a camera's link, fault, share or last_at."""
        self._camera(camera)
        if values.get("fault"):
            self.add(camera, faults=1)
        sets = ", ".join(f"{name} = :{name}" for name in values)
        self._db.execute(
            f"UPDATE cameras SET {sets}, changed_at = :now WHERE camera = :camera",
            {"camera": camera, "now": time.time(), **values},
        )

    def stored_until(self, camera: str, moment: float) -> None:
        """Enter the end of footage that is stored."""
        self._camera(camera)
        self._db.execute(
            "UPDATE cameras SET last_at = max(coalesce(last_at, 0), ?) "
            "WHERE camera = ?",
            (moment, camera),
        )

    def cameras(self) -> list[CameraState]:
        """Return the figures of every camera, by id."""
        rows = self._db.execute(
            "SELECT camera, link, fault, faults, footage_s, work_s, tracklets, "
            "(SELECT count(*) FROM clips WHERE clips.camera = cameras.camera AND "
            "state IN ('waiting', 'running')) AS waiting, "
            "(SELECT count(*) FROM clips WHERE clips.camera = cameras.camera AND "
            "state = 'refused') AS refused, last_at FROM cameras ORDER BY camera"
        ).fetchall()
        return [CameraState(**dict(row)) for row in rows]

    def _camera(self, camera: str) -> None:
        # A camera that joins late does not catch up on all the others' past.
        self._db.execute(
            "INSERT OR IGNORE INTO cameras (camera, share) "
            "SELECT ?, coalesce(min(share), 0) FROM cameras",
            (camera,),
        )


def cameras(settings: Settings) -> list[CameraState]:
    """Return the figures of every camera, also while the watch runs."""
    if not path_of(settings).exists():
        return []
    with contextlib.closing(State(settings, read_only=True)) as state:
        return [] if state.empty else state.cameras()


def _clip(row: sqlite3.Row) -> Clip:
    values = {name: row[name] for name in Clip.__dataclass_fields__}
    return Clip(**values | {"path": Path(values["path"])})
