"""Verbs of `dongseon` about simulate."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.cluster import (
    Address,
    EngineName,
    Workers,
    interruptible,
    ray,
)


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command("simulate")(simulate)


def simulate(
    residents: Annotated[
        int, typer.Option("--residents", "-n", help="People of the city.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder to make: observations/ and truth/.")
    ],
    hours: Annotated[int, typer.Option("--hours", help="Hours to simulate.")] = 24,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same city.")] = 1,
    mask_share: Annotated[
        float, typer.Option("--mask-share", help="Share of ways with a mask, 0 to 1.")
    ] = 0.5,
    density: Annotated[
        float, typer.Option("--density", help="Share of the cameras that take part.")
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            help="First hour, ISO 8601 with zone [default: 2025-11-03T07:00+09:00]",
        ),
    ] = None,
    patients: Annotated[
        int,
        typer.Option("--patients", help="Residents whose contacts become truth."),
    ] = 200,
    clock_skew: Annotated[
        int,
        typer.Option(
            "--clock-skew", help="Most seconds that a tenth of the clocks are off."
        ),
    ] = 0,
    duplicated: Annotated[
        float,
        typer.Option("--duplicated", help="Share of camera hours stored twice."),
    ] = 0.0,
    registry: Annotated[
        Path | None,
        typer.Option(
            "--registry", help="Camera registry [default: the installation's]"
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=1, help="Threads to use.")
    ] = 2,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
) -> None:
    """Write a city with known truth as observations (marked synthetic).

    The folder is a data folder: DONGSEON_DATA_DIR=DIR dongseon ... works on it.
    A finished hour is kept; the same command again goes on after it.
    """
    from datetime import datetime

    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from pipeline.errors import StoreError
    from pipeline.settings import get_settings
    from pipeline.simulate import run

    moment = None
    if start is not None:
        try:
            moment = datetime.fromisoformat(start)
        except ValueError:
            raise StoreError(
                f"--start {start!r} is no ISO 8601 time; write it like "
                "2025-11-03T07:00+09:00."
            ) from None
    plan = run.make_plan(
        residents,
        hours,
        seed,
        moment,
        mask_share=mask_share,
        density=density,
        patients=patients,
        clock_skew_s=clock_skew,
        duplicated=duplicated,
    )
    bar = Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} h"),
        TimeRemainingColumn(),
        transient=True,
    )
    cameras = registry or get_settings().registry
    stopped = "Stopped: finished hours are kept; run the same command again to go on."
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruptible(stopped))
        started = (
            stack.enter_context(ray(address, workers)) if engine == "ray" else None
        )
        stack.enter_context(bar)
        task = bar.add_task("cameras", total=hours)

        def tell(text: str, finished: float) -> None:
            bar.update(task, description=text, completed=finished)

        if started is None:
            done = run.simulate(out, plan, cameras, threads=threads, progress=tell)
        else:
            from pipeline.cluster import simulate as cluster

            done = cluster.simulate(
                out.absolute(), plan, cameras.absolute(), engine=started, progress=tell
            )
    typer.echo(
        f"{done.residents:,} residents before {done.cameras:,} cameras, "
        f"{done.hours} h simulated"
        + (f", {done.hours_found} h found finished" if done.hours_found else "")
        + f": {done.passes:,} passes, {done.tracklets:,} tracklets "
        f"({done.faces:,} with a face), {done.detections:,} detections, "
        f"{done.visits:,} visits, {done.contacts:,} contacts of patients, "
        f"{done.bytes / 1e6:,.0f} MB in {out}, {done.seconds:.1f} s "
        f"({done.tracklets / max(done.seconds, 1e-9):,.0f} tracklets/s)."
    )
