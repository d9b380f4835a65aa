"""Retention: each class of data has its limit; what is over it is destroyed.

A purge may be killed at any moment and run again: files go first, then the rows
that point to them, in one transaction with their audit entry.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, or_, select, text

from pipeline.casebook import audit, clock, crypto, database, roles, signing, tables
from pipeline.errors import DongseonError
from pipeline.settings import Settings

#: Days after closing that a case's trace results are kept (follow-up of contacts
#: lasts 14 days, the longest incubation time; see casebook.orders).
RESULT_DAYS = 14
#: Days after closing that a case, its orders, reviews and lists are kept.
CASE_DAYS = 30
#: Days an export or still may lie in the data folder while its case is open.
EXPORT_DAYS = 14
#: Days an ended log-in is kept.
SESSION_DAYS = 1
#: Days an entry of the audit log is kept: records of access to systems with sensitive
#: data two years at least (Standards for Measures to Ensure the Safety of Personal
#: Information, Art. 8), and a year more for complaints.
AUDIT_DAYS = 3 * 365
#: Time between two daily purges, and until a failed one is tried again.
DAILY, AGAIN = timedelta(days=1), timedelta(hours=1)
#: Hours after which the unfinished results of a killed trace are swept up.
DRAFT_HOURS = 1
#: Folders of files made under a case: one sub-folder `case=<pseudonym>` each.
CASE_FOLDERS = ("stills", "exports")
_DAILY_ROW = "last daily purge"
_SEED = "seed.parquet"
#: What stays in the data folder at the end of the programme, besides the casebook's
#: file (accounts and audit log).
_IMPERSONAL = ("models", "basemap", "certificates", "README.md", ".gitignore")
_PLACE_LIST = re.compile(r"places-(\d+)-\w+\.(csv|html)")


@dataclass(frozen=True)
class Item:
    """What was destroyed, or would be, of one class."""

    kind: str
    limit_days: float
    count: int  #: rows, files or footage parts
    freed_bytes: int
    digest: str  #: SHA-256 over the sorted names of what went, "" if nothing


def purge(
    settings: Settings, user: str, *, dry_run: bool = False
) -> tuple[list[Item], Path | None]:
    """Destroy everything over its limit, and sign for it.

    Returns
    -------
    What went by class, and the certificate's file (none for a dry run).
    """
    roles.check(settings, user, "purge", "purge")
    return _run(settings, user, dry_run, everything=False)


def purge_daily(settings: Settings, worker: str) -> Path | None:
    """Purge on behalf of the installation: a worker needs no role for it.

    It destroys only what is over its limit, and signs like any other.
    """
    return _run(settings, worker, False, everything=False)[1]


def claim_daily(settings: Settings) -> bool:
    """Tell whether the daily purge is due; of several workers, to one only."""
    now, table = clock.now(), tables.about
    with database.writing(settings) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text(f"SELECT pg_advisory_xact_lock({database.DAILY_LOCK})")
            )
        query = select(table.c.value).where(table.c.name == _DAILY_ROW)
        last = connection.execute(query).scalar()
        past = datetime.fromisoformat(last) if last is not None else None
        # A moment far ahead is of a clock that was wrong then.
        if past is not None and now < past + DAILY and past < now + AGAIN:
            return False
        _set_daily(connection, now)
    return True


def postpone_daily(settings: Settings) -> None:
    """Let a purge that failed be due again in an hour."""
    with database.writing(settings) as connection:
        _set_daily(connection, clock.now() - DAILY + AGAIN)


def _set_daily(connection: Connection, at: datetime) -> None:
    table = tables.about
    connection.execute(delete(table).where(table.c.name == _DAILY_ROW))
    connection.execute(insert(table).values(name=_DAILY_ROW, value=at.isoformat()))


def purge_everything(settings: Settings, user: str) -> tuple[list[Item], Path | None]:
    """End the programme: destroy everything personal, and the key, and sign.

    Accounts, the audit log, the certificates and the base map remain.
    """
    roles.check(settings, user, "purge", "everything")
    items, _ = _run(settings, user, dry_run=False, everything=True, certify=False)
    items.append(_rest(settings))
    if not os.environ.get(crypto.KEY_VARIABLE):
        items.append(_item("key", 0, [str(settings.key_file.name)], 0))
        settings.key_file.unlink(missing_ok=True)
    left = [
        str(path.relative_to(settings.data_dir))
        for path in _files(settings.data_dir)
        if path.relative_to(settings.data_dir).parts[0] not in _IMPERSONAL
    ]
    return items, _certify(settings, user, items, programme_exit=True, remaining=left)


def remove_case_files(
    settings: Settings, case: str, kinds: Iterable[str] = CASE_FOLDERS
) -> int:
    """Delete the stills and exports of a case; return how many files went."""
    gone = 0
    for kind in kinds:
        folder = settings.data_dir / kind / f"case={case}"
        gone += sum(1 for _ in _files(folder))
        shutil.rmtree(folder, ignore_errors=True)
    return gone


def compact(settings: Settings, *, patience_s: float = 5.0) -> bool:
    """Rewrite the SQLite file so that deleted bytes are in no page and no log.

    Returns
    -------
    False if others kept the file busy all the time: run it again later.
    """
    made = database.engine(settings)
    if made.dialect.name != "sqlite":
        return True
    deadline = time.monotonic() + patience_s
    while True:
        with made.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            cursor = raw.cursor()
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                cursor.execute("VACUUM")
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if not any(word in str(error) for word in ("locked", "busy")):
                    raise DongseonError(
                        f"The casebook cannot be rewritten ({error}); free some space "
                        "and purge again.",
                        code="purge_space",
                        error=error,
                    ) from error
                busy = 1
            finally:
                cursor.close()
        if not busy:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def _run(
    settings: Settings,
    user: str,
    dry_run: bool,
    *,
    everything: bool,
    certify: bool = True,
) -> tuple[list[Item], Path | None]:
    if not (dry_run or everything):
        _demand_steady(settings)
    items = [
        _observations(settings, dry_run, everything),
        _results(settings, dry_run, everything),
        *(_case_files(settings, kind, dry_run, everything) for kind in CASE_FOLDERS),
        *_rows(settings, user, dry_run, everything),
        _audit(settings, user, dry_run),
    ]
    if dry_run:
        return items, None
    for item in items:
        if item.count:
            audit.record(settings, user, "purge", item.kind, "", vars(item))
    if not compact(settings):
        raise DongseonError(
            "Everything over its limit was deleted, but others kept the casebook busy, "
            "so that its file could not be rewritten; purge again for a certificate.",
            code="purge_busy",
        )
    return items, _certify(settings, user, items) if certify else None


def _demand_steady(settings: Settings) -> None:
    from pipeline.store import steady

    steady.demand(settings)


def _certify(settings: Settings, user: str, items: list[Item], **more: Any) -> Path:
    now = clock.now()
    anchor = audit.verify(settings)
    path = settings.data_dir / "certificates" / f"purge-{now:%Y%m%dT%H%M%S%fZ}.json"
    content = {
        "what": "purge",
        "at": now.isoformat(),
        "by": user,
        "items": [vars(item) for item in items],
        "audit_sound": anchor.sound,
        "audit_entries": anchor.entries,
        "audit_anchor": anchor.anchor,
        **more,
    }
    signing.write(path, signing.signed(settings, content))
    return path


def _observations(settings: Settings, dry_run: bool, everything: bool) -> Item:
    from pipeline.store import layout, place, retention

    root, days = place.root_of(settings), float(settings.retention_days)
    before = {
        layout.inside(root, path): path
        for path in root.rglob("*")
        if path.is_file() and (everything or path.name != _SEED)  # it has no rows
    }
    if dry_run:
        limit = clock.now() - timedelta(days=days)
        names = [name for name in before if everything or _hour_over(name, limit)]
        return _item("observations", days, names, _size(before[n] for n in names))
    if everything:
        size = _size(before.values())
        for path in before.values():
            path.unlink(missing_ok=True)
        shutil.rmtree(settings.observations_dir, ignore_errors=True)
        settings.database.unlink(missing_ok=True)
        return _item("observations", days, list(before), size)
    if not before:
        return _item("observations", days, [], 0)
    expiry = retention.expire(settings, days, now=clock.now())
    left = {layout.inside(root, path) for path in root.rglob("*")}
    names = [name for name in before if name not in left]
    return _item("observations", days, names, expiry.freed_bytes)


def _hour_over(name: str, limit: Any) -> bool:
    """Tell whether a segment's whole hour (from its folders) is over the limit."""
    fields = dict(
        part.split("=", 1) for part in Path(name).parts if part.count("=") == 1
    )
    if "date" not in fields:
        return False
    hour = f"{fields['date']}T{int(fields.get('hour', 23)):02}"
    return hour < f"{limit:%Y-%m-%dT%H}"


def _results(settings: Settings, dry_run: bool, everything: bool) -> Item:
    with database.reading(settings) as connection:
        kept = _pseudonyms(connection, RESULT_DAYS, over=False)
    names, size = [], 0
    for folder in sorted(settings.results_dir.glob("case=*")):
        gone = [folder]
        if not everything and folder.name.removeprefix("case=") in kept:
            gone = list(_torn(folder))
        for one in gone:
            files = list(_files(one))
            names += [str(path.relative_to(settings.results_dir)) for path in files]
            size += _size(files)
            if not dry_run:
                shutil.rmtree(one)
    return _item("results", RESULT_DAYS, names, size)


def _torn(folder: Path) -> Iterable[Path]:
    """Return what killed traces left unfinished in a case's results."""
    oldest = clock.now().timestamp() - DRAFT_HOURS * 3600
    return (
        path
        for path in folder.glob(".draft-*")
        if path.is_dir() and path.stat().st_mtime < oldest
    )


def _case_files(settings: Settings, kind: str, dry_run: bool, everything: bool) -> Item:
    with database.reading(settings) as connection:
        query = select(tables.cases.c.pseudonym).where(tables.cases.c.status == "open")
        living = set(connection.execute(query).scalars())
        ended = select(tables.disclosures.c.id).where(
            tables.disclosures.c.expires_at <= clock.now()
        )
        over = {str(number) for number in connection.execute(ended).scalars()}
    oldest = (clock.now() - timedelta(days=EXPORT_DAYS)).timestamp()
    root, names, size = settings.data_dir / kind, [], 0
    for path in list(_files(root)):
        case = path.relative_to(root).parts[0].removeprefix("case=")
        listed = _PLACE_LIST.fullmatch(path.name)
        current = path.stat().st_mtime > oldest and not (listed and listed[1] in over)
        if case in living and current and not everything:
            continue
        names.append(str(path.relative_to(root)))
        size += path.stat().st_size
        if not dry_run:
            path.unlink()
    return _item(kind, EXPORT_DAYS, names, size)


def _rest(settings: Settings) -> Item:
    """Delete what else lies in the data folder: copies of footage, leftovers."""
    names, size = [], 0
    for path in list(_files(settings.data_dir)):
        name = path.relative_to(settings.data_dir)
        if name.parts[0] in _IMPERSONAL or name.name.startswith("casebook.sqlite"):
            continue
        names.append(str(name))
        size += path.stat().st_size
        path.unlink()
    return _item("other files", 0, names, size)


def _rows(settings: Settings, user: str, dry_run: bool, everything: bool) -> list[Item]:
    table, now = tables.sessions, clock.now()
    limit = now if everything else now - timedelta(days=SESSION_DAYS)
    ended = or_(table.c.expires_at < limit, literal(everything))
    with audit.acting(settings) as (connection, note):
        gone = (
            set(connection.execute(select(tables.cases.c.pseudonym)).scalars())
            if everything
            else _pseudonyms(connection, CASE_DAYS, over=True)
        )
        over = connection.execute(select(table.c.token_digest).where(ended))
        digests = list(over.scalars())
        if not dry_run:
            connection.execute(
                delete(tables.cases).where(tables.cases.c.pseudonym.in_(gone))
            )
            connection.execute(delete(table).where(ended))
            for case in sorted(gone):
                note(user, "case.purge", case)
    return [
        _item("cases", CASE_DAYS, list(gone), 0),
        _item("sessions", SESSION_DAYS, digests, 0),
    ]


def _audit(settings: Settings, user: str, dry_run: bool) -> Item:
    """Retire old entries; the log itself stays when the programme ends."""
    before = clock.now() - timedelta(days=AUDIT_DAYS)
    gone = audit.retire(settings, user, before, dry_run=dry_run)
    named = [f"before {before:%Y-%m-%d}"] if gone else []
    return replace(_item("audit", AUDIT_DAYS, named, 0), count=gone)


def _pseudonyms(connection: Connection, days: float, *, over: bool) -> set[str]:
    """Return the cases closed more than so many days ago, or all the others."""
    limit = clock.now() - timedelta(days=days)
    rows = connection.execute(
        select(tables.cases.c.pseudonym, tables.cases.c.closed_at)
    )
    return {
        row.pseudonym
        for row in rows
        if (row.closed_at is not None and row.closed_at <= limit) == over
    }


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _size(paths: Iterable[Any]) -> int:
    return sum(path.stat().st_size for path in paths)


def _item(kind: str, days: float, names: list[str], size: int) -> Item:
    digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
    return Item(kind, days, len(names), size, digest if names else "")
