"""Who acts: on the command line, and how people come to the dashboard."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import insert, select

from pipeline.casebook import accounts, audit, database, sessions, tables
from pipeline.errors import NotAuthorisedError
from pipeline.settings import Settings

SESSION_VARIABLE = "DONGSEON_SESSION"
_SINGLE_ROW = "single machine"


def acting_user(named: str | None, *, settings: Settings) -> str:
    """Return who acts on the command line.

    Without accounts: the named user or the settings' one. With accounts: whoever
    has logged in (variable DONGSEON_SESSION or the session file beside the key).
    """
    with database.reading(settings) as connection:
        if not accounts.exist(connection):
            return named or settings.user
    path = session_file(settings)
    token = os.environ.get(SESSION_VARIABLE) or (
        path.read_text().strip() if path.exists() else ""
    )
    name = sessions.whose(token, settings=settings)
    if named not in (None, name):
        raise NotAuthorisedError(
            f"{name} is logged in and cannot act as {named}; log in as {named}."
        )
    return name


def login_mode(settings: Settings) -> str:
    """Return how people come to the dashboard: single, local, proxy or oidc.

    `single` asks for no log-in. It is never returned once there is an account, and
    of itself (`auto`) only for an installation that the demonstration made.
    """
    if settings.login in ("local", "proxy", "oidc"):
        return settings.login
    table = tables.about
    with database.reading(settings) as connection:
        if accounts.exist(connection):
            return "local"
        query = select(table.c.value).where(table.c.name == _SINGLE_ROW)
        marked = connection.execute(query).scalar() is not None
    return "single" if marked or settings.login == "single" else "local"


def mark_single(settings: Settings) -> None:
    """Note that this installation is one person's own, made for demonstration."""
    table = tables.about
    with audit.acting(settings) as (connection, note):
        known = connection.execute(
            select(table.c.value).where(table.c.name == _SINGLE_ROW)
        ).scalar()
        if known is None and not accounts.exist(connection):
            connection.execute(
                insert(table).values(name=_SINGLE_ROW, value="demonstration")
            )
            note(settings.user, "login.single", "dashboard", "demonstration")


def session_file(settings: Settings) -> Path:
    """Return where the command line keeps its session."""
    return settings.key_file.parent / "session"
