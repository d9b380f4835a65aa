"""Row groups of segments: what is read where rows must be found again in the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.settings import Settings
from pipeline.store import place, reader
from pipeline.store.place import ObjectPath, Place
from pipeline.store.reader import Segment, Window
from pipeline.store.schema import TABLES

T = TypeVar("T")
#: Footers of an object store fetched at a time.
_READERS = 16


@dataclass(frozen=True)
class Wanted:
    """Row groups of a segment that may hold wanted rows."""

    segment: Segment
    table: str
    numbers: tuple[int, ...]  #: of the row groups, ascending
    counts: tuple[int, ...]  #: rows of each
    metadata: pq.FileMetaData

    @property
    def rows(self) -> int:
        """Rows of all of them, also those not wanted."""
        return sum(self.counts)


def wanted(
    settings: Settings,
    table: str,
    window: Window,
    camera_numbers: Sequence[int],
    threads: int = 1,
) -> list[Wanted]:
    """Look up which row groups may hold rows of a window and cameras.

    Those whose statistics exclude them are left out, and so are segments of which
    none is left; the others are in order of segments.
    """
    numbers = np.unique(np.asarray(camera_numbers, dtype=np.int64))

    def one(segment: Segment) -> Wanted | None:
        with reader.telling(segment, table), open_segment(segment.path) as file:
            found = file.metadata
        groups = _chosen(found, table, window, numbers)
        counts = tuple(found.row_group(g).num_rows for g in groups)
        return Wanted(segment, table, tuple(groups), counts, found) if groups else None

    segments = reader.segments(settings, table, window, numbers.tolist())
    far = any(isinstance(segment.path, ObjectPath) for segment in segments)
    with ThreadPoolExecutor(_READERS if far else max(1, threads)) as pool:
        return [found for found in pool.map(one, segments) if found is not None]


def read(one: Wanted, columns: Sequence[str]) -> tuple[pa.Table, np.ndarray]:
    """Read some columns of row groups.

    Returns all of their rows, also those not wanted, and bool [rows], False where
    the log no longer counts them.
    """
    hidden = one.segment.hidden
    names = [*columns, "part_key"] if len(hidden) else list(columns)
    with (
        reader.telling(one.segment, one.table),
        open_segment(one.segment.path, one.metadata) as file,
    ):
        found = place.patiently(
            one.segment.path,
            lambda: file.read_row_groups(
                list(one.numbers), columns=names, use_threads=False
            ),
        )
        schema = pa.schema([TABLES[one.table].field(name) for name in names])
        if not found.schema.equals(schema):
            found = found.select(names).cast(schema)
    counted = np.ones(found.num_rows, dtype=bool)
    if len(hidden):
        counted = ~np.isin(found["part_key"].to_numpy(), hidden)
    return found, counted


def open_segment(
    path: Place, metadata: pq.FileMetaData | None = None
) -> pq.ParquetFile:
    """Open a segment; damaged pages are then told, not decoded.

    Its footer is not read again where `metadata` is given.
    """
    where, filesystem = place.arrow(path)
    return place.patiently(
        path,
        lambda: pq.ParquetFile(
            where,
            metadata=metadata,
            filesystem=filesystem,
            page_checksum_verification=True,
        ),
    )


def _chosen(
    metadata: Any, table: str, window: Window, numbers: np.ndarray
) -> list[int]:
    """Row groups that may hold rows of the window and cameras."""
    start, end = (moment.astimezone(UTC) for moment in window)
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    times = ("start_at", "end_at") if table == "tracklet" else ("at", "at")
    camera, first, last = (names.index(n) for n in ("camera_no", *times))
    chosen = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        low, high = _range(group.column(camera), 0, 1 << 62)
        at = int(np.searchsorted(numbers, low))
        if at == len(numbers) or numbers[at] > high:
            continue
        begins, _ = _range(group.column(first), _EVER[0], _EVER[1])
        _, ends = _range(group.column(last), _EVER[0], _EVER[1])
        if begins < end and ends >= start:
            chosen.append(number)
    return chosen


_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _range(column: Any, low: T, high: T) -> tuple[T, T]:
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max:
        return low, high
    return statistics.min, statistics.max
