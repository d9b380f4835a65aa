"""Simulate a city: hour by hour, into the store's own format, with its truth."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from pipeline.arrays import joined
from pipeline.cameras import registry
from pipeline.errors import StoreError
from pipeline.simulate import (
    embeddings,
    listings,
    network,
    observations,
    passes,
    points,
    recogniser,
    sidebyside,
    truth,
    walking,
    ways,
)
from pipeline.simulate.columns import label, moments
from pipeline.simulate.faces import mask_at
from pipeline.simulate.maker import Maker
from pipeline.simulate.observations import Observed
from pipeline.simulate.passes import Passes
from pipeline.simulate.plan import ZONE, Plan, Summary, claim, make_plan
from pipeline.simulate.residents import Residents, clothes, populate
from pipeline.simulate.ways import DAY, HOUR, Ways
from pipeline.store import writer
from pipeline.store.schema import MASK_STATES

__all__ = ["Plan", "Summary", "make_plan", "simulate"]

#: Hours under way at a time, which bounds the memory.
HOURS_AT_ONCE = 2
#: Threads of an hour that has a process of its own, at least: while one waits for the
#: disk, the other goes on.
THREADS_AN_HOUR = 2
#: Clothes are changed overnight: at this hour, when hardly anybody is out.
CHANGE_HOUR = 4
#: Ways walked at a time, and tracklets made and published at a time.
BATCH_WAYS = 1_500
UNIT_TRACKLETS = 60_000


def simulate(
    out: Path,
    plan: Plan,
    registry_path: Path,
    *,
    threads: int = 2,
    progress: Callable[[str, float], object] | None = None,
    spread: Callable[[Plan, list[int]], Iterator[dict[str, int]]] | None = None,
) -> Summary:
    """Write a city's observations and truth under a folder.

    Parameters
    ----------
    out : becomes a data folder: `observations/` and `truth/`.
    plan : see `make_plan`.
    registry_path : camera registry.
    threads : the result is the same for any.
    progress : called with what is being done and the hours finished so far.
    spread : simulates hours elsewhere by `one_hour` and yields the counts of each;
        default: here.

    Returns
    -------
    Counts of this run and of hours found finished from an earlier one.

    Raises
    ------
    StoreError
        If the folder holds observations of another plan, or of real footage.
    CameraError
        If the registry cannot be used.
    """
    started = time.perf_counter()
    tell = progress or (lambda text, done: None)
    cameras = registry.load(registry_path)
    plan = replace(plan, cameras=len(cameras))
    claim(out, plan)
    tell("people", 0)
    city = _draw(out, plan, cameras, threads)
    net, people, patients = city.net, city.people, city.patients
    summary = Summary(cameras=len(net.ids), residents=len(people))
    path = out / "truth" / "residents.parquet"
    if not path.is_file():
        truth.write(
            out / "truth" / "cameras.parquet", listings.cameras(net, city.unix(0))
        )
        truth.write(path, listings.residents(people, patients))
    todo = []
    for hour in range(plan.hours):
        if truth.hour_file(out, "path", city.unix(hour)).is_file():
            summary.hours_found += 1
        else:
            todo.append(hour)
    begun = time.perf_counter()
    if spread is None and sidebyside.worth_it(threads, len(todo)):
        lanes = min(HOURS_AT_ONCE, threads)
        each = max(THREADS_AN_HOUR, threads // lanes)
        spread = partial(sidebyside.hours, city, lanes, each)
    if spread is None:
        with threadpool_limits(1):  # the pool's threads do the work
            city.run(todo, summary, tell)
    else:
        for counts in spread(plan, todo):
            _add(summary, counts)
            done = summary.hours_found + summary.hours
            tell(f"{done} of {plan.hours} h", done)
    summary.hours_seconds = time.perf_counter() - begun
    tell("done", plan.hours)
    summary.seconds = time.perf_counter() - started
    files = (p for p in out.rglob("*.parquet"))
    summary.bytes = sum(p.stat().st_size for p in files)
    return summary


def one_hour(
    out: Path, plan: Plan, registry_path: Path, hour: int, *, threads: int = 1
) -> dict[str, int]:
    """Simulate one hour of a city that `simulate` began; return its counts.

    Safe to repeat, and for several processes at once. People and network are drawn
    once in a process.
    """
    return drawn(out, plan, registry_path).alone(hour, threads)


@lru_cache(maxsize=1)
def drawn(out: Path, plan: Plan, registry_path: Path) -> _City:
    """Draw a city's people and network, once in a process."""
    cameras = registry.load(registry_path)
    return _draw(out, plan, cameras, 1)


def _draw(out: Path, plan: Plan, cameras: registry.Registry, threads: int) -> _City:
    for part in (walking, points):  # once, not in every process that shares the city
        part.make_ready()
    net = network.build(cameras, plan.density, plan.hours, plan.seed, plan.clock_skew_s)
    law = recogniser.load()
    people = populate(plan.residents, net, law, plan.mask_share, plan.seed)
    return _City(out, plan, net, people, law, _patients(plan, people), threads)


def _add(summary: Summary, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        setattr(summary, name, getattr(summary, name) + count)


class _City:
    """The state that hours share."""

    def __init__(
        self,
        out: Path,
        plan: Plan,
        net: network.Network,
        people: Residents,
        law: recogniser.Recogniser,
        patients: np.ndarray,
        threads: int,
    ) -> None:
        self.out, self.plan, self.net, self.people = out, plan, net, people
        self.law, self.patients, self.threads = law, patients, max(1, threads)
        self.start = datetime.fromisoformat(plan.start)
        self.basis = embeddings.clothes_basis(plan.appearance_width)
        self.days: dict[int, Ways] = {}
        self.worn: dict[int, Maker] = {}
        self.day_lock = threading.Lock()
        #: Set by whoever stops the run; looked at by every process of it.
        self.stopped: sidebyside.Flag = threading.Event()
        self.pool: ThreadPoolExecutor | None = None

    def unix(self, hour: int) -> int:
        return int(self.start.timestamp()) + hour * 3600

    def local(self, hour: int) -> datetime:
        return datetime.fromtimestamp(self.unix(hour), ZONE)

    def run(
        self, todo: list[int], summary: Summary, tell: Callable[[str, float], object]
    ) -> None:
        """Simulate hours, a few at a time: while one is written, the next is walked.

        What stops the run stops the hours under way; they are done again next time.
        """
        lead = min(HOURS_AT_ONCE, self.threads)
        with (
            ThreadPoolExecutor(self.threads) as self.pool,
            ThreadPoolExecutor(lead) as leaders,
        ):
            try:
                found = [leaders.submit(self.hour, hour) for hour in todo]
                for hour, future in zip(todo, found, strict=True):
                    tell(f"{self.local(hour):%m-%d %H:00}", summary.hours_found)
                    counts = future.result()
                    _add(summary, counts)
                    tell(
                        f"{self.local(hour):%m-%d %H:00}",
                        summary.hours_found + summary.hours,
                    )
            finally:
                self.stopped.set()
                leaders.shutdown(wait=False, cancel_futures=True)

    def alone(self, hour: int, threads: int) -> dict[str, int]:
        """Simulate one hour by threads of its own; return its counts."""
        with threadpool_limits(1), ThreadPoolExecutor(threads) as self.pool:
            return self.hour(hour)

    def hour(self, hour: int) -> dict[str, int]:
        """Simulate one hour; its file of the path, written last, tells it is whole."""
        assert self.pool is not None
        local = self.local(hour)
        ways, maker = self._begin(local)
        hour_s, unix = local.hour * HOUR, self.unix(hour)
        active = np.flatnonzero((ways.start < hour_s + HOUR) & (ways.end > hour_s))
        parts = self.pool.map(
            lambda rows: self._walk(ways, rows, hour_s, hour),
            np.split(active, range(BATCH_WAYS, len(active), BATCH_WAYS)),
        )
        seen = joined(list(parts))
        met = self.pool.submit(
            truth.contacts, ways, seen, self.patients, self.net, unix, hour
        )
        units = list(_units(seen, len(self.net.ids)))
        found = list(
            self.pool.map(
                lambda unit: self._publish(maker, ways, seen, unit, hour, hour_s),
                units,
            )
        )
        been = truth.visits(ways, unix - hour_s, hour_s, self.people.places)
        truth.write(truth.hour_file(self.out, "contacts", unix), met.result())
        truth.write(truth.hour_file(self.out, "visits", unix), been)
        copies = pa.concat_tables(
            [truth.COPIES.empty_table(), *(f.copies for f in found)]
        )
        truth.write(truth.hour_file(self.out, "copies", unix), copies)
        truth.write(
            truth.hour_file(self.out, "path", unix),
            _path(ways, seen, found, self.net, unix, hour_s),
        )
        return {
            "hours": 1,
            "passes": len(seen.way),
            "contacts": met.result().num_rows,
            "visits": been.num_rows,
            "tracklets": sum(len(f.rows) for f in found),
            "detections": sum(f.count for f in found),
            "faces": sum(f.faces for f in found),
        }

    def _walk(self, ways: Ways, rows: np.ndarray, hour_s: float, hour: int) -> Passes:
        self._go_on()
        return passes.of_ways(ways, rows, hour_s, hour, self.net, self.plan.seed)

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise StoreError("The simulation was stopped; run it again to go on.")

    def _begin(self, local: datetime) -> tuple[Ways, Maker]:
        """Return an hour's ways and clothes, drawn when their day begins."""
        number = local.date().toordinal() - 1  # day 0 of the era is a Monday
        worn = number - (local.hour < CHANGE_HOUR)
        with self.day_lock:
            if number not in self.days:
                self.days.pop(number - 2, None)
                self.days[number] = self._ways(number)
            if worn not in self.worn:
                self.worn.pop(worn - 2, None)
                self.worn[worn] = self._maker(worn)
            return self.days[number], self.worn[worn]

    def _ways(self, number: int) -> Ways:
        today = ways.of_day(self.people, number, self.plan.seed)
        before = ways.of_day(self.people, number - 1, self.plan.seed)
        late = before.take(np.flatnonzero(before.end > DAY))
        return joined([replace(late, start=late.start - DAY), today])

    def _maker(self, number: int) -> Maker:
        plan = self.plan
        return Maker(
            people=self.people,
            network=self.net,
            law=self.law,
            clothes=clothes(len(self.people), number, embeddings.CLOTHES, plan.seed),
            clothes_basis=self.basis,
            face_model=plan.face_model,
            appearance_model=plan.appearance_model,
            seed=plan.seed,
            duplicated=plan.duplicated,
        )

    def _publish(
        self,
        maker: Maker,
        ways: Ways,
        seen: Passes,
        unit: tuple[np.ndarray, range],
        hour: int,
        hour_s: float,
    ) -> _Published:
        self._go_on()
        rows, cameras = unit
        made: Observed = observations.observe(
            maker, ways, seen, rows, cameras, self.unix(hour), hour_s, hour
        )
        if made.footage.num_rows:
            writer.publish(
                self.out / "observations",
                made.footage,
                made.tracklets,
                made.detections,
            )
        faces = made.tracklets["face_i8"]
        return _Published(
            made.rows,
            made.tracklet_ids,
            made.start_s,
            made.end_s,
            made.detections.num_rows,
            len(faces) - faces.null_count,
            made.copies,
        )


@dataclass(frozen=True)
class _Published:
    rows: np.ndarray
    tracklet_ids: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    count: int
    faces: int
    copies: pa.Table


def _units(seen: Passes, cameras: int) -> Iterator[tuple[np.ndarray, range]]:
    """Passes in order of camera and start, in ranges of cameras of a fair size."""
    kept = np.flatnonzero(~seen.missed)
    kept = kept[np.lexsort((seen.way[kept], seen.first[kept], seen.camera[kept]))]
    total = np.cumsum(np.bincount(seen.camera[kept], minlength=cameras))
    begin, done = 0, 0
    while begin < cameras:
        end = int(np.searchsorted(total, done + UNIT_TRACKLETS, side="right"))
        end = min(max(end, begin + 1), cameras)
        yield kept[done : total[end - 1]], range(begin, end)
        begin, done = end, int(total[end - 1])


def _path(
    ways: Ways,
    seen: Passes,
    found: list[_Published],
    net: network.Network,
    unix: int,
    hour_s: float,
) -> pa.Table:
    """Return the truth of every pass of the hour, ordered by resident and time."""
    ids = np.zeros(len(seen.way), dtype=np.int64)
    start = unix + seen.first.astype(np.float64)
    end = start + seen.count - 1
    for part in found:
        ids[part.rows] = part.tracklet_ids
        start[part.rows], end[part.rows] = part.start_s, part.end_s
    order = np.lexsort((start, ways.resident[seen.way]))
    way = seen.way[order]
    lost = ids[order] == 0
    first = hour_s + seen.first[order]
    mask = mask_at(ways, way, first)
    later = mask_at(ways, way, first + seen.count[order] - 1)
    return pa.table(
        [
            pa.array(ids[order], mask=lost),
            pa.array(ways.resident[way]),
            pa.array(net.numbers[seen.camera[order]]),
            moments(start[order]),
            moments(end[order]),
            pa.array(lost),
            pa.array(ways.party[way].astype(np.int64)),
            label(ways.goal[way], truth.PLACES),
            label(mask, MASK_STATES),
            label(later, MASK_STATES),
        ],
        schema=truth.PATH,
    )


def _patients(plan: Plan, people: Residents) -> np.ndarray:
    """Residents whose contacts are recorded; a twin is among them."""
    rng = np.random.default_rng([plan.seed, 5])
    chosen = np.zeros(len(people), dtype=bool)
    chosen[rng.permutation(len(people))[: plan.patients]] = True
    twins = np.flatnonzero(people.twin >= 0)
    if plan.patients and len(twins):
        chosen[twins[0]] = True
    return chosen
