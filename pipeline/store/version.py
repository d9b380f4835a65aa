"""Which layout a store has, and the way from an earlier one to the present one.

The layout is what `schema` declares and `layout` names. It is 1 in version 0.1.0, the
first release; a change of either makes it the next number, and `upgrade` brings older
segments there. The mark lies with the observations, so that it goes where they go.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import __version__
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import disk, layout, place
from pipeline.store.objects import ObjectPath
from pipeline.store.place import Place
from pipeline.store.schema import TABLES

#: The present layout.
LAYOUT = 1
#: A store without a mark is of the first release.
FIRST = 1
_MARK = ".layout.json"
_SEEDS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Upgraded:
    """What `upgrade` did."""

    before: int  #: layout found
    segments: int  #: written anew


def found(root: Place) -> int:
    """Return the layout of a store.

    Raises
    ------
    StoreError
        If its mark cannot be read.
    """
    mark = root / _MARK
    try:
        return int(json.loads(mark.read_bytes())["layout"])
    except FileNotFoundError:
        return FIRST
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{mark} does not tell the layout of the store ({error}); restore it from "
            'a backup, or write {"layout": 1} if the store was never upgraded.'
        ) from error


def demand(root: Place) -> None:
    """Refuse a store of another layout.

    Raises
    ------
    StoreError
    """
    layout_of = _found_once(root) if isinstance(root, ObjectPath) else found(root)
    if layout_of > LAYOUT:
        raise StoreError(
            f"the observations in {root} were written by a newer Dongseon (layout "
            f"{layout_of}, this one knows {LAYOUT}); update the program."
        )
    if layout_of < LAYOUT:
        raise StoreError(
            f"the observations in {root} are of an earlier Dongseon (layout "
            f"{layout_of}, the present one is {LAYOUT}); stop watch, worker and "
            "dashboard and run `dongseon store upgrade`."
        )


def begin(root: Place) -> None:
    """Mark a store that has no rows yet, or none of an earlier layout."""
    if isinstance(root, ObjectPath):
        _begin_once(root)
    elif not (root / _MARK).exists():
        _begin(root)


def upgrade(
    settings: Settings, *, progress: Callable[[datetime], None] | None = None
) -> Upgraded:
    """Bring a store of an earlier layout to the present one; safe to repeat.

    Each segment of other columns is written anew in its place, whole or not at all:
    columns it lacks are null. The mark changes last, so that a killed upgrade is gone
    on with by the next one.

    Raises
    ------
    StoreError
        If the store is of a newer layout, or the disk has no room.
    """
    root = place.raw_root_of(settings)
    before = found(root)
    if before > LAYOUT:
        demand(root)
    count = 0
    hours = {hour for name in TABLES for hour in layout.hours(root, name)}
    for hour in sorted(hours | {_SEEDS}):
        if progress is not None:
            progress(hour)
        with layout.lock(root, hour, exclusive=True):
            for name in TABLES:
                for path in layout.segments(root, name, hour):
                    count += _bring(root, path, name)
    if before != LAYOUT or not (root / _MARK).exists():
        _mark(root)
    return Upgraded(before, count)


def _bring(root: Place, path: Place, name: str) -> bool:
    """Write a segment in the present columns, unless it has them."""
    where, filesystem = place.arrow(path)
    wanted = TABLES[name]
    held = place.patiently(path, lambda: pq.read_schema(where, filesystem=filesystem))
    if held.remove_metadata().equals(wanted):
        return False
    disk.demand(root, path.stat().st_size)
    table = layout.read(path, name)
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in wanted
    ]
    layout.write(path, pa.table(columns, schema=wanted), name)
    return True


@lru_cache(maxsize=16)
def _found_once(root: ObjectPath) -> int:
    """Return the layout of a store over a network, looked up once in a process."""
    return found(root)


@lru_cache(maxsize=16)
def _begin_once(root: ObjectPath) -> None:
    if not (root / _MARK).exists():
        _begin(root)


def _begin(root: Place) -> None:
    if LAYOUT == FIRST or not layout.hours(root, "footage"):
        _mark(root)


def _mark(root: Place) -> None:
    text = json.dumps({"layout": LAYOUT, "software": __version__}).encode()
    mark = root / _MARK
    if isinstance(mark, ObjectPath):
        mark.write_bytes(text)
        return
    layout.make_folder(root)
    pending = mark.with_name(f"{_MARK}.{os.getpid()}-{secrets.token_hex(4)}")
    with open(pending, "xb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(pending, mark)
    layout.flush_folder(mark.parent)
