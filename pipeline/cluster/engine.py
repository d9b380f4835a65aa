"""Ray runs our functions as tasks: it schedules them and reruns what was killed.

A task is a function of this program and its argument, and is safe to repeat: it stores
by part, and what is stored twice counts once. Ray itself (the library) is asked for as
little as may be: no dashboard, no usage statistics, a small object store, since tasks
pass each other names and counts only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline.errors import DongseonError

Item = TypeVar("Item")
Value = TypeVar("Value")

#: Ray's least, bytes.
_OBJECT_STORE = 80 * 2**20
#: Times a task is run again after its process or machine was lost.
_RETRIES = 5
#: Tasks handed to Ray for each that can run, so that nobody waits for the next.
_AHEAD = 2
#: Times it is tried to start Ray: it gives itself half a minute, too little for a
#: machine that is busy.
_STARTS = 3
#: Seconds in which a Ray must be reached.
_CONNECT_S = 10.0
#: Seconds a task has to end after it was told to stop.
_PATIENCE_S = 20.0
#: Seconds in which a task that is about to end may do so before it is interrupted: of
#: one that ends in that very moment Ray may lose track, and abort this process with it
#: (the race that Ray's pull request 54798 tells of; seen once with Ray 2.60).
_ENDING_S = 0.5


class ClusterError(DongseonError):
    """Ray is not there, or lost a task for good."""


@dataclass(frozen=True)
class Done(Generic[Item, Value]):
    """A task that ended: with a value, or with the reason why not."""

    item: Item
    value: Value | None
    error: DongseonError | None = None


class Engine:
    """A Ray that runs tasks; made by `connected`."""

    def __init__(self, ray: Any, workers: int, ahead: int = 1) -> None:
        self._ray, self._ahead = ray, ahead
        self.workers = workers  #: tasks that run at a time, one core and thread each

    def run(
        self, function: Callable[[Item], Value], items: Sequence[Item]
    ) -> Iterator[Done[Item, Value]]:
        """Run `function` on each item; yield each as it ends, in any order.

        Parameters
        ----------
        function : of a module that every machine can import; safe to repeat.
        items : arguments, a few kilobytes each.

        Raises
        ------
        ClusterError
            If a task was lost again and again, or Ray itself.
        """
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_guarded)
        waiting = list(reversed(items))
        running: dict[Any, Item] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers * self._ahead:
                    item = waiting.pop()
                    running[task.remote(function, item)] = item
                ready, _ = ray.wait(list(running), timeout=1.0)
                for reference in ready:
                    item = running.pop(reference)
                    value, error = self._get(reference)
                    yield Done(item, value, error)
        finally:
            self._stop(list(running))

    def _get(self, reference: Any) -> tuple[Any, DongseonError | None]:
        ray = self._ray
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise ClusterError(
                f"a task failed ({type(error.cause).__name__}: {error.cause}); what "
                "other tasks finished is stored."
            ) from error
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"Ray lost a task {_RETRIES + 1} times ({_first_line(error)}); what "
                "other tasks finished is stored: run the same command again to go on."
            ) from error

    def _stop(self, references: list[Any]) -> None:
        """Interrupt what runs; each task ends at the part it has in work."""
        if not references:
            return
        ray, rest = self._ray, references
        with contextlib.suppress(ray.exceptions.RayError, KeyboardInterrupt):
            _, rest = ray.wait(rest, num_returns=len(rest), timeout=_ENDING_S)
        for reference in rest:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(reference, force=False)
        with contextlib.suppress(ray.exceptions.RayError, KeyboardInterrupt):
            ray.wait(references, num_returns=len(references), timeout=_PATIENCE_S)


@contextlib.contextmanager
def connected(
    address: str | None = None, workers: int | None = None
) -> Iterator[Engine]:
    """Connect to a Ray, or start one on this machine for as long as this lasts.

    Parameters
    ----------
    address : of a Ray that runs, HOST:PORT; None starts one here.
    workers : tasks at a time; default: the cores there are.

    Raises
    ------
    ClusterError
        If Ray is not installed, or none answers at the address.
    """
    # Read by Ray when it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None and "ray" not in sys.modules:
        # Its ports run what they are sent: only who knows this may send.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError:
        raise ClusterError(
            "Ray is not installed; install it by pip install 'dongseon[cluster]', or "
            "leave --engine ray out."
        ) from None
    ours = not ray.is_initialized()
    if ours:
        _begin(ray, address, workers)
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        chosen = max(1, min(workers or cores, cores))
        # Where Ray has cores to spare, only what may run is handed to it.
        yield Engine(ray, chosen, _AHEAD if chosen == cores else 1)
    finally:
        if ours:
            ray.shutdown()


def _begin(ray: Any, address: str | None, workers: int | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        _start_here(ray, workers, quiet)
        return
    try:
        _answers(address)
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError(
            f"no Ray answers at {address} ({_first_line(error)}); start one there by "
            "`ray start --head`, or leave --address out to start one here."
        ) from error


def _start_here(ray: Any, workers: int | None, quiet: dict[str, Any]) -> None:
    # Ray's own default is 15, which leaves tasks only what all others leave; they are
    # to run as the command itself would.
    os.environ.setdefault("RAY_worker_niceness", "0")
    for attempt in range(_STARTS):
        try:
            ray.init(
                num_cpus=workers or os.cpu_count(),
                object_store_memory=_OBJECT_STORE,
                include_dashboard=False,
                **quiet,
            )
            return
        except Exception as error:  # Ray raises no narrower one where it is too slow
            ray.shutdown()
            if attempt == _STARTS - 1:
                raise ClusterError(
                    f"Ray could not be started here ({_first_line(error)}); it needs "
                    "half a gigabyte of memory and a processor that is not overloaded."
                ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def _answers(address: str) -> None:
    """Raise OSError where nobody listens; Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()


def _guarded(function: Callable[[Any], Any], item: Any) -> tuple[Any, Any]:
    """In a worker: what people must know comes back as text, not as a traceback."""
    try:
        return function(item), None
    except DongseonError as error:
        return None, error
