"""Processes that analyse clips: one that crashes or hangs takes nothing along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline import logs
from pipeline.errors import DongseonError, FootageError
from pipeline.settings import Settings
from pipeline.store import disk

#: Seconds a process may take to start, beside a job's own silence: it imports much.
_START_S = 60.0


@dataclass(frozen=True)
class Job:
    """A clip to analyse."""

    path: Path
    camera: str
    offset_s: float = 0.0  #: what the clip's clock is ahead of UTC


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    kind: str  #: done, refused, later (no room, no weights), broke or stopped
    note: str = ""
    seconds: float = 0.0  #: it took
    figures: dict[str, Any] = field(default_factory=dict)


#: Analyses a clip, calling back after each step; returns figures of `Outcome`.
Work = Callable[[Job, Settings, Callable[[], None]], dict[str, Any]]


def analyse(job: Job, settings: Settings, alive: Callable[[], None]) -> dict[str, Any]:
    """Ingest one clip; the figures are those of its summary."""
    from datetime import timedelta

    from pipeline.cameras import registry
    from pipeline.footage import clock, ingest

    start = None
    if job.offset_s:
        camera = registry.load(settings.registry).get(job.camera)
        found = clock.of_clip(job.path, camera, None)
        start = found.start_at - timedelta(seconds=job.offset_s)
    done = ingest.ingest(
        job.path,
        job.camera,
        start,
        settings=settings,
        progress=lambda _progress: alive(),
    )
    [clip] = done.clips
    fresh = 1 - clip.parts_done_before / clip.parts
    return {
        "footage_id": clip.footage_id,
        "start_at": clip.start_at.timestamp(),
        "end_at": clip.end_at.timestamp(),
        "parts": clip.parts,
        "footage_s": clip.footage_seconds * fresh,
        "work_s": clip.seconds * fresh,
        "tracklets": round(clip.tracklets * fresh),
        "notes": " ".join(clip.notes),
    }


class Worker:
    """One process; give it a job when `free`, and `poll` it for the outcome."""

    def __init__(
        self, settings: Settings, *, work: Work = analyse, hang_s: float = 300.0
    ) -> None:
        self._settings, self._work, self._hang_s = settings, work, hang_s
        self._process: Any = None
        self._pipe: Connection | None = None
        self.job: Job | None = None
        self._begun = self._sign = 0.0
        self._up = False  # it has said something

    @property
    def free(self) -> bool:
        """Whether it has no job."""
        return self.job is None

    @property
    def pid(self) -> int | None:
        """The number of its process, once it runs."""
        return self._process.pid if self._process is not None else None

    def give(self, job: Job) -> None:
        """Begin a job."""
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe is not None
        self.job, self._begun, self._sign = job, time.monotonic(), time.monotonic()
        self._pipe.send(job)

    def poll(self) -> Outcome | None:
        """Return the outcome of the job, once there is one."""
        if self.job is None or self._pipe is None:
            return None
        try:
            while self._pipe.poll():
                self._sign, self._up = time.monotonic(), True
                message = self._pipe.recv()
                if message is not None:
                    kind, note, figures = message
                    return self._ended(kind, note, figures)
        except (EOFError, OSError):
            self._process.join(5)
            code = self._process.exitcode
            self._end()
            return self._ended("broke", f"its process ended with {code}")
        patience = self._hang_s + (0 if self._up else _START_S)
        if time.monotonic() - self._sign > patience:
            self._end()
            return self._ended("broke", f"no sign of life for {self._hang_s:g} s")
        return None

    def stop(self, patience_s: float = 20.0) -> Outcome | None:
        """End the process; finished parts of its job are stored."""
        outcome = None
        if self._process is not None and self._process.is_alive():
            if self.job is not None:
                os.kill(self._process.pid, signal.SIGINT)
                limit = time.monotonic() + patience_s
                while outcome is None and time.monotonic() < limit:
                    outcome = self.poll()
                    time.sleep(0.02)
            self._end()
        if self.job is not None:
            outcome = self._ended("stopped", "")
        return outcome

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._settings, self._work), daemon=True
        )
        self._process.start()
        self._up = False
        theirs.close()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _ended(self, kind: str, note: str, figures: dict | None = None) -> Outcome:
        assert self.job is not None
        seconds = time.monotonic() - self._begun
        outcome = Outcome(self.job, kind, note, seconds, figures or {})
        self.job = None
        return outcome


def _serve(pipe: Connection, settings: Settings, work: Work) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the watch decides
    logs.configure("watch", settings.log)
    try:
        pipe.send(None)
        while True:
            try:
                job = pipe.recv()
            except KeyboardInterrupt:
                continue
            pipe.send(_done(job, settings, work, lambda: pipe.send(None)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the watch has ended


def _done(
    job: Job, settings: Settings, work: Work, alive: Callable[[], None]
) -> tuple[str, str, dict]:
    try:
        return "done", "", work(job, settings, alive)
    except KeyboardInterrupt:
        return "stopped", "", {}
    except disk.NoRoomError as error:
        return "later", str(error), {}
    except FootageError as error:
        return "refused", str(error), {}
    except DongseonError as error:  # of the store, the weights, the registry
        return "later", str(error), {}
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        return "broke", f"{type(error).__name__}: {error}", {}
