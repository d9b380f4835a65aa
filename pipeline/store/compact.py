"""One segment per finished hour instead of thousands; and the sweeping up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import disk, layout, log, quarantine, reader, shells, steady
from pipeline.store.place import Place, root_of
from pipeline.store.schema import FOOTAGE, TABLES

#: Time after which nobody is expected to read a superseded segment any more.
GRACE = timedelta(minutes=10)
#: The same while somebody has the views open in DuckDB, which lists all segments
#: first and opens each when its turn comes.
SHELLS_GRACE = timedelta(hours=6)


@dataclass(frozen=True)
class Compaction:
    """What `compact` did."""

    hours: int  #: hours merged
    merged: int  #: publications merged into one per hour
    removed: int  #: files removed: superseded, orphaned or unfinished
    freed_bytes: int
    #: hours left as they are, one sentence each: damaged, or no room on the disk
    problems: tuple[str, ...] = ()


def compact(
    settings_or_root: Settings | Place,
    *,
    now: datetime | None = None,
    grace: timedelta = GRACE,
    progress: Callable[[datetime], None] | None = None,
) -> Compaction:
    """Merge the segments of each finished hour into one, and sweep up.

    Each merger becomes visible by one rename; segments it replaces are removed at
    the first call after `grace`; with settings, at the first when nobody has the
    views open, or after `SHELLS_GRACE`. Safe while others publish and when killed. An
    hour with a damaged segment, or one for which the disk has no room above the
    reserve, is left as it is. With settings, files in quarantine expire too.
    """
    root = root_of(settings_or_root)
    moment = now or datetime.now(UTC)
    if isinstance(settings_or_root, Settings):
        # By a clock that leapt, files look older than they are.
        grace += timedelta(seconds=steady.gained(settings_or_root))
    hours = merged = removed = freed = 0
    problems = []
    for hour in all_hours(root):
        if progress is not None:
            progress(hour)
        with layout.lock(root, hour, exclusive=True):
            try:
                if hour + timedelta(hours=1) <= moment:
                    if _worth_it(root, hour):
                        disk.demand(settings_or_root, disk.size_of(root, hour))
                    count = rewrite(root, hour)
                    hours += count > 0
                    merged += count
            except StoreError as error:
                problems.append(f"{hour:%Y-%m-%d %H} h UTC was not merged: {error}")
            try:
                files, size = _sweep(root, hour, _patience(settings_or_root, grace))
            except StoreError:
                continue  # its log is damaged; told above, or by the next check
        removed += files
        freed += size
    if isinstance(settings_or_root, Settings):
        try:
            steady.demand(settings_or_root)
            before = moment - timedelta(days=settings_or_root.retention_days)
            over = quarantine.expire(root, before)
            removed, freed = removed + over.files, freed + over.bytes
        except StoreError as error:
            problems.append(str(error))
    return Compaction(hours, merged, removed, freed, tuple(problems))


def rewrite(
    root: Place,
    hour: datetime,
    keep: Callable[[pa.Table], np.ndarray] | None = None,
) -> int:
    """Merge one hour's publications; return how many were merged (0: none needed).

    The caller holds the hour's exclusive lock. `keep` maps the visible footage rows
    to bool [n]; parts it leaves out are not copied.
    """
    rows = log.every_row(root, hour, FOOTAGE.names)
    best = log.winners(rows)
    units = np.unique(best["unit"].to_numpy())
    if keep is None and len(units) < 2:
        return 0
    left_out = np.zeros(0, dtype=np.int64)
    if keep is not None:
        kept = np.asarray(keep(best), dtype=bool)
        left_out = best["part_key"].to_numpy()[~kept]
    unit = _new_unit(rows)
    for name in ("detection", "tracklet"):
        parts = [TABLES[name].empty_table()]
        for old in units:
            mine = rows["part_key"].to_numpy()[rows["unit"].to_numpy() == old]
            seen = best["part_key"].to_numpy()[best["unit"].to_numpy() == old]
            hidden = np.union1d(np.setdiff1d(mine, seen), left_out)
            path = layout.segment(root, name, hour, int(old))
            parts.append(
                reader.read_segment(reader.Segment(path, hour, int(old), hidden), name)
            )
        table = pa.concat_tables(parts).unify_dictionaries()
        _write(root, name, hour, unit, table)
    if keep is not None:
        best = best.filter(pa.array(kept))
    _write(root, "footage", hour, unit, _next_generation(best))
    return len(units)


def publish_again(
    root: Place, hour: datetime, footage: pa.Table, tables: dict[str, pa.Table]
) -> int:
    """Publish some parts of stored rows as a new publication; return its unit.

    Parameters
    ----------
    footage : visible rows of `schema.FOOTAGE`, all of this hour; the caller holds
        its exclusive lock.
    tables : rows of `tracklet` and `detection`; those of other parts are left out.
    """
    unit = _new_unit(footage)
    keys = footage["part_key"].combine_chunks()
    for name in ("detection", "tracklet"):
        mine = tables[name].filter(pc.is_in(tables[name]["part_key"], keys))
        _write(root, name, hour, unit, mine)
    _write(root, "footage", hour, unit, _next_generation(footage))
    return unit


def remove(root: Place, hour: datetime, unit: int) -> tuple[int, int]:
    """Remove one publication's files, the log first; return (files, bytes)."""
    files = size = 0
    for name in ("footage", "tracklet", "detection"):
        path = layout.segment(root, name, hour, unit)
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            path.unlink()
            layout.flush_folder(path.parent)
            size += about.st_size
            files += 1
    return files, size


def all_hours(root: Place) -> list[datetime]:
    """Return the hours for which any table has a folder, the seed's left out."""
    found = {hour for name in TABLES for hour in layout.hours(root, name)}
    return sorted(hour for hour in found if hour.year > 1970)


def _written_before(root: Place, hour: datetime, unit: int, moment: float) -> bool:
    """Whether a publication is there since before a moment (Unix seconds)."""
    try:
        return layout.segment(root, "footage", hour, unit).stat().st_mtime < moment
    except FileNotFoundError:
        return False  # merged away meanwhile by another machine


def _worth_it(root: Place, hour: datetime) -> bool:
    return len(layout.segments(root, "footage", hour)) > 1


def _new_unit(rows: pa.Table) -> int:
    """Return a unit above those of all rows, whatever clock they were numbered by."""
    return layout.new_unit(above=pc.max(rows["unit"]).as_py() or 0)


def _next_generation(footage: pa.Table) -> pa.Table:
    generation = log.merged_generation(footage["generation"].to_numpy())
    return footage.set_column(
        FOOTAGE.get_field_index("generation"),
        FOOTAGE.field("generation"),
        pa.array(generation, pa.int16()),
    )


def _write(root: Place, name: str, hour: datetime, unit: int, table: pa.Table) -> None:
    index = table.schema.get_field_index("unit")
    numbers = pa.repeat(pa.scalar(unit, pa.int64()), table.num_rows)
    table = table.set_column(index, table.schema.field(index), numbers)
    arrays = [table[key].to_numpy() for key in layout.SORT[name]]
    table = table.take(pa.array(np.lexsort(arrays[::-1])))
    layout.write(layout.segment(root, name, hour, unit), table, name)


def _patience(settings_or_root: Settings | Place, grace: timedelta) -> timedelta:
    if isinstance(settings_or_root, Settings) and shells.are_open(settings_or_root):
        return max(grace, SHELLS_GRACE)
    return grace


def _sweep(root: Place, hour: datetime, grace: timedelta) -> tuple[int, int]:
    """Remove what no reader can need: superseded, orphaned, unfinished files."""
    old = time.time() - grace.total_seconds()
    files = size = 0
    rows = log.every_row(root, hour)
    best = log.winners(rows)
    winner = dict(
        zip(best["part_key"].to_pylist(), best["unit"].to_pylist(), strict=True)
    )
    alive = set(winner.values())
    for unit in sorted(set(rows["unit"].to_pylist()) - alive):
        keys = rows["part_key"].to_numpy()[rows["unit"].to_numpy() == unit]
        heirs = {winner[int(key)] for key in keys}
        if all(_written_before(root, hour, heir, old) for heir in heirs):
            count, freed = remove(root, hour, unit)
            files += count
            size += freed
    named = {layout.unit_of(path) for path in layout.segments(root, "footage", hour)}
    for name in TABLES:
        rubbish = layout.pending_files(layout.folder(root, name, hour))
        if name != "footage":
            rubbish += [
                path
                for path in layout.segments(root, name, hour)
                if layout.unit_of(path) not in named
            ]
        for path in rubbish:
            try:
                about = path.stat()
                if about.st_mtime < old:
                    path.unlink()
                    files += 1
                    size += about.st_size
            except FileNotFoundError:
                continue  # its writer finished or cleaned up meanwhile
    return files, size
