"""Audit log: append-only, every entry chained to the one before by SHA-256.

Besides the table, a witness file beside the key (outside the data folder) gets
one line `number digest` per entry after it was stored. So an entry that was
changed, removed, reordered or cut off is found even if whoever did it computed
the whole chain anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text

from pipeline.casebook import clock, database, signing, tables
from pipeline.errors import DongseonError
from pipeline.settings import Settings

#: Fields of an entry that its digest covers, in this order.
FIELDS = ("seq", "at", "actor", "act", "subject", "purpose", "detail", "previous")

Note = Callable[..., None]
_BASE_ROW = "audit begins after"


@dataclass(frozen=True)
class Verdict:
    """What `verify` found."""

    entries: int
    broken: int | None  #: number of the first broken entry, None if sound
    fault: str  #: what is wrong with it, "" if sound
    anchor: str  #: digest of the last entry: print it, keep it elsewhere

    @property
    def sound(self) -> bool:
        """True if nothing was changed, removed, reordered or cut off."""
        return self.broken is None


def record(
    settings: Settings,
    actor: str,
    act: str,
    subject: str,
    purpose: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one entry: who did what to which case or thing, and why.

    Parameters
    ----------
    act : a short verb, e.g. "search", "still", "export", "refused".
    subject : pseudonym of the case, or the thing acted on; never a name.
    detail : anything JSON can hold; no personal data.
    """
    with acting(settings) as (_, note):
        note(actor, act, subject, purpose, **(detail or {}))


@contextmanager
def acting(settings: Settings) -> Iterator[tuple[Connection, Note]]:
    """Give a transaction and its `note(actor, act, subject, purpose, **detail)`.

    The change and its entry are stored together or not at all.
    """
    digests: list[tuple[int, str]] = []
    with database.writing(settings) as connection:
        chain = ""

        def note(
            actor: str, act: str, subject: str, purpose: str = "", **detail: Any
        ) -> None:
            digests.append(_append(connection, actor, act, subject, purpose, detail))

        yield connection, note
        if digests:
            chain = _chain_id(connection)
    if digests:
        _witness(settings, chain, digests)


def verify(settings: Settings) -> Verdict:
    """Recompute the chain and compare it with the witness file.

    Returns
    -------
    The number of the first entry that does not hold and why, or none; and the
    digest of the last entry, to be kept where this machine cannot reach it.
    """
    with database.reading(settings) as connection:
        chain = _chain_id(connection)
        witnessed = _witnessed(settings, chain)
        base = _base(connection)
        previous_row, previous = _beginning(connection)
        if base is not None and not _base_holds(base, settings, chain, witnessed):
            fault = "the statement on the retired entries before it was forged"
            return Verdict(previous_row, previous_row + 1, fault, previous)
        expected = previous_row + 1
        for row in connection.execute(select(tables.audit).order_by("seq")):
            fault = _fault(dict(row._mapping), previous, expected, witnessed)
            if fault:
                return Verdict(previous_row, expected, fault, previous)
            previous, previous_row, expected = row.digest, row.seq, row.seq + 1
    if witnessed and max(witnessed) >= expected:
        return Verdict(
            previous_row,
            expected,
            f"the log ends at entry {previous_row}, but entry {max(witnessed)} was "
            "witnessed: its end was cut off",
            previous,
        )
    return Verdict(previous_row, None, "", previous)


def verify_file(path: Path) -> Verdict:
    """Recompute the chain of an exported log (.jsonl); compare the anchor yourself.

    Raises
    ------
    DongseonError
        If the file cannot be read as an exported log.
    """
    last, digest, expected = 0, "", None
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                expected = entry["seq"] if expected is None else expected
                fault = _fault(entry, digest or entry["previous"], expected, {})
                if fault:
                    return Verdict(last, expected, fault, digest)
                last, digest, expected = expected, entry["digest"], expected + 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DongseonError(
            f"The file {path} is no exported log ({type(error).__name__}); export one "
            "with dongseon audit export FILE.jsonl."
        ) from None
    return Verdict(last, None, "", digest)


def retire(
    settings: Settings, actor: str, before: datetime, *, dry_run: bool = False
) -> int:
    """Delete the entries older than a moment; the chain goes on from the last of them.

    A signed statement of where the log begins now takes their place, so that a
    beginning that was cut off by hand is still found.

    Returns
    -------
    How many went, or would go.
    """
    limit = before.astimezone(UTC).isoformat(timespec="microseconds")
    table, about = tables.audit, tables.about
    with database.reading(settings) as connection:
        query = select(func.max(table.c.seq), func.count()).where(table.c.at < limit)
        through, count = connection.execute(query).one()
    if dry_run or not count:
        return int(count)
    with acting(settings) as (connection, note):
        digest = connection.execute(
            select(table.c.digest).where(table.c.seq == through)
        ).scalar_one()
        content = {
            "chain": _chain_id(connection),
            "seq": int(through),
            "digest": digest,
            "before": limit,
        }
        connection.execute(delete(about).where(about.c.name == _BASE_ROW))
        connection.execute(
            insert(about).values(
                name=_BASE_ROW, value=json.dumps(signing.signed(settings, content))
            )
        )
        with _unguarded(connection):
            connection.execute(delete(table).where(table.c.seq <= through))
        note(actor, "audit.retire", "audit", through=int(through), entries=int(count))
    return int(count)


def entries(
    settings: Settings, *, subject: str | None = None, last: int | None = None
) -> list[dict[str, Any]]:
    """Return entries in order, of one subject or all, the last so many."""
    query = select(tables.audit).order_by(tables.audit.c.seq.desc())
    if subject is not None:
        query = query.where(tables.audit.c.subject == subject)
    if last is not None:
        query = query.limit(last)
    with database.reading(settings) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return rows[::-1]


def read(
    settings: Settings,
    user: str,
    *,
    subject: str | None = None,
    last: int | None = None,
    act: str = "audit.read",
) -> list[dict[str, Any]]:
    """Return entries as `entries` does, if the user's role may read them; recorded.

    Parameters
    ----------
    act : what is recorded: "audit.read", or "export" where they leave the machine.
    """
    from pipeline.casebook import roles

    with roles.acting_as(settings, user, "audit.read", subject or "audit"):
        pass
    found = entries(settings, subject=subject, last=last)
    record(settings, user, act, subject or "audit", "", {"entries": len(found)})
    return found


def moment(entry: Mapping[str, Any]) -> datetime:
    """Return when an entry was made, aware UTC."""
    return datetime.fromisoformat(entry["at"])


def witness_file(settings: Settings) -> Path:
    """Return the witness file of this casebook."""
    with database.reading(settings) as connection:
        return _witness_path(settings, _chain_id(connection))


def digest_of(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 over an entry's fields, hex."""
    content = json.dumps([entry[field] for field in FIELDS], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _base(connection: Connection) -> dict[str, Any] | None:
    query = select(tables.about.c.value).where(tables.about.c.name == _BASE_ROW)
    stored = connection.execute(query).scalar()
    return None if stored is None else dict(json.loads(stored))


def _beginning(connection: Connection) -> tuple[int, str]:
    """Return number and digest before the first entry that is to be there."""
    base = _base(connection)
    if base is None:
        return 0, _genesis(_chain_id(connection))
    return int(base["seq"]), str(base["digest"])


def _base_holds(
    base: dict[str, Any], settings: Settings, chain: str, witnessed: dict[int, str]
) -> bool:
    return (
        signing.holds(base, settings)
        and base["chain"] == chain
        and witnessed.get(base["seq"], base["digest"]) == base["digest"]
    )


@contextmanager
def _unguarded(connection: Connection) -> Iterator[None]:
    """Lift the database's own guard against deletion, within the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_no_change"))
        yield
        connection.execute(text("ALTER TABLE audit ENABLE TRIGGER audit_no_change"))
        return
    connection.execute(text("DROP TRIGGER audit_no_delete"))
    yield
    connection.execute(
        text(
            "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
    )


def _append(
    connection: Connection,
    actor: str,
    act: str,
    subject: str,
    purpose: str,
    detail: Mapping[str, Any],
) -> tuple[int, str]:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({database.AUDIT_LOCK})"))
    table = tables.audit
    last = connection.execute(
        select(table.c.seq, table.c.digest).order_by(table.c.seq.desc()).limit(1)
    ).first()
    if last is not None:
        before, previous = int(last.seq), str(last.digest)
    else:
        before, previous = _beginning(connection)
    entry = {
        "seq": before + 1,
        "at": clock.now().isoformat(timespec="microseconds"),
        "actor": actor,
        "act": act,
        "subject": subject,
        "purpose": purpose,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
        "previous": previous,
    }
    digest = digest_of(entry)
    connection.execute(insert(table).values(**entry, digest=digest))
    return before + 1, digest


def _fault(
    entry: dict[str, Any], previous: str, expected: int, witnessed: dict[int, str]
) -> str:
    if entry["seq"] != expected:
        return f"entry {expected} is missing (entry {entry['seq']} follows)"
    if entry["previous"] != previous:
        return "it does not continue the entry before it"
    if digest_of(entry) != entry["digest"]:
        return "its content was changed"
    if witnessed.get(expected, entry["digest"]) != entry["digest"]:
        return "it differs from what was witnessed when it was stored"
    return ""


def _chain_id(connection: Connection) -> str:
    query = select(tables.about.c.value).where(tables.about.c.name == "casebook")
    return str(connection.execute(query).scalar_one())


def _genesis(chain: str) -> str:
    return hashlib.sha256(f"dongseon casebook {chain}".encode()).hexdigest()


def _witness_path(settings: Settings, chain: str) -> Path:
    return settings.key_file.parent / f"audit-{chain}.witness"


def _witness(settings: Settings, chain: str, digests: list[tuple[int, str]]) -> None:
    path = _witness_path(settings, chain)
    lines = "".join(f"{seq} {digest}\n" for seq, digest in digests).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)
    except PermissionError as error:
        raise DongseonError(
            f"The act was stored, but its witness {path} cannot be written; give "
            "this user the right to write there.",
            code="witness",
        ) from error


def _witnessed(settings: Settings, chain: str) -> dict[int, str]:
    path = _witness_path(settings, chain)
    if not path.exists():
        return {}
    found = {}
    for line in path.read_text().splitlines():
        number, _, digest = line.partition(" ")
        if number.isdigit() and len(digest) == 64:
            found[int(number)] = digest
    return found
