"""Analysing the parts of one clip, and storing each as it ends."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
    analysed_s: float  #: seconds of footage done in this run
    part: int  #: from 1
    parts: int
    stored: bool = False  #: the part was just published


class IngestInterruptedError(KeyboardInterrupt):
    """Ctrl-C in mid-clip; the text says what is stored and how to go on."""


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
        """Analyse and publish the wanted parts; return a note on damage."""
        settings, clip = self.settings, self.clip
        quality = quality_of(settings)
        observer = Observer(
            settings.weights_dir,
            frame_size=(clip.width, clip.height),
            sample_fps=quality.sample_fps,
            threads=settings.threads,
            quick=quality.quick,
        )
        projector = calibration.ground_projector(self.camera, clip.width, clip.height)
        decoder = Decoder(
            clip,
            sample_fps=quality.sample_fps,
            part_s=self.part_s,
            parts=wanted,
            threads=settings.threads,
            keys_only=quality.quick,
        )
        corrupt, index = 0, 0
        # Small pictures: OpenCV's own threads cost more than they bring.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            with decoder:
                triage, begun = Triage(quality.idle_s), time.perf_counter()
                for item in decoder:
                    if isinstance(item, Sample):
                        self._look(observer, triage, item)
                        self._tell(wanted, index, item.offset_s)
                        continue
                    analysed = observer.counts["frames"]
                    seconds = time.perf_counter() - begun
                    self._store(item, analysed, seconds, observer, projector)
                    corrupt += item.corrupt
                    self._tell(wanted, index, item.end_s, stored=True)
                    index, begun = index + 1, time.perf_counter()
                    triage.reset()
        except KeyboardInterrupt:
            raise IngestInterruptedError(
                f"Stopped in {clip.path.name}, {index} of {len(wanted)} parts of this "
                f"run are stored; run the same command again to go on from there."
            ) from None
        finally:
            cv2.setNumThreads(threads)
        if not corrupt:
            return None
        return f"{corrupt} damaged frames were passed over."

    def _look(self, observer: Observer, triage: Triage, sample: Sample) -> None:
        if not triage.due(sample.luma, sample.offset_s):
            return
        before = observer.counts["persons"]
        observer.see(sample.image(), sample.number, sample.offset_s, triage.moved)
        persons = observer.counts["persons"] - before
        triage.analysed(sample.luma, sample.offset_s, persons)

    def _tell(
        self, wanted: list[int], index: int, at_s: float, stored: bool = False
    ) -> None:
        part_start = wanted[index] * self.part_s
        analysed = index * self.part_s + at_s - part_start
        self.tell(
            clip=self.clip.path,
            done_s=at_s,
            duration_s=self.clip.duration_s,
            analysed_s=analysed,
            part=wanted[index] + 1,
            parts=self.total,
            stored=stored,
        )

    def _store(
        self,
        end: PartEnd,
        analysed: int,
        seconds: float,
        observer: Observer,
        projector: Projector | None,
    ) -> None:
        begun = time.perf_counter()
        rows = records(
            observer.finish(),
            clip_start=self.clock.start_at,
            part_start_s=end.part * self.part_s,
            camera_id=self.camera.id,
            camera_no=self.camera.number,
            projector=projector,
            provenance=observer.provenance,
        )
        seconds += time.perf_counter() - begun
        footage = self._footage(end, analysed, seconds, rows, observer)
        try:
            writer.publish(self.settings, footage, rows.tracklets, rows.detections)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            raise StoreError(
                f"The disk of {root_of(self.settings)} is full: part "
                f"{end.part + 1} of {self.total} of {self.clip.path.name} was not "
                f"stored; free some space and run the command again, finished parts "
                f"are kept."
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
