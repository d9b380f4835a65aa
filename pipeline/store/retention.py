"""Observations past their time limit are deleted, bytes and all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import compact, layout, log, quarantine, steady
from pipeline.store.place import Place, root_of
from pipeline.store.schema import TABLES


@dataclass(frozen=True)
class Expiry:
    """What `expire` deleted."""

    before: datetime  #: footage that ended by then is gone (UTC)
    parts: int
    files: int
    freed_bytes: int


def expire(
    settings_or_root: Settings | Place,
    days: float,
    *,
    now: datetime | None = None,
) -> Expiry:
    """Delete the observations of footage that ended more than `days` ago.

    Hours that expired whole lose their files; an hour that expired in part is
    rewritten without the expired parts. There is no grace: what has expired is
    gone when this returns, superseded copies included.

    Raises
    ------
    StoreError
        If `days` is not positive, or the machine's clock leapt ahead.
    """
    if not days > 0:
        raise StoreError(f"days is {days}; give a positive number of days to keep.")
    if isinstance(settings_or_root, Settings):
        steady.demand(settings_or_root)
    root = root_of(settings_or_root)
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    limit = pa.scalar(before, pa.timestamp("us", tz="UTC"))
    parts = files = freed = 0
    for hour in compact.all_hours(root):
        if hour >= before:
            break
        with layout.lock(root, hour, exclusive=True):
            best = log.winners(log.every_row(root, hour))
            over = _over(best, limit)
            whole = over.all() and hour + timedelta(hours=1) <= before
            if not whole and not over.any():
                continue
            old = [
                unit
                for path in layout.segments(root, "footage", hour)
                if (unit := layout.unit_of(path)) is not None
            ]
            if not whole:
                compact.rewrite(root, hour, keep=lambda rows: ~_over(rows, limit))
            for unit in old:
                count, size = compact.remove(root, hour, unit)
                files += count
                freed += size
            parts += int(over.sum())
            if whole:
                count, size = _clear(root, hour)
                files += count
                freed += size
    aside = quarantine.expire(root, before)
    return Expiry(before, parts, files + aside.files, freed + aside.bytes)


def _over(footage: pa.Table, limit: pa.Scalar) -> np.ndarray:
    return footage["end_at"].to_numpy() <= np.datetime64(limit.value, "us")


def _clear(root: Place, hour: datetime) -> tuple[int, int]:
    """Remove every file of an expired hour, unfinished ones too, and its folders."""
    files = size = 0
    for name in TABLES:
        directory = layout.folder(root, name, hour)
        if not directory.is_dir():
            continue
        for path in directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
                path.unlink()
                files += 1
        for place in (directory, directory.parent):
            with contextlib.suppress(OSError):  # not empty: another hour's, or new
                place.rmdir()
    return files, size
