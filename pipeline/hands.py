"""Hands of a worker: processes that do jobs, each for one order.

A hand is forked of the worker and shares what the worker has read. It stays when its
job is done, with what it worked out, for the next job under the same order: a trace
after a verdict then works out only what the verdict touches. No hand serves two
orders, and none is kept that reported anything but success.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

from pipeline.casebook import database, jobs
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, packed
from pipeline.settings import Settings

#: Called with stage and share done, 0..1; what it raises ends the job.
Progress = Callable[[str, float], object]
#: Does a job and returns the name of the run it stored.
Work = Callable[[jobs.Job, Authorisation, Settings, Progress], str]
#: Seconds in which a hand may end by itself once its channel broke.
_LEAVE_S = 10.0
#: Linux: signal this process when its parent ends (prctl(2)).
_PR_SET_PDEATHSIG = 1


class Hand:
    """One process, and the job it does, if any.

    Parameters
    ----------
    opened : what the worker had read when the hand was forked; any token.
    others : hands whose channels the new process must not hold open.
    """

    def __init__(
        self, work: Work, settings: Settings, opened: object, others: Iterable[Hand]
    ) -> None:
        database.dispose(settings)  # no connection may cross a fork
        self.opened = opened
        self.job: jobs.Job | None = None
        self.authorisation: Authorisation | None = None
        self.stage, self.share = "begun", 0.0
        self.begun = self.next_beat = 0.0
        context = multiprocessing.get_context("fork")
        self.channel, theirs = context.Pipe()
        held = [self.channel, *(other.channel for other in others)]
        self._process = context.Process(
            target=_serve, args=(theirs, held, work, settings), daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def order(self) -> int | None:
        """The order under which it works, or worked last; None before the first."""
        return None if self.authorisation is None else self.authorisation.order_id

    def give(self, job: jobs.Job, authorisation: Authorisation, begun: float) -> None:
        """Begin a job; `begun` is when the worker took it, of `time.monotonic`."""
        self.job, self.authorisation = job, authorisation
        self.stage, self.share = "begun", 0.0
        self.begun, self.next_beat = begun, time.monotonic()
        self.channel.send((job, authorisation))

    def heard(self) -> tuple[str, str] | None:
        """Read what the process reported; return how its job ended, if it did.

        (done, name of the run), (failed, the error packed) or (broke, what happened).
        """
        try:
            while self.channel.poll():
                kind, *rest = self.channel.recv()
                if kind != "progress":
                    return kind, rest[0]
                self.stage, self.share = rest
        except (EOFError, OSError):
            self._process.join(_LEAVE_S)
            code = self._process.exitcode
            told = f"its process ended with {code}"
            return "broke", packed(DongseonError(told, code="job_broke", what=code))
        return None

    def free(self) -> None:
        """Let the process wait for another job under the same order."""
        self.job = None

    def end(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self.channel.close()


def _serve(
    channel: Connection, held: list[Connection], work: Work, settings: Settings
) -> None:
    """Do the jobs that come through the channel, until it closes."""
    gc.freeze()  # what is shared is not looked through, which would copy it
    for one in held:
        one.close()
    parent = _die_with_parent()

    def progress(stage: str, share: float) -> None:
        if os.getppid() != parent:
            raise SystemExit(1)
        channel.send(("progress", stage, share))

    while True:
        try:
            job, authorisation = channel.recv()
        except EOFError:
            return
        report: tuple[Any, ...]
        try:
            report = ("done", work(job, authorisation, settings, progress))
        except DongseonError as error:
            # Of a lost permission, too: the watcher asks for it before it believes.
            report = ("failed", packed(error))
        except Exception as error:
            kind = type(error).__name__
            fault = DongseonError(f"{kind}: {error}", code="job_broke", what=kind)
            report = ("broke", packed(fault))
            sys.excepthook(type(error), error, error.__traceback__)  # for the log
        channel.send(report)


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
