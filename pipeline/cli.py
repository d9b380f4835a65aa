"""The command `dongseon`: thin, one verb per capability."""

from __future__ import annotations

import sys

import typer

from pipeline import __version__
from pipeline.errors import DongseonError

app = typer.Typer(
    name="dongseon",
    help="Retrace a confirmed patient's path from city cameras.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def version_option(
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """Retrace a confirmed patient's path from city cameras."""
    if version:
        typer.echo(f"dongseon {__version__}")
        raise typer.Exit


def register() -> None:
    """Attach every module of `pipeline.commands` to the command."""
    from pipeline.commands import (
        cameras,
        casebook,
        dashboard,
        demo,
        doctor,
        evaluate,
        footage,
        masks,
        models,
        simulate,
        sql,
        store,
        trace,
        watch,
        worker,
    )

    for module in (
        cameras,
        models,
        masks,
        footage,
        store,
        sql,
        casebook,
        trace,
        watch,
        worker,
        simulate,
        evaluate,
        dashboard,
        demo,
        doctor,
    ):
        module.attach(app)


def main() -> None:
    """Run the command; errors are one sentence and exit code 2."""
    register()
    try:
        app()
    except DongseonError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("Stopped. What was stored before is kept.", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno != 28:
            raise
        typer.echo(
            "Error: the disk is full; free some space and run the command again: "
            "finished parts are kept.",
            err=True,
        )
        sys.exit(2)
