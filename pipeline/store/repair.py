"""Take what is damaged out of the store, and keep what is whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import compact, layout, log, place, quarantine
from pipeline.store.check import Finding, Hour
from pipeline.store.place import Place, root_of
from pipeline.store.schema import FOOTAGE, TABLES


@dataclass
class Repaired:
    """What `repair` did."""

    findings: list[Finding] = field(default_factory=list)
    moved: int = 0  #: files now in quarantine
    kept: int = 0  #: parts of damaged publications that were whole
    lost: list[dict[str, Any]] = field(default_factory=list)
    #: parts no longer stored (columns of `log.KEYS`): analyse that footage again
    unknown: int = 0  #: damaged footage logs, whose parts nobody can name


def repair(
    settings_or_root: Settings | Place,
    *,
    grace: timedelta = compact.GRACE,
    progress: Callable[[datetime], None] | None = None,
) -> Repaired:
    """Move damaged, torn, orphaned and unfinished files into quarantine.

    Of a damaged publication, the parts of which every row can still be read (pages
    carry checksums) are published anew first; the others are no longer stored, and
    the next ingest of that footage analyses them again. Safe while others write and
    read, and when killed: called again it goes on.

    Raises
    ------
    StoreError
        If a file may not be read or moved.
    """
    root = root_of(settings_or_root)
    done = Repaired()
    for hour in compact.all_hours(root):
        if progress is not None:
            progress(hour)
        with layout.lock(root, hour, exclusive=True):
            found = Hour(root, hour, quick=False, grace=grace).findings()
            if found:
                _mend(root, hour, found, done)
    return done


def _mend(root: Place, hour: datetime, found: list[Finding], done: Repaired) -> None:
    done.findings += found
    for finding in found:
        if finding.kind == "unreadable":
            raise StoreError(finding.sentence)
    grave = {f.unit: f.sentence for f in found if f.grave and f.unit is not None}
    log_lost = {
        f.unit for f in found if f.grave and f.table == "footage" and f.unit is not None
    }
    for finding in found:
        if not finding.grave and finding.kind != "overlap":
            _away(root, finding.path, finding.sentence, done)
    # Publications whose log is damaged go first: a log that can be read says then
    # which rows count.
    for unit in sorted(log_lost):
        done.unknown += 1
        _unit_away(root, hour, unit, grave[unit], done)
    for unit in sorted(set(grave) - log_lost):
        _salvage(root, hour, unit, grave[unit], done)


def _salvage(
    root: Place, hour: datetime, unit: int, reason: str, done: Repaired
) -> None:
    """Publish the whole parts of a damaged publication anew, then move it away."""
    rows = log.every_row(root, hour, FOOTAGE.names)
    best = log.winners(rows)
    mine = best.filter(pa.array(best["unit"].to_numpy() == unit))
    if mine.num_rows:
        tables = {
            name: _readable(layout.segment(root, name, hour, unit), name)
            for name in ("tracklet", "detection")
        }
        whole = _whole(mine, tables["tracklet"], tables["detection"])
        kept = mine.filter(pa.array(whole))
        if kept.num_rows:
            compact.publish_again(root, hour, kept, tables)
            done.kept += kept.num_rows
        lost = mine.filter(pa.array(~whole)).select(log.KEYS)
    else:
        lost = mine.select(log.KEYS)
    _unit_away(root, hour, unit, reason, done)
    if lost.num_rows:
        # An older publication of the same part may count again.
        left = log.winners(log.every_row(root, hour))["part_key"].to_pylist()
        done.lost += [r for r in lost.to_pylist() if r["part_key"] not in set(left)]


def _whole(footage: pa.Table, tracklets: pa.Table, detections: pa.Table) -> np.ndarray:
    """Tell of each part whether every row of it is there: bool [n]."""
    seen = _counted(tracklets["part_key"])
    points = _counted(detections["part_key"])
    expected = dict.fromkeys(footage["part_key"].to_pylist(), 0)
    for key, number in zip(
        tracklets["part_key"].to_pylist(),
        tracklets["detections"].to_pylist(),
        strict=True,
    ):
        if key in expected:
            expected[key] += number or 0
    return np.array(
        [
            seen.get(key, 0) == number and points.get(key, 0) == expected[key]
            for key, number in zip(
                footage["part_key"].to_pylist(),
                footage["tracklets"].to_pylist(),
                strict=True,
            )
        ],
        dtype=bool,
    )


def _counted(keys: pa.ChunkedArray) -> dict[int, int]:
    return {e["values"]: e["counts"] for e in keys.value_counts().to_pylist()}


def _readable(path: Place, name: str) -> pa.Table:
    """Return the rows of the row groups that can be read, pages verified."""
    schema = TABLES[name]
    where, filesystem = place.arrow(path)
    groups = [schema.empty_table()]
    try:
        with pq.ParquetFile(
            where, filesystem=filesystem, page_checksum_verification=True
        ) as file:
            for number in range(file.metadata.num_row_groups):
                try:
                    table = file.read_row_group(number).select(schema.names)
                    groups.append(table.cast(schema))
                except (pa.ArrowException, OSError, ValueError, KeyError):
                    continue
    except (pa.ArrowException, OSError, ValueError):
        pass
    return pa.concat_tables(groups).unify_dictionaries()


def _unit_away(
    root: Place, hour: datetime, unit: int, reason: str, done: Repaired
) -> None:
    """Move a publication away; its log first, so that no reader misses a file."""
    for name in ("footage", "tracklet", "detection"):
        path = layout.segment(root, name, hour, unit)
        if path.exists():
            _away(root, path, reason, done)


def _away(root: Place, path: Place, reason: str, done: Repaired) -> None:
    try:
        done.moved += quarantine.put(root, path, reason) is not None
    except PermissionError as error:
        raise StoreError(
            f"{path} cannot be moved into quarantine ({error.strerror}); run this as "
            "the user that owns the store."
        ) from error
