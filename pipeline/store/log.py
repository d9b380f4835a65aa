"""The footage log: which publication of each part counts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.store import layout
from pipeline.store.place import ObjectPath, Place
from pipeline.store.schema import FOOTAGE

#: Columns needed to tell what is visible; small, and kept in memory per file.
KEYS = [
    "footage_id",
    "part",
    "part_key",
    "unit",
    "generation",
    "camera_id",
    "camera_no",
    "start_at",
    "end_at",
    "tracklets",
    "source",
]
#: (root, hour) -> names of the segments read, and their rows: they never change.
_CACHE: OrderedDict[tuple[Place, datetime], tuple[frozenset[str], pa.Table]] = (
    OrderedDict()
)
_CACHE_ROWS = 2_000_000
_CACHE_LOCK = threading.Lock()
#: Segments of an object store read at a time.
_READERS = 16
#: Chunks of a cached table before they are joined.
_CHUNKS = 32


def visible(
    root: Place, hours: Iterable[datetime], *, columns: list[str] | None = None
) -> pa.Table:
    """Return the footage rows that count, of the given UTC hours.

    Of the rows with the same part_key, the one with the highest
    (generation, unit) is returned. Segments that a compaction removed while
    the folder was being read are covered by the one that replaced them: the
    folder is then read again.

    Parameters
    ----------
    root : folder of the observations.
    hours : UTC hours, each the hour of the part's start.
    columns : default `KEYS`; `schema.FOOTAGE.names` for everything.
    """
    wanted = columns or KEYS
    tables = [winners(_hour(root, hour, wanted)) for hour in hours]
    schema = pa.schema([FOOTAGE.field(name) for name in wanted])
    return pa.concat_tables([schema.empty_table(), *tables])


def winners(table: pa.Table) -> pa.Table:
    """Return of each part_key the row with the highest (generation, unit)."""
    if table.num_rows < 2:
        return table
    key = table["part_key"].to_numpy()
    order = np.lexsort((table["unit"].to_numpy(), table["generation"].to_numpy(), key))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = key[order][1:] != key[order][:-1]
    if last.all():
        return table
    return table.take(pa.array(np.sort(order[last])))


def every_row(
    root: Place, hour: datetime, columns: list[str] | None = None
) -> pa.Table:
    """Return all footage rows of one hour, the superseded ones too."""
    return _hour(root, hour, columns or KEYS)


def next_generation(highest: np.ndarray) -> np.ndarray:
    """Return the generation of new publications of parts, int64 [n].

    Even, and above every merger of what was there (`merged_generation`): so a
    publication outranks a merger that began before it and ends after it, without
    either knowing of the other.

    Parameters
    ----------
    highest : int64 [n], from `generations`.
    """
    return (highest // 2 + 1) * 2


def merged_generation(generation: np.ndarray) -> np.ndarray:
    """Return the generation of the copies that a merger makes of rows: odd.

    A copy of a copy keeps its generation; its larger unit tells them apart.
    """
    return generation | 1


def generations(table: pa.Table, part_keys: np.ndarray) -> np.ndarray:
    """Return int64 [n], the highest generation logged per part; -1 where none."""
    result = np.full(len(part_keys), -1, dtype=np.int64)
    rows = table.filter(pc.is_in(table["part_key"], pa.array(part_keys)))
    for key, generation in zip(
        rows["part_key"].to_pylist(), rows["generation"].to_pylist(), strict=True
    ):
        at = part_keys == key
        result[at] = np.maximum(result[at], generation)
    return result


def _hour(root: Place, hour: datetime, columns: list[str]) -> pa.Table:
    while True:
        names = frozenset(layout.segment_names(root, "footage", hour))
        try:
            if set(columns) <= set(KEYS):
                return _keys(root, hour, names).select(columns)
            return _read(root, hour, sorted(names), columns)
        except FileNotFoundError:
            continue  # compacted away in between: list the folder again


def _keys(root: Place, hour: datetime, names: frozenset[str]) -> pa.Table:
    """Return the keys of an hour; only segments not read before are read."""
    with _CACHE_LOCK:
        known, table = _CACHE.get((root, hour), (frozenset(), None))
    if known == names and table is not None:
        return table
    if table is None or known - names:
        table = _read(root, hour, sorted(names), KEYS)
    else:
        fresh = _read(root, hour, sorted(names - known), KEYS)
        table = pa.concat_tables([table, fresh])
    if table.column(0).num_chunks > _CHUNKS:
        table = table.combine_chunks()
    with _CACHE_LOCK:
        _CACHE[root, hour] = names, table
        _CACHE.move_to_end((root, hour))
        while sum(t.num_rows for _, t in _CACHE.values()) > _CACHE_ROWS:
            _CACHE.popitem(last=False)
    return table


def _read(
    root: Place, hour: datetime, names: list[str], columns: list[str]
) -> pa.Table:
    folder = layout.folder(root, "footage", hour)
    schema = pa.schema([FOOTAGE.field(name) for name in columns])
    if isinstance(folder, ObjectPath) and len(names) > 1:
        # Each takes a round trip over the network: several at a time.
        with ThreadPoolExecutor(_READERS) as pool:
            tables = list(
                pool.map(
                    lambda name: layout.read(folder / name, "footage", columns), names
                )
            )
    else:
        tables = [layout.read(folder / name, "footage", columns) for name in names]
    return pa.concat_tables([schema.empty_table(), *tables])
