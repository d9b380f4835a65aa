"""Trace jobs: queued by people, done by workers, ended with their order."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, insert, or_, select, update

from pipeline.casebook import audit, cases, clock, database, orders, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError, packed, unpacked
from pipeline.settings import Settings

#: A running job whose worker has been silent for so long is queued again.
SILENCE = timedelta(seconds=30)
#: How often a job is begun at most: once more after it broke off.
ATTEMPTS = 2


@dataclass(frozen=True)
class Job:
    """A trace that waits, runs or has ended; times are UTC."""

    id: int
    case: str
    order_id: int
    options: dict[str, Any]
    state: str  #: queued, running, done, failed or stopped
    stage: str
    progress: int  #: per cent
    queued_by: str
    queued_at: datetime
    worker: str | None
    started_at: datetime | None
    beat_at: datetime | None
    finished_at: datetime | None
    run: str | None  #: name of the results
    failure: DongseonError | None  #: why it failed, was stopped or is tried again
    attempts: int  #: how often it was begun

    @property
    def error(self) -> str | None:
        """The failure's sentence, in English."""
        return None if self.failure is None else str(self.failure)


def queue(
    authorisation: Authorisation, options: Mapping[str, Any], *, settings: Settings
) -> int:
    """Put a trace in the queue; `options` is what the worker needs, as JSON."""
    with orders.acting_under(authorisation, "job.queue", settings) as (
        connection,
        note,
    ):
        made = connection.execute(
            insert(tables.jobs)
            .values(
                case_id=cases.case_id(connection, authorisation.case),
                order_id=authorisation.order_id,
                options=json.dumps(
                    {"purpose": authorisation.purpose, "options": dict(options)}
                ),
                state="queued",
                stage="",
                progress=0,
                queued_by=authorisation.user,
                queued_at=clock.now(),
            )
            .returning(tables.jobs.c.id)
        ).scalar_one()
        note("job.queue", authorisation.case, authorisation.purpose, job=made)
    return int(made)


def claim(worker: str, *, settings: Settings) -> tuple[Job, Authorisation] | None:
    """Take the oldest waiting job, and the permission to do it.

    A job whose order is no longer in force is stopped instead, and the next one
    taken. Jobs of silent workers are queued again first.

    Returns
    -------
    None if nothing waits.
    """
    while True:
        job = _take(worker, settings)
        if job is None:
            return None
        try:
            return job, _authorised(job, settings)
        except NotAuthorisedError as error:
            _end(job.id, worker, settings, state="stopped", error=packed(error))


def waiting(most: int, *, settings: Settings) -> list[tuple[Job, Authorisation]]:
    """Return the jobs that wait, the oldest first, `most` of them, with permissions.

    They go on waiting: whoever is free does them. One whose order is no longer in force
    is left out.
    """
    table = tables.jobs
    with database.reading(settings) as connection:
        rows = connection.execute(
            _query().where(table.c.state == "queued").order_by(table.c.id).limit(most)
        ).all()
    found = []
    for job in map(_job, rows):
        with contextlib.suppress(NotAuthorisedError):
            found.append((job, _authorised(job, settings)))
    return found


def beat(
    job: Job,
    authorisation: Authorisation,
    stage: str,
    progress: int,
    *,
    settings: Settings,
) -> None:
    """Tell that a job goes on; to be called about once a second.

    Raises
    ------
    NotAuthorisedError
        If its order is no longer in force: the job is stopped, and its worker must
        drop what it has.
    DongseonError
        If the job is another worker's by now, or was stopped.
    """
    try:
        orders.demand_valid(authorisation, settings)
    except NotAuthorisedError as error:
        _end(job.id, job.worker, settings, state="stopped", error=packed(error))
        raise
    with database.writing(settings) as connection:
        kept = connection.execute(
            update(tables.jobs)
            .where(
                tables.jobs.c.id == job.id,
                tables.jobs.c.worker == job.worker,
                tables.jobs.c.state == "running",
            )
            .values(
                stage=stage, progress=max(0, min(100, progress)), beat_at=clock.now()
            )
        ).rowcount
    if not kept:
        raise DongseonError(
            f"Job {job.id} is no longer this worker's; its result is dropped."
        )


def finish(
    job: Job, *, run: str | None = None, error: str | None = None, settings: Settings
) -> None:
    """Enter the end of a job: the run it made, or what went wrong.

    Parameters
    ----------
    error : a sentence, or a whole error as `errors.packed` makes it.
    """
    state = "failed" if error else "done"
    _end(job.id, job.worker, settings, state=state, run=run, error=error)


def give_back(job: Job, error: str, *, settings: Settings) -> bool:
    """Queue a job again that broke off, or end it as failed after `ATTEMPTS`.

    Returns
    -------
    Whether it is queued again.
    """
    if job.attempts >= ATTEMPTS:
        _end(job.id, job.worker, settings, state="failed", error=error)
        return False
    _end(job.id, job.worker, settings, state="queued", error=error)
    return True


def release(job: Job, *, settings: Settings) -> None:
    """Queue a job again whose worker was told to end; it does not count as begun."""
    attempts = job.attempts - 1
    _end(job.id, job.worker, settings, state="queued", attempts=attempts)


def stop(authorisation: Authorisation, job_id: int, *, settings: Settings) -> None:
    """Stop a waiting or running job of the authorised case."""
    table = tables.jobs
    with orders.acting_under(authorisation, "job.queue", settings) as (
        connection,
        note,
    ):
        stopped = connection.execute(
            update(table)
            .where(
                table.c.id == job_id,
                table.c.case_id == cases.case_id(connection, authorisation.case),
                table.c.state.in_(("queued", "running")),
            )
            .values(
                state="stopped",
                finished_at=clock.now(),
                error=packed(
                    DongseonError(
                        f"stopped by {authorisation.user}",
                        code="job_stopped",
                        user=authorisation.user,
                    )
                ),
            )
        ).rowcount
        if not stopped:
            raise DongseonError(
                f"Case {authorisation.case} has no waiting or running job {job_id}.",
                code="job_gone",
                job=job_id,
                case=authorisation.case,
            )
        note("job.stop", authorisation.case, authorisation.purpose, job=job_id)


def list_jobs(authorisation: Authorisation, *, settings: Settings) -> list[Job]:
    """Return the jobs of the authorised case, newest first."""
    orders.demand_valid(authorisation, settings)
    with database.reading(settings) as connection:
        number = cases.case_id(connection, authorisation.case)
        rows = connection.execute(
            _query()
            .where(tables.jobs.c.case_id == number)
            .order_by(tables.jobs.c.id.desc())
        ).all()
    return [_job(row) for row in rows]


def _take(worker: str, settings: Settings) -> Job | None:
    table, now = tables.jobs, clock.now()
    # A sign of life far ahead is of a clock that was set back since.
    beat = table.c.beat_at
    silent = (
        table.c.state == "running",
        or_(beat < now - SILENCE, beat > now + SILENCE),
    )
    with database.reading(settings) as connection:  # most looks find nothing
        some = select(table.c.id).where(or_(table.c.state == "queued", and_(*silent)))
        if connection.execute(some.limit(1)).scalar() is None:
            return None
    with database.writing(settings) as connection:
        connection.execute(
            update(table)
            .where(*silent, table.c.attempts >= ATTEMPTS)
            .values(
                state="failed",
                finished_at=now,
                error=packed(
                    DongseonError(
                        f"its worker fell silent {ATTEMPTS} times",
                        code="job_silent",
                        times=ATTEMPTS,
                    )
                ),
            )
        )
        connection.execute(
            update(table).where(*silent).values(state="queued", worker=None)
        )
        number = connection.execute(
            select(table.c.id)
            .where(table.c.state == "queued")
            .order_by(table.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).scalar()
        if number is None:
            return None
        connection.execute(
            update(table)
            .where(table.c.id == number)
            .values(
                state="running",
                worker=worker,
                started_at=now,
                beat_at=now,
                finished_at=None,
                stage="",
                progress=0,
                attempts=table.c.attempts + 1,
            )
        )
        return _job(connection.execute(_query().where(table.c.id == number)).one())


def _end(
    number: int, worker: str | None, settings: Settings, *, state: str, **values: Any
) -> None:
    table = tables.jobs
    end: dict[str, Any] = {"finished_at": clock.now()}
    if state == "queued":
        end = {"worker": None}
    with audit.acting(settings) as (connection, note):
        ended = connection.execute(
            update(table)
            .where(
                table.c.id == number,
                table.c.worker == worker,
                table.c.state == "running",
            )
            .values(state=state, **end, **values)
        ).rowcount
        if not ended:
            raise DongseonError(
                f"Job {number} is no longer this worker's; its result is dropped."
            )
        job = _job(connection.execute(_query().where(table.c.id == number)).one())
        note(worker or "", f"job.{state}", job.case, job=number, error=job.error)


def _authorised(job: Job, settings: Settings) -> Authorisation:
    return orders.authorise(
        job.case,
        job.queued_by,
        _purpose(job, settings),
        settings=settings,
        order_id=job.order_id,
    )


def _purpose(job: Job, settings: Settings) -> str:
    with database.reading(settings) as connection:
        content = connection.execute(
            select(tables.jobs.c.options).where(tables.jobs.c.id == job.id)
        ).scalar_one()
    return str(json.loads(content)["purpose"])


def _query() -> Any:
    return select(tables.jobs, tables.cases.c.pseudonym.label("case")).join(
        tables.cases, tables.cases.c.id == tables.jobs.c.case_id
    )


def _job(row: Row) -> Job:
    fields = dict(row._mapping)
    fields["options"] = json.loads(fields["options"])["options"]
    fields["failure"] = unpacked(fields["error"]) if fields["error"] else None
    return Job(**{name: fields[name] for name in Job.__dataclass_fields__})
