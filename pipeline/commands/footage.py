"""Verbs of `dongseon` about footage."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.commands.cluster import Address, EngineName, Workers, bar, ray

if TYPE_CHECKING:
    from pipeline.footage.parts import Progress

#: Plain progress lines (no terminal) come at most this often, seconds of footage.
_PLAIN_STEP_S = 60.0


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(ingest)


def ingest(
    source: Annotated[
        Path,
        typer.Argument(help="A video file, or a folder of video files of one camera."),
    ],
    camera: str = typer.Option(
        ..., "--camera", "-c", help="Id of the camera in the registry, e.g. BC-00001."
    ),
    start: str | None = typer.Option(
        None,
        "--start",
        help="Start of the clip, ISO-8601 with a time zone, e.g. "
        "2025-11-03T14:00:00+09:00. By default from the file's name "
        "(BC-00001_20251103T140000+0900.mp4), then from the registry.",
    ),
    quality: Literal["full", "triage"] | None = typer.Option(
        None,
        "--quality",
        help="full: every moment in which something moves. triage: key frames only, "
        "one in two seconds, for a first look; --quality full later does the rest. "
        "By default as set (DONGSEON_QUALITY), else full.",
    ),
    again: bool = typer.Option(
        False, "--again", help="Analyse anew what is stored already, and replace it."
    ),
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
) -> None:
    """Analyse footage of a camera and store what was seen.

    Work is stored part by part: stopped at any moment, the same command goes on
    where it was.
    """
    from pipeline.footage.ingest import ingest as analyse
    from pipeline.footage.parts import IngestInterruptedError
    from pipeline.footage.summary import lines
    from pipeline.settings import get_settings

    settings = get_settings()
    if quality is not None:
        settings = settings.model_copy(update={"quality": quality})
    try:
        if engine == "ray":
            from pipeline.cluster import ingest as cluster

            with ray(address, workers) as started, bar("parts") as shown_parts:
                summary = cluster.ingest(
                    source,
                    camera,
                    start,
                    settings=settings,
                    engine=started,
                    again=again,
                    progress=shown_parts,
                )
        else:
            with Shown() as shown:
                summary = analyse(
                    source,
                    camera,
                    start,
                    settings=settings,
                    again=again,
                    progress=shown.update,
                )
    except IngestInterruptedError as stop:
        typer.echo(str(stop), err=True)
        raise typer.Exit(2) from None
    for clip in summary.clips:
        for line in lines(clip):
            typer.echo(line)
    if len(summary.clips) > 1:
        typer.echo(
            f"{len(summary.clips)} clips: {summary.total('tracklets')} tracklets, "
            f"{summary.total('footage_seconds'):.1f} s of footage in "
            f"{summary.total('seconds'):.1f} s "
            f"({summary.times_real_time:.1f} times real time)"
        )
    for _, reason in summary.refused:
        typer.echo(f"Error: {reason}", err=True)
    if summary.refused:
        raise typer.Exit(2)


class Shown(AbstractContextManager["Shown"]):
    """Progress: a bar on a terminal, a line a minute of footage elsewhere."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True)
        self._bar: progress.Progress | None = None
        self._task: Any = None
        self._clip: Path | None = None
        self._last_s = 0.0
        if console.is_terminal:
            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TaskProgressColumn(),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TextColumn("left"),
                progress.TimeRemainingColumn(),
                console=console,
                transient=True,
            )

    def __enter__(self) -> Shown:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, now: Progress) -> None:
        """Show how far it is."""
        if now.clip != self._clip:
            self._clip, self._last_s = now.clip, 0.0
            if self._bar is not None:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(
                    f"{now.clip.name} ({now.clip_number}/{now.clip_count})",
                    total=now.duration_s,
                    rate="",
                )
        if self._bar is not None:
            speed = self._bar.tasks[-1].speed
            rate = f"{speed:.1f} x real time" if speed else ""
            self._bar.update(self._task, completed=now.done_s, rate=rate)
        elif now.done_s - self._last_s >= _PLAIN_STEP_S:
            self._last_s = now.done_s
            typer.echo(
                f"{now.clip.name}: {now.done_s:.0f} of {now.duration_s:.0f} s, "
                f"part {now.part} of {now.parts}",
                err=True,
            )
