"""Room on the disk: new work ends before it is full, so that reading goes on."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import layout
from pipeline.store.place import ObjectPath, Place, root_of
from pipeline.store.schema import TABLES


class NoRoomError(StoreError):
    """The disk is nearly full: nothing new is begun."""


def free_bytes(place: Path) -> int:
    """Return the bytes this user may still write where a folder is or will be."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def reserve_bytes(settings: Settings) -> int:
    """Return how many bytes new work leaves free."""
    return int(settings.reserve_gb * 1e9)


def demand(settings_or_root: Settings | Place, needed: int = 0) -> None:
    """Refuse new work that would leave less than the reserve.

    Parameters
    ----------
    settings_or_root : with settings, the reserve is theirs; with a folder, none.
    needed : bytes the work will write, as far as known.

    Raises
    ------
    NoRoomError
    """
    if isinstance(settings_or_root, Settings):
        place: Place = root_of(settings_or_root)
        reserve = reserve_bytes(settings_or_root)
    else:
        place, reserve = settings_or_root, 0
    if isinstance(place, ObjectPath):
        return  # an object store tells of no end
    free = free_bytes(place)
    if free - needed < reserve:
        work = f", and this needs {needed / 1e9:.2f} GB" if needed else ""
        raise NoRoomError(
            f"only {free / 1e9:.2f} GB are free on the disk of {place}{work}: new work "
            f"is refused below a reserve of {reserve / 1e9:.2f} GB (reserve_gb); free "
            "some space, or run `dongseon store expire` and `dongseon store compact`; "
            "what is stored can still be read."
        )


def size_of(root: Place, hour: datetime) -> int:
    """Return the bytes of an hour's segments, what a merger of them writes at most."""
    return sum(
        path.stat().st_size
        for name in TABLES
        for path in layout.segments(root, name, hour)
    )
