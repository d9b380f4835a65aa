"""The verbs `dongseon worker` and `dongseon jobs`: traces in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.casebook import CaseName, User, context, local

if TYPE_CHECKING:
    from pipeline.casebook.authorisation import Authorisation
    from pipeline.settings import Settings


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command("worker")(worker)
    jobs = typer.Typer(no_args_is_help=True, help="Traces that wait, run or ended.")
    jobs.command("submit")(submit)
    jobs.command("list")(list_all)
    jobs.command("cancel")(cancel)
    app.add_typer(jobs, name="jobs")


def worker(
    once: Annotated[
        bool, typer.Option("--once", help="End when no job waits.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge/--no-purge", help="Run the daily purge.")
    ] = True,
    name: Annotated[
        str | None, typer.Option("--name", help="Default: host and process.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write the log as JSON lines.")
    ] = False,
) -> None:
    """Do queued traces, some side by side, and the daily purge. Several may run."""
    import signal

    from pipeline import logs
    from pipeline.settings import get_settings
    from pipeline.worker import Worker

    settings = get_settings()

    def rehearsal() -> None:  # loaded only by who has the time
        from pipeline.evaluate.rehearsal import rehearse

        rehearse(settings)

    say = logs.configure("worker", "json" if json else settings.log)
    made = Worker(settings, daily=purge, say=say, rehearsal=rehearsal)
    if name:
        made.name = name
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: made.end())
    say("waiting for jobs", worker=made.name)
    tally = made.run(once=once)
    say("ended", worker=made.name)
    typer.echo(
        f"{tally.done} done, {tally.failed} failed, {tally.stopped} stopped, "
        f"{tally.broken_off} queued again, {tally.purges} purges"
    )


def submit(
    case: CaseName,
    tracklet: Annotated[
        int | None,
        typer.Option("--tracklet", metavar="ID", help="Person pointed at in footage."),
    ] = None,
    photo: Annotated[
        list[Path] | None,
        typer.Option("--photo", metavar="FILE", help="Photo of the patient's face."),
    ] = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="Why, recorded in the audit log.")
    ] = "contact tracing of a confirmed patient",
    user: User = None,
) -> None:
    """Queue the trace of a case; photos join its gallery at once, encrypted."""
    from pipeline.casebook import galleries, jobs

    settings, issued = _authorised(case, purpose, user)
    if photo:
        from pipeline.vision import enrol

        for path in photo:
            template = enrol.embed_photo(path, settings.weights_dir)
            galleries.enrol_photo(issued, template, settings=settings)
    options = {} if tracklet is None else {"tracklet": tracklet}
    number = jobs.queue(issued, options, settings=settings)
    typer.echo(f"Job {number} of {case} waits for a worker (dongseon worker).")


def list_all(case: CaseName, user: User = None) -> None:
    """List the jobs of a case, newest first."""
    from pipeline.casebook import jobs

    settings, issued = _authorised(case, "look at the jobs", user)
    for job in jobs.list_jobs(issued, settings=settings):
        about = job.run or job.error or ""
        if job.state == "running":
            about = f"{job.stage} {job.progress} %, by {job.worker}"
        typer.echo(
            f"{job.id:>5}  {job.state:<8} {local(job.queued_at, settings)}  "
            f"{job.queued_by:<16} {about}"
        )


def cancel(
    case: CaseName,
    job: Annotated[int, typer.Argument(help="Number of the job.")],
    user: User = None,
) -> None:
    """Stop a job that waits or runs; what it has found is dropped."""
    from pipeline.casebook import jobs

    settings, issued = _authorised(case, "cancel a job", user)
    jobs.stop(issued, job, settings=settings)
    typer.echo(f"Job {job} of {case} is stopped.")


def _authorised(
    case: str, purpose: str, user: str | None
) -> tuple[Settings, Authorisation]:
    from pipeline.casebook import orders

    settings, who = context(user)
    return settings, orders.authorise(case, who, purpose, settings=settings)
