"""Publishing observations: whole, durable, once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import disk, layout, log, version
from pipeline.store.ids import digest63
from pipeline.store.layout import LONGEST_PART, TOLERANCE
from pipeline.store.place import Place, root_of
from pipeline.store.schema import DETECTION, FOOTAGE, MASK_STATES, TRACKLET

#: Longest time from the first written row to the log, seconds: half the grace after
#: which compaction takes rows without a log for left over (`compact.GRACE`).
_LONGEST_S = 300.0
_MICROSECOND = timedelta(microseconds=1)
#: Columns that must have a value.
_REQUIRED = {
    "footage": ("footage_id", "part", "camera_id", "camera_no", "start_at", "end_at"),
    "tracklet": ("tracklet_id", "camera_id", "camera_no", "start_at", "end_at"),
    "detection": ("tracklet_id", "camera_no", "second", "at"),
}


def publish(
    settings_or_root: Settings | Place,
    footage: pa.Table,
    tracklets: pa.Table,
    detections: pa.Table,
) -> int:
    """Store one unit of observations: visible whole after this returns, or not.

    Parameters
    ----------
    settings_or_root : settings, or the folder of the observations.
    footage : one row of `schema.FOOTAGE` per part; all parts start in the same UTC
        hour. `unit`, `part_key`, `generation` and `tracklets` are filled in here
        and may be absent or null.
    tracklets, detections : rows of `schema.TRACKLET` and `schema.DETECTION`.
        `unit` is filled in; so is `part_key` when there is one part, and with
        several it must hold `part_key(footage_id, part)`. Absent columns that
        may be null are filled with null.

    Returns
    -------
    The unit. A part stored before is replaced.

    Raises
    ------
    StoreError
        If a column, type or row is not as the schema asks, or the disk has less
        room than the reserve of the settings; nothing is then stored.

    Notes
    -----
    The footage segment is written last; its rename makes the rest visible. A
    process killed before that leaves files nobody reads, which
    `compact.clean` removes.
    """
    root = root_of(settings_or_root)
    disk.demand(settings_or_root)
    version.begin(root)
    unit = layout.new_unit()
    footage = _fit(footage, FOOTAGE, "footage", unit)
    if not footage.num_rows:
        raise StoreError("footage has no row; publish at least one part.")
    named = footage["footage_id"].to_pylist(), footage["part"].to_pylist()
    keys = pa.array(map(part_key, *named), pa.int64(), size=footage.num_rows)
    if len(keys.unique()) < len(keys):
        raise StoreError("footage names the same part twice; publish each part once.")
    footage = _set(footage, "part_key", keys)
    tracklets = _fit(tracklets, TRACKLET, "tracklet", unit)
    detections = _fit(detections, DETECTION, "detection", unit)
    if footage.num_rows == 1:
        tracklets = _set(tracklets, "part_key", _repeat(keys[0], tracklets.num_rows))
        detections = _set(detections, "part_key", _repeat(keys[0], detections.num_rows))
    hour, counts = _validate(footage, tracklets, detections)
    footage = _set(footage, "tracklets", pa.array(counts, pa.int32()))

    begun = time.monotonic()
    layout.write(
        layout.segment(root, "detection", hour, unit),
        _sorted(detections, "detection"),
        "detection",
    )
    layout.write(
        layout.segment(root, "tracklet", hour, unit),
        _sorted(tracklets, "tracklet"),
        "tracklet",
    )
    if time.monotonic() - begun > _LONGEST_S:
        raise StoreError(
            f"writing to {root} took longer than {_LONGEST_S:.0f} s, so that rows not "
            "yet logged may be swept up; publish this part again."
        )
    with layout.lock(root, hour, exclusive=False):
        for name in ("tracklet", "detection"):
            if not layout.segment(root, name, hour, unit).exists():
                raise StoreError(
                    f"the {name} rows just written were removed by another program; "
                    "publish this part again."
                )
        before = log.generations(
            log.every_row(root, hour), footage["part_key"].to_numpy()
        )
        footage = _set(
            footage, "generation", pa.array(log.next_generation(before), pa.int16())
        )
        layout.write(
            layout.segment(root, "footage", hour, unit),
            _sorted(footage, "footage"),
            "footage",
        )
    return unit


@lru_cache(maxsize=65_536)
def part_key(footage_id: str, part: int) -> int:
    """Return the 63-bit number of a part of footage."""
    return digest63(footage_id, int(part))


def part_done(
    settings_or_root: Settings | Place,
    footage_id: str,
    part: int,
    start: datetime | None = None,
) -> bool:
    """Tell whether a part is stored.

    With the part's start (aware), only the folder of that hour is read.
    """
    root = root_of(settings_or_root)
    key = part_key(footage_id, part)
    where = layout.hours(root, "footage") if start is None else [layout.hour_of(start)]
    return any(
        pc.is_in(pa.scalar(key), log.every_row(root, hour)["part_key"]).as_py()
        for hour in where
    )


def overlapping(
    settings_or_root: Settings | Place,
    camera_no: int,
    start: datetime,
    end: datetime,
    not_footage_id: str | None = None,
) -> list[dict]:
    """Return stored footage of a camera that overlaps [start, end), by start.

    Each entry is a dict of `log.KEYS`; footage with the id `not_footage_id` is
    left out. Times are aware datetimes in UTC.
    """
    root = root_of(settings_or_root)
    reach = list(layout.each_hour(start - LONGEST_PART, end))
    if len(reach) > 100:
        known = set(layout.hours(root, "footage"))
        reach = [hour for hour in reach if hour in known]
    table = log.visible(root, reach)
    keep = pc.and_(
        pc.equal(table["camera_no"], pa.scalar(camera_no, pa.uint16())),
        pc.and_(
            pc.less(table["start_at"], _moment(end)),
            pc.greater(table["end_at"], _moment(start)),
        ),
    )
    if not_footage_id is not None:
        keep = pc.and_(keep, pc.not_equal(table["footage_id"], not_footage_id))
    return table.filter(keep).sort_by("start_at").to_pylist()


def _fit(table: pa.Table, schema: pa.Schema, name: str, unit: int) -> pa.Table:
    """Bring a table to its schema, with the unit filled in."""
    extra = [c for c in table.column_names if c not in schema.names]
    if extra:
        raise StoreError(
            f"{name} rows have a column {extra[0]!r} that the store does not know; "
            f"its columns are {', '.join(schema.names)}."
        )
    columns = []
    for field in schema:
        if field.name == "unit":
            column: pa.ChunkedArray | pa.Array = _repeat(unit, table.num_rows)
        elif field.name in table.column_names:
            column = _cast(table[field.name], field, name)
        else:
            column = _absent(table.num_rows, field.type)
        if field.name in _REQUIRED[name] and column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise StoreError(
                f"{name} row {row} has no {field.name}; fill it in before publishing."
            )
        columns.append(column)
    return pa.table(columns, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, name: str) -> pa.ChunkedArray:
    if column.type == field.type:
        return column
    try:
        if pa.types.is_timestamp(field.type) and getattr(column.type, "tz", "") is None:
            raise StoreError(
                f"{name} column {field.name} has no time zone; give aware UTC times."
            )
        if pa.types.is_dictionary(field.type):
            values = column.cast(field.type.value_type)
            return values.dictionary_encode().cast(field.type)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StoreError(
            f"{name} column {field.name} must be {field.type}, got {column.type} "
            f"({error})."
        ) from error


def _validate(
    footage: pa.Table, tracklets: pa.Table, detections: pa.Table
) -> tuple[datetime, np.ndarray]:
    """Check the rows against each other.

    Returns the hour of their folder, and how many tracklets each part has.
    """
    starts, ends = (_micros(footage[name]) for name in ("start_at", "end_at"))
    wrong = (starts >= ends) | (ends - starts > LONGEST_PART // _MICROSECOND)
    if wrong.any():
        row = int(np.argmax(wrong))
        start, end = (footage[name][row].as_py() for name in ("start_at", "end_at"))
        raise StoreError(
            f"footage row {row} runs from {start} to {end}; a part must end after "
            "it starts and last at most an hour."
        )
    if len(np.unique(starts // (timedelta(hours=1) // _MICROSECOND))) > 1:
        raise StoreError(
            "footage rows start in different hours; publish the parts of one UTC hour "
            "at a time."
        )
    counts = _within_parts("tracklet", tracklets, footage, "start_at", "end_at")
    _within_parts("detection", detections, footage, "at", "at")
    for name, table in (("tracklet", tracklets), ("detection", detections)):
        _in_set(name, table, "mask_state", MASK_STATES)
    ids = tracklets["tracklet_id"]
    numbers = ids.to_numpy()
    if (numbers[1:] <= numbers[:-1]).any() and len(ids.unique()) < len(numbers):
        raise StoreError("two tracklets have the same tracklet_id; ids must differ.")
    known = pc.is_in(detections["tracklet_id"], ids.combine_chunks())
    if detections.num_rows and not pc.all(known).as_py():
        row = int(np.argmin(known.to_numpy(zero_copy_only=False)))
        lost = detections["tracklet_id"][row].as_py()
        raise StoreError(
            f"detection row {row} names tracklet {lost}, which is not published "
            "with it; publish both together."
        )
    return layout.hour_of(footage["start_at"][0].as_py()), counts


def _within_parts(
    name: str, table: pa.Table, footage: pa.Table, first: str, last: str
) -> np.ndarray:
    """Check that each row's part is published here, with its camera and time.

    Returns how many rows each part has. Rows of one part mostly follow each other:
    what belongs to the part is looked up once for each such run.
    """
    if not table.num_rows:
        return np.zeros(footage.num_rows, dtype=np.int64)
    at = None
    if not table["part_key"].null_count:
        key = table["part_key"].to_numpy()
        begin = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        at = pc.index_in(pa.array(key[begin]), footage["part_key"].combine_chunks())
    if at is None or at.null_count:
        raise StoreError(
            f"{name} rows name a part_key that is not published with them; set it to "
            "writer.part_key(footage_id, part)."
        )
    index, length = at.to_numpy(), np.diff(np.append(begin, len(key)))
    camera = np.repeat(footage["camera_no"].to_numpy()[index], length)
    wrong = table["camera_no"].to_numpy() != camera
    early, late = _micros(table[first]), _micros(table[last])
    start = _micros(footage["start_at"])[index] - TOLERANCE // _MICROSECOND
    end = _micros(footage["end_at"])[index] + TOLERANCE // _MICROSECOND
    outside = late < early if first != last else np.zeros(len(key), dtype=bool)
    if (
        (np.minimum.reduceat(early, begin) < start)
        | (np.maximum.reduceat(late, begin) > end)
    ).any():  # which row it is
        outside |= (early < np.repeat(start, length)) | (late > np.repeat(end, length))
    for bad, what in (
        (wrong, "another camera_no than"),
        (outside, "a time outside"),
    ):
        if bad.any():
            raise StoreError(
                f"{name} row {int(np.argmax(bad))} has {what} its part of footage; "
                "store each row with the part it was seen in."
            )
    return np.bincount(index, weights=length, minlength=footage.num_rows)


def _in_set(name: str, table: pa.Table, column: str, allowed: tuple[str, ...]) -> None:
    chunks = table[column].chunks
    if all(set(chunk.dictionary.to_pylist()) <= set(allowed) for chunk in chunks):
        return
    found = set(table[column].unique().to_pylist()) - {None}
    if found - set(allowed):
        raise StoreError(
            f"{name} column {column} holds {min(found - set(allowed))!r}; it must be "
            f"one of {', '.join(allowed)}."
        )


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    """Times without null as microseconds, int64 [n]."""
    return column.to_numpy().view(np.int64)


def _absent(count: int, kind: pa.DataType) -> pa.Array:
    """Return a column of nulls; those of numbers share their memory."""
    if not pa.types.is_floating(kind) and not pa.types.is_integer(kind):
        return pa.nulls(count, kind)
    nothing = _zeros(max(16, count * kind.bit_width // 8).bit_length())
    return pa.Array.from_buffers(kind, count, [nothing, nothing], null_count=count)


@lru_cache(maxsize=32)
def _zeros(bits: int) -> pa.Buffer:
    return pa.py_buffer(np.zeros(1 << bits, dtype=np.uint8))


def _sorted(table: pa.Table, name: str) -> pa.Table:
    keys = layout.SORT[name]
    if table.num_rows < 2:
        return table
    first, second = (table[key].to_numpy() for key in keys)
    above = first[1:] > first[:-1]
    if (above | ((first[1:] == first[:-1]) & (second[1:] >= second[:-1]))).all():
        return table
    return table.take(pa.array(np.lexsort((second, first))))


def _set(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), column)


def _repeat(value: int | pa.Scalar, count: int) -> pa.Array:
    scalar = value if isinstance(value, pa.Scalar) else pa.scalar(value, pa.int64())
    return pa.repeat(scalar, count)


def _moment(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), pa.timestamp("us", tz="UTC"))
