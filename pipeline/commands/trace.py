"""Verbs of `dongseon` about trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.settings import Settings
    from pipeline.trace.run import TraceResult


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command("trace")(trace)


def trace(
    case: Annotated[str, typer.Argument(help="Pseudonym of the case.")],
    tracklet: Annotated[
        int | None,
        typer.Option("--tracklet", metavar="ID", help="Person pointed at in footage."),
    ] = None,
    photo: Annotated[
        list[Path] | None,
        typer.Option("--photo", metavar="FILE", help="Photo of the patient's face."),
    ] = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="Why, recorded in the audit log.")
    ] = "contact tracing of a confirmed patient",
    user: Annotated[
        str | None, typer.Option("--user", help="Who acts; default: the settings'.")
    ] = None,
    streets: Annotated[
        Path | None,
        typer.Option(
            "--streets",
            metavar="FILE",
            help="Streets by which ways are measured; default: the settings'.",
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--list", help="List the tracklets the order opens; no trace."),
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Lines of each list at most.")
    ] = 30,
) -> None:
    """Retrace a case's patient: sightings, path and contacts within 2 m.

    An approved order of the case must be in force; its window and area bound what
    is searched. Without --tracklet and --photo the case's gallery is used.
    """
    from pipeline.casebook import identity, orders
    from pipeline.settings import get_settings

    settings = get_settings()
    if streets is not None:
        settings = settings.model_copy(update={"streets": streets.absolute()})
    who = identity.acting_user(user, settings=settings)
    authorisation = orders.authorise(case, who, purpose, settings=settings)
    if show:
        _list(authorisation, settings, limit)
        return
    from pipeline.trace import run

    photos = []
    if photo:
        from pipeline.vision import enrol

        photos = [enrol.embed_photo(path, settings.weights_dir) for path in photo]
    result = run.trace(
        authorisation, settings=settings, tracklet=tracklet, photos=photos
    )
    print_result(result, settings, limit)


def _list(authorisation: Any, settings: Settings, limit: int) -> None:
    """Print the tracklets in the order's window and area."""
    import numpy as np

    from pipeline.casebook import audit
    from pipeline.trace import columns, observations, results

    results.demand(authorisation, settings)
    passes = observations.Scope(authorisation, settings).passes()
    audit.record(
        settings,
        authorisation.user,
        "tracklets.list",
        authorisation.case,
        authorisation.purpose,
        {"order": authorisation.order_id, "tracklets": len(passes)},
    )
    typer.echo(f"{len(passes)} tracklets in the order's window and area")
    typer.echo(f"{'tracklet':>17}  {'time':<19}  {'camera':<10} {'s':>6}  face  mask")
    listed = passes.take(np.arange(min(limit, len(passes))))
    cameras = listed.stored(["camera_id"])["camera_id"].to_pylist()
    masks = listed.mask_state(np.arange(len(listed)))
    for k in range(len(listed)):
        width = passes.face_width_px[k]
        face = "-" if np.isnan(width) else f"{width:.0f} px"
        start = _time(columns.moment(passes.start[k]), settings)
        typer.echo(
            f"{passes.ids[k]:>17}  {start:<19}  {cameras[k]:<10} "
            f"{passes.end[k] - passes.start[k]:6.1f}  {face:<5} {masks[k]}"
        )
    if len(passes) > limit:
        typer.echo(f"... and {len(passes) - limit} more (--limit)")


def print_result(result: TraceResult, settings: Settings, limit: int = 30) -> None:
    """Print sightings, path, contacts and where the result lies."""
    zone = settings.time_zone
    typer.echo(
        f"Searched {result.tracklets_searched} tracklets of {result.cameras_searched} "
        f"cameras ({result.footage_seconds / 60:.1f} min of footage; "
        f"{result.cameras_in_area} cameras in the area)."
    )
    _print_sightings(result.sightings, settings, limit)
    typer.echo(f"\nPath (times in {zone}; inferred legs were not seen)")
    for leg in result.legs.to_pylist():
        typer.echo(
            f"  {_time(leg['start_at'], settings)} - "
            f"{_time(leg['end_at'], settings)[11:]}  {leg['kind']:<8} "
            f"{leg['metres']:7.1f} m  {leg['speed_m_s']:5.2f} m/s  "
            f"{leg['mode']:<7}  p {leg['probability']:.3f}{_unseen(leg)}"
        )
    if not result.legs.num_rows:
        typer.echo("  none")
    _print_stays(result, settings)
    _print_anchors(result.tables["anchor"], settings)
    rows = result.contacts.to_pylist()
    close = sum(row["class"] == "close" for row in rows)
    typer.echo(
        f"\nContacts within 2 m: {len(rows)}, of which close (15 min in 24 h): {close}"
    )
    for row in rows[:limit]:
        typer.echo(
            f"  {row['contact']}  {row['class']:<6}  dose index "
            f"{row['dose_median']:.3f} ({row['dose_low']:.3f}-{row['dose_high']:.3f})  "
            f"{row['relation']:<9}  {row['reason']}"
        )
    if len(rows) > limit:
        typer.echo(f"  ... and {len(rows) - limit} more (--limit)")
    for row in result.tables["airspace"].to_pylist():
        typer.echo(
            f"  {row['person']}  indoors with the patient before {row['camera_id']} "
            f"for {row['seconds_24h'] / 60:.0f} min, {row['median_metres']:.1f} m away"
        )
    for remark in result.remarks:
        typer.echo(f"\nNote: {remark}")
    typer.echo(f"\nStored in {result.folder}\nTraced in {result.seconds:.2f} s")


def _unseen(leg: dict[str, Any]) -> str:
    """Tell of an inferred leg how easily a walk there would have gone unseen."""
    if leg["kind"] != "inferred" or not leg["cameras"]:
        return ""
    return (
        f"  {leg['cameras']} cameras on the way, unseen by all: "
        f"{leg['miss_probability']:.0%}"
    )


def _print_stays(result: TraceResult, settings: Settings) -> None:
    import numpy as np

    from pipeline.trace.columns import lonlat, moment
    from pipeline.trace.stays import of_legs

    found = of_legs(result.legs)
    if not len(found):
        return
    typer.echo("\nStays of ten minutes or more")
    lon, lat = lonlat(np.ascontiguousarray(found[:, :2]))
    for k, (_, _, arrive, leave) in enumerate(found):
        typer.echo(
            f"  {_time(moment(arrive), settings)} - "
            f"{_time(moment(leave), settings)[11:]}  near {lon[k]:.5f},{lat[k]:.5f}"
        )


def _print_anchors(table: pa.Table, settings: Settings) -> None:
    if not table.num_rows:
        return
    typer.echo("\nWhat the patient remembers (dongseon case anchors)")
    for row in table.to_pylist():
        fits = "-" if row["fits"] is None else f"{row['fits']:.2f}"
        off = row["metres_off"]
        typer.echo(
            f"  anchor {row['anchor']}  {_time(row['at'], settings)}  "
            f"{row['lon']:.5f},{row['lat']:.5f}  fits {fits}"
            + ("" if off is None else f"; the path is {off:.0f} m off")
        )


def _print_sightings(table: pa.Table, settings: Settings, limit: int) -> None:
    rows = table.to_pylist()
    on_path = [row for row in rows if row["on_path"]]
    others = [row for row in rows if not row["on_path"]]
    others.sort(key=lambda row: (-row["posterior"], row["tracklet_id"]))
    typer.echo(
        f"\nSightings on the path: {len(on_path)} (times in {settings.time_zone})"
    )
    _print_rows(on_path[:limit], settings)
    if len(on_path) > limit:
        typer.echo(f"  ... and {len(on_path) - limit} more (--limit)")
    if others:
        typer.echo(f"Candidates not on the path: {len(others)}")
        _print_rows(others[:5], settings)


def _print_rows(rows: list[dict[str, Any]], settings: Settings) -> None:
    for row in rows:
        similarity = row["similarity"]
        cosine = "    -" if similarity is None else f"{similarity:5.3f}"
        typer.echo(
            f"  {_time(row['start_at'], settings)}  {row['camera_id']:<9} "
            f"{row['tracklet_id']:>17}  {row['evidence']:<15} cos {cosine}  "
            f"llr {row['llr']:+6.2f}  p {row['posterior']:.3f}  "
            f"mask {row['mask_state']}"
        )


def _time(moment: Any, settings: Settings) -> str:
    from zoneinfo import ZoneInfo

    local = moment.astimezone(ZoneInfo(settings.time_zone))
    return f"{local:%Y-%m-%d %H:%M:%S}"
