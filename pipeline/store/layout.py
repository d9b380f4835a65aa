"""Where segments lie, how they are named, and how a file becomes visible."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.store import integrity, place
from pipeline.store.ids import EPOCH
from pipeline.store.place import ObjectPath, Place
from pipeline.store.schema import TABLES

#: Rows per row group: about one neighbourhood of cameras in an hour of the city,
#: so that a search in a small area reads little.
ROW_GROUP = {"footage": 65_536, "tracklet": 16_384, "detection": 65_536}
#: Sort order of each table within a segment.
SORT = {
    "footage": ("camera_no", "start_at"),
    "tracklet": ("camera_no", "start_at"),
    "detection": ("camera_no", "second"),
}
#: Rows may stick out of their part by this much (a frame on the boundary).
TOLERANCE = timedelta(seconds=1)
#: Longest part, so that a window reaches back over one folder only.
LONGEST_PART = timedelta(hours=1)
#: Bytes of a page: the vectors of a row group lie in one, as one matrix.
_PAGE_BYTES = 16 * 2**20
#: Columns of embeddings: uncompressed and plain, because they are scanned whole.
_VECTORS = ("face_i8", "face_f16", "appearance_i8", "appearance_f16")
#: Columns whose values repeat.
_REPEATING = (
    "unit",
    "part_key",
    "camera_id",
    "camera_no",
    "face_model",
    "appearance_model",
    "mask_state",
    "ground_error_cm",
)
_UNIT = re.compile("[0-9a-f]{16}")
_PENDING = ".pending-"
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
#: Random bits of a step where the clock gives no number: 4 ms of its numbers.
_STEP_BITS = 24
_LAST_UNIT = 0
_UNIT_LOCK = threading.Lock()


def new_unit(above: int = 0) -> int:
    """Return a 63-bit number for a publication; later ones are larger.

    Microseconds since 2020 and 12 random bits, so that machines need not agree. Where
    the clock was ahead before, the numbers go on from there, by a random step: two
    that both take the next one would overwrite each other's segments.

    Parameters
    ----------
    above : a number that the new one is to be larger than.
    """
    global _LAST_UNIT
    micros = int((time.time() - EPOCH.timestamp()) * 1_000_000)
    with _UNIT_LOCK:
        least = max(above, _LAST_UNIT) + 1 + secrets.randbits(_STEP_BITS)
        unit = max((micros << 12) | secrets.randbits(12), least)
        _LAST_UNIT = unit
    return unit


def hour_of(moment: datetime) -> datetime:
    """Return the UTC hour whose folder holds a part that starts at `moment`."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def folder(root: Place, table: str, hour: datetime) -> Place:
    """Return the folder of one table and UTC hour."""
    return root / table / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"


def segment(root: Place, table: str, hour: datetime, unit: int) -> Place:
    """Return the path of one unit's segment."""
    return folder(root, table, hour) / f"{unit:016x}.parquet"


def inside(root: Place, path: Place) -> str:
    """Return a path below the root, for people and for copies of the tree."""
    return str(path)[len(str(root)) :].lstrip("/")


def unit_of(path: Place) -> int | None:
    """Return the unit a segment's name carries; None if it is no segment's name."""
    try:
        return int(path.stem, 16) if len(path.stem) == 16 else None
    except ValueError:
        return None


def hours(root: Place, table: str) -> list[datetime]:
    """Return the UTC hours for which a table has a folder, in order."""
    found = []
    for day in _entries(root / table):
        if not day.name.startswith("date="):
            continue
        for path in _entries(day):
            if path.name.startswith("hour="):
                with contextlib.suppress(ValueError):
                    text = day.name[5:] + path.name[5:]
                    moment = datetime.strptime(text, "%Y-%m-%d%H")
                    found.append(moment.replace(tzinfo=UTC))
    return sorted(found)


def _entries(directory: Place) -> Iterator[Place]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from directory.iterdir()


def segments(root: Place, table: str, hour: datetime) -> list[Place]:
    """Return the published segments of one table and hour, oldest first."""
    inside = folder(root, table, hour)
    if isinstance(inside, ObjectPath):
        return [path for path in inside.iterdir() if _is_segment(path.name)]
    with contextlib.suppress(FileNotFoundError):
        names = sorted(n for n in os.listdir(inside) if _is_segment(n))
        return [inside / name for name in names]
    return []


def segment_names(root: Place, table: str, hour: datetime) -> list[str]:
    """Return the names of the segments of one table and hour that carry a unit."""
    inside = folder(root, table, hour)
    with contextlib.suppress(FileNotFoundError):
        if isinstance(inside, ObjectPath):
            entries = [path.name for path in inside.iterdir()]
        else:
            entries = os.listdir(inside)
        return [n for n in entries if _is_segment(n) and _UNIT.fullmatch(n[:-8])]
    return []


def _is_segment(name: str) -> bool:
    return name.endswith(".parquet") and name[0] != "."


def pending_files(directory: Place) -> list[Place]:
    """Return files whose writing was not finished (a crash, or work under way)."""
    return sorted(p for p in _entries(directory) if p.name.startswith(_PENDING))


def write(path: Place, table: pa.Table, name: str) -> int:
    """Write one segment so that it is there whole or not at all.

    The rows go to a temporary file of the same folder, are flushed to disk, and
    the file is renamed; then the folder is flushed. In an object store the object is
    written in one piece, which is all of that. Returns the bytes written.
    """
    options = parquet_options(name, table.schema)
    if isinstance(path, ObjectPath):
        whole = io.BytesIO()
        integrity.write_parquet(whole, table, **options)
        path.write_bytes(whole.getvalue())
        return len(whole.getvalue())
    pending = path.parent / f"{_PENDING}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        make_folder(path.parent)
        with open(pending, "x+b") as file:
            integrity.write_parquet(file, table, **options)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.rename(pending, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            pending.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
            raise _not_writable(path.parent, error) from error
        raise
    flush_folder(path.parent)
    return size


def _not_writable(folder: Place, error: OSError) -> StoreError:
    return StoreError(
        f"{folder} may not be written by this user ({error.strerror}); run this as "
        "the user that owns the store."
    )


def parquet_options(name: str, schema: pa.Schema) -> dict:
    """Return the Parquet writer's options of one table."""
    return {
        "row_group_size": ROW_GROUP[name],
        "data_page_size": _PAGE_BYTES,
        **encoded(schema),
        "write_statistics": [c for c in schema.names if c not in _VECTORS],
    }


def encoded(schema: pa.Schema) -> dict:
    """Return the Parquet writer's options of how sorted rows are put into bytes."""
    columns = schema.names
    encodings = {field.name: _encoding(field) for field in schema}
    return {
        "compression": {c: "NONE" if c in _VECTORS else "LZ4" for c in columns},
        "use_dictionary": [f.name for f in schema if _repeats(f)],
        "column_encoding": {c: e for c, e in encodings.items() if e},
    }


def _repeats(field: pa.Field) -> bool:
    return field.name in _REPEATING or pa.types.is_dictionary(field.type)


def _encoding(field: pa.Field) -> str | None:
    """How a column is encoded before it is compressed; None: Parquet's own choice.

    Rows are sorted, so that ids, times and places differ little from row to row:
    differences (or, of ids and of numbers with a point, bytes of equal weight side by
    side) take half the time and two thirds of the room of the plain values under
    Zstandard, and are read as fast.
    """
    if _repeats(field) or field.name in _VECTORS:
        return None
    if field.name == "tracklet_id" or field.type == pa.float32():
        return "BYTE_STREAM_SPLIT"
    if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
        return "DELTA_BINARY_PACKED"
    return None


def make_folder(path: Place) -> None:
    """Make a folder and its parents, flushed to disk; a prefix needs no making."""
    if isinstance(path, ObjectPath) or path.is_dir():
        return
    make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    flush_folder(path.parent)


def flush_folder(path: Place) -> None:
    """Flush a folder's entries to disk; an object store has done so by itself."""
    if isinstance(path, ObjectPath):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock(root: Place, hour: datetime, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of one hour: shared to publish, exclusive to rewrite.

    The kernel releases it when the process ends, however it ends. An object store
    has no locks and needs none: a publication outranks any merger that has not seen
    it (`log.next_generation`), and what nothing names is left for a grace period.
    """
    if isinstance(root, ObjectPath):
        yield
        return
    locks = root / ".locks"
    path = locks / f"{hour:%Y-%m-%dT%H}"
    try:
        make_folder(locks)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        if error.errno in _NOT_WRITABLE:
            raise _not_writable(locks, error) from error
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def read(path: Place, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read one segment, or some of its columns, in the table's schema."""
    where, filesystem = place.arrow(path)

    def whole() -> pa.Table:
        with pq.ParquetFile(
            where, filesystem=filesystem, page_checksum_verification=True
        ) as file:
            # Of a few columns there is too little for threads.
            found = file.read(columns=columns, use_threads=columns is None)
        found = found.replace_schema_metadata(None)
        return found if columns is None else found.select(columns)

    try:
        return place.patiently(path, whole)
    except (pa.ArrowException, UnicodeDecodeError, OSError, KeyError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise StoreError(
            f"the {name} segment {path} is damaged or cannot be read ({error}); run "
            "`dongseon store repair`, which keeps what is whole.",
            code="segment_damaged",
        ) from error


def seed(root: Place) -> None:
    """Make every table's folder hold at least one file, of no rows.

    DuckDB refuses a view over a pattern that matches no file.
    """
    hour = datetime(1970, 1, 1, tzinfo=UTC)
    for name, schema in TABLES.items():
        path = folder(root, name, hour) / "seed.parquet"
        if not path.exists():
            write(path, schema.empty_table(), name)


def each_hour(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the UTC hours that [start, end) touches."""
    hour = hour_of(start)
    while hour < end:
        yield hour
        hour += timedelta(hours=1)
