"""The background worker: takes trace jobs out of the queue, and purges daily.

Jobs run side by side, each in a process of its own order (`hands`). The worker watches
over them: it tells the casebook every second that a job goes on, and ends the process
at once when the order behind the job expired or was revoked, when somebody cancelled
it, or when another worker has it. Any number of workers may run, also on several
machines over one PostgreSQL casebook; a job is done by one of them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import connection

from pipeline import logs
from pipeline.casebook import database, jobs, orders, purge
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.hands import Hand, Progress, Work
from pipeline.settings import Settings

#: Seconds between two signs of life, and between two looks into an empty queue.
BEAT_S = 1.0
POLL_S = 0.1
#: Seconds between two looks at jobs in work that tell nothing.
_ATTEND_S = 0.1
#: Jobs side by side at most, unless told; processes kept for a job after a verdict
#: (about 150 MB each of their own); seconds between two looks at their orders.
_MOST, _KEPT, _CHECK_S = 4, 10, 10.0
#: Seconds between two looks whether the daily purge is due.
_LOOK_S = 60.0
#: Seconds for which observations stay in memory without a job.
_KEEP_S = 600.0
#: Waiting jobs whose faces are looked for together, at most.
_FORESEEN = 20
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
    side_by_side : jobs at a time; default: one for each thread of the settings, four
        at most.
    say : told each event (see `pipeline.logs`).
    rehearsal : done once, if no job waits at first (see `pipeline.evaluate.rehearsal`).
    """

    settings: Settings
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    work: Work | None = None
    daily: bool = True
    side_by_side: int | None = None
    say: Say = lambda _event, **_fields: None
    rehearsal: Callable[[], object] | None = None
    tally: Tally = field(default_factory=Tally)
    _ending: threading.Event = field(default_factory=threading.Event)
    _next_look: float = 0.0
    _next_claim: float = 0.0
    _next_check: float = 0.0
    _next_beat: float = 0.0
    _foreseen: int = 0  #: the last job whose faces were looked for
    _opened: float | None = None  #: when observations were last read into memory
    #: A job taken that no hand does yet, and when it was taken.
    _claimed: tuple[jobs.Job, Authorisation, float] | None = None
    _hands: list[Hand] = field(default_factory=list)  #: at work
    _kept: list[Hand] = field(default_factory=list)  #: the last to work comes last

    def run(self, *, once: bool = False, poll_s: float = POLL_S) -> Tally:
        """Do jobs until told to end; with `once`, until none waits."""
        try:
            while not self._ending.is_set():
                if not self._hands:
                    self._housekeeping()
                self._look_after()
                if self._take(poll_s):
                    continue
                if self._hands:
                    self._attend(_ATTEND_S)
                    continue
                if once:
                    break
                self._rehearse()
                self._let_go(_KEEP_S)
                self._ending.wait(poll_s)
        finally:
            self._put_down()
        return self.tally

    def end(self) -> None:
        """End soon: a job in work goes back into the queue."""
        self._ending.set()

    def _rehearse(self) -> None:
        """Do the rehearsal, unless it was done or traces have made it needless."""
        rehearsal, self.rehearsal = self.rehearsal, None
        if rehearsal is None or self._opened is not None:
            return
        try:
            rehearsal()
            self.say("rehearsed")
        except Exception as error:  # traces do without it
            self.say("rehearsal failed", **logs.cause(error))

    def _let_go(self, idle_s: float) -> None:
        """Let go of the observations in memory once no job has come for a while."""
        if self._opened is not None and time.monotonic() - self._opened >= idle_s:
            from pipeline.trace import observations, spare

            while self._kept:
                self._kept.pop().end()
            observations.forget()
            self._opened = None
            if idle_s:  # there is time
                spare.refill()

    def _look_after(self) -> None:
        """End processes that are kept although their order has ended."""
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + _CHECK_S
        for hand in list(self._kept):
            if not self._valid(hand):
                self._kept.remove(hand)
                hand.end()

    def _valid(self, hand: Hand) -> bool:
        """Tell whether the order that a hand worked under is still in force."""
        assert hand.authorisation is not None
        with contextlib.suppress(NotAuthorisedError):
            orders.demand_valid(hand.authorisation, self.settings)
            return True
        return False

    def _put_down(self) -> None:
        """End all hands; jobs in work go back into the queue."""
        put_back = [hand.job for hand in self._hands if hand.job is not None]
        while self._hands:
            self._hands.pop().end()
        if self._claimed is not None:
            put_back.append(self._claimed[0])
            self._claimed = None
        for job in put_back:
            with contextlib.suppress(DongseonError):
                jobs.release(job, settings=self.settings)
                self.say("job put back", job=job.id)
        self._let_go(0.0)

    def _take(self, poll_s: float) -> bool:
        """Begin the job that waits longest, if there is one and a hand for it."""
        if self._claimed is None:
            now = time.monotonic()
            room = self.side_by_side or max(1, min(self.settings.threads, _MOST))
            if len(self._hands) >= room or (self._hands and now < self._next_claim):
                return False
            if self._hands and self.daily and now >= self._next_look:
                return False  # the purge waits until nothing runs
            found = jobs.claim(self.name, settings=self.settings)
            self._next_claim = now + poll_s
            if found is None:
                return False
            self.say("job begun", job=found[0].id, attempt=found[0].attempts)
            self._claimed = (*found, now)
        job, authorisation, begun = self._claimed
        with self._telling(job):
            if self._hands and not self._is_open(authorisation):
                # What another window opens is read when nothing else is in memory.
                if time.monotonic() >= self._next_beat:
                    self._next_beat = time.monotonic() + BEAT_S
                    jobs.beat(job, authorisation, "begun", 0, settings=self.settings)
                return False
            self._open(job, authorisation)
            if self._ending.is_set():
                return False
            self._hand_for(authorisation).give(job, authorisation, begun)
            self._claimed = None
            self._forget_sought(job)
            return True
        self._claimed = None
        return True

    @contextlib.contextmanager
    def _telling(self, job: jobs.Job) -> Iterator[None]:
        """Count and tell a job that was taken from this worker, or stopped."""
        try:
            yield
        except NotAuthorisedError as error:
            self.tally.stopped += 1
            self.say("job stopped", job=job.id, **logs.cause(error))
        except DongseonError as error:
            self.tally.stopped += 1
            self.say("job dropped", job=job.id, **logs.cause(error))

    def _is_open(self, authorisation: Authorisation) -> bool:
        if self.work is not None:
            return True
        from pipeline.trace import observations

        return observations.is_open(authorisation, self.settings)

    def _hand_for(self, authorisation: Authorisation) -> Hand:
        """Return a hand that worked under this order before, or a new one."""
        from pipeline.trace import observations, spare

        opened = None if self.work is not None else observations.opened()
        for hand in list(self._kept):
            if hand.opened != opened:  # of a day that is no longer the one in memory
                self._kept.remove(hand)
                hand.end()
        for hand in self._kept:
            if hand.order == authorisation.order_id:
                self._kept.remove(hand)
                break
        else:
            spare.give_back()
            every = [*self._hands, *self._kept]
            hand = Hand(self.work or _trace, self.settings, opened, every)
        self._hands.append(hand)
        return hand

    def _open(self, job: jobs.Job, authorisation: Authorisation) -> None:
        """Read what the order opens here: the job's process shares it.

        So do those of the jobs that follow over the same window and area. Each sees
        it by its own order only, and goes on to prove that in its own process.
        """
        self._opened = time.monotonic()
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

        try:
            finding.prepare(
                authorisation,
                self.settings,
                alive,
                lambda: self._sought(job, authorisation),
            )
        except NotAuthorisedError:
            raise
        except InterruptedError:
            return
        except Exception as error:  # the job's process meets it again, and tells it
            self.say("reading failed", job=job.id, **logs.cause(error))

    def _sought(
        self, job: jobs.Job, authorisation: Authorisation
    ) -> list[Authorisation]:
        """Tell whose faces are to be looked for with this job's.

        Those of what waits over the same window and area; none if this job was looked
        for with one before it.
        """
        if job.id <= self._foreseen:
            return []
        waiting = jobs.waiting(_FORESEEN, settings=self.settings)
        alike = {
            other.id: permit
            for other, permit in waiting
            if other.id > job.id and self._is_open(permit)
        }
        self._foreseen = max(job.id, *alike, 0)
        known = {hand.order for hand in self._kept}  # these looked for it before
        return [o for o in (authorisation, *alike.values()) if o.order_id not in known]

    def _forget_sought(self, job: jobs.Job) -> None:
        """Keep nothing here of the last case whose faces were looked for, or before."""
        if self.work is None and job.id >= self._foreseen:
            from pipeline.trace import finding

            finding.forget_sought()

    def _attend(self, wait_s: float) -> None:
        """Watch over the hands at work for a moment; enter what has ended."""
        connection.wait([hand.channel for hand in self._hands], wait_s)
        for hand in list(self._hands):
            job, authorisation = hand.job, hand.authorisation
            assert job is not None
            assert authorisation is not None
            kept = False
            ended: tuple[str, str] | None = ("stopped", "")
            with self._telling(job):
                if time.monotonic() >= hand.next_beat:
                    done, stage = round(100 * hand.share), hand.stage
                    jobs.beat(job, authorisation, stage, done, settings=self.settings)
                    hand.next_beat = time.monotonic() + BEAT_S
                ended = hand.heard()
                if ended is None:
                    continue
                seconds = round(time.monotonic() - hand.begun, 2)
                self._enter(job, authorisation, *ended, seconds)
                kept = ended[0] == "done"
            self._hands.remove(hand)
            self._next_claim = 0.0
            if kept:
                hand.free()
                self._kept.append(hand)
                if len(self._kept) > _KEPT:
                    self._kept.pop(0).end()
            else:
                hand.end()

    def _enter(
        self,
        job: jobs.Job,
        authorisation: Authorisation,
        outcome: str,
        text: str,
        seconds: float,
    ) -> None:
        settings = self.settings
        if outcome == "done":
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

    return run.trace(
        authorisation,
        settings=settings,
        tracklet=job.options.get("tracklet"),
        progress=progress,
        alone=True,
    ).run


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
