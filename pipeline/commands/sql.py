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
        str,
        typer.Argument(
            help="One SELECT over cameras, footage, tracklets, detections, "
            "mask_predictions."
        ),
    ],
    format: Annotated[Format, typer.Option(help="How rows are printed.")] = (
        Format.TABLE
    ),
    limit: Annotated[int, typer.Option(min=1, help="Most rows to print.")] = 1000,
) -> None:
    """Answer one SELECT over the views, also while footage is being analysed."""
    from pipeline.commands.store import prepare
    from pipeline.settings import get_settings
    from pipeline.store import query as queries

    settings = get_settings()
    prepare(settings)
    answer = queries.run(settings, query, limit=limit)
    {Format.TABLE: _table, Format.CSV: _csv, Format.JSON: _json}[format](answer)
    if answer.capped:
        typer.echo(f"Only the first {limit} rows; raise --limit for more.", err=True)


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
    for name in answer.columns:
        table.add_column(name, overflow="fold")
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)
    typer.echo(f"{len(answer.rows)} rows")
