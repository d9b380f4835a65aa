"""Work that stores rows without looking at pictures; runs in the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.errors import FootageError, ModelError
from pipeline.fleet.workers import Job
from pipeline.footage import clock
from pipeline.settings import Settings
from pipeline.store import writer
from tests.pipeline.store.store_samples import unit

PARTS = 2


class _NoClips:
    id, clips = "", ()


def store(job: Job, settings: Settings, alive: Callable[[], None]) -> dict[str, Any]:
    """Publish two parts of a minute for the clip, as its content says."""
    text = job.path.read_text()
    if "refuse" in text:
        raise FootageError(f"{job.path.name} is no video.")
    if "no weights" in text:
        raise ModelError("the weights are missing.")
    if "crash" in text:
        os.kill(os.getpid(), 9)
    if "hang" in text:
        time.sleep(3600)
    start = clock.of_clip(job.path, _NoClips(), None).start_at
    start -= timedelta(seconds=job.offset_s)
    number = int(job.camera[-5:]) - 1
    done = 0
    for part in range(PARTS):
        begin = start + timedelta(seconds=60 * part)
        if not writer.part_done(settings, job.path.name, part, begin):
            writer.publish(
                settings,
                *unit(
                    camera_no=number,
                    start=begin,
                    footage_id=job.path.name,
                    part=part,
                ),
            )
            done += 1
        alive()
        if "slow" in text:
            time.sleep(1.0)
    return {
        "footage_id": job.path.name,
        "start_at": start.timestamp(),
        "end_at": (start + timedelta(seconds=60 * PARTS)).timestamp(),
        "parts": PARTS,
        "footage_s": 60.0 * done,
        "work_s": 1.0,
        "tracklets": 5 * done,
        "notes": f"at {datetime.now(UTC):%H:%M}",
    }


def look(job: Job, settings: Settings, alive: Callable[[], None]) -> dict[str, Any]:
    """Open a recorded clip and store one part of its length."""
    from pipeline.footage import sources

    clip = sources.open_clip(job.path)
    start = clock.of_clip(job.path, _NoClips(), None).start_at
    seconds = clip.duration_s
    rows = unit(
        camera_no=int(job.camera[-5:]) - 1,
        start=start,
        seconds=seconds,
        footage_id=job.path.name,
        tracklets=1,
    )
    writer.publish(settings, *rows)
    return {
        "footage_id": job.path.name,
        "start_at": start.timestamp(),
        "end_at": (start + timedelta(seconds=seconds)).timestamp(),
        "parts": 1,
        "footage_s": seconds,
        "work_s": 0.1,
        "tracklets": 1,
        "notes": "",
    }
