"""Reading observations: visible rows, from the folders and row groups concerned."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import layout, log, place, snapshot
from pipeline.store.ids import EPOCH, camera_no_of
from pipeline.store.place import Place, root_of
from pipeline.store.schema import FOOTAGE, TABLES
from pipeline.store.schema import UTC as UTC_TYPE

Window = tuple[datetime, datetime]
T = TypeVar("T")
_ATTEMPTS = 5
#: Damaged pages are told, not decoded.
_CHECKED = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(
        page_checksum_verification=True
    )
)


@dataclass(frozen=True)
class Segment:
    """One immutable file and the parts in it that no longer count."""

    path: Place
    hour: datetime
    unit: int
    hidden: np.ndarray  #: int64, part keys whose rows are superseded


def connect(settings: Settings, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open the documented views; made first where they are missing.

    With `read_only=False`, or while another program has `data/dongseon.duckdb`
    open for writing, the same views are made in memory: nothing is written to
    the store either way.
    """
    database = snapshot.ensure(settings)
    if read_only:
        try:
            connection = duckdb.connect(str(database), read_only=True)
            place.register(connection, root_of(settings))
            return connection
        except (duckdb.IOException, duckdb.ConnectionException):
            pass
    connection = duckdb.connect()
    place.register(connection, root_of(settings))
    snapshot.create_views(connection, settings)
    return connection


def footage(
    settings: Settings,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Return the analysed parts of footage that overlap [start, end).

    Sorted by (camera_no, start_at); columns default to all of `schema.FOOTAGE`.
    """
    wanted = columns or FOOTAGE.names
    needed = list(
        dict.fromkeys([*wanted, *("part_key", "unit", "generation"), *_FOOTAGE_KEYS])
    )
    root = root_of(settings)
    table = log.visible(root, _hours(root, window), columns=needed)
    table = table.filter(_footage_filter(table, window, camera_numbers, timedelta(0)))
    return table.sort_by([(key, "ascending") for key in _FOOTAGE_KEYS[:2]]).select(
        wanted
    )


def tracklets(
    settings: Settings,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Return the tracklets that overlap [start, end) before the given cameras.

    Parameters
    ----------
    settings : where things lie.
    window : aware (start, end); None for all times.
    camera_numbers : camera numbers; None for all cameras.
    columns : of `schema.TRACKLET`; default all.

    Returns
    -------
    pyarrow.Table, visible rows of one consistent moment, in (hour, segment,
    camera, start) order.
    """
    return _collect(settings, "tracklet", window, camera_numbers, columns)


def detections(
    settings: Settings,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Return the detections in [start, end) before the given cameras.

    As `tracklets`, with the columns of `schema.DETECTION`.
    """
    return _collect(settings, "detection", window, camera_numbers, columns)


def tracklets_by_id(
    settings: Settings, ids: Iterable[int], columns: list[str] | None = None
) -> pa.Table:
    """Return the tracklets with the given ids; those not stored are left out.

    The ids tell camera and start, so only those folders are read.
    """
    wanted = sorted({int(number) for number in ids})
    found = []
    for hour, members in _by_hour(wanted).items():
        table = tracklets(
            settings,
            (hour - layout.TOLERANCE, hour + timedelta(hours=1) + layout.TOLERANCE),
            {camera_no_of(number) for number in members},
            None if columns is None else list({*columns, "tracklet_id"}),
        )
        keep = pc.is_in(table["tracklet_id"], pa.array(members, pa.int64()))
        found.append(table.filter(keep))
    names = columns or TABLES["tracklet"].names
    schema = pa.schema([TABLES["tracklet"].field(name) for name in names])
    tables = [table.select(names) for table in found]
    result = pa.concat_tables([schema.empty_table(), *tables]).unify_dictionaries()
    # A tracklet that runs over the hour is found in both.
    _, first = np.unique(
        pa.concat_tables([t.select(["tracklet_id"]) for t in found])[
            "tracklet_id"
        ].to_numpy()
        if found
        else np.zeros(0, dtype=np.int64),
        return_index=True,
    )
    return result.take(pa.array(first))


def scan(
    settings: Settings,
    table: str,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
    columns: list[str] | None = None,
) -> Iterator[pa.Table]:
    """Yield the same rows segment by segment, for work in bounded memory.

    The footage log is read once, before the first segment.
    """
    cameras = _numbers(camera_numbers)
    for segment in segments(settings, table, window, cameras):
        part = read_segment(segment, table, window, cameras, columns)
        if part.num_rows:
            yield part


def logged(
    settings: Settings, window: Window
) -> tuple[tuple[datetime, tuple[str, ...]], ...]:
    """Return hours of a window and their files of the footage log.

    Files never change: as long as these are the same, so is what is visible.
    """
    root = root_of(settings)
    return tuple(
        (hour, tuple(sorted(layout.segment_names(root, "footage", hour))))
        for hour in _hours(root, window)
    )


def segments(
    settings: Settings,
    table: str,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
) -> list[Segment]:
    """Return the segments that may hold visible rows of the window and cameras."""
    root = root_of(settings)
    cameras = _numbers(camera_numbers)
    found = []
    for hour in _hours(root, window):
        rows = log.every_row(root, hour)
        best = log.winners(rows)
        chosen = best.filter(_footage_filter(best, window, cameras, layout.TOLERANCE))
        units = np.unique(chosen["unit"].to_numpy())
        if not len(units):
            continue
        for unit in units:
            hidden = np.zeros(0, dtype=np.int64)
            if best.num_rows < rows.num_rows:
                mine = rows["part_key"].to_numpy()[rows["unit"].to_numpy() == unit]
                kept = best["part_key"].to_numpy()[best["unit"].to_numpy() == unit]
                hidden = np.setdiff1d(mine, kept)
            path = layout.segment(root, table, hour, int(unit))
            found.append(Segment(path, hour, int(unit), hidden))
    return found


def read_segment(
    segment: Segment,
    table: str,
    window: Window | None = None,
    camera_numbers: Iterable[int] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Return the visible rows of one segment; row groups are pruned by statistics."""
    schema = TABLES[table]
    names = columns or schema.names
    where, filesystem = place.arrow(segment.path)
    wanted = _row_filter(segment, table, window, camera_numbers)
    with telling(segment, table):
        fragments = ds.dataset(
            [where],
            schema=schema,
            format=_CHECKED,
            partitioning=None,
            filesystem=filesystem,
        )
        return place.patiently(
            segment.path, lambda: fragments.to_table(columns=names, filter=wanted)
        )


def again(work: Callable[[], T]) -> T:
    """Do a read; again from the log on where a compaction was faster."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(_VanishedError):
            return work()
    return work()


@contextlib.contextmanager
def telling(segment: Segment, table: str) -> Iterator[None]:
    """Say in a sentence what is wrong with a segment that cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise _VanishedError(
            f"the {table} segment {segment.path} is gone, although the footage log "
            "names it; restore it from a backup, or run `dongseon store repair` and "
            "analyse that footage again."
        ) from error
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, PermissionError):
            what = "may not be read by this user"
            mend = "allow this user to read it"
        else:
            what = f"is damaged or cannot be read ({error})"
            mend = "run `dongseon store repair`, which keeps what is whole"
        raise StoreError(
            f"the {table} segment {segment.path} {what}; {mend}.",
            code="segment_damaged",
        ) from error


class _VanishedError(StoreError):
    """A segment was removed between reading the log and reading it."""


_FOOTAGE_KEYS = ("camera_no", "start_at", "end_at")


def _collect(
    settings: Settings,
    table: str,
    window: Window | None,
    camera_numbers: Iterable[int] | None,
    columns: list[str] | None,
) -> pa.Table:
    names = columns or TABLES[table].names
    unknown = [name for name in names if name not in TABLES[table].names]
    if unknown:
        raise StoreError(
            f"{table} has no column {unknown[0]!r}; its columns are "
            f"{', '.join(TABLES[table].names)}."
        )
    schema = pa.schema([TABLES[table].field(name) for name in names])
    cameras = _numbers(camera_numbers)
    parts = again(lambda: list(scan(settings, table, window, cameras, names)))
    return pa.concat_tables([schema.empty_table(), *parts]).unify_dictionaries()


def _hours(root: Place, window: Window | None) -> list[datetime]:
    """Return the hours with footage whose parts may reach into the window."""
    known = layout.hours(root, "footage")
    if window is None:
        return known
    start, end = _checked(window)
    first = layout.hour_of(start - layout.LONGEST_PART - layout.TOLERANCE)
    return [hour for hour in known if first <= hour < end + layout.TOLERANCE]


def _checked(window: Window) -> Window:
    start, end = window
    if start.tzinfo is None or end.tzinfo is None:
        raise StoreError(
            "the time window has no time zone; give times like "
            "2025-11-03T14:00:00+09:00."
        )
    return start.astimezone(UTC), end.astimezone(UTC)


def _numbers(camera_numbers: Iterable[int] | None) -> list[int] | None:
    if camera_numbers is None:
        return None
    return sorted({int(number) for number in camera_numbers})


def _footage_filter(
    table: pa.Table,
    window: Window | None,
    camera_numbers: Iterable[int] | None,
    margin: timedelta,
) -> pa.ChunkedArray:
    keep = pc.is_valid(table["camera_no"])
    if window is not None:
        start, end = _checked(window)
        early = pc.less(table["start_at"], pa.scalar(end + margin, UTC_TYPE))
        late = pc.greater(table["end_at"], pa.scalar(start - margin, UTC_TYPE))
        keep = pc.and_(keep, pc.and_(early, late))
    cameras = _numbers(camera_numbers)
    if cameras is not None:
        inside = pc.is_in(table["camera_no"], pa.array(cameras, pa.uint16()))
        keep = pc.and_(keep, inside)
    return keep


def _row_filter(
    segment: Segment,
    table: str,
    window: Window | None,
    camera_numbers: Iterable[int] | None,
) -> ds.Expression | None:
    terms = []
    cameras = _numbers(camera_numbers)
    if cameras is not None:
        camera = ds.field("camera_no")
        if cameras:
            terms.append(camera >= pa.scalar(cameras[0], pa.uint16()))
            terms.append(camera <= pa.scalar(cameras[-1], pa.uint16()))
        terms.append(camera.isin(pa.array(cameras, pa.uint16())))
    if window is not None:
        start, end = (pa.scalar(moment, UTC_TYPE) for moment in _checked(window))
        if table == "tracklet":
            terms += [ds.field("start_at") < end, ds.field("end_at") >= start]
        else:
            terms += [ds.field("at") < end, ds.field("at") >= start]
    if len(segment.hidden):
        hidden = ds.field("part_key").isin(pa.array(segment.hidden, pa.int64()))
        terms.append(~hidden)
    expression = None
    for term in terms:
        expression = term if expression is None else expression & term
    return expression


def _by_hour(ids: list[int]) -> dict[datetime, list[int]]:
    """Group tracklet ids by the UTC hour of their start."""
    groups: dict[datetime, list[int]] = {}
    for number in ids:
        tenths = (number >> 7) & ((1 << 32) - 1)
        hour = layout.hour_of(EPOCH + timedelta(seconds=tenths / 10))
        groups.setdefault(hour, []).append(number)
    return groups
