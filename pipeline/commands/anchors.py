"""Verbs of `dongseon case` about what a patient remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.casebook import CaseName, User, context, local, moment

if TYPE_CHECKING:
    from pipeline.settings import Settings

_PURPOSE = "contact tracing of a confirmed patient"
Purpose = Annotated[str, typer.Option("--purpose", help="Why; recorded.")]


def attach(case: typer.Typer) -> None:
    """Add these verbs to the group `case`."""
    case.command("anchor")(anchor)
    case.command("anchors")(anchors)
    case.command("forget")(forget)


def anchor(
    case: CaseName,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="When.")],
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="LON,LAT", help="Where, WGS84 degrees."),
    ] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", metavar="ID", help="Or: at a camera.")
    ] = None,
    place: Annotated[
        str, typer.Option("--place", help='In words, e.g. "clinic"; kept encrypted.')
    ] = "",
    minutes: Annotated[
        float, typer.Option("--minutes", help="How sure the time is, 1 sd.")
    ] = 10.0,
    metres: Annotated[
        float, typer.Option("--metres", help="How sure the place is, 1 sd.")
    ] = 50.0,
    purpose: Purpose = _PURPOSE,
    user: User = None,
) -> None:
    """Enter where the patient says he was; soft evidence of the next trace.

    The place is LON,LAT or a camera. People err: what the cameras show can outweigh
    it, and the result tells how well it fits.
    """
    from pipeline.casebook import anchors as book
    from pipeline.casebook import orders

    settings, who = context(user)
    moment_at = moment(at, "--at")
    lon, lat = _place(where, camera, settings)
    authorisation = orders.authorise(case, who, purpose, settings=settings)
    assert moment_at is not None
    number = book.add(
        authorisation,
        at=moment_at,
        lon=lon,
        lat=lat,
        seconds=60 * minutes,
        metres=metres,
        place=place,
        settings=settings,
    )
    typer.echo(f"Anchor {number} of {case}: the next trace takes it into account.")


def anchors(case: CaseName, purpose: Purpose = _PURPOSE, user: User = None) -> None:
    """List what the patient remembers, as far as the order covers it."""
    from pipeline.casebook import anchors as book
    from pipeline.casebook import orders

    settings, who = context(user)
    authorisation = orders.authorise(case, who, purpose, settings=settings)
    for one in book.listed(authorisation, settings=settings):
        typer.echo(
            f"{one.id:>4}  {local(one.at, settings)} +- {one.seconds / 60:.0f} min  "
            f"{one.lon:.5f},{one.lat:.5f} +- {one.metres:.0f} m  {one.place}"
        )


def forget(
    case: CaseName,
    number: Annotated[int, typer.Argument(help="Number of the anchor.")],
    purpose: Purpose = _PURPOSE,
    user: User = None,
) -> None:
    """Destroy one of the things the patient remembers."""
    from pipeline.casebook import anchors as book
    from pipeline.casebook import orders

    settings, who = context(user)
    authorisation = orders.authorise(case, who, purpose, settings=settings)
    book.remove(authorisation, number, settings=settings)
    typer.echo(f"Anchor {number} of {case} is destroyed.")


def _place(
    where: str | None, camera: str | None, settings: Settings
) -> tuple[float, float]:
    from pipeline.errors import DongseonError

    if (where is None) == (camera is None):
        raise DongseonError("Give the place with --where LON,LAT or with --camera ID.")
    if camera is not None:
        from pipeline.cameras import registry

        known = registry.load(settings.registry)
        found = next((one for one in known.cameras if one.id == camera), None)
        if found is None:
            raise DongseonError(
                f"{settings.registry} has no camera {camera!r}; see `dongseon cameras`."
            )
        return float(found.lon), float(found.lat)
    try:
        lon, lat = (float(part) for part in str(where).split(","))
    except ValueError:
        raise DongseonError(
            f"--where {where!r} is no place; write longitude, then latitude, like "
            "126.766,37.503."
        ) from None
    return lon, lat
