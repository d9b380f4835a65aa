"""Verbs of `dongseon` about the audit log."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Annotated

import typer

User = Annotated[
    str | None, typer.Option("--user", help="Who acts; default: the settings' user.")
]


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    audit = typer.Typer(no_args_is_help=True, help="Who did what, when and why.")
    audit.command("verify")(verify)
    audit.command("show")(show)
    audit.command("export")(export)
    app.add_typer(audit, name="audit")


def verify(
    file: Annotated[
        Path | None, typer.Option("--file", help="An exported log (.jsonl) instead.")
    ] = None,
    user: User = None,
) -> None:
    """Find any changed, removed, reordered or cut-off entry; exit code 1 if so."""
    from pipeline.casebook import audit, roles
    from pipeline.commands.casebook import context

    if file is not None:
        found = audit.verify_file(file)
        if found.broken is not None:
            typer.echo(f"BROKEN at entry {found.broken}: {found.fault}.", err=True)
            raise typer.Exit(1)
        typer.echo(f"Sound up to entry {found.entries}, anchor {found.anchor}.")
        return
    settings, who = context(user)
    roles.check(settings, who, "audit.verify", "audit")
    verdict = audit.verify(settings)
    if verdict.broken is not None:
        typer.echo(f"BROKEN at entry {verdict.broken}: {verdict.fault}.", err=True)
        raise typer.Exit(1)
    audit.record(settings, who, "audit.verify", "audit", "", {"anchor": verdict.anchor})
    typer.echo(f"Sound: {verdict.entries} entries.")
    typer.echo(f"Anchor (keep it elsewhere): {verdict.entries} {verdict.anchor}")


def show(
    last: Annotated[int, typer.Option("--last", min=1, help="Newest entries.")] = 30,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Of one case or thing only.")
    ] = None,
    user: User = None,
) -> None:
    """Show the newest entries."""
    from pipeline.casebook import audit
    from pipeline.commands.casebook import context

    settings, who = context(user)
    for entry in audit.read(settings, who, subject=subject, last=last):
        typer.echo(
            f"{entry['seq']:>6} {entry['at'][:19]}Z {entry['actor']:<16} "
            f"{entry['act']:<16} {entry['subject']:<14} {entry['purpose']} "
            f"{entry['detail']}"
        )


def export(
    file: Annotated[Path, typer.Argument(help="To write; .csv or .jsonl.")],
    user: User = None,
) -> None:
    """Write the whole log to a file that anybody can verify."""
    from pipeline.casebook import audit
    from pipeline.commands.casebook import context
    from pipeline.errors import DongseonError

    if file.suffix not in (".csv", ".jsonl"):
        raise DongseonError(f"The file {file} must end in .csv or .jsonl.")
    settings, who = context(user)
    entries = audit.read(settings, who, act="export")
    draft = file.with_name(f".{file.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as target:
            if file.suffix == ".jsonl":
                target.writelines(
                    json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries
                )
            else:
                writer = csv.DictWriter(target, [*audit.FIELDS, "digest"])
                writer.writeheader()
                writer.writerows(entries)
        os.replace(draft, file)
    except (FileNotFoundError, PermissionError) as error:
        raise DongseonError(
            f"The file {file} cannot be written ({error.strerror}); choose another."
        ) from error
    typer.echo(f"{len(entries)} entries written to {file}.")
