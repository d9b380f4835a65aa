"""The verb `dongseon doctor`: is this installation fit to work?"""

from __future__ import annotations

from typing import Annotated

import typer


def attach(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command("doctor")(doctor)


def doctor(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look at every byte of the store.")
    ] = False,
) -> None:
    """Check models, registry, store, casebook, disk, clock, ports and permissions.

    Says how to mend what is wrong; changes nothing. Exit code 2 if anything is.
    """
    from pipeline.fleet import doctor as examiner
    from pipeline.settings import get_settings

    wrong = 0
    marks = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
    for report in examiner.examine(get_settings(), thorough=thorough):
        wrong += report.state == "wrong"
        typer.echo(f"{marks[report.state]}  {report.subject:<12} {report.text}")
        if report.mend:
            typer.echo(f"{'':<20} -> {report.mend}")
    if wrong:
        typer.echo(f"{wrong} wrong.", err=True)
        raise typer.Exit(2)
    typer.echo("All is well.")
