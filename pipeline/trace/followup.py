"""Follow-up of the contacts of a stored result, and how quickly they were reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.casebook import followups, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings
from pipeline.trace import results

#: Contacts are to be reached within a day of being named: the indicator of timeliness
#: of contact tracing (WHO, Contact tracing in the context of COVID-19, 2021).
TARGET = timedelta(hours=24)


@dataclass(frozen=True)
class Standing:
    """Where the follow-up of one contact stands; times are UTC."""

    contact: str
    state: str
    notifiable: bool  #: two persons accepted a sighting at which it was near
    listed_at: datetime  #: when a result first named the contact
    reached_at: datetime | None
    by: str | None
    at: datetime | None

    @property
    def in_time(self) -> bool | None:
        """Whether it was reached within TARGET; None before anybody can tell."""
        if self.reached_at is not None:
            return self.reached_at - self.listed_at <= TARGET
        return None if datetime.now(UTC) - self.listed_at <= TARGET else False


@dataclass(frozen=True)
class Figures:
    """Counts over contacts."""

    contacts: int
    by_state: dict[str, int]
    in_time: int  #: reached within TARGET
    late: int  #: reached later, or not yet though TARGET has passed
    pending: int  #: not reached, TARGET has not passed

    @property
    def share(self) -> float | None:
        """Share reached in time of those of which it can be told; None if none."""
        known = self.in_time + self.late
        return self.in_time / known if known else None


def standings(
    authorisation: Authorisation,
    run: str | None = None,
    *,
    settings: Settings | None = None,
) -> dict[str, Standing]:
    """Return contact -> where its follow-up stands, for a stored result.

    Parameters
    ----------
    run : default: the newest.
    """
    settings = settings or get_settings()
    rows = _contacts(authorisation, run, settings)
    met = _met(authorisation, run, settings)
    confirmed = reviews.notifiable(authorisation, settings=settings)
    known = followups.load(authorisation, settings=settings)
    listed = _first_listed(authorisation, rows, settings)
    found = {}
    for row in rows:
        name = row["contact"]
        one = followups.of(known, name, row["tracklet_ids"])
        found[name] = Standing(
            contact=name,
            state=one.state if one else followups.TO_NOTIFY,
            notifiable=bool(met.get(name, set()) & confirmed),
            listed_at=(one and one.listed_at) or listed[name],
            reached_at=one.reached_at if one else None,
            by=one.by if one else None,
            at=one.at if one else None,
        )
    return found


def enter(
    authorisation: Authorisation,
    contact: str,
    state: str,
    run: str | None = None,
    *,
    settings: Settings | None = None,
) -> followups.Followup:
    """Enter what became of a contact of a stored result.

    Raises
    ------
    NotAuthorisedError
        If no sighting at which the contact was near was accepted by two persons.
    DongseonError
        If there is no such contact, or the state cannot follow the present one.
    """
    settings = settings or get_settings()
    rows = _contacts(authorisation, run, settings)
    row = next((row for row in rows if row["contact"] == contact), None)
    if row is None:
        raise DongseonError(
            f"The result of case {authorisation.case} has no contact {contact!r}.",
            code="contact_unknown",
            case=authorisation.case,
            contact=contact,
        )
    return followups.enter(
        authorisation,
        contact,
        state,
        tracklets=row["tracklet_ids"],
        met_at=_met(authorisation, run, settings).get(contact, ()),
        listed_at=_first_listed(authorisation, [row], settings)[contact],
        settings=settings,
    )


def figures(found: Iterable[Standing]) -> Figures:
    """Count where contacts stand."""
    rows = list(found)
    told = [row.in_time for row in rows]
    return Figures(
        contacts=len(rows),
        by_state={
            state: sum(row.state == state for row in rows) for state in followups.STATES
        },
        in_time=told.count(True),
        late=told.count(False),
        pending=told.count(None),
    )


def _contacts(
    authorisation: Authorisation, run: str | None, settings: Settings
) -> list[dict[str, Any]]:
    table = results.read(authorisation, "contact", run, settings=settings)
    return list(table.select(["contact", "tracklet_ids"]).to_pylist())


def _met(
    authorisation: Authorisation, run: str | None, settings: Settings
) -> dict[str, set[int]]:
    """Return contact -> tracklets of the patient's sightings at which it was near."""
    sightings = results.read(authorisation, "sighting", run, settings=settings)
    tracklet = {
        row["sighting"]: row["tracklet_id"]
        for row in sightings.select(["sighting", "tracklet_id"]).to_pylist()
    }
    episodes = results.read(authorisation, "episode", run, settings=settings)
    found: dict[str, set[int]] = {}
    for row in episodes.select(["contact", "sighting"]).to_pylist():
        if row["sighting"] in tracklet:
            found.setdefault(row["contact"], set()).add(tracklet[row["sighting"]])
    return found


def _first_listed(
    authorisation: Authorisation, rows: list[dict[str, Any]], settings: Settings
) -> dict[str, datetime]:
    """Return contact -> when the case's earliest result with one of its passes is of.

    Names differ between results, passes do not.
    """
    first = results.first_listed(authorisation, settings=settings)
    now = datetime.now(UTC)
    return {
        row["contact"]: min(
            (first[one] for one in row["tracklet_ids"] if one in first), default=now
        )
        for row in rows
    }
