"""Who acts on the command line."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.casebook import accounts, database
from pipeline.errors import NotAuthorisedError
from pipeline.settings import Settings

SESSION_VARIABLE = "DONGSEON_SESSION"


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
    name = accounts.whose(token, settings=settings)
    if named not in (None, name):
        raise NotAuthorisedError(
            f"{name} is logged in and cannot act as {named}; log in as {named}."
        )
    return name


def session_file(settings: Settings) -> Path:
    """Return where the command line keeps its session."""
    return settings.key_file.parent / "session"
