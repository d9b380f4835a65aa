"""Ingest: clips of one camera become observations, part by part."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import __version__
from pipeline.cameras import calibration, registry
from pipeline.cameras.registry import Camera
from pipeline.errors import FootageError, StoreError
from pipeline.footage import clock as clocks
from pipeline.footage import sources, summary
from pipeline.footage.clock import Clock
from pipeline.footage.decode import Decoder, PartEnd, Sample, part_count
from pipeline.footage.records import Projector, Records, moment, records
from pipeline.footage.sources import Clip
from pipeline.footage.summary import ClipSummary, IngestSummary, of_parts
from pipeline.footage.triage import IDLE_SECONDS, LOOK_IDLE_S, LOOK_S, Triage
from pipeline.settings import Settings
from pipeline.store import layout, log, writer
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


def ingest(
    source: str | Path,
    camera_id: str,
    start: str | datetime | None = None,
    *,
    settings: Settings,
    again: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> IngestSummary:
    """Analyse the clips of a camera and store what was seen.

    Each clip is cut into parts of `settings.part_seconds`; a part is published
    whole, so that a kill loses at most the part in work. Parts stored before are
    passed over, unless they were looked at in triage and full quality is asked for
    now. The same clip of the same camera and start is stored once.

    Parameters
    ----------
    source : str or Path
        A video file, or a folder of them (all of this camera).
    camera_id : str
        Camera of the registry, e.g. "BC-00001".
    start : str or datetime, optional
        Start of the clip, ISO-8601 with a time zone; by default from the file's
        name or the registry (see `clock.of_clip`).
    settings : Settings
    again : bool
        Analyse parts that are stored already and replace them.
    progress : callable, optional
        Called with a `Progress` after each sample and each stored part.

    Returns
    -------
    IngestSummary. Of a folder, clips that could not be used are in `refused`.

    Raises
    ------
    CameraError
        If the camera is not in the registry.
    FootageError
        If there is no clip, or the only clip cannot be used.
    StoreError
        If the disk is full.
    IngestInterruptedError
        On Ctrl-C; finished parts are stored.
    """
    camera = registry.load(settings.registry).get(camera_id)
    paths = sources.clips(Path(source))
    if start is not None and len(paths) > 1:
        raise FootageError(
            f"--start dates one clip, and {source} holds {len(paths)}; put the times "
            f"into the file names, like {camera.id}_20251103T140000+0900.mp4."
        )
    done: list[ClipSummary] = []
    refused: list[tuple[Path, str]] = []
    for number, path in enumerate(paths, start=1):
        job = _Job(camera, settings, again, progress, number, len(paths))
        try:
            done.append(job.run(path, start))
        except FootageError as error:
            if len(paths) == 1:
                raise
            refused.append((path, str(error)))
    return IngestSummary(camera.id, tuple(done), tuple(refused))


def footage_id(sha256: str, camera_id: str, start_at: datetime) -> str:
    """Return the id of footage: a digest of content, camera and start."""
    text = "\x1f".join([sha256, camera_id, start_at.astimezone(UTC).isoformat()])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def stored_parts(
    settings: Settings, name: str, start_at: datetime, end_at: datetime
) -> dict[int, dict[str, Any]]:
    """Return the visible footage rows of a clip by part (columns of FOOTAGE)."""
    table = log.visible(
        root_of(settings),
        layout.each_hour(start_at, end_at),
        columns=FOOTAGE.names,
    )
    return {r["part"]: r for r in table.to_pylist() if r["footage_id"] == name}


@dataclass(frozen=True)
class _Job:
    camera: Camera
    settings: Settings
    again: bool
    progress: Callable[[Progress], None] | None
    number: int
    count: int

    def run(self, path: Path, start: str | datetime | None) -> ClipSummary:
        clip = sources.open_clip(path)
        clock = clocks.of_clip(path, self.camera, start)
        end_at = clocks.check(
            clock, clip.duration_s, path, time_zone=self.settings.time_zone
        )
        sha256 = sources.sha256_of(path)
        name = footage_id(sha256, self.camera.id, clock.start_at)
        self._refuse_overlap(clip, clock, end_at, name)
        before = stored_parts(self.settings, name, clock.start_at, end_at)
        part_s = _part_seconds(before) or self.settings.part_seconds
        total = part_count(clip, part_s)
        asked = self.settings.quality
        wanted = [
            part
            for part in range(total)
            if self.again
            or part not in before
            or (asked == "full" and summary.quality(before[part]) == "triage")
        ]
        notes = (
            [f"{clip.missing}; what could be read is stored."] if clip.missing else []
        )
        if wanted:
            work = _Work(self, clip, clock, sha256, name, part_s, total)
            note = work.run(wanted)
            if note:
                notes.append(note)
        else:
            notes.append("stored before, nothing to do (--again analyses it anew).")
        after = stored_parts(self.settings, name, clock.start_at, end_at)
        notes += summary.unseen(after.values())
        return ClipSummary(
            path=path,
            camera_id=self.camera.id,
            footage_id=name,
            clock=clock.origin,
            start_at=clock.start_at,
            end_at=end_at,
            parts=total,
            parts_done_before=total - len(wanted),
            notes=tuple(notes),
            **of_parts(after.values()),
        )

    def _refuse_overlap(
        self, clip: Clip, clock: Clock, end_at: datetime, name: str
    ) -> None:
        others = writer.overlapping(
            self.settings, self.camera.number, clock.start_at, end_at, name
        )
        if others:
            other, zone = others[0], self.settings.time_zone
            raise FootageError(
                f"{clip.path.name} ({clocks.shown(clock.start_at, zone)} to "
                f"{clocks.shown(end_at, zone)}) overlaps {Path(other['source']).name}, "
                f"stored for camera {self.camera.id} from "
                f"{clocks.shown(other['start_at'], zone)} to "
                f"{clocks.shown(other['end_at'], zone)}; correct the start of one of "
                f"them."
            )

    def tell(self, **values: Any) -> None:
        """Pass progress on."""
        if self.progress is not None:
            self.progress(
                Progress(clip_number=self.number, clip_count=self.count, **values)
            )


@dataclass(frozen=True)
class _Work:
    """The analysis of one clip."""

    job: _Job
    clip: Clip
    clock: Clock
    sha256: str
    name: str
    part_s: float
    total: int

    @property
    def sample_fps(self) -> float:
        """Looks a second, at most."""
        settings = self.job.settings
        return 1 / LOOK_S if settings.quality == "triage" else settings.sample_fps

    @property
    def idle_s(self) -> float:
        """Seconds after which a still and empty scene is looked at again."""
        return LOOK_IDLE_S if self.job.settings.quality == "triage" else IDLE_SECONDS

    def run(self, wanted: list[int]) -> str | None:
        """Analyse and publish the wanted parts; return a note on damage."""
        settings, clip = self.job.settings, self.clip
        observer = Observer(
            settings.weights_dir,
            frame_size=(clip.width, clip.height),
            sample_fps=self.sample_fps,
            threads=settings.threads,
        )
        projector = calibration.ground_projector(
            self.job.camera, clip.width, clip.height
        )
        decoder = Decoder(
            clip,
            sample_fps=self.sample_fps,
            part_s=self.part_s,
            parts=wanted,
            threads=settings.threads,
            keys_only=settings.quality == "triage",
        )
        corrupt, index = 0, 0
        try:
            with decoder:
                triage, begun = Triage(self.idle_s), time.perf_counter()
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
        self.job.tell(
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
            camera_id=self.job.camera.id,
            camera_no=self.job.camera.number,
            projector=projector,
            provenance=observer.provenance,
        )
        seconds += time.perf_counter() - begun
        footage = self._footage(end, analysed, seconds, rows, observer)
        try:
            writer.publish(self.job.settings, footage, rows.tracklets, rows.detections)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            raise StoreError(
                f"The disk of {root_of(self.job.settings)} is full: part "
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
        settings, clip = self.job.settings, self.clip
        begin_s = end.part * self.part_s
        options = dict(observer.provenance.options) | {
            "quality": settings.quality,
            "sample_fps": self.sample_fps,
            "part_seconds": self.part_s,
            "idle_seconds": self.idle_s,
            "frames_passed_over": end.passed_over,
            "longest_gap_s": round(end.gap_s, 3),
        }
        row = {
            "footage_id": self.name,
            "part": end.part,
            "camera_id": self.job.camera.id,
            "camera_no": self.job.camera.number,
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


def _part_seconds(stored: dict[int, dict[str, Any]]) -> float | None:
    """Return the part length with which a clip was begun, if it was."""
    for row in stored.values():
        length = json.loads(row["options"] or "{}").get("part_seconds")
        if length:
            return float(length)
    return None
