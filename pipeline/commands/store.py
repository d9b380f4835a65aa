"""Verbs of `dongseon store`: views, checks, upkeep, backup."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.store.check import Finding


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    store = typer.Typer(help="Look after the observation store.", no_args_is_help=True)
    app.add_typer(store, name="store")
    store.command("prepare")(_prepare)
    store.command("upgrade")(_upgrade)
    store.command("check")(_check)
    store.command("repair")(_repair)
    store.command("stats")(_stats)
    store.command("export")(_export)
    store.command("backup")(_backup)
    store.command("restore")(_restore)
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


def _log(event: str, **fields: object) -> None:
    """Log what was done, where machines read the log; people read the sentences."""
    from pipeline import logs
    from pipeline.settings import get_settings

    if get_settings().log == "json":
        logs.configure("store", "json")(event, **fields)


def _prepare() -> None:
    """Make or refresh data/dongseon.duckdb."""
    from pipeline.settings import get_settings

    typer.echo(f"Views are ready in {prepare(get_settings())}")


def _upgrade() -> None:
    """Bring everything stored by an earlier version to the present one.

    Observations, views, casebook and the watch's memory. Stop watch, worker and
    dashboard first. Called again it goes on, or finds nothing to do.
    """
    from pipeline.casebook import database
    from pipeline.fleet import state
    from pipeline.settings import get_settings
    from pipeline.store import version

    settings = get_settings()
    with state.only_one(settings):
        done = version.upgrade(settings)
        _log("upgraded", segments=done.segments)
        typer.echo(
            f"Observations: layout {done.before}, now {version.LAYOUT}; "
            f"{done.segments} segments were written anew."
        )
        typer.echo(f"Views are ready in {prepare(settings)}")
        before, now = database.bring_up_to_date(settings)
        typer.echo(f"Casebook: tables {before or 'none'}, now {now}.")
        if state.path_of(settings).exists():
            state.State(settings).close()
            typer.echo(f"The watch's memory: tables {state.VERSION}.")


def _compact() -> None:
    """Merge the segments of finished hours and remove what they replace."""
    from pipeline.settings import get_settings
    from pipeline.store import compact

    begun = time.monotonic()
    done = compact.compact(get_settings())
    _log(
        "compacted",
        hours=done.hours,
        parts=done.merged,
        files=done.removed,
        bytes=done.freed_bytes,
        seconds=round(time.monotonic() - begun, 2),
    )
    typer.echo(
        f"Merged {done.merged} publications of {done.hours} hours; removed "
        f"{done.removed} files ({done.freed_bytes / 1e6:.1f} MB)."
    )
    _problems(done.problems)


def _check(
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at footers only, not at every byte.")
    ] = False,
) -> None:
    """Look whether every stored row is whole; change nothing.

    Each fault is one line; the exit code is 2 if rows are lost or wrong.
    """
    from pipeline.settings import get_settings
    from pipeline.store import check

    settings = get_settings()
    begun = time.monotonic()
    found = check.check(settings, quick=quick)
    for finding in found.findings:
        _finding(settings, finding)
    _log(
        "checked",
        segments=found.segments,
        bytes=found.bytes,
        damaged=sum(finding.grave for finding in found.findings),
        seconds=round(time.monotonic() - begun, 2),
    )
    grave = sum(finding.grave for finding in found.findings)
    typer.echo(
        f"{found.segments} segments of {found.hours} hours ({found.bytes / 1e6:.1f} "
        f"MB): {grave} damaged, {len(found.findings) - grave} other findings"
        + (f", {found.undigested} without a digest" if found.undigested else "")
        + "."
    )
    if not found.sound:
        raise typer.Exit(2)


def _repair() -> None:
    """Move damaged and left-over files into quarantine; keep all that is whole."""
    from pipeline.settings import get_settings
    from pipeline.store import place, quarantine, repair

    settings = get_settings()
    done = repair.repair(settings)
    for finding in done.findings:
        _finding(settings, finding)
    _log("repaired", files=done.moved, parts=len(done.lost))
    for part in done.lost:
        typer.echo(
            f"No longer stored: part {part['part'] + 1} of {part['source']}, camera "
            f"{part['camera_id']}, from {part['start_at']:%Y-%m-%d %H:%M:%S} UTC; "
            "analyse that footage again, or restore it from a backup."
        )
    if done.unknown:
        typer.echo(
            f"{done.unknown} footage logs could not be read: analyse the footage of "
            "those hours again, or restore it from a backup."
        )
    where = quarantine.folder(place.root_of(settings))
    typer.echo(
        f"{len(done.findings)} findings; {done.moved} files are in {where}; "
        f"{done.kept} parts of damaged publications were whole and are kept, "
        f"{len(done.lost)} are no longer stored."
    )


def _stats() -> None:
    """Tell how much is stored, how fast it grows and how long the disk lasts."""
    from pipeline.settings import get_settings
    from pipeline.store import stats

    found = stats.stats(get_settings())
    lines = [
        f"footage      {found.parts:,} parts, {found.footage_hours:,.1f} h "
        f"of {found.cameras:,} cameras",
        f"tracklets    {found.tracklets:,}",
    ]
    if found.first and found.last:
        lines.insert(
            0,
            f"from         {found.first:%Y-%m-%d %H:%M} to "
            f"{found.last:%Y-%m-%d %H:%M} UTC",
        )
    for table, size in found.bytes.items():
        lines.append(
            f"{table:<12} {found.segments[table]:,} segments, {size / 1e6:,.1f} MB"
        )
    lines += [
        f"to merge     {found.not_merged:,} of {found.hours:,} hours, "
        f"{found.superseded:,} superseded parts, {found.unfinished:,} unfinished files",
        f"quarantine   {found.quarantined:,} files",
    ]
    if found.free_bytes is not None:
        lines.append(
            f"disk         {found.free_bytes / 1e9:,.1f} GB free, reserve "
            f"{found.reserve_bytes / 1e9:,.1f} GB"
        )
    if found.room_hours is not None:
        lines.append(
            f"room for     {found.room_hours:,.0f} camera hours at "
            f"{found.bytes_per_footage_hour / 1e6:,.2f} MB each"
        )
    typer.echo("\n".join(lines))


def _export(
    what: Annotated[str, typer.Argument(help="footage or counts (camera and hour).")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".parquet or .csv file.")],
    start: Annotated[
        str | None, typer.Option("--from", help="ISO 8601 with a time zone.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="ISO 8601 with a time zone.")
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option("--camera", "-c", help="Id; may be repeated.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Who asks; default: the settings'.")
    ] = None,
) -> None:
    """Write figures for other programs: no single person's rows. Recorded."""
    from datetime import UTC, datetime

    from pipeline.cameras import registry
    from pipeline.casebook import audit, roles
    from pipeline.commands.casebook import context, moment
    from pipeline.store import export

    settings, who = context(user)
    roles.check(settings, who, "network.read", str(out))
    first, last = moment(start, "--from"), moment(end, "--to")
    window = None
    if first or last:
        window = (
            first or datetime(1971, 1, 1, tzinfo=UTC),
            last or datetime(2099, 1, 1, tzinfo=UTC),
        )
    numbers = None
    if camera:
        known = registry.load(settings.registry)
        numbers = [known.get(name).number for name in camera]
    rows = export.export(settings, what, out, window=window, camera_numbers=numbers)
    audit.record(settings, who, "export", str(out), "", {"what": what, "rows": rows})
    typer.echo(f"Wrote {rows:,} rows to {out}")


def _backup(
    target: Annotated[Path, typer.Argument(help="Folder on another disk.")],
) -> None:
    """Bring a backup of observations, results, registry and casebook up to date."""
    from pipeline.settings import get_settings
    from pipeline.store import backup

    done = backup.backup(get_settings(), target)
    _log("backed up", segments=done.segments, bytes=done.bytes, files=done.removed)
    typer.echo(
        f"Copied {done.segments} segments ({done.bytes / 1e6:.1f} MB), removed "
        f"{done.removed} that are superseded or expired. {done.casebook}"
    )
    _problems(tuple(done.problems))


def _restore(
    source: Annotated[Path, typer.Argument(help="Folder of the backup.")],
) -> None:
    """Bring back from a backup whatever is not here; what is here stays."""
    from pipeline.settings import get_settings
    from pipeline.store import backup

    settings = get_settings()
    done = backup.restore(settings, source)
    _log("restored", parts=done.parts)
    prepare(settings)
    typer.echo(f"Brought back {done.parts} parts of footage. {done.casebook}")
    for problem in done.problems:
        typer.echo(problem)


def _finding(settings: Settings, finding: Finding) -> None:
    if settings.log == "text":
        typer.echo(finding.sentence, err=finding.grave)
        return
    place = f"{finding.table} {finding.hour:%Y-%m-%d %H} h UTC {finding.path.name}"
    _log("finding", kind=finding.kind, table=finding.table, file=place)


def _problems(problems: tuple[str, ...]) -> None:
    from pipeline.settings import get_settings

    for problem in problems:
        if get_settings().log == "text":
            typer.echo(f"Error: {problem}", err=True)
        else:
            _log("not done", reason=problem)
    if problems:
        raise typer.Exit(2)


def _expire(
    days: float = typer.Option(
        None, help="Days to keep.  [default: retention_days of the settings]"
    ),
    clock_is_right: bool = typer.Option(
        False, "--clock-is-right", help="The clock leapt, and somebody looked at it."
    ),
) -> None:
    """Delete observations past their time limit."""
    from pipeline.settings import get_settings
    from pipeline.store import retention, steady

    settings = get_settings()
    steady.demand(settings, trust=clock_is_right)
    done = retention.expire(settings, settings.retention_days if days is None else days)
    _log("expired", parts=done.parts, files=done.files, bytes=done.freed_bytes)
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
