"""Verbs of `dongseon store`: views, documentation, compaction, expiry."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.settings import Settings


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    store = typer.Typer(help="Look after the observation store.", no_args_is_help=True)
    app.add_typer(store, name="store")


def prepare(settings: Settings) -> Path:
    """Bring `data/dongseon.duckdb` up to date with the camera registry.

    Cheap when nothing changed: the registry is read only when its file is newer
    than what the views were made from. Returns the path of the database.
    """
    from pipeline.store import snapshot

    if not settings.registry.exists():
        return snapshot.ensure(settings)
    about = settings.registry.stat()
    stamp = f"{settings.registry.resolve()}:{about.st_mtime_ns}:{about.st_size}"
    if snapshot.known_stamp(settings) == stamp:
        return settings.database
    from pipeline.cameras import registry

    table = registry.to_table(registry.load(settings.registry))
    return snapshot.ensure(settings, table, stamp)
