"""Reviews: people accept or reject sightings; a notification needs two of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from pipeline.casebook import cases, clock, orders, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings

PROPOSED, CONFIRMED, REJECTED, UNSURE = "proposed", "confirmed", "rejected", "unsure"


def review(
    authorisation: Authorisation,
    tracklet_id: int,
    verdict: str,
    *,
    settings: Settings | None = None,
) -> str:
    """Enter the verdict of the authorised person on a sighting.

    Parameters
    ----------
    verdict : accept, reject or unsure; a later one of the same person replaces
        the earlier one, both are kept.

    Returns
    -------
    What the verdicts together make of the sighting: proposed, confirmed, rejected
    or unsure.
    """
    settings = settings or get_settings()
    if verdict not in tables.VERDICTS:
        raise DongseonError(
            f"The verdict {verdict!r} must be one of {', '.join(tables.VERDICTS)}."
        )
    with orders.acting_under(authorisation, "review", settings) as (connection, note):
        case = authorisation.case
        connection.execute(
            insert(tables.reviews).values(
                case_id=cases.case_id(connection, case),
                tracklet_id=int(tracklet_id),
                reviewer=authorisation.user,
                verdict=verdict,
                at=clock.now(),
            )
        )
        note(
            "review",
            case,
            authorisation.purpose,
            tracklet_id=int(tracklet_id),
            verdict=verdict,
        )
        given = _verdicts(connection, case).get(int(tracklet_id), {})
    return state_of(given)


def states(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> dict[int, str]:
    """Return tracklet id -> confirmed, rejected, unsure or proposed.

    Tracklets nobody has reviewed are not in it: they are proposed.
    """
    return {
        tracklet: state_of(given)
        for tracklet, given in verdicts(authorisation, settings=settings).items()
    }


def verdicts(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> dict[int, dict[str, str]]:
    """Return tracklet id -> {reviewer: last verdict}."""
    settings = settings or get_settings()
    with orders.acting_under(authorisation, "result.read", settings) as (
        connection,
        note,
    ):
        found = _verdicts(connection, authorisation.case)
        note(
            "review.read",
            authorisation.case,
            authorisation.purpose,
            tracklets=len(found),
        )
    return found


def notifiable(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> set[int]:
    """Return the tracklets whose contacts may be notified: two persons accepted."""
    found = states(authorisation, settings=settings)
    return {tracklet for tracklet, state in found.items() if state == CONFIRMED}


def confirmed(connection: Connection, case: str) -> set[int]:
    """Return the confirmed tracklets within a transaction authorised before."""
    return {
        tracklet
        for tracklet, given in _verdicts(connection, case).items()
        if state_of(given) == CONFIRMED
    }


def count_since(
    authorisation: Authorisation, moment: datetime, *, settings: Settings | None = None
) -> int:
    """Return how many verdicts of the case were entered after a moment."""
    settings = settings or get_settings()
    with orders.acting_under(authorisation, "result.read", settings) as (
        connection,
        note,
    ):
        number = connection.scalar(
            select(func.count())
            .select_from(tables.reviews)
            .where(
                tables.reviews.c.case_id
                == cases.case_id(connection, authorisation.case)
            )
            .where(tables.reviews.c.at > moment)
        )
        note("review.read", authorisation.case, authorisation.purpose, verdicts=number)
    return int(number or 0)


def state_of(given: dict[str, str]) -> str:
    """Return what last verdicts by reviewer make of a sighting.

    Two different persons who accept, and nobody who rejects, confirm. One who
    rejects rejects at once, unless another accepted: then people must talk.
    """
    accepts = sum(verdict == "accept" for verdict in given.values())
    rejects = sum(verdict == "reject" for verdict in given.values())
    if rejects:
        return UNSURE if accepts else REJECTED
    if accepts >= 2:
        return CONFIRMED
    if "unsure" in given.values():
        return UNSURE
    return PROPOSED


def _verdicts(connection: Connection, case: str) -> dict[int, dict[str, str]]:
    rows = connection.execute(
        select(tables.reviews)
        .where(tables.reviews.c.case_id == cases.case_id(connection, case))
        .order_by(tables.reviews.c.id)
    )
    found: dict[int, dict[str, str]] = {}
    for row in rows:
        found.setdefault(int(row.tracklet_id), {})[row.reviewer] = row.verdict
    return found
