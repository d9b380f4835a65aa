"""The watch: finds clips, records streams, hands out the work, keeps the account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.cameras import registry as registries
from pipeline.cameras.registry import Registry
from pipeline.errors import CameraError, FootageError, StoreError
from pipeline.fleet import schedule
from pipeline.fleet.notify import notify
from pipeline.fleet.recorder import FIRST_PAUSE_S, STALL_S, Recorder
from pipeline.fleet.sources import Source
from pipeline.fleet.state import State, only_one
from pipeline.fleet.workers import Job, Outcome, Work, Worker, analyse
from pipeline.footage.sources import SUFFIXES
from pipeline.settings import Settings
from pipeline.store import disk, layout, log, steady
from pipeline.store.place import root_of

#: Seconds between two looks into the folders, at the orders, at what is stored.
SCAN_S, ORDERS_S, VERIFY_S = 2.0, 30.0, 3600.0
#: Seconds between two signs of life to systemd.
ALIVE_S = 10.0
#: A clip that breaks its worker is tried so often, with these pauses, seconds.
TRIES, PAUSES_S = 3, (10.0, 60.0)
#: Pause after work was put off for want of room, seconds.
NO_ROOM_S = 30.0

Say = Callable[..., object]


@dataclass
class Watch:
    """One watch of an installation.

    Parameters
    ----------
    jobs : clips analysed at once, the budget.
    clip_s : length of the clips that streams are recorded in, seconds.
    say : told an event and its fields; never of a person or a case.
    work : what is done with a clip; default: ingest.
    """

    settings: Settings
    sources: list[Source]
    jobs: int = 1
    clip_s: float = 60.0
    say: Say = lambda _event, **_fields: None
    work: Work = analyse
    hang_s: float = 300.0
    stall_s: float = STALL_S
    pause_s: float = FIRST_PAUSE_S
    scan_s: float = SCAN_S
    no_room: str = ""  #: why nothing new is begun; empty when there is room
    _ending: threading.Event = field(default_factory=threading.Event)
    _seen: dict[Path, tuple[int, int, float]] = field(default_factory=dict)
    _urgent: frozenset[str] = frozenset()
    _unnamed: set[Path] = field(default_factory=set)

    def end(self) -> None:
        """End soon: finished parts are stored, the rest waits for the next start."""
        self._ending.set()

    def run(
        self, *, once: bool = False, tick: Callable[[], object] | None = None
    ) -> None:
        """Watch until told to end; with `once`, until every clip found is done.

        `tick` is called about four times a second.
        """
        with only_one(self.settings):
            self.state = State(self.settings)
            self.state.resume()
            notify("READY=1")
            self.verify()
            self.expire_recordings()
            registry = registries.load(self.settings.registry)
            recorders = (
                [] if once else [self._record(s) for s in self.sources if s.rtsp]
            )
            workers = [
                Worker(self.settings, work=self.work, hang_s=self.hang_s)
                for _ in range(self.jobs)
            ]
            try:
                self._loop(workers, registry, once, tick)
            finally:
                notify("STOPPING=1")
                for recorder in recorders:
                    recorder.stop()
                for worker in workers:
                    self._enter(worker.stop())
                for recorder in recorders:
                    recorder.join(self.stall_s + 5)
                self.state.close()

    def _loop(
        self,
        workers: list[Worker],
        registry: Registry,
        once: bool,
        tick: Callable[[], object] | None,
    ) -> None:
        scan = orders = ticked = alive = 0.0
        verify = time.monotonic() + VERIFY_S
        while not self._ending.is_set():
            now = time.monotonic()
            if now >= verify:
                self.verify()
                self.expire_recordings()
                verify = now + VERIFY_S
            if now >= orders:
                self._urgent = schedule.urgent_cameras(self.settings, registry)
                orders = now + ORDERS_S
            if now >= scan:
                settling = self.scan(registry)
                self._look_for_room()
                scan = now + self.scan_s
            for worker in workers:
                self._enter(worker.poll())
                if worker.free and not self.no_room:
                    self._begin(worker)
            if now >= alive:
                notify("WATCHDOG=1")
                alive = now + ALIVE_S
            if tick is not None and now >= ticked:
                tick()
                ticked = now + 0.25
            idle = all(worker.free for worker in workers)
            if once and idle and not settling and not self.state.clips("waiting"):
                return
            self._ending.wait(0.05)

    def scan(self, registry: Registry) -> int:
        """Enter the clips that are whole; return how many may still grow."""
        settling = 0
        for source in self.sources:
            try:
                entries = sorted(source.folder.iterdir())
            except FileNotFoundError:
                self._fault(source, f"There is no folder {source.folder}; mount it.")
                continue
            except OSError as error:
                self._fault(
                    source, f"{source.folder} cannot be read ({error.strerror})."
                )
                continue
            for path in entries:
                if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                    settling += self._look(source, path, registry)
        return settling

    def verify(self) -> int:
        """Let clips wait again whose parts are no longer stored; return how many.

        A repair may have taken parts out of the store; expired ones stay gone.
        """
        now, again = time.time(), 0
        oldest = now - self.settings.retention_days * 86_400
        counts: dict[datetime, dict[str, int]] = {}
        for clip in self.state.clips("done"):
            if clip.start_at is None or clip.end_at is None or clip.start_at < oldest:
                if not clip.path.exists():
                    self.state.forget(clip.path)
                continue
            stored = 0
            begin = datetime.fromtimestamp(clip.start_at, UTC)
            end = datetime.fromtimestamp(clip.end_at, UTC)
            try:
                for hour in layout.each_hour(begin, end):
                    if hour not in counts:
                        counts[hour] = self._parts(hour)
                    stored += counts[hour].get(clip.footage_id or "", 0)
            except StoreError as error:
                self.say("store damaged", error=str(error))
                continue
            if stored < (clip.parts or 0) and clip.path.exists():
                self.state.set(clip.path, "waiting", note="parts were lost", tries=0)
                again += 1
        if again:
            self.say("clips to analyse again", clips=again)
        return again

    def expire_recordings(self) -> int:
        """Delete recorded clips of streams that ended before the retention's limit.

        Clips in watched folders belong to the operator and are left alone.
        """
        try:
            steady.demand(self.settings)
        except StoreError as error:
            self.say("put off", reason=str(error))
            return 0
        oldest = time.time() - self.settings.retention_days * 86_400
        gone = 0
        for source in self.sources:
            if source.rtsp is None or not source.folder.is_dir():
                continue
            for path in source.folder.iterdir():
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink(missing_ok=True)
                    self.state.forget(path)
                    gone += 1
        if gone:
            self.say("recordings expired", clips=gone)
        return gone

    def _parts(self, hour: datetime) -> dict[str, int]:
        rows = log.visible(root_of(self.settings), [hour])
        counted = rows["footage_id"].value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}

    def _look(self, source: Source, path: Path, registry: Registry) -> bool:
        """Enter a clip if it is whole and new; return whether it may still grow."""
        try:
            about = path.stat()
        except OSError:
            return False
        key = (about.st_size, about.st_mtime_ns)
        if self.state.known(path) == key:
            self._seen.pop(path, None)
            return False
        seen = self._seen.get(path)
        if seen is None or seen[:2] != key:
            self._seen[path] = (*key, time.monotonic())
            return source.settle_s > 0 or self._look(source, path, registry)
        if time.monotonic() - seen[2] < source.settle_s:
            return True
        try:
            camera = source.camera_of(path)
            registry.get(camera)
        except (FootageError, CameraError) as error:
            if path not in self._unnamed:
                self._unnamed.add(path)
                self.say("clip refused", clip=path.name, reason=str(error))
            return False
        if self.state.found(path, camera, source.name, *key):
            self.state.add(camera)
            self.say("clip found", camera=camera, clip=path.name)
        self._seen.pop(path, None)
        return False

    def _begin(self, worker: Worker) -> None:
        clip = schedule.choose(
            self.state.oldest_waiting(), self.state.shares(), self._urgent
        )
        if clip is None:
            return
        self.state.set(clip.path, "running")
        offset = next(
            (
                s.offset_s(clip.camera)
                for s in self.sources
                if s.name == clip.source and not s.rtsp
            ),
            0.0,
        )
        worker.give(Job(clip.path, clip.camera, offset))

    def _enter(self, outcome: Outcome | None) -> None:
        """Enter what became of a job."""
        if outcome is None:
            return
        job, figures = outcome.job, dict(outcome.figures)
        clip = self.state.clip(job.path)
        # Also what came to nothing: bad clips of one camera must not hold up the rest.
        weight = schedule.weight(job.camera, self._urgent, self.state.activity())
        self.state.add(job.camera, share=outcome.seconds / weight)
        if outcome.kind == "done":
            footage_s, work_s = figures.pop("footage_s"), figures.pop("work_s")
            tracklets, notes = figures.pop("tracklets"), figures.pop("notes")
            self.state.set(job.path, "done", note=notes, done_at=time.time(), **figures)
            self.state.saw(job.camera, tracklets, footage_s)
            self.state.add(
                job.camera, footage_s=footage_s, work_s=work_s, tracklets=tracklets
            )
            self.state.stored_until(job.camera, figures["end_at"])
            self.state.tell(job.camera, fault="")
            self.say(
                "clip done",
                camera=job.camera,
                clip=job.path.name,
                footage_s=round(footage_s, 1),
                work_s=round(work_s, 1),
            )
        elif outcome.kind in ("stopped", "later"):
            pause = NO_ROOM_S if outcome.kind == "later" else 0.0
            self.state.set(
                job.path, "waiting", note=outcome.note, due_at=time.time() + pause
            )
            if outcome.note:
                self.say("put off", camera=job.camera, reason=outcome.note)
        else:
            tries = clip.tries + 1
            over = outcome.kind == "refused" or tries >= TRIES
            due = 0.0 if over else time.time() + PAUSES_S[tries - 1]
            self.state.set(
                job.path,
                "refused" if over else "waiting",
                note=outcome.note,
                tries=tries,
                due_at=due,
            )
            self.state.tell(job.camera, fault=f"{job.path.name}: {outcome.note}")
            event = "clip refused" if over else "clip broke off"
            self.say(event, camera=job.camera, clip=job.path.name, reason=outcome.note)

    def _look_for_room(self) -> None:
        try:
            disk.demand(self.settings)
            self.no_room = ""
        except disk.NoRoomError as error:
            if not self.no_room:
                self.say("no room", reason=str(error))
            self.no_room = str(error)

    def _record(self, source: Source) -> Recorder:
        camera = source.camera or ""

        def tell(link: str, fault: str) -> None:
            values = {"link": link} | ({"fault": fault} if link else {})
            self.state.tell(camera, **values)
            if link:
                self.say(f"stream {link}", camera=camera, reason=fault)

        recorder = Recorder(
            source,
            clip_s=self.clip_s,
            tell=tell,
            room=lambda: disk.demand(self.settings),
            stall_s=self.stall_s,
            pause_s=self.pause_s,
        )
        self.state.add(camera)
        recorder.start()
        return recorder

    def _fault(self, source: Source, text: str) -> None:
        for known in self.state.cameras():
            if known.camera == source.camera and known.fault == text:
                return
        if source.camera is not None and not source.rtsp:
            self.state.tell(source.camera, fault=text)
            self.say("source away", source=source.name, reason=text)
