"""Is every stored row whole? Each fault is told in one sentence; nothing is changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import compact, integrity, layout, log, place
from pipeline.store.place import Place, root_of
from pipeline.store.schema import TABLES

#: Kinds of faults that hide or falsify stored rows; the others are rubbish.
GRAVE = ("torn", "damaged", "missing", "incomplete", "unreadable")


@dataclass(frozen=True)
class Finding:
    """One fault of the store."""

    kind: str  #: torn, damaged, missing, incomplete, unreadable, orphan, unfinished,
    #: stranger or overlap
    table: str
    hour: datetime
    path: Place
    sentence: str  #: what is wrong, with the file's name
    unit: int | None = None  #: publication concerned

    @property
    def grave(self) -> bool:
        """Whether rows are lost or wrong until it is repaired."""
        return self.kind in GRAVE


@dataclass(frozen=True)
class Checked:
    """What `check` looked at and found."""

    hours: int
    segments: int
    bytes: int
    undigested: int  #: segments written before digests were kept; decoded instead
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether no stored row is lost or wrong."""
        return not any(finding.grave for finding in self.findings)


def check(
    settings_or_root: Settings | Place,
    *,
    quick: bool = False,
    grace: timedelta = compact.GRACE,
    progress: Callable[[datetime], None] | None = None,
) -> Checked:
    """Look at every segment; safe while others write, read and compact.

    Parameters
    ----------
    settings_or_root : settings, or the folder of the observations.
    quick : look at the footers only, not at every byte.
    grace : unfinished files and rows without a log entry younger than this belong
        to work under way.
    progress : told each UTC hour before it is looked at.
    """
    root = root_of(settings_or_root)
    hours = compact.all_hours(root)
    segments = size = undigested = 0
    findings: list[Finding] = []
    for hour in hours:
        if progress is not None:
            progress(hour)
        with _held(root, hour):
            look = Hour(root, hour, quick=quick, grace=grace)
            found = look.findings()
            if not any(f.table == "footage" and f.grave for f in found):
                with contextlib.suppress(StoreError):  # the hour before is told
                    found += _overlaps(root, hour)
        findings += found
        segments += look.segments
        size += look.bytes
        undigested += look.undigested
    return Checked(len(hours), segments, size, undigested, tuple(findings))


class Hour:
    """The segments of one UTC hour, looked at once; the caller holds its lock."""

    def __init__(
        self, root: Place, hour: datetime, *, quick: bool, grace: timedelta
    ) -> None:
        self.root, self.hour, self._quick = root, hour, quick
        self._old = time.time() - grace.total_seconds()
        self.segments = self.bytes = self.undigested = 0
        self._rows: dict[tuple[str, int], int] = {}  #: of sound segments
        self._bad: dict[tuple[str, int], Finding] = {}

    def findings(self) -> list[Finding]:
        """Return the faults of the hour."""
        found: list[Finding] = []
        for table in TABLES:
            found += self._rubbish(table)
            for path in layout.segments(self.root, table, self.hour):
                unit = layout.unit_of(path)
                if unit is None:
                    text = "is not named like a segment and does not belong here"
                    found.append(self._finding("stranger", table, path, text))
                    continue
                fault = self._look(table, path, unit)
                if fault is not None:
                    self._bad[table, unit] = fault
        return found + list(self._bad.values()) + self._against_the_log()

    def _look(self, table: str, path: Place, unit: int) -> Finding | None:
        """Look at one segment's bytes."""
        try:
            self.bytes += path.stat().st_size
            self.segments += 1
            sound = None if self._quick else integrity.whole(path)
            if sound is False:
                text = "is damaged: its content is not what was written"
                return self._finding("damaged", table, path, text, unit)
            if sound is None:
                self.undigested += not self._quick
                if not self._quick:
                    layout.read(path, table)
            where, filesystem = place.arrow(path)
            about = place.patiently(
                path, lambda: pq.read_metadata(where, filesystem=filesystem)
            )
            schema = about.schema.to_arrow_schema()
            if set(schema.names) != set(TABLES[table].names):
                text = f"has other columns than {table} rows have"
                return self._finding("damaged", table, path, text, unit)
            self._rows[table, unit] = about.num_rows
        except FileNotFoundError:
            return None
        except PermissionError as error:
            text = f"may not be read by this user ({error.strerror})"
            return self._finding("unreadable", table, path, text, unit)
        except (integrity.TornError, StoreError) as error:
            because = error if isinstance(error, integrity.TornError) else "unreadable"
            text = f"is cut off or torn ({because})"
            return self._finding("torn", table, path, text, unit)
        except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError):
            text = "is damaged: it cannot be read as Parquet"
            return self._finding("damaged", table, path, text, unit)
        return None

    def _against_the_log(self) -> list[Finding]:
        """Compare the segments with what the footage log says of them."""
        found = []
        named = set()
        for path in layout.segments(self.root, "footage", self.hour):
            unit = layout.unit_of(path)
            if unit is None:
                continue
            named.add(unit)
            if ("footage", unit) in self._bad:
                continue
            log_rows = layout.read(path, "footage", ["unit", "tracklets"])
            if set(log_rows["unit"].to_pylist()) - {unit}:
                text = "holds rows of another publication than its name says"
                found.append(self._finding("damaged", "footage", path, text, unit))
                continue
            expected = int(np.sum(log_rows["tracklets"].to_numpy()))
            for table in ("tracklet", "detection"):
                path = layout.segment(self.root, table, self.hour, unit)
                if (table, unit) in self._bad:
                    continue
                rows = self._rows.get((table, unit))
                if rows is None:
                    text = "is missing, although the footage log names it"
                    found.append(self._finding("missing", table, path, text, unit))
                elif table == "tracklet" and rows != expected:
                    text = f"holds {rows} rows, and the footage log counts {expected}"
                    found.append(self._finding("incomplete", table, path, text, unit))
        for table in ("tracklet", "detection"):
            for path in layout.segments(self.root, table, self.hour):
                unit = layout.unit_of(path)
                if unit is None or unit in named or not self._is_old(path):
                    continue
                text = "belongs to no publication (its writer was stopped)"
                found.append(self._finding("orphan", table, path, text, unit))
        return found

    def _rubbish(self, table: str) -> Iterator[Finding]:
        directory = layout.folder(self.root, table, self.hour)
        for path in layout.pending_files(directory):
            if self._is_old(path):
                text = "was never finished (its writer was stopped)"
                yield self._finding("unfinished", table, path, text)
        with contextlib.suppress(FileNotFoundError):
            known = {*layout.segments(self.root, table, self.hour)}
            known |= {*layout.pending_files(directory)}
            for path in sorted(p for p in directory.iterdir() if p not in known):
                if path.is_file() and self._is_old(path):
                    text = "does not belong into the store"
                    yield self._finding("stranger", table, path, text)

    def _is_old(self, path: Place) -> bool:
        try:
            return path.stat().st_mtime < self._old
        except FileNotFoundError:
            return False

    def _finding(
        self, kind: str, table: str, path: Place, text: str, unit: int | None = None
    ) -> Finding:
        mend = "compaction removes it"
        if kind in GRAVE or kind == "stranger":
            mend = "run `dongseon store repair`"
        if kind == "unreadable":
            mend = "allow the user of the pipeline to read it"
        sentence = (
            f"The {table} segment {layout.inside(self.root, path)} {text}; {mend}."
        )
        return Finding(kind, table, self.hour, path, sentence, unit)


@contextlib.contextmanager
def _held(root: Place, hour: datetime) -> Iterator[None]:
    """Keep compaction away from an hour, where this user may."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(StoreError, OSError):
            stack.enter_context(layout.lock(root, hour, exclusive=False))
        yield


def _overlaps(root: Place, hour: datetime) -> Iterator[Finding]:
    """Tell of footage of one camera stored twice for the same time."""
    around = [hour - timedelta(hours=1), hour]
    rows = log.visible(root, around).sort_by(
        [("camera_no", "ascending"), ("start_at", "ascending")]
    )
    table = rows.select(["camera_no", "start_at", "end_at"]).to_pandas()
    latest = table.groupby("camera_no")["end_at"].cummax()
    same = table["camera_no"].eq(table["camera_no"].shift())
    again = same & (table["start_at"] < latest.shift())
    for index in np.flatnonzero(again.to_numpy()):
        one, other = rows.slice(int(index) - 1, 2).to_pylist()
        if one["footage_id"] == other["footage_id"] or other["start_at"] < hour:
            continue
        yield Finding(
            "overlap",
            "footage",
            hour,
            layout.segment(root, "footage", hour, other["unit"]),
            f"Camera {one['camera_id']} has two recordings of "
            f"{other['start_at']:%Y-%m-%d %H:%M:%S} UTC ({one['source']} and "
            f"{other['source']}); correct the start of one of them.",
            other["unit"],
        )
