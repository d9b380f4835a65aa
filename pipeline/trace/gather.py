"""Gathering the passes an order covers from the segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.store import groups, reader
from pipeline.store.schema import MASK_STATES
from pipeline.trace import sieve, spare
from pipeline.trace.passes import PLAIN, Passes, empty_passes
from pipeline.trace.vault import KINDS, Chunk, Vault, coded

if TYPE_CHECKING:
    from pipeline.trace.observations import Scope

#: Error of a place where a camera is not calibrated, metres (its own position
#: stands for all that it sees).
UNCALIBRATED_ERROR_M = 20.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = np.iinfo(np.int64).max
_PLACES = ("first_east", "first_north", "last_east", "last_north")


def passes(
    scope: Scope,
    numbers: Sequence[int],
    progress: Callable[[float], object] | None = None,
) -> Passes:
    """Read the passes that lie wholly inside a scope's window and area.

    Parameters
    ----------
    numbers : cameras inside the area.
    progress : told the share read, 0..1; raise in it to cancel.
    """

    def read() -> Passes:
        threads = scope.settings.threads
        wanted = groups.wanted(
            scope.settings, "tracklet", scope.window, numbers, threads
        )
        return _Gathering(scope, numbers, wanted).run(threads, progress)

    return reader.again(read)


@dataclass(frozen=True)
class _Room:
    """Room for rows of an hour, used again for another."""

    rows: np.ndarray  #: `sieve.ROW` [n]
    key: np.ndarray  #: int64 [n], by which they are put in order

    @classmethod
    def of(cls, most: int) -> _Room:
        return cls(np.empty(most, sieve.ROW), np.empty(most, np.int64))

    def part(self, begin: int, end: int) -> _Room:
        return _Room(self.rows[begin:end], self.key[begin:end])


@dataclass(frozen=True)
class _Part:
    """What one segment gives."""

    rows: np.ndarray  #: `sieve.ROW` [k], those that the order may cover
    codes: dict[str, np.ndarray]  #: kind -> int8 [rows], index of `names`
    names: list[str]
    scale: np.ndarray  #: float32 [rows]


class _Gathering:
    """One reading: an hour's segments at a time, each row straight to its place.

    While an hour is put in order the next is read.
    """

    def __init__(
        self, scope: Scope, numbers: Sequence[int], wanted: list[groups.Wanted]
    ) -> None:
        self.scope, self.wanted = scope, wanted
        self.opens, self.closes = (_micros(moment) for moment in scope.window)
        self.ground = scope.ground(numbers)
        # Room for all: what is not written to takes no memory.
        most = sum(one.rows for one in wanted)
        self.to = sieve.Columns(
            ids=spare.empty(most, np.int64),
            camera_no=spare.empty(most, np.int64),
            start=spare.empty(most),
            end=spare.empty(most),
            first=spare.empty((most, 2)),
            last=spare.empty((most, 2)),
            error_m=spare.empty(most),
            face_width_px=spare.empty(most, np.float32),
            mask_code=spare.empty(most, np.int8),
            at=spare.empty(most, np.int32),
            place=spare.empty(most, np.int32),
        )
        self.codes = {kind: spare.empty(most, np.int8) for kind in KINDS}
        self.scale = spare.empty(most, np.float32)
        self.count, self.stored = 0, 0  #: rows written of the passes, of the vault
        self.chunks: list[Chunk] = []
        self.names: list[str] = []
        self.free: list[_Room] = []  #: not in use
        self.beside: ThreadPoolExecutor | None = None  #: writes half of an hour

    def run(self, threads: int, progress: Callable[[float], object] | None) -> Passes:
        """Read everything."""
        hours = [
            list(some) for _, some in groupby(self.wanted, lambda w: w.segment.hour)
        ]
        done = 0
        with (
            ThreadPoolExecutor(max(1, threads)) as pool,
            ThreadPoolExecutor(1) as beside,
        ):
            self.beside = beside if threads > 1 else None
            try:
                for hour, room, parts in self._ahead(hours, pool):
                    found = []
                    for part in parts:
                        found.append(part.result())
                        done += 1
                        if progress is not None:
                            progress(done / len(self.wanted))
                    whole = room.part(0, sum(one.rows for one in hour))
                    self._add(hour, whole, found)
                    self.free.append(room)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return self._passes() if self.count else empty_passes()

    def _ahead(
        self, hours: list[list[groups.Wanted]], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[list[groups.Wanted], _Room, list[Future[_Part | None]]]]:
        """Yield each hour, its room and its parts; those of the next are being read."""
        most = max((sum(one.rows for one in hour) for hour in hours), default=0)
        waiting: list[Any] = []
        for hour in hours:
            room = self.free.pop() if self.free else _Room.of(most)
            edge = np.cumsum([0, *(one.rows for one in hour)]).tolist()
            parts = [
                pool.submit(self._part, one, room.part(begin, end))
                for one, begin, end in zip(hour, edge, edge[1:], strict=False)
            ]
            waiting.append((hour, room, parts))
            if len(waiting) > 1:
                yield waiting.pop(0)
        yield from waiting

    def _part(self, one: groups.Wanted, room: _Room) -> _Part | None:
        """Read a segment; what the order covers of its rows is put into the room."""
        table, counted = groups.read(one, PLAIN)
        states: list[str] = list(MASK_STATES)
        names: list[str] = []
        stored = sieve.Stored(
            id=_values(table["tracklet_id"], -1),
            camera=_values(table["camera_no"], np.iinfo(np.uint16).max),
            start=_values(table["start_at"], -1),
            end=_values(table["end_at"], _LONGEST),
            **{name: _values(table[f"{name}_cm"], sieve.NULL) for name in _PLACES},
            error=_values(table["ground_error_cm"], sieve.NULL),
            width=_values(table["face_width_px"], np.nan),
            mask=np.maximum(coded(table["mask_state"], states), 0),
            counted=counted,
        )
        sure = np.empty((2, one.rows), dtype=bool)
        count = sieve.sift(
            stored, self.opens, self.closes, self.ground, room.rows, room.key, sure
        )
        rows, sure = room.rows[:count], sure[:, :count]
        for which, name in enumerate(("first", "last")):
            rest = np.flatnonzero(~sure[which])
            if len(rest):
                places = sieve.places(rows[rest], name, self.ground.place)
                sure[which, rest] = self.scope.inside(places)
        outside = np.flatnonzero(~(sure[0] & sure[1]))
        if len(outside) == count:
            room.key[:count] = sieve.NONE
            return None
        room.key[outside] = sieve.NONE
        codes = {kind: coded(table[f"{kind}_model"], names) for kind in KINDS}
        scale = _values(table["face_scale"], np.nan)
        codes["face"][np.isnan(scale)] = -1
        return _Part(rows, codes, names, scale)

    def _add(
        self, hour: list[groups.Wanted], room: _Room, found: list[_Part | None]
    ) -> None:
        """Put what an hour gave in order, behind what was there."""
        for one, part in zip(hour, found, strict=True):
            if part is not None:
                part.rows["at"] += self.stored
                self._store(one, part)
        order = self._order(room)
        self._put(room, order)
        before = self.count
        self.count += len(order)
        if 0 < before < self.count:
            self._mend(before)

    def _put(self, room: _Room, order: np.ndarray) -> None:
        """Write an hour's rows, half of them by another thread.

        Most of the time goes to memory that comes to this process for the first time.
        """

        def write(begin: int, end: int) -> None:
            sieve.put(
                room.rows, order[begin:end], self.count + begin, self.ground.place,
                UNCALIBRATED_ERROR_M, self.to,
            )  # fmt: skip

        if self.beside is None:
            write(0, len(order))
            return
        half = len(order) // 2
        rest = self.beside.submit(write, half, len(order))
        write(0, half)
        rest.result()

    def _store(self, one: groups.Wanted, part: _Part) -> None:
        """Keep what the vault holds of a segment's rows."""
        self.chunks.append(Chunk(one.segment.path, one.numbers, one.counts))
        self.names += [name for name in part.names if name not in self.names]
        number = [self.names.index(name) for name in part.names]
        lut = np.array([*number, -1], dtype=np.int8)
        here = slice(self.stored, self.stored + one.rows)
        for kind in KINDS:
            self.codes[kind][here] = lut[part.codes[kind]]
        self.scale[here] = part.scale
        self.to.place[here] = -1
        self.stored += one.rows

    def _order(self, room: _Room) -> np.ndarray:
        """Order int32 of what the order covers, by start, then id."""
        if not (self.closes - self.opens) >> sieve.MOMENT_BITS:
            return sieve.ranked(room.key)
        rows = np.flatnonzero(room.key != sieve.NONE)
        some = room.rows[rows]
        return rows[sieve.order(some["start"] - self.opens, some["id"])].astype("i4")

    def _mend(self, middle: int) -> None:
        """Put rows in order of which those before and those from a place on are.

        Footage that runs over the hour: only where the two reach into each other.
        """
        start = self.to.start[: self.count]
        if start[middle - 1] < start[middle]:
            return
        low = int(np.searchsorted(start[:middle], start[middle]))
        high = int(np.searchsorted(start[middle:], start[middle - 1], side="right"))
        here = slice(low, middle + high)
        moment = np.rint(start[here] * 1e6).astype(np.int64) - self.opens
        order = sieve.order(moment, self.to.ids[here])
        for name, column in self.to._asdict().items():
            if name != "place":
                column[here] = column[here][order]
        self.to.place[self.to.at[here]] = np.arange(low, here.stop)

    def _passes(self) -> Passes:
        models = tuple(sorted(self.names))
        lut = np.array([*(models.index(name) for name in self.names), -1], np.int8)
        for kind, codes in self.codes.items():
            self.codes[kind] = codes = _cut(codes, self.stored)
            if models != tuple(self.names):
                codes[:] = lut[codes]
        columns = self.to._asdict()
        place = _cut(columns.pop("place"), self.stored)
        columns = {name: _cut(column, self.count) for name, column in columns.items()}
        scale = _cut(self.scale, self.stored)
        vault = Vault(self.chunks, self.codes, models, scale, place)
        return Passes(vault=vault, **columns)


def _cut(column: np.ndarray, length: int) -> np.ndarray:
    """Return an array without its end, which is given back if it is the array's own."""
    if not column.flags.owndata:
        return column[:length]
    column.resize((length, *column.shape[1:]), refcheck=False)
    return column


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _values(column: pa.ChunkedArray, unknown: float) -> np.ndarray:
    """Numbers of a column as stored, times in microseconds; not copied if in a row."""
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_timestamp(whole.type):
        whole = whole.cast(pa.int64())
    if whole.null_count:
        whole = whole.fill_null(unknown)
    return np.asarray(whole.to_numpy())
