"""How much is stored, how fast it grows, and how long the disk lasts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from pipeline.settings import Settings
from pipeline.store import compact, disk, layout, log, quarantine
from pipeline.store.place import root_of
from pipeline.store.schema import TABLES


@dataclass
class Stats:
    """Figures of the observation store."""

    hours: int = 0
    first: datetime | None = None  #: start of the oldest footage
    last: datetime | None = None  #: end of the newest
    parts: int = 0
    cameras: int = 0
    footage_hours: float = 0.0
    tracklets: int = 0
    segments: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    not_merged: int = 0  #: hours with more than one publication
    superseded: int = 0  #: parts stored more than once, before compaction sweeps
    unfinished: int = 0
    quarantined: int = 0
    free_bytes: int | None = None  #: None: an object store tells of no end
    reserve_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(self.bytes.values())

    @property
    def bytes_per_footage_hour(self) -> float:
        """Bytes an hour of one camera takes, on average."""
        return self.total_bytes / self.footage_hours if self.footage_hours else 0.0

    @property
    def room_hours(self) -> float | None:
        """Camera hours that still fit above the reserve."""
        each = self.bytes_per_footage_hour
        if not each or self.free_bytes is None:
            return None
        return max(0, self.free_bytes - self.reserve_bytes) / each


def stats(settings: Settings) -> Stats:
    """Count what is stored, hour by hour, from the footage log and the file sizes.

    Raises
    ------
    StoreError
        If a segment of the footage log is damaged.
    """
    root = root_of(settings)
    found = Stats(
        segments=dict.fromkeys(TABLES, 0),
        bytes=dict.fromkeys(TABLES, 0),
        free_bytes=disk.free_bytes(root) if isinstance(root, Path) else None,
        reserve_bytes=disk.reserve_bytes(settings),
        quarantined=quarantine.kept(root).files,
    )
    cameras: set[int] = set()
    seconds = 0.0
    for hour in compact.all_hours(root):
        found.hours += 1
        for table in TABLES:
            for path in layout.segments(root, table, hour):
                with contextlib.suppress(FileNotFoundError):
                    found.bytes[table] += path.stat().st_size
                    found.segments[table] += 1
            directory = layout.folder(root, table, hour)
            found.unfinished += len(layout.pending_files(directory))
        rows = log.every_row(root, hour)
        best = log.winners(rows)
        if not best.num_rows:
            continue
        found.parts += best.num_rows
        found.superseded += rows.num_rows - best.num_rows
        found.not_merged += len(rows["unit"].unique()) > 1
        found.tracklets += pc.sum(best["tracklets"]).as_py() or 0
        cameras.update(best["camera_no"].unique().to_pylist())
        begin, end = pc.min(best["start_at"]).as_py(), pc.max(best["end_at"]).as_py()
        found.first = min(found.first or begin, begin)
        found.last = max(found.last or end, end)
        spans = pc.subtract(best["end_at"], best["start_at"])
        total = pc.sum(pc.cast(spans, "int64")).as_py() or 0
        seconds += timedelta(microseconds=total).total_seconds()
    found.cameras = len(cameras)
    found.footage_hours = seconds / 3600
    return found
