"""The first account's one-time password: in a file, not in a log."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pipeline.errors import DongseonError
from pipeline.settings import Settings


def file_of(settings: Settings) -> Path:
    """Return where the first one-time password lies until it is changed."""
    return settings.key_file.parent / "first-password"


def write(settings: Settings, password: str) -> None:
    """Write it where only this process's user reads: logs are read by more.

    Raises
    ------
    DongseonError
        If the file cannot be written.
    """
    path = file_of(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)  # of an account that no longer is
        # Made with its mode: at no moment can others open it.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            file.write(f"{password}\n")
    except OSError as error:
        raise DongseonError(
            f"The first password cannot be written to {path} ({error.strerror}); "
            "make the folder writable, or set DONGSEON_KEY_FILE to a file in one."
        ) from error


def forget(settings: Settings) -> None:
    """Delete the file: the password in it was changed."""
    with contextlib.suppress(OSError):
        file_of(settings).unlink(missing_ok=True)
