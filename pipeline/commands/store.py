"""Verbs of `dongseon store`: views, documentation, compaction, expiry."""

from __future__ import annotations

from pathlib import Path

import typer

from pipeline.settings import Settings


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    store = typer.Typer(help="Look after the observation store.", no_args_is_help=True)
    app.add_typer(store, name="store")
    store.command("prepare")(_prepare)
    store.command("compact")(_compact)
    store.command("expire")(_expire)
    store.command("dictionary")(_dictionary)


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


def _prepare() -> None:
    """Make or refresh data/dongseon.duckdb."""
    from pipeline.settings import get_settings

    typer.echo(f"Views are ready in {prepare(get_settings())}")


def _compact() -> None:
    """Merge the segments of finished hours and remove what they replace."""
    from pipeline.settings import get_settings
    from pipeline.store import compact

    done = compact.compact(get_settings())
    typer.echo(
        f"Merged {done.merged} publications of {done.hours} hours; removed "
        f"{done.removed} files ({done.freed_bytes / 1e6:.1f} MB)."
    )


def _expire(
    days: float = typer.Option(
        None, help="Days to keep.  [default: retention_days of the settings]"
    ),
) -> None:
    """Delete observations past their time limit."""
    from pipeline.settings import get_settings
    from pipeline.store import retention

    settings = get_settings()
    done = retention.expire(settings, settings.retention_days if days is None else days)
    typer.echo(
        f"Deleted {done.parts} parts of footage that ended before "
        f"{done.before:%Y-%m-%d %H:%M} UTC: {done.files} files "
        f"({done.freed_bytes / 1e6:.1f} MB)."
    )


def _dictionary() -> None:
    """Write docs/data-dictionary.md from the documented views."""
    from pipeline.store import dictionary

    dictionary.PLACE.write_text(dictionary.dictionary(), encoding="utf-8")
    typer.echo(f"Wrote {dictionary.PLACE}")
