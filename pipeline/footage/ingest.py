"""Ingest: clips of one camera become observations, part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.cameras import registry
from pipeline.cameras.registry import Camera
from pipeline.errors import FootageError
from pipeline.footage import clock as clocks
from pipeline.footage import sources, summary
from pipeline.footage.clock import Clock
from pipeline.footage.decode import part_count
from pipeline.footage.parts import Progress, Work
from pipeline.footage.sources import Clip
from pipeline.footage.summary import ClipSummary, IngestSummary, of_parts
from pipeline.settings import Settings
from pipeline.store import layout, log, writer
from pipeline.store.place import root_of
from pipeline.store.schema import FOOTAGE

#: Told of a clip whose parts are all stored.
NOTHING_TO_DO = "stored before, nothing to do (--again analyses it anew)."


def ingest(
    source: str | Path,
    camera_id: str,
    start: str | datetime | None = None,
    *,
    settings: Settings,
    again: bool = False,
    only: Collection[int] | None = None,
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
    only : collection of int, optional
        Parts, from 0; the others are left alone. Default: all.
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
    done: list[ClipSummary] = []
    refused: list[tuple[Path, str]] = []
    jobs = _jobs(source, camera_id, start, settings, again, progress)
    for path, job in jobs:
        try:
            done.append(job.run(path, start, only))
        except FootageError as error:
            if len(jobs) == 1:
                raise
            refused.append((path, str(error)))
    return IngestSummary(camera_id, tuple(done), tuple(refused))


@dataclass(frozen=True)
class Wanted:
    """A clip and what of it is to be analysed."""

    path: Path
    parts: int
    wanted: tuple[int, ...]  #: parts, from 0


def wanted_parts(
    source: str | Path,
    camera_id: str,
    start: str | datetime | None = None,
    *,
    settings: Settings,
    again: bool = False,
) -> tuple[list[Wanted], list[tuple[Path, str]]]:
    """Return what `ingest` would analyse, and the clips that cannot be used.

    Arguments and errors are those of `ingest`.
    """
    found: list[Wanted] = []
    refused: list[tuple[Path, str]] = []
    jobs = _jobs(source, camera_id, start, settings, again, None)
    for path, job in jobs:
        try:
            about = job.look(path, start)
            found.append(Wanted(path, about.total, tuple(about.wanted)))
        except FootageError as error:
            if len(jobs) == 1:
                raise
            refused.append((path, str(error)))
    return found, refused


def _jobs(
    source: str | Path,
    camera_id: str,
    start: str | datetime | None,
    settings: Settings,
    again: bool,
    progress: Callable[[Progress], None] | None,
) -> list[tuple[Path, _Job]]:
    camera = registry.load(settings.registry).get(camera_id)
    paths = sources.clips(Path(source))
    if start is not None and len(paths) > 1:
        raise FootageError(
            f"--start dates one clip, and {source} holds {len(paths)}; put the times "
            f"into the file names, like {camera.id}_20251103T140000+0900.mp4."
        )
    return [
        (path, _Job(camera, settings, again, progress, number, len(paths)))
        for number, path in enumerate(paths, start=1)
    ]


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
class _Found:
    """What is known of a clip before it is analysed."""

    clip: Clip
    clock: Clock
    end_at: datetime
    sha256: str
    name: str
    part_s: float
    total: int
    wanted: list[int]


@dataclass(frozen=True)
class _Job:
    camera: Camera
    settings: Settings
    again: bool
    progress: Callable[[Progress], None] | None
    number: int
    count: int

    def look(self, path: Path, start: str | datetime | None) -> _Found:
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
        return _Found(clip, clock, end_at, sha256, name, part_s, total, wanted)

    def run(
        self, path: Path, start: str | datetime | None, only: Collection[int] | None
    ) -> ClipSummary:
        found = self.look(path, start)
        clip, clock, name, end_at = found.clip, found.clock, found.name, found.end_at
        wanted = [p for p in found.wanted if only is None or p in only]
        notes = summary.absent(clip)
        if wanted:
            work = Work(
                self.settings,
                self.camera,
                self.tell,
                clip,
                clock,
                found.sha256,
                name,
                found.part_s,
                found.total,
            )
            note = work.run(wanted)
            if note:
                notes.append(note)
        elif only is None:
            notes.append(NOTHING_TO_DO)
        after = stored_parts(self.settings, name, clock.start_at, end_at)
        notes += summary.unseen(after.values())
        return ClipSummary(
            path=path,
            camera_id=self.camera.id,
            footage_id=name,
            clock=clock.origin,
            start_at=clock.start_at,
            end_at=end_at,
            parts=found.total,
            parts_done_before=found.total - len(wanted),
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


def _part_seconds(stored: dict[int, dict[str, Any]]) -> float | None:
    """Return the part length with which a clip was begun, if it was."""
    for row in stored.values():
        length = json.loads(row["options"] or "{}").get("part_seconds")
        if length:
            return float(length)
    return None
