"""Connections to the casebook: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from pipeline.errors import DongseonError
from pipeline.settings import Settings

#: Newest migration; equal to Alembic's head (tested), so that Alembic need not
#: be imported when nothing is to be done.
HEAD = "0004"
#: Milliseconds a writer waits for another one.
BUSY_MS = 30_000
#: Advisory locks of PostgreSQL: any two numbers nobody else uses.
MIGRATION_LOCK, AUDIT_LOCK, DAILY_LOCK = 7_023_201, 7_023_202, 7_023_203

_engines: dict[tuple[int, str], Engine] = {}
_guard = threading.Lock()


def engine(settings: Settings) -> Engine:
    """Return the engine of this process, its tables brought up to date.

    Raises
    ------
    DongseonError
        If the casebook cannot be opened, or a newer version has written it.
    """
    url = settings.casebook_database_url
    key = (os.getpid(), url)
    found = _engines.get(key)
    if found is not None and _still_there(found):
        return found  # many people ask at once: none waits for another
    with _guard:
        found = _engines.get(key)
        if found is None or not _still_there(found):
            found = _opened(url)
            _engines[key] = found
    return found


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """Give a connection for reading, consistent within."""
    with _told(), engine(settings).connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(settings: Settings) -> Iterator[Connection]:
    """Give a connection whose changes are stored together or not at all."""
    with (
        _told(),
        engine(settings).connect().execution_options(dongseon_write=True) as connection,
        connection.begin(),
    ):
        yield connection


def bring_up_to_date(settings: Settings) -> tuple[str | None, str]:
    """Migrate the casebook's tables, making them if need be.

    Returns
    -------
    Version found (None: there was no casebook) and version now.

    Raises
    ------
    DongseonError
        If it cannot be opened, or a newer version has written it.
    """
    url = settings.casebook_database_url
    path = Path(url.removeprefix("sqlite:///"))
    before = None
    if not url.startswith("sqlite:///") or path.exists():
        made = create_engine(_with_driver(url))
        try:
            with _told(), made.connect() as connection:
                before = _version(connection)
        finally:
            made.dispose()
    dispose(settings)
    engine(settings)
    return before, HEAD


def dispose(settings: Settings) -> None:
    """Close this process's connections (before a vacuum, or in tests)."""
    with _guard:
        found = _engines.pop((os.getpid(), settings.casebook_database_url), None)
    if found is not None:
        found.dispose()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).strip().splitlines()
        if "disk is full" in str(error.orig):
            raise OSError(28, "the disk is full") from error
        if isinstance(error.orig, sqlite3.IntegrityError) or "constraint" in str(
            error.orig
        ):
            raise DongseonError(
                f"The casebook refused the entry because it breaks a rule "
                f"({cause[0] if cause else 'unknown'}); nothing was stored.",
                code="casebook_rule",
            ) from error
        raise DongseonError(
            f"The casebook cannot be read or written "
            f"({cause[0] if cause else type(error).__name__}); check DONGSEON_"
            "CASEBOOK_URL, the disk and the rights of its file.",
            code="casebook_closed",
        ) from error


def _opened(url: str) -> Engine:
    try:
        parsed = make_url(url)
        made = (
            _sqlite(parsed.database)
            if parsed.get_backend_name() == "sqlite"
            else create_engine(_with_driver(url), pool_pre_ping=True)
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise DongseonError(
            f"casebook_url is no usable database URL ({error}); use "
            "sqlite:///PATH or postgresql://USER@HOST/DATABASE (the latter needs "
            "the extra dongseon[postgres])."
        ) from error
    with _told():
        _migrate(made)
    return made


def _with_driver(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _sqlite(database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise ArgumentError("an in-memory casebook would forget its audit log")
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    made = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(made, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        _pragma(connection, "journal_mode = WAL")
        _pragma(connection, "synchronous = FULL")
        _pragma(connection, "foreign_keys = ON")
        _pragma(connection, "secure_delete = ON")

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("dongseon_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return made


def _pragma(connection: sqlite3.Connection, pragma: str) -> None:
    """Set it; the change to WAL does not wait for others by itself, so retry."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}").close()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _still_there(found: Engine) -> bool:
    database = found.url.database
    return found.dialect.name != "sqlite" or Path(str(database)).exists()


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(made: Engine) -> None:
    """Bring the tables up to date, in one transaction that only one process has."""
    with made.connect() as connection, connection.begin():
        if _version(connection) == HEAD:
            return
    with (
        made.connect().execution_options(dongseon_write=True) as connection,
        connection.begin(),
    ):
        if made.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        version = _version(connection)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise DongseonError(
                f"The casebook was written by a newer Dongseon (tables {version}, "
                f"this one knows {HEAD}); update the program.",
                code="casebook_newer",
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option(
            "script_location", str(Path(__file__).parent / "migrations")
        )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
