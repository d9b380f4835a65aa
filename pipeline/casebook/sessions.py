"""Sessions: who has logged in, until they are idle for too long or the day ends."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from pipeline.casebook import audit, clock, database, tables
from pipeline.errors import NotAuthorisedError
from pipeline.settings import Settings

#: A session ends when nobody acts for so long, and in any case after the day's
#: work (NIST SP 800-63B, 4.2.3: 30 minutes and 12 hours at most).
IDLE = timedelta(minutes=15)
SESSION = timedelta(hours=8)


def begin(name: str, how: str, *, settings: Settings) -> str:
    """Open a session of an account; return its token, of which only a digest stays.

    To be called once the person has been identified.
    """
    token = secrets.token_urlsafe(32)
    now = clock.now()
    with audit.acting(settings) as (connection, note):
        connection.execute(
            insert(tables.sessions).values(
                token_digest=_digest(token),
                account=name,
                made_at=now,
                seen_at=now,
                expires_at=now + SESSION,
            )
        )
        note(name, "login", name, how=how)
    return token


def whose(token: str, *, settings: Settings, touch: bool = True) -> str:
    """Return the account of a session.

    Parameters
    ----------
    touch : whether somebody acts, which keeps the session alive.

    Raises
    ------
    NotAuthorisedError
        If the session is unknown, idle for too long, over, or its account disabled.
    """
    table, now = tables.sessions, clock.now()
    with database.reading(settings) as connection:
        row = connection.execute(
            select(table, tables.accounts.c.disabled_at)
            .join(tables.accounts, tables.accounts.c.name == table.c.account)
            .where(table.c.token_digest == _digest(token))
        ).first()
    if row is None or row.disabled_at is not None:
        raise NotAuthorisedError(
            "Nobody is logged in; run: dongseon user login NAME", code="login_needed"
        )
    if now >= row.expires_at or now >= row.seen_at + IDLE:
        log_out(token, settings=settings)
        raise NotAuthorisedError(
            f"The session of {row.account} has ended (after {IDLE.seconds // 60} idle "
            f"minutes or {SESSION.seconds // 3600} hours); log in again.",
            code="session_ended",
            name=row.account,
            minutes=IDLE.seconds // 60,
            hours=SESSION.seconds // 3600,
        )
    if touch and now - row.seen_at > IDLE / 30:
        with database.writing(settings) as connection:
            connection.execute(
                update(table)
                .where(table.c.token_digest == _digest(token))
                .values(seen_at=now)
            )
    return str(row.account)


def log_out(token: str, *, settings: Settings) -> None:
    """End a session."""
    table = tables.sessions
    with audit.acting(settings) as (connection, note):
        name = connection.execute(
            delete(table)
            .where(table.c.token_digest == _digest(token))
            .returning(table.c.account)
        ).scalar()
        if name is not None:
            note(str(name), "logout", str(name))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
