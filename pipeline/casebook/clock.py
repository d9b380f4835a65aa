"""The casebook's clock, in one place so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.errors import DongseonError


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)


def utc(value: datetime, field: str) -> datetime:
    """Return the moment in UTC.

    Raises
    ------
    DongseonError
        If it carries no time zone; `field` says which entry it was.
    """
    if value.tzinfo is None:
        raise DongseonError(
            f"{field} {value.isoformat()} has no time zone; write it with an offset, "
            f"for example {value.isoformat(timespec='minutes')}+09:00."
        )
    return value.astimezone(UTC)
