"""Follow-up of contacts: who is to be notified, was reached, tested, closed.

A contact is known by its tracklets, not by its name in one result: names follow a
ranking and change when a case is traced again. Nobody is notified on one person's
word: a contact counts as sought only if a sighting at which it was near was
accepted by two persons.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from pipeline.casebook import cases, clock, orders, reviews, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.clock import utc
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings

STATES = tables.FOLLOWUP_STATES
TO_NOTIFY = "to_notify"
#: States of contacts that have been reached.
REACHED = ("reached", "tested", "closed")
#: State -> states it may be entered from (entering the same again is no change).
_FROM: dict[str, tuple[str, ...]] = {
    "to_notify": STATES,
    "reached": STATES,
    "unreachable": ("to_notify", "reached"),
    "tested": ("reached", "closed"),
    "closed": ("reached", "tested"),
}


@dataclass(frozen=True)
class Followup:
    """What became of one contact; times are UTC."""

    contact: str  #: its name in the result at hand when this was entered
    tracklets: frozenset[int]
    state: str
    listed_at: datetime | None  #: when a result first named the contact
    reached_at: datetime | None
    by: str
    at: datetime


def enter(
    authorisation: Authorisation,
    contact: str,
    state: str,
    *,
    tracklets: Iterable[int],
    met_at: Iterable[int],
    listed_at: datetime | None = None,
    settings: Settings,
) -> Followup:
    """Enter what became of a contact.

    Parameters
    ----------
    state : to_notify, reached, unreachable, tested or closed.
    tracklets : of the contact.
    met_at : tracklets of the patient's sightings at which the contact was near
        (`pipeline.trace.followup` takes them from the stored result).
    listed_at : when a result first named the contact, aware.

    Raises
    ------
    NotAuthorisedError
        If no sighting at which the contact was near was accepted by two persons.
    DongseonError
        If the state is none of these, or cannot follow the present one.
    """
    if state not in STATES:
        raise DongseonError(f"The state {state!r} must be one of {', '.join(STATES)}.")
    known = frozenset(int(one) for one in tracklets)
    near = {int(one) for one in met_at}
    table = tables.followups
    with orders.acting_under(authorisation, "contact.followup", settings) as (
        connection,
        note,
    ):
        case = authorisation.case
        if state != TO_NOTIFY and not near & reviews.confirmed(connection, case):
            raise NotAuthorisedError(
                f"No sighting at which {contact} was near has been accepted by two "
                "persons; review it on the page Trace before anybody is notified.",
                code="contact_unconfirmed",
                contact=contact,
            )
        same = [row for row in _rows(connection, case) if _same(row, contact, known)]
        before = max(same, key=lambda row: row[1].at)[1] if same else None
        present = before.state if before else TO_NOTIFY
        if state != present and not may_follow(present, state):
            raise DongseonError(
                f"{contact} is {present}; it can become {state} only after "
                f"{' or '.join(_FROM[state])}.",
                code="followup_order",
                contact=contact,
                followup=present,
                wanted=state,
            )
        now = clock.now()
        reached = before.reached_at if before else None
        if state == TO_NOTIFY or state == "unreachable":
            reached = None
        elif reached is None:
            reached = now
        listed = [one.listed_at for _, one in same if one.listed_at is not None]
        if listed_at is not None:
            listed.append(utc(listed_at, "The time of listing"))
        made = Followup(
            contact=contact,
            tracklets=known.union(*(one.tracklets for _, one in same)),
            state=state,
            listed_at=min(listed, default=None),
            reached_at=reached,
            by=authorisation.user,
            at=now,
        )
        connection.execute(
            delete(table).where(table.c.id.in_([number for number, _ in same]))
        )
        connection.execute(
            insert(table).values(
                case_id=cases.case_id(connection, case),
                contact=contact,
                tracklets=json.dumps(sorted(made.tracklets)),
                state=state,
                listed_at=made.listed_at,
                reached_at=made.reached_at,
                by=made.by,
                at=made.at,
            )
        )
        note("contact.followup", case, contact=contact, state=state, before=present)
    return made


def load(authorisation: Authorisation, *, settings: Settings) -> list[Followup]:
    """Return what was entered for the case; contacts not in it are to be notified."""
    with orders.acting_under(authorisation, "result.read", settings) as (
        connection,
        note,
    ):
        found = [one for _, one in _rows(connection, authorisation.case)]
        note("contact.followup.read", authorisation.case, contacts=len(found))
    return found


def of(
    known: Iterable[Followup], contact: str, tracklets: Iterable[int]
) -> Followup | None:
    """Return the newest entry on a person, by tracklets (by name if none are kept)."""
    wanted = frozenset(int(one) for one in tracklets)
    same = [one for one in known if _same((0, one), contact, wanted)]
    return max(same, key=lambda one: one.at, default=None)


def may_follow(present: str, state: str) -> bool:
    """Tell whether a contact in one state can be entered as being in another."""
    return present != state and present in _FROM[state]


def of_case(connection: Connection, case: str) -> list[Followup]:
    """Return a case's entries within a transaction that was authorised before."""
    return [one for _, one in _rows(connection, case)]


def _same(row: tuple[int, Followup], contact: str, tracklets: frozenset[int]) -> bool:
    kept = row[1].tracklets
    if kept and tracklets:
        return bool(kept & tracklets)
    return row[1].contact == contact


def _rows(connection: Connection, case: str) -> list[tuple[int, Followup]]:
    table = tables.followups
    rows = connection.execute(
        select(table)
        .where(table.c.case_id == cases.case_id(connection, case))
        .order_by(table.c.id)
    )
    return [
        (
            row.id,
            Followup(
                contact=row.contact,
                tracklets=frozenset(json.loads(row.tracklets)),
                state=row.state,
                listed_at=row.listed_at,
                reached_at=row.reached_at,
                by=row.by,
                at=row.at,
            ),
        )
        for row in rows
    ]
