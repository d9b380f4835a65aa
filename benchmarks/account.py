"""What became of all footage that was fed: stored once, expired, or waiting."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.casebook import jobs
from pipeline.fleet.state import State
from pipeline.store import check, compact, log, reader, retention

if TYPE_CHECKING:
    from benchmarks.feeding import Feeder
    from benchmarks.soak import Home, Upkeep


def account(
    home: Home, feeder: Feeder, upkeep: Upkeep, authorisation: Any, queued: list[int]
) -> dict[str, Any]:
    """Expire and merge once more, with everything stopped, and compare to the row."""
    settings = home.settings
    over = retention.expire(settings, settings.retention_days)
    problems = compact.compact(settings).problems
    log._CACHE.clear()
    sound = check.check(settings)
    rows = reader.footage(settings, columns=["camera_id", "start_at", "tracklets"])
    stored = Counter(
        zip(rows["camera_id"].to_pylist(), rows["start_at"].to_pylist(), strict=True)
    )
    with contextlib.closing(State(settings)) as state:
        clips, cameras = state.clips(), state.cameras()
    ended = {
        (c.camera, _moment(c.start_at)): _moment(c.end_at)
        for c in clips
        if c.state == "done"
    }
    kept = {clip for clip, end in ended.items() if end > over.before}
    states = Counter(clip.state for clip in clips)
    done = sum(1 for clip in feeder.fed if clip in ended)
    finished = [
        job
        for job in jobs.list_jobs(authorisation, settings=settings)
        if job.id in set(queued)
    ]
    ends = Counter(job.state for job in finished)
    upkeep.faults += problems
    return {
        "fed": len(feeder.fed),
        "done": done,
        "waiting": len(feeder.fed) - done - states["refused"],
        "refused": states["refused"],
        "faults": sum(camera.faults for camera in cameras),
        "parts_expired": len(ended) - len(kept),
        "parts_stored": sum(stored.values()),
        "tracklets_stored": sum(rows["tracklets"].to_pylist()),
        "tracklets_seen": sum(camera.tracklets for camera in cameras),
        "footage_seconds_analysed": sum(camera.footage_s for camera in cameras),
        "work_seconds": sum(camera.work_s for camera in cameras),
        "lost": len(kept - set(stored)),
        "doubled": sum(count - 1 for count in stored.values()),
        "unknown": len(set(stored) - set(ended)),
        "damaged": sum(finding.grave for finding in sound.findings),
        "traces_queued": len(queued),
        "traces_done": ends["done"],
        "traces_failed": ends["failed"],
        "trace_faults": sorted({str(job.error) for job in finished if job.error})[:5],
    }


def _moment(seconds: float | None) -> datetime:
    return datetime.fromtimestamp(seconds or 0, UTC)
