"""Analysing the parts of one clip, and storing each as it ends."""

from __future__ import annotations

import errno
import json
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any

import cv2
import pyarrow as pa

from pipeline import __version__
from pipeline.cameras import calibration
from pipeline.cameras.registry import Camera
from pipeline.errors import StoreError
from pipeline.footage.clock import Clock
from pipeline.footage.decode import Decoder, PartEnd, Sample
from pipeline.footage.records import Projector, Records, moment, records
from pipeline.footage.sources import Clip
from pipeline.footage.triage import Triage, quality_of
from pipeline.settings import Settings
from pipeline.store import writer
from pipeline.store.place import root_of
from pipeline.store.schema import FOOTAGE
from pipeline.vision.observer import Observer

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Progress:
    """How far an ingest is; passed to the caller's function after each sample."""

    clip: Path
    clip_number: int  #: from 1
    clip_count: int
    done_s: float  #: seconds of footage done, skipped parts included
    duration_s: float
    part: int  #: from 1, that in which something was done; two may be in work
    parts: int
    stored: bool = False  #: the part was just published


class IngestInterruptedError(KeyboardInterrupt):
    """Ctrl-C in mid-clip; the text says what is stored and how to go on."""


@dataclass(frozen=True)
class _Made:
    """A part that is analysed and not stored yet."""

    end: PartEnd
    rows: Records
    footage: pa.Table


@dataclass
class _Run:
    """What the lanes of one run share."""

    wanted: list[int]
    part_s: float
    duration_s: float
    stored: int = 0  #: parts, the first of those wanted
    made: dict[int, _Made] = field(default_factory=dict)  #: by part, to be stored
    corrupt: int = 0  #: frames
    stop: Event = field(default_factory=Event)
    storing: Any = field(default_factory=Lock)
    telling: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._left = deque(self.wanted)
        #: By part: seconds of it that are still to be done.
        self._ahead = {
            part: self._ends(part) - part * self.part_s for part in self._left
        }

    def take(self, most: int) -> list[int]:
        """Take the next parts; none once the run is to stop."""
        with self.telling:
            count = 0 if self.stop.is_set() else min(most, len(self._left))
            return [self._left.popleft() for _ in range(count)]

    def reach(self, part: int, at_s: float) -> float:
        """Note how far a part is; returns the seconds of the clip that are done."""
        self._ahead[part] = self._ends(part) - at_s
        return self.duration_s - sum(self._ahead.values())

    def _ends(self, part: int) -> float:
        return min((part + 1) * self.part_s, self.duration_s)


@dataclass(frozen=True)
class Work:
    """The analysis of one clip."""

    settings: Settings
    camera: Camera
    tell: Callable[..., None]
    clip: Clip
    clock: Clock
    sha256: str
    name: str
    part_s: float
    total: int

    def run(self, wanted: list[int]) -> str | None:
        """Analyse and publish the wanted parts; return a note on damage.

        Parts do not depend on each other: two are analysed side by side, each on its
        own thread, which keeps the cores busier than two threads on one part.
        """
        run = _Run(wanted, self.part_s, self.clip.duration_s)
        # Without seeking, a clip is read from its beginning.
        lanes = min(self.settings.threads, len(wanted)) if self.clip.seekable else 1
        # Small pictures: OpenCV's own threads cost more than they bring.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            if lanes == 1:
                self._lane(run, self._observer(), len(wanted), self.settings.threads)
            else:
                self._side_by_side(run, lanes)
        except KeyboardInterrupt:
            raise IngestInterruptedError(
                f"Stopped in {self.clip.path.name}, {run.stored} of {len(wanted)} "
                f"parts of this run are stored; run the same command again to go on "
                f"from there."
            ) from None
        finally:
            cv2.setNumThreads(threads)
        if not run.corrupt:
            return None
        return f"{run.corrupt} damaged frames were passed over."

    def _side_by_side(self, run: _Run, lanes: int) -> None:
        with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
            each = max(1, self.settings.threads // lanes)
            observers = [self._observer() for _ in range(lanes)]
            work = [
                pool.submit(self._lane, run, observer, 1, each)
                for observer in observers
            ]
            try:
                for lane in as_completed(work):
                    lane.result()
            finally:  # one failed, or Ctrl-C: the others end at their next frame
                run.stop.set()

    def _observer(self) -> Observer:
        clip, quality = self.clip, quality_of(self.settings)
        return Observer(
            self.settings.weights_dir,
            frame_size=(clip.width, clip.height),
            sample_fps=quality.sample_fps,
            threads=self.settings.threads,
            quick=quality.quick,
        )

    def _lane(self, run: _Run, observer: Observer, at_once: int, threads: int) -> None:
        """Analyse parts, so many in a row, until none is left or the run is to stop.

        `threads` are for decoding; networks share those of the process.
        """
        clip, quality = self.clip, quality_of(self.settings)
        projector = calibration.ground_projector(self.camera, clip.width, clip.height)
        while parts := run.take(at_once):
            triage, begun = Triage(quality.idle_s), time.perf_counter()
            decoder = Decoder(
                clip,
                sample_fps=quality.sample_fps,
                part_s=self.part_s,
                parts=list(parts),
                threads=threads,
                keys_only=quality.quick,
            )
            with decoder:
                for item in decoder:
                    if run.stop.is_set():
                        return
                    if isinstance(item, Sample):
                        self._look(observer, triage, item)
                        self._tell(run, parts[0], item.offset_s)
                        continue
                    analysed = observer.counts["frames"]
                    rows = self._rows(item, observer, projector)
                    seconds = time.perf_counter() - begun
                    run.made[item.part] = _Made(
                        item,
                        rows,
                        self._footage(item, analysed, seconds, rows, observer),
                    )
                    self._store_next(run)
                    del parts[0]
                    begun = time.perf_counter()
                    triage.reset()

    def _look(self, observer: Observer, triage: Triage, sample: Sample) -> None:
        if not triage.due(sample.luma, sample.offset_s):
            return
        before = observer.counts["persons"]
        observer.see(sample.image(), sample.number, sample.offset_s, triage.moved)
        persons = observer.counts["persons"] - before
        triage.analysed(sample.luma, sample.offset_s, persons)

    def _tell(self, run: _Run, part: int, at_s: float, stored: bool = False) -> None:
        with run.telling:
            done_s = run.reach(part, at_s)
            self.tell(
                clip=self.clip.path,
                done_s=done_s,
                duration_s=self.clip.duration_s,
                part=part + 1,
                parts=self.total,
                stored=stored,
            )

    def _rows(
        self, end: PartEnd, observer: Observer, projector: Projector | None
    ) -> Records:
        return records(
            observer.finish(),
            clip_start=self.clock.start_at,
            part_start_s=end.part * self.part_s,
            camera_id=self.camera.id,
            camera_no=self.camera.number,
            projector=projector,
            provenance=observer.provenance,
        )

    def _store_next(self, run: _Run) -> None:
        """Publish what is made, in the order of the parts."""
        with run.storing:
            while run.stored < len(run.wanted):
                made = run.made.pop(run.wanted[run.stored], None)
                if made is None:
                    return
                self._store(made)
                run.stored += 1
                run.corrupt += made.end.corrupt
                self._tell(run, made.end.part, made.end.end_s, stored=True)

    def _store(self, made: _Made) -> None:
        rows = made.rows
        try:
            writer.publish(self.settings, made.footage, rows.tracklets, rows.detections)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            raise StoreError(
                f"The disk of {root_of(self.settings)} is full: part "
                f"{made.end.part + 1} of {self.total} of {self.clip.path.name} was "
                f"not stored; free some space and run the command again, finished "
                f"parts are kept."
            ) from error

    def _footage(
        self,
        end: PartEnd,
        analysed: int,
        seconds: float,
        rows: Records,
        observer: Observer,
    ) -> pa.Table:
        """Return the part's row of the footage log."""
        clip, quality = self.clip, quality_of(self.settings)
        begin_s = end.part * self.part_s
        options = dict(observer.provenance.options) | {
            "quality": quality.name,
            "sample_fps": quality.sample_fps,
            "part_seconds": self.part_s,
            "idle_seconds": quality.idle_s,
            "frames_passed_over": end.passed_over,
            "longest_gap_s": round(end.gap_s, 3),
        }
        row = {
            "footage_id": self.name,
            "part": end.part,
            "camera_id": self.camera.id,
            "camera_no": self.camera.number,
            "start_at": moment(self.clock.start_at, begin_s),
            "end_at": moment(self.clock.start_at, end.end_s),
            "clock": self.clock.origin,
            "source": str(clip.path.absolute()),
            "source_sha256": self.sha256,
            "source_offset_s": begin_s,
            "last_part": end.part == self.total - 1,
            "fps": clip.fps,
            "width": clip.width,
            "height": clip.height,
            "frames_read": end.read,
            "frames_analysed": analysed,
            "frames_corrupt": end.corrupt,
            "persons": rows.detections.num_rows,
            "tracklets": rows.tracklets.num_rows,
            "faces": rows.faces,
            **{f"masks_{state}": n for state, n in rows.masks.items()},
            "seconds": seconds,
            "models": json.dumps(observer.provenance.models, sort_keys=True),
            "options": json.dumps(options, sort_keys=True),
            "software": __version__,
            "analysed_at": datetime.now(UTC),
            "synthetic": False,
        }
        return pa.Table.from_pylist([row], schema=FOOTAGE)
