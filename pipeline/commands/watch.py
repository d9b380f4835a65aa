"""The verb `dongseon watch`: footage of many cameras, as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.fleet.watch import Watch


def attach(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command("watch")(watch)


def watch(
    sources: Annotated[
        Path | None,
        typer.Argument(help="TOML file of sources.  [default: DATA_DIR/sources.toml]"),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--folder",
            help="Watch this folder instead; clips' names begin with the camera's id.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Clips analysed at once.")
    ] = 1,
    once: Annotated[
        bool, typer.Option("--once", help="End when every clip found is done.")
    ] = False,
    clip_seconds: Annotated[
        float,
        typer.Option(min=1, help="Length of the clips that streams are recorded in."),
    ] = 60.0,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; 0: none.")
    ] = 9464,
    metrics_address: Annotated[
        str, typer.Option(help="Address of /metrics.")
    ] = "127.0.0.1",
    json: Annotated[
        bool, typer.Option("--json", help="Write the log as JSON lines.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Print the table once and end.")
    ] = False,
) -> None:
    """Analyse the footage of many cameras as it comes; record streams.

    Ctrl-C or SIGTERM ends it; the next start goes on where it was.
    """
    import signal

    from pipeline import logs
    from pipeline.cameras import registry
    from pipeline.fleet import metrics
    from pipeline.fleet.sources import Source, load
    from pipeline.fleet.watch import Watch
    from pipeline.settings import get_settings

    settings = get_settings()
    if status:
        from rich.console import Console

        Console().print(_table(settings))
        return
    if folder:
        found = [Source(None, path.absolute()) for path in folder]
    else:
        place = sources or settings.data_dir / "sources.toml"
        known = registry.load(settings.registry)
        found = load(place, known, settings.data_dir / "recordings")
    if json:
        settings = settings.model_copy(update={"log": "json"})
    say = logs.configure("watch", settings.log)
    made = Watch(settings, found, jobs=jobs, clip_s=clip_seconds, say=say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: made.end())
    if metrics_port and not once:
        port = metrics.serve(settings, metrics_port, metrics_address)
        made.say("metrics", address=f"http://{metrics_address}:{port}/metrics")
    made.say("watching", sources=len(found), jobs=jobs)
    _run(made, once, plain=settings.log == "json")
    made.say("ended")


def _run(made: Watch, once: bool, plain: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if plain or not console.is_terminal:
        made.run(once=once)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        made.run(
            once=once,
            tick=lambda: live.update(_table(made.settings, made.no_room), refresh=True),
        )


def _table(settings: Any, no_room: str = "", most: int = 30) -> Table:
    """Return rate, lag and faults per camera, the farthest behind first."""
    import time

    from rich.table import Table

    from pipeline.fleet import live, state

    now = time.time()
    rows = live.worst_first(state.cameras(settings), now)
    title = f"{len(rows)} cameras" + (f" · paused: {no_room}" if no_room else "")
    table = Table(title=title, title_justify="left")
    for heading in ("camera", "stream", "waiting", "behind", "x real time"):
        table.add_column(heading, justify="left" if heading < "d" else "right")
    table.add_column("tracklets", justify="right")
    table.add_column("faults", justify="right")
    table.add_column("last fault", overflow="fold")
    for row in rows[:most]:
        lag = row.lag_s(now)
        table.add_row(
            row.camera,
            row.link,
            str(row.waiting),
            "" if lag is None else _span(lag),
            f"{row.footage_s / row.work_s:.1f}" if row.work_s else "",
            f"{row.tracklets:,}",
            str(row.faults + row.refused),
            row.fault,
        )
    if len(rows) > most:
        table.caption = f"and {len(rows) - most} more"
    return table


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
