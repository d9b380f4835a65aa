"""Verbs of `dongseon` about model weights."""

from __future__ import annotations

import typer

group = typer.Typer(help="Model weights: list, fetch, verify.", no_args_is_help=True)


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(group, name="models")


@group.command("fetch")
def fetch(
    quiet: bool = typer.Option(False, "--quiet", help="Say nothing when all is well."),
    everything: bool = typer.Option(False, "--all", help="Also the optional models."),
) -> None:
    """Fetch and verify the weights that are missing; safe to repeat."""
    from pipeline.settings import get_settings
    from pipeline.vision import models

    folder = get_settings().weights_dir
    fetched = models.fetch(folder, everything=everything, progress=typer.echo)
    if not quiet:
        count = len(fetched)
        typer.echo(
            f"{count} fetched and verified in {folder}"
            if count
            else f"all weights are in {folder} and verified"
        )


@group.command("list")
def show() -> None:
    """List the registered models with origin, licence and state."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.settings import get_settings
    from pipeline.vision import models

    table = Table()
    for heading in ("name", "task", "file", "MB", "from", "licence", "state"):
        table.add_column(heading)
    for weight, problem in models.check(get_settings().weights_dir):
        table.add_row(
            weight.name + (" (optional)" if weight.optional else ""),
            weight.task,
            weight.file,
            f"{weight.size / 1e6:.1f}",
            f"{weight.package} {weight.version} ({weight.client})",
            weight.licence,
            problem or "verified",
        )
    Console().print(table)


@group.command("verify")
def verify() -> None:
    """Check every weight file against its sha256; exit code 2 when one is wrong."""
    from pipeline.errors import ModelError
    from pipeline.settings import get_settings
    from pipeline.vision import models

    folder = get_settings().weights_dir
    wrong = []
    for weight, problem in models.check(folder):
        absent = problem == "is not there"
        if problem and not (weight.optional and absent):
            wrong.append(f"{weight.file} {problem}")
        typer.echo(f"{weight.sha256[:12]}  {weight.file}: {problem or 'verified'}")
    if wrong:
        raise ModelError(
            f"In {folder}: {'; '.join(wrong)}; run `dongseon models fetch`."
        )
