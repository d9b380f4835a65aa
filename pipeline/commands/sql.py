"""The verb `dongseon sql`: one SELECT over the documented views."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.store.query import Answer


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def attach(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command("sql")(_sql)


def _sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT over cameras, footage, tracklets, detections, "
            "mask_predictions, case_summary, case_contacts, case_exposure.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How rows are printed.")] = (
        Format.TABLE
    ),
    limit: Annotated[int, typer.Option(min=1, help="Most rows to print.")] = 1000,
    purpose: Annotated[
        str, typer.Option("--purpose", help="Why, recorded with the query.")
    ] = "analysis of observations",
    examples: Annotated[
        bool, typer.Option("--examples", help="Print worked queries and stop.")
    ] = False,
    user: Annotated[
        str | None, typer.Option("--user", help="Who asks; default: the settings'.")
    ] = None,
) -> None:
    """Answer one SELECT over the views, also while footage is being analysed.

    Every query is recorded. Cases and persons stand under codes of their own.
    """
    from pipeline.errors import DongseonError

    if examples:
        _examples()
        return
    if query is None:
        raise DongseonError(
            'Give one SELECT, e.g. "SELECT count(*) FROM tracklets", or --examples.'
        )
    from pipeline.casebook import analysis
    from pipeline.commands.casebook import context
    from pipeline.commands.store import prepare

    settings, who = context(user)
    prepare(settings)
    answer = analysis.ask(settings, who, query, purpose=purpose, limit=limit)
    {Format.TABLE: _table, Format.CSV: _csv, Format.JSON: _json}[format](answer)
    if answer.capped:
        typer.echo(f"Only the first {limit} rows; raise --limit for more.", err=True)


def _examples() -> None:
    from pipeline.store.worked_queries import WORKED

    for one in WORKED:
        typer.echo(f"-- {one.question}\n{one.sql};\n")


def _csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


def _json(answer: Answer) -> None:
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    typer.echo(json.dumps(rows, ensure_ascii=False, default=str))


def _table(answer: Answer) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for index, name in enumerate(answer.columns):
        number = any(isinstance(row[index], int | float) for row in answer.rows)
        table.add_column(name, overflow="fold", justify="right" if number else "left")
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    # A terminal folds what is too wide; a pipe gets one line per row.
    Console(width=None if sys.stdout.isatty() else 100_000).print(table)
    typer.echo("1 row" if len(answer.rows) == 1 else f"{len(answer.rows)} rows")
