"""What an ingest did, in figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.footage.sources import Clip
from pipeline.store.schema import MASK_STATES


@dataclass(frozen=True)
class ClipSummary:
    """The figures of one clip, parts stored earlier included."""

    path: Path
    camera_id: str
    footage_id: str
    clock: str  #: where the start came from: argument, name or registry
    start_at: datetime  #: UTC
    end_at: datetime  #: UTC
    parts: int
    parts_done_before: int  #: found stored, not analysed again
    frames_read: int
    frames_analysed: int
    frames_corrupt: int
    frames_passed_over: int  #: left undecoded at triage quality
    persons: int  #: person detections
    tracklets: int
    faces: int  #: face detections
    masks: dict[str, int]  #: tracklets by mask state
    footage_seconds: float
    seconds: float  #: of work, when each part was analysed
    notes: tuple[str, ...] = ()  #: one sentence each: truncated, damaged ...

    @property
    def times_real_time(self) -> float:
        """Seconds of footage analysed in a second."""
        return self.footage_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class IngestSummary:
    """The figures of every clip of a source."""

    camera_id: str
    clips: tuple[ClipSummary, ...]
    #: clips that were not stored, each with the reason
    refused: tuple[tuple[Path, str], ...] = ()
    masks: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        masks = {s: sum(c.masks[s] for c in self.clips) for s in MASK_STATES}
        object.__setattr__(self, "masks", masks)

    def total(self, name: str) -> float:
        """Return the sum of a figure over the clips, e.g. `persons`."""
        return sum(getattr(clip, name) for clip in self.clips)

    @property
    def times_real_time(self) -> float:
        """Seconds of footage analysed in a second, over all clips."""
        seconds = self.total("seconds")
        return self.total("footage_seconds") / seconds if seconds else 0.0


def of_parts(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add up the figures of footage rows into fields of `ClipSummary`."""
    rows = [row | {"frames_passed_over": _option(row, _PASSED_OVER)} for row in rows]
    names = ["frames_read", "frames_analysed", "frames_corrupt", _PASSED_OVER]
    names += ["persons", "tracklets", "faces", "seconds"]
    figures: dict[str, Any] = {n: sum(row[n] or 0 for row in rows) for n in names}
    figures["masks"] = {
        state: sum(row[f"masks_{state}"] or 0 for row in rows) for state in MASK_STATES
    }
    figures["footage_seconds"] = sum(
        (row["end_at"] - row["start_at"]).total_seconds() for row in rows
    )
    return figures


def quality(row: dict[str, Any]) -> str:
    """Return the quality at which a footage row's part was analysed."""
    return str(_option(row, "quality") or "full")


def absent(clip: Clip) -> list[str]:
    """Say what a file lacks, one sentence each."""
    notes = [f"{clip.missing}; what could be read is stored."] if clip.missing else []
    if gaps := clip.gaps_s:
        notes.append(
            f"the file holds no frame for {sum(gaps):.1f} s in all, the longest "
            f"{max(gaps):.1f} s: lost, or a camera that sends only what changes."
        )
    return notes


def unseen(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Say, in one sentence or none, what was not looked at in parts at triage."""
    rows = [row for row in rows if quality(row) == "triage"]
    if not rows:
        return []
    passed_over = sum(_option(row, _PASSED_OVER) for row in rows)
    frames = passed_over + sum(row["frames_read"] or 0 for row in rows)
    longest = max(_option(row, "longest_gap_s") for row in rows)
    return [
        f"triage only: {passed_over} of {frames} frames were passed over, and up to "
        f"{longest:.1f} s at a time were not looked at, so people may be missing and "
        f"seconds of contact are counted short; --quality full looks at every moment."
    ]


def _option(row: dict[str, Any], name: str) -> Any:
    return json.loads(row["options"] or "{}").get(name, 0)


_PASSED_OVER = "frames_passed_over"


def lines(clip: ClipSummary) -> list[str]:
    """Say a clip's figures in two or three lines."""
    masks = ", ".join(f"{clip.masks[s]} {s}" for s in reversed(MASK_STATES))
    damaged = f", {clip.frames_corrupt} damaged" if clip.frames_corrupt else ""
    text = [
        f"{clip.path.name} at {clip.camera_id}: {clip.frames_read} frames read, "
        f"{clip.frames_analysed} analysed{damaged}",
        f"  {clip.persons} persons, {clip.tracklets} tracklets, {clip.faces} faces, "
        f"masks: {masks}",
        f"  {clip.footage_seconds:.1f} s of footage in {clip.seconds:.1f} s "
        f"({clip.times_real_time:.1f} times real time)",
    ]
    return text + [f"  note: {note}" for note in clip.notes]
