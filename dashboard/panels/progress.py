"""How far a trace is, and how long it will yet take."""

from __future__ import annotations

from datetime import UTC, datetime

from dashboard.i18n import Texts
from dashboard.panels.contacts import duration
from pipeline.casebook.jobs import Job

#: Per cent from which the time left is told: before, it would be a guess.
FIRST = 10


def told(job: Job, texts: Texts) -> str:
    """Return stage, share done and time left of a job in words."""
    stage = texts.of("stage", job.stage or "read")
    words = texts(f"job_{job.state}", stage=stage, percent=job.progress)
    left = seconds_left(job, datetime.now(UTC))
    if left is None:
        return words
    return f"{words} · {texts('job_left', time=duration(left, texts))}"


def seconds_left(job: Job, now: datetime) -> float | None:
    """Return the seconds a running job will yet take at the pace so far."""
    if job.state != "running" or job.started_at is None or job.progress < FIRST:
        return None
    spent = (now - job.started_at).total_seconds()
    return max(0.0, spent * (100 - job.progress) / job.progress)
