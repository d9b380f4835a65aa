"""Verbs of `dongseon` about retention, keys and public lists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.casebook import CaseName, User, context

if TYPE_CHECKING:
    from pipeline.casebook.authorisation import Authorisation
    from pipeline.casebook.disclosure import Visit
    from pipeline.settings import Settings


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command("purge")(purge)
    app.command("disclose")(disclose)
    app.command("contact")(contact)
    key = typer.Typer(no_args_is_help=True, help="The casebook's key.")
    key.callback()(_key)
    key.command("rotate")(rotate)
    app.add_typer(key, name="key")


def _key() -> None:
    """Keep the casebook's key."""


def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go; delete nothing.")
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Delete everything over its limit.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="End of the programme: all of it.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before --everything.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option("--check", help="Verify a certificate.")
    ] = None,
    user: User = None,
) -> None:
    """Destroy what is over its retention limit, and sign for it."""
    from pipeline.casebook import purge as purging
    from pipeline.casebook import signing
    from pipeline.errors import DongseonError

    if sum([dry_run, now, everything, check is not None]) != 1:
        raise DongseonError(
            "Give one of --dry-run, --now, --everything or --check CERTIFICATE."
        )
    settings, who = context(user)
    if check is not None:
        content = signing.check(check, settings=settings)
        typer.echo(f"Sound: signed here at {content['at']}, by {content['by']}.")
        return
    if everything:
        if not yes:
            typer.confirm(
                "Destroy every observation, case, gallery and result, and the key?",
                abort=True,
            )
        items, path = purging.purge_everything(settings, who)
    else:
        items, path = purging.purge(settings, who, dry_run=dry_run)
    verb = "would go" if dry_run else "gone"
    for item in items:
        typer.echo(
            f"{item.kind:<13} kept {item.limit_days:>4.0f} d  {item.count:>6} {verb}"
            f"  {item.freed_bytes / 1e6:>10.1f} MB"
        )
    if path is not None:
        typer.echo(f"Certificate: {path}")


def rotate(user: User = None) -> None:
    """Make a new key, seal everything anew and forget the old key."""
    from pipeline.casebook import rotation

    settings, who = context(user)
    typer.echo(f"{rotation.rotate(settings, who)} entries sealed with the new key.")


def contact(
    case: CaseName,
    name: Annotated[str, typer.Argument(help="Contact within the case, e.g. K-003.")],
    state: Annotated[
        str, typer.Argument(help="to_notify, reached, unreachable, tested or closed")
    ],
    user: User = None,
) -> None:
    """Enter what became of a contact of the newest trace."""
    from pipeline.casebook import orders
    from pipeline.trace import followup

    settings, who = context(user)
    issued = orders.authorise(case, who, "follow-up of contacts", settings=settings)
    followup.enter(issued, name, state, settings=settings)
    typer.echo(f"{name} of {case} is {state}.")


def disclose(
    case: CaseName,
    folder: Annotated[
        Path | None,
        typer.Option("--to", help="Folder to write; default: exports of the case."),
    ] = None,
    user: User = None,
) -> None:
    """Write the public list of places: CSV and page, Korean and English.

    Only sightings that two persons confirmed count. A place whose contacts have
    all been reached is left out; the list ends 14 days after the last contact.
    """
    from pipeline.casebook import disclosure, orders
    from pipeline.trace import results

    settings, who = context(user)
    issued = orders.authorise(case, who, "public disclosure", settings=settings)
    contacts = results.read(issued, "contact", settings=settings).to_pylist()
    made = disclosure.disclose(
        issued,
        _visits(issued, settings),
        tracklets={row["contact"]: row["tracklet_ids"] for row in contacts},
        settings=settings,
    )
    target = folder or settings.data_dir / "exports" / f"case={case}"
    target.mkdir(parents=True, exist_ok=True)
    for language in ("ko", "en"):
        for kind, text in (
            ("csv", disclosure.to_csv(made, language, settings.time_zone)),
            ("html", disclosure.to_html(made, language, settings.time_zone)),
        ):
            path = target / f"places-{made.id}-{language}.{kind}"
            draft = path.with_name(f".{path.name}.part")
            draft.write_text(text, encoding="utf-8-sig" if kind == "csv" else "utf-8")
            os.replace(draft, path)
            typer.echo(f"Written: {path}")


def _visits(authorisation: Authorisation, settings: Settings) -> list[Visit]:
    """Make visits of the newest run's sightings that two persons confirmed."""
    from pipeline.cameras import registry
    from pipeline.casebook import reviews
    from pipeline.casebook.disclosure import Visit
    from pipeline.trace import results

    cameras = registry.load(settings.registry)
    confirmed = reviews.notifiable(authorisation, settings=settings)
    sightings = results.read(authorisation, "sighting", settings=settings).to_pylist()
    episodes = results.read(authorisation, "episode", settings=settings).to_pylist()
    met: dict[int, set[str]] = {}
    for episode in episodes:
        met.setdefault(episode["sighting"], set()).add(episode["contact"])
    found = []
    for sighting in sightings:
        if sighting["tracklet_id"] not in confirmed:
            continue
        camera = cameras.get(sighting["camera_id"])
        found.append(
            Visit(
                place=camera.usage,
                gu=camera.gu,
                dong=camera.dong,
                start_at=sighting["start_at"],
                end_at=sighting["end_at"],
                contacts=frozenset(met.get(sighting["sighting"], ())),
            )
        )
    return found
