"""Hours of a city by several processes of this machine, each with what was drawn.

Threads of one process wait for each other in between numpy's work. Processes forked
of the one that drew people and network share those, and write hours of their own.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from pipeline.errors import StoreError
from pipeline.simulate.plan import Plan


class Flag(Protocol):
    """An event of threads or of processes."""

    def set(self) -> None:
        """Set it."""

    def is_set(self) -> bool:
        """Whether it is set."""


class City(Protocol):
    """What was drawn, and simulates hours."""

    stopped: Flag

    def alone(self, hour: int, threads: int) -> dict[str, int]:
        """Simulate one hour; return its counts."""


#: The city of this process and its children.
_CITY: list[City] = []


def worth_it(threads: int, hours: int) -> bool:
    """Whether hours can be simulated side by side here."""
    return min(threads, hours) > 1 and "fork" in multiprocessing.get_all_start_methods()


def hours(
    city: City, lanes: int, threads: int, _plan: Plan, todo: list[int]
) -> Iterator[dict[str, int]]:
    """Simulate hours by so many processes at a time; yield the counts of each.

    What stops the run stops the hours under way; they are done again next time.
    """
    context = multiprocessing.get_context("fork")
    city.stopped = context.Event()
    _CITY[:] = [city]
    try:
        with ProcessPoolExecutor(
            lanes, mp_context=context, initializer=_leave_stopping_to_the_parent
        ) as pool:
            found = [pool.submit(_hour, hour, threads) for hour in todo]
            try:
                for future in found:
                    yield future.result()
            except BrokenProcessPool as error:
                raise StoreError(
                    "A process of the simulation was ended from outside, for want of "
                    "memory perhaps; run it again to go on, with --threads 1."
                ) from error
            finally:
                city.stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
    finally:
        _CITY.clear()


def _hour(hour: int, threads: int) -> dict[str, int]:
    return _CITY[0].alone(hour, threads)


def _leave_stopping_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
