"""The background worker: takes trace jobs out of the queue, and purges daily.

Each job runs in a process of its own. The worker watches over it: it tells the
casebook every second that the job goes on, and ends the process at once when the
order behind the job expired or was revoked, when somebody cancelled it, or when
another worker has it. Any number of workers may run, also on several machines over
one PostgreSQL casebook; a job is done by one of them.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from pipeline import logs
from pipeline.casebook import database, jobs, orders, purge
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings

#: Seconds between two signs of life, and between two looks into an empty queue.
BEAT_S = 1.0
POLL_S = 1.0
#: Seconds a job's process has to end by itself once it has reported.
_LEAVE_S = 10.0
#: Seconds between two looks whether the daily purge is due.
_LOOK_S = 60.0
#: Seconds for which observations stay in memory without a job.
_KEEP_S = 600.0
#: Linux: signal this process when its parent ends (prctl(2)).
_PR_SET_PDEATHSIG = 1

#: Called with stage and share done, 0..1; what it raises ends the job.
Progress = Callable[[str, float], object]
#: Does a job and returns the name of the run it stored.
Work = Callable[[jobs.Job, Authorisation, Settings, Progress], str]
#: Told an event and its fields; never of a case or a person.
Say = Callable[..., object]


@dataclass
class Tally:
    """What a worker did."""

    done: int = 0
    failed: int = 0
    stopped: int = 0
    broken_off: int = 0  #: queued again
    purges: int = 0


@dataclass
class Worker:
    """One worker of an installation.

    Parameters
    ----------
    name : shown with its jobs and in the audit log; default: host and process.
    work : what is done for a job; default: the trace.
    daily : whether it runs the daily purge when that is due.
    say : told each event (see `pipeline.logs`).
    """

    settings: Settings
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    work: Work | None = None
    daily: bool = True
    say: Say = lambda _event, **_fields: None
    tally: Tally = field(default_factory=Tally)
    _ending: threading.Event = field(default_factory=threading.Event)
    _next_look: float = 0.0
    _opened: float | None = None  #: when observations were last read into memory

    def run(self, *, once: bool = False, poll_s: float = POLL_S) -> Tally:
        """Do jobs until told to end; with `once`, until none waits."""
        while not self._ending.is_set():
            self._housekeeping()
            if not self.step():
                if once:
                    break
                self._let_go(_KEEP_S)
                self._ending.wait(poll_s)
        self._let_go(0.0)
        return self.tally

    def end(self) -> None:
        """End soon: a job in work goes back into the queue."""
        self._ending.set()

    def _let_go(self, idle_s: float) -> None:
        """Let go of the observations in memory once no job has come for a while."""
        if self._opened is not None and time.monotonic() - self._opened >= idle_s:
            from pipeline.trace import observations

            observations.forget()
            self._opened = None

    def step(self) -> bool:
        """Do the job that waits longest; return False if none waits."""
        found = jobs.claim(self.name, settings=self.settings)
        if found is None:
            return False
        job, authorisation = found
        self.say("job begun", job=job.id, attempt=job.attempts)
        begun = time.monotonic()
        try:
            self._open(job, authorisation)
            outcome, text = self._watched(job, authorisation)
            seconds = round(time.monotonic() - begun, 2)
            self._enter(job, authorisation, outcome, text, seconds)
        except NotAuthorisedError as error:
            self.tally.stopped += 1
            self.say("job stopped", job=job.id, **logs.cause(error))
        except DongseonError as error:
            self.tally.stopped += 1
            self.say("job dropped", job=job.id, **logs.cause(error))
        return True

    def _open(self, job: jobs.Job, authorisation: Authorisation) -> None:
        """Read what the order opens here: the job's process shares it.

        So do those of the jobs that follow over the same window and area. Each sees
        it by its own order only, and goes on to prove that in its own process.
        """
        if self.work is not None:
            return
        next_beat = time.monotonic() + BEAT_S

        def alive(share: float) -> None:
            nonlocal next_beat
            if self._ending.is_set():
                raise InterruptedError
            if time.monotonic() >= next_beat:
                percent = round(20 * share)
                jobs.beat(job, authorisation, "read", percent, settings=self.settings)
                next_beat = time.monotonic() + BEAT_S

        from pipeline.trace import finding

        self._opened = time.monotonic()
        try:
            finding.prepare(authorisation, self.settings, alive)
        except NotAuthorisedError:
            raise
        except InterruptedError:
            return
        except Exception as error:  # the job's process meets it again, and tells it
            self.say("reading failed", job=job.id, **logs.cause(error))

    def _watched(self, job: jobs.Job, authorisation: Authorisation) -> tuple[str, str]:
        """Run the job's process; return how it ended: done, failed, broke or ending."""
        database.dispose(self.settings)  # no connection may cross a fork
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_child,
            args=(theirs, self.work or _trace, job, authorisation, self.settings),
            daemon=True,
        )
        process.start()
        theirs.close()
        stage, share, next_beat = "begun", 0.0, time.monotonic()
        try:
            while True:
                if self._ending.is_set():
                    return "ending", ""
                if time.monotonic() >= next_beat:
                    percent = round(100 * share)
                    jobs.beat(
                        job, authorisation, stage, percent, settings=self.settings
                    )
                    next_beat = time.monotonic() + BEAT_S
                try:
                    if not ours.poll(0.1):
                        continue
                    kind, *rest = ours.recv()
                except (EOFError, OSError):
                    process.join(_LEAVE_S)
                    return "broke", f"its process ended with {process.exitcode}"
                if kind != "progress":
                    process.join(_LEAVE_S)
                    return kind, rest[0]
                stage, share = rest
        finally:
            process.kill()
            process.join()
            ours.close()

    def _enter(
        self,
        job: jobs.Job,
        authorisation: Authorisation,
        outcome: str,
        text: str,
        seconds: float,
    ) -> None:
        settings = self.settings
        if outcome == "ending":
            jobs.release(job, settings=settings)
            self.say("job put back", job=job.id)
        elif outcome == "done":
            try:
                jobs.beat(job, authorisation, "done", 100, settings=settings)
                jobs.finish(job, run=text, settings=settings)
            except DongseonError:
                _drop(settings, job.case, text)
                raise
            self.tally.done += 1
            self.say("job done", job=job.id, run=text, seconds=seconds)
        elif outcome == "failed":
            # Told in a clear sentence: trying again would end the same way.
            orders.demand_valid(authorisation, settings)
            jobs.finish(job, error=text, settings=settings)
            self.tally.failed += 1
            self.say("job failed", job=job.id, seconds=seconds)
        elif jobs.give_back(job, text, settings=settings):
            self.tally.broken_off += 1
            self.say("job broke off", job=job.id, attempt=job.attempts)
        else:
            self.tally.failed += 1
            self.say("job failed", job=job.id, attempt=job.attempts)

    def _housekeeping(self) -> None:
        """Run the daily purge in a process of its own, if it is due."""
        if not self.daily or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_S
        if not purge.claim_daily(self.settings):
            return
        self._let_go(0.0)  # what is deleted must not stay in memory
        begun = time.monotonic()
        database.dispose(self.settings)
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_purge, args=(self.settings, self.name))
        process.start()
        process.join()
        if process.exitcode:
            purge.postpone_daily(self.settings)
            self.say("purge failed", reason="it is tried again in an hour")
        else:
            self.tally.purges += 1
            self.say("purge done", seconds=round(time.monotonic() - begun, 2))


def _trace(
    job: jobs.Job, authorisation: Authorisation, settings: Settings, progress: Progress
) -> str:
    from pipeline.trace import run

    tracklet = job.options.get("tracklet")
    return run.trace(
        authorisation, settings=settings, tracklet=tracklet, progress=progress
    ).run


def _child(
    channel: Connection,
    work: Work,
    job: jobs.Job,
    authorisation: Authorisation,
    settings: Settings,
) -> None:
    """Do the job in this process; report through the channel."""
    parent = _die_with_parent()

    def progress(stage: str, share: float) -> None:
        if os.getppid() != parent:
            raise SystemExit(1)
        channel.send(("progress", stage, share))

    report: tuple[Any, ...]
    try:
        report = ("done", work(job, authorisation, settings, progress))
    except DongseonError as error:
        # Of a lost permission, too: the watcher asks for it before it believes.
        report = ("failed", str(error))
    except Exception as error:
        report = ("broke", f"{type(error).__name__}: {error}")
        sys.excepthook(type(error), error, error.__traceback__)  # for the log
    channel.send(report)
    channel.close()


def _die_with_parent() -> int:
    """Let this process end when the worker does, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    return parent


def _purge(settings: Settings, name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a purge is short: let it end
    try:
        purge.purge_daily(settings, name)
    except DongseonError as error:
        sys.excepthook(type(error), error, error.__traceback__)  # for the log
        raise SystemExit(2) from None


def _drop(settings: Settings, case: str, run: str) -> None:
    """Delete what a job stored that was ended at the last moment."""
    shutil.rmtree(settings.results_dir / f"case={case}" / f"run={run}", True)
