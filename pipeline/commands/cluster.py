"""Options of the verbs that can run on Ray, and the bar of their tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pipeline.cluster.engine import Engine

EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="local: this process. ray: tasks of Ray, on as many processes and "
        "machines as it has (pip install 'dongseon[cluster]').",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="With --engine ray: HOST:PORT of a Ray that runs; without, one is "
        "started on this machine for the time of the command.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="With --engine ray: tasks at a time, a core each  [default: all cores]",
    ),
]


@contextlib.contextmanager
def ray(address: str | None, workers: int | None) -> Iterator[Engine]:
    """Connect to Ray, and say so: it takes some seconds."""
    from pipeline.cluster import engine

    where = f"at {address}" if address else "on this machine"
    typer.echo(f"Starting Ray {where} ...", err=True)
    with engine.connected(address, workers) as started:
        typer.echo(f"{started.workers} tasks at a time.", err=True)
        yield started


@contextlib.contextmanager
def interruptible(sentence: str) -> Iterator[None]:
    """End with a sentence on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(sentence, err=True)
        raise typer.Exit(2) from None


@contextlib.contextmanager
def bar(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show tasks as they end: a bar on a terminal, a line each elsewhere."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name, done, total: typer.echo(
            f"{name}: {done} of {total} {what}", err=True
        )
        return
    shown = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]} left"),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with shown:
        task = shown.add_task(what, total=None, rate="")

        def tell(name: str, done: int, total: int) -> None:
            speed = shown.tasks[0].speed
            rate = f"{speed * 60:.1f} {what} a minute" if speed else ""
            shown.update(task, description=name, completed=done, total=total, rate=rate)

        yield tell
