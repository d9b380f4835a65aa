"""Publishing observations: whole, durable, once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
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
    keys = pa.array(
        [
            part_key(name, part)
            for name, part in zip(
                footage["footage_id"].to_pylist(),
                footage["part"].to_pylist(),
                strict=True,
            )
        ],
        pa.int64(),
    )
    if len(keys.unique()) < len(keys):
        raise StoreError("footage names the same part twice; publish each part once.")
    footage = _set(footage, "part_key", keys)
    tracklets = _fit(tracklets, TRACKLET, "tracklet", unit)
    detections = _fit(detections, DETECTION, "detection", unit)
    if footage.num_rows == 1:
        tracklets = _set(tracklets, "part_key", _repeat(keys[0], tracklets.num_rows))
        detections = _set(detections, "part_key", _repeat(keys[0], detections.num_rows))
    hour = _validate(footage, tracklets, detections)
    footage = _count_tracklets(footage, tracklets)

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
            column = pa.nulls(table.num_rows, field.type)
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


def _validate(footage: pa.Table, tracklets: pa.Table, detections: pa.Table) -> datetime:
    """Check the rows against each other; return the hour of their folder."""
    starts, ends = footage["start_at"].to_pylist(), footage["end_at"].to_pylist()
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if not start < end <= start + LONGEST_PART:
            raise StoreError(
                f"footage row {row} runs from {start} to {end}; a part must end after "
                "it starts and last at most an hour."
            )
    hours = {layout.hour_of(start) for start in starts}
    if len(hours) > 1:
        raise StoreError(
            "footage rows start in different hours; publish the parts of one UTC hour "
            "at a time."
        )
    for name, table, first, last in (
        ("tracklet", tracklets, "start_at", "end_at"),
        ("detection", detections, "at", "at"),
    ):
        _within_parts(name, table, footage, first, last)
        _in_set(name, table, "mask_state", MASK_STATES)
    ids = tracklets["tracklet_id"]
    if len(ids.unique()) < tracklets.num_rows:
        raise StoreError("two tracklets have the same tracklet_id; ids must differ.")
    known = pc.is_in(detections["tracklet_id"], ids.combine_chunks())
    if detections.num_rows and not pc.all(known).as_py():
        row = int(np.argmin(known.to_numpy(zero_copy_only=False)))
        lost = detections["tracklet_id"][row].as_py()
        raise StoreError(
            f"detection row {row} names tracklet {lost}, which is not published "
            "with it; publish both together."
        )
    return hours.pop()


def _within_parts(
    name: str, table: pa.Table, footage: pa.Table, first: str, last: str
) -> None:
    """Check that each row's part is published here, with its camera and time."""
    if not table.num_rows:
        return
    at = pc.index_in(table["part_key"], footage["part_key"].combine_chunks())
    if at.null_count:
        raise StoreError(
            f"{name} rows name a part_key that is not published with them; set it to "
            "writer.part_key(footage_id, part)."
        )
    index = at.to_numpy()
    micros = np.timedelta64(int(TOLERANCE.total_seconds() * 1e6), "us")
    start = footage["start_at"].to_numpy()[index] - micros
    end = footage["end_at"].to_numpy()[index] + micros
    wrong = table["camera_no"].to_numpy() != footage["camera_no"].to_numpy()[index]
    early, late = table[first].to_numpy(), table[last].to_numpy()
    outside = (early < start) | (late > end) | (late < early)
    for bad, what in (
        (wrong, "another camera_no than"),
        (outside, "a time outside"),
    ):
        if bad.any():
            raise StoreError(
                f"{name} row {int(np.argmax(bad))} has {what} its part of footage; "
                "store each row with the part it was seen in."
            )


def _in_set(name: str, table: pa.Table, column: str, allowed: tuple[str, ...]) -> None:
    found = set(table[column].unique().to_pylist()) - {None}
    if found - set(allowed):
        raise StoreError(
            f"{name} column {column} holds {min(found - set(allowed))!r}; it must be "
            f"one of {', '.join(allowed)}."
        )


def _count_tracklets(footage: pa.Table, tracklets: pa.Table) -> pa.Table:
    """Fill in how many tracklets each part has."""
    counts = dict.fromkeys(footage["part_key"].to_pylist(), 0)
    for entry in tracklets["part_key"].value_counts().to_pylist():
        counts[entry["values"]] = entry["counts"]
    return _set(footage, "tracklets", pa.array(list(counts.values()), pa.int32()))


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
