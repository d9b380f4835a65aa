"""Row groups of segments: what is read where rows must be found again in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.settings import Settings
from pipeline.store import place, reader
from pipeline.store.place import Place
from pipeline.store.reader import Segment, Window
from pipeline.store.schema import TABLES

T = TypeVar("T")


@dataclass(frozen=True)
class Groups:
    """Some columns of the row groups of a segment that may hold wanted rows."""

    segment: Segment
    numbers: tuple[int, ...]  #: of the row groups, ascending
    counts: tuple[int, ...]  #: rows of each
    table: pa.Table  #: all of their rows, also those not wanted
    counted: np.ndarray  #: bool [rows], False where the log no longer counts them


def each(
    settings: Settings,
    table: str,
    window: Window,
    camera_numbers: Sequence[int],
    columns: Sequence[str],
    work: Callable[[Groups], T],
    threads: int = 1,
    progress: Callable[[float], object] | None = None,
) -> list[T]:
    """Read row groups of every segment concerned and do something with each.

    Parameters
    ----------
    window, camera_numbers : row groups whose statistics exclude them are not read;
        single rows of others are not left out.
    work : called from several threads; its results come back in order of segments.
    progress : told the share of segments done, 0..1; raise in it to cancel.
    """
    numbers = np.unique(np.asarray(camera_numbers, dtype=np.int64))

    def one(segment: Segment) -> T | None:
        found = _read(segment, table, window, numbers, list(columns))
        return None if found is None else work(found)

    def every() -> list[T]:
        parts = reader.segments(settings, table, window, numbers.tolist())
        with ThreadPoolExecutor(max(1, threads)) as pool:
            try:
                done = []
                for result in pool.map(one, parts):
                    done.append(result)
                    if progress is not None:
                        progress(len(done) / len(parts))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [result for result in done if result is not None]

    return reader.again(every)


def open_segment(path: Place) -> pq.ParquetFile:
    """Open a segment; damaged pages are then told, not decoded."""
    where, filesystem = place.arrow(path)
    return place.patiently(
        path,
        lambda: pq.ParquetFile(
            where, filesystem=filesystem, page_checksum_verification=True
        ),
    )


def _read(
    segment: Segment,
    table: str,
    window: Window,
    numbers: np.ndarray,
    columns: list[str],
) -> Groups | None:
    hidden = len(segment.hidden) > 0
    wanted = [*columns, "part_key"] if hidden else columns
    with (
        reader.telling(segment, table),
        open_segment(segment.path) as file,
    ):
        groups = _chosen(file.metadata, table, window, numbers)
        if not groups:
            return None
        found = place.patiently(
            segment.path,
            lambda: file.read_row_groups(groups, columns=wanted, use_threads=False),
        )
        counts = tuple(file.metadata.row_group(g).num_rows for g in groups)
        schema = pa.schema([TABLES[table].field(name) for name in wanted])
        if not found.schema.equals(schema):
            found = found.select(wanted).cast(schema)
    counted = np.ones(found.num_rows, dtype=bool)
    if hidden:
        counted = ~np.isin(found["part_key"].to_numpy(), segment.hidden)
    return Groups(segment, tuple(groups), counts, found, counted)


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
