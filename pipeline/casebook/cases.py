"""Cases: confirmed patients, known here by a pseudonym only."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from pipeline.casebook import clock, crypto, roles, tables
from pipeline.casebook.clock import utc
from pipeline.errors import DongseonError
from pipeline.settings import Settings

#: Letters and digits that cannot be mistaken for one another.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_PSEUDONYM = re.compile(r"[A-Z0-9][A-Z0-9-]{1,30}[A-Z0-9]")


@dataclass(frozen=True)
class Case:
    """A confirmed patient; times are UTC."""

    pseudonym: str
    status: str  #: open or closed
    onset_at: datetime | None  #: first symptoms; None without symptoms
    confirmed_at: datetime  #: positive test
    isolated_at: datetime | None
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None

    @property
    def infectious_from(self) -> datetime:
        """Onset, or the positive test of a patient without symptoms."""
        return self.onset_at or self.confirmed_at


def open_case(
    user: str,
    *,
    test: str,
    confirmed_at: datetime,
    onset_at: datetime | None = None,
    isolated_at: datetime | None = None,
    pseudonym: str | None = None,
    settings: Settings,
) -> Case:
    """Open a case for a confirmed patient.

    Parameters
    ----------
    test : the fact of the positive test (method, laboratory, report number);
        stored encrypted.
    confirmed_at, onset_at, isolated_at : aware datetimes, none in the future.
    pseudonym : capital letters, digits and hyphens; made at random if not given.

    Raises
    ------
    DongseonError
        If a fact is missing or implausible, or the pseudonym is taken.
    """
    if not test.strip():
        raise DongseonError(
            "A case needs the fact of its positive test (method and report number): "
            "only confirmed patients may be traced.",
            code="test_missing",
        )
    confirmed = _past(confirmed_at, "The confirmation")
    onset = _past(onset_at, "The onset") if onset_at else None
    isolated = _past(isolated_at, "The isolation") if isolated_at else None
    if onset and isolated and isolated < onset:
        raise DongseonError(
            f"The isolation {isolated_at} lies before the onset {onset_at}; "
            "check the two dates.",
            code="isolation_early",
            isolated=isolated_at,
            onset=onset_at,
        )
    name = pseudonym or _random_pseudonym()
    if not _PSEUDONYM.fullmatch(name):
        raise DongseonError(
            f"The pseudonym {name!r} must be 3-32 capital letters, digits or hyphens, "
            "and no name of a person."
        )
    with roles.acting_as(settings, user, "case.open", name) as (connection, note):
        if _row(connection, name) is not None:
            raise DongseonError(f"There is a case {name} already; choose another name.")
        connection.execute(
            insert(tables.cases).values(
                pseudonym=name,
                status="open",
                onset_at=onset,
                confirmed_at=confirmed,
                isolated_at=isolated,
                test_sealed=crypto.seal(settings, test.encode(), f"test of {name}"),
                opened_by=user,
                opened_at=clock.now(),
            )
        )
        note("case.open", name, confirmed_at=confirmed, onset_at=onset)
        return find(connection, name)


def list_cases(user: str, *, settings: Settings) -> list[Case]:
    """Return all cases, newest first."""
    with roles.acting_as(settings, user, "case.list", "*") as (connection, note):
        query = select(tables.cases).order_by(tables.cases.c.id.desc())
        found = [_case(row) for row in connection.execute(query)]
        note("case.list", "*", rows=len(found))
    return found


def set_isolated(
    case: str, user: str, isolated_at: datetime, *, settings: Settings
) -> int:
    """Enter when the patient was isolated: no footage after it may be read.

    Returns
    -------
    Number of orders that reached beyond it and were revoked; ask for new ones.
    """
    isolated = _past(isolated_at, "The isolation")
    with roles.acting_as(settings, user, "case.open", case) as (connection, note):
        found = find_open(connection, case)
        if found.onset_at and isolated < found.onset_at:
            raise DongseonError(
                f"The isolation {isolated_at} lies before the onset "
                f"{found.onset_at}; check the two dates."
            )
        connection.execute(
            update(tables.cases)
            .where(tables.cases.c.pseudonym == case)
            .values(isolated_at=isolated)
        )
        revoked = _revoke(
            connection, case, user, "patient isolated earlier", after=isolated
        )
        note("case.isolated", case, isolated_at=isolated, orders_revoked=revoked)
    return revoked


def close_case(case: str, user: str, *, settings: Settings) -> int:
    """Close a case: gallery, anchors, stills and exports go, its orders end.

    Returns
    -------
    Number of templates destroyed.
    """
    with roles.acting_as(settings, user, "case.close", case) as (connection, note):
        find_open(connection, case)
        number = case_id(connection, case)
        gone = connection.execute(
            delete(tables.galleries).where(tables.galleries.c.case_id == number)
        ).rowcount
        connection.execute(
            delete(tables.anchors).where(tables.anchors.c.case_id == number)
        )
        _revoke(connection, case, user, "case closed")
        connection.execute(
            update(tables.jobs)
            .where(
                tables.jobs.c.case_id == number,
                tables.jobs.c.state.in_(("queued", "running")),
            )
            .values(state="stopped", finished_at=clock.now(), error="case closed")
        )
        connection.execute(
            update(tables.cases)
            .where(tables.cases.c.id == number)
            .values(
                status="closed",
                closed_by=user,
                closed_at=clock.now(),
                test_sealed=None,
            )
        )
        note("case.close", case, templates_destroyed=gone)
    from pipeline.casebook import purge

    purge.remove_case_files(settings, case)
    purge.compact(settings)
    return int(gone)


def test_of(case: str, user: str, *, settings: Settings) -> str:
    """Return the fact of the positive test, decrypted (recorded)."""
    with roles.acting_as(settings, user, "case.open", case) as (connection, note):
        find_open(connection, case)
        sealed = connection.execute(
            select(tables.cases.c.test_sealed).where(tables.cases.c.pseudonym == case)
        ).scalar_one()
        note("case.test", case)
    return crypto.unseal(settings, sealed, f"test of {case}").decode()


def find(connection: Connection, case: str) -> Case:
    """Return the case.

    Raises
    ------
    DongseonError
        If there is none of this pseudonym.
    """
    row = _row(connection, case)
    if row is None:
        raise DongseonError(
            f"There is no case {case}; see dongseon case list, or open one with "
            "dongseon case open.",
            code="case_unknown",
            case=case,
        )
    return _case(row)


def find_open(connection: Connection, case: str) -> Case:
    """Return the case if it is open, and refuse if it is closed."""
    found = find(connection, case)
    if found.status != "open":
        raise DongseonError(
            f"Case {case} was closed at {found.closed_at:%Y-%m-%d %H:%M} UTC; "
            "nothing more can be done under it.",
            code="case_closed",
            case=case,
            at=found.closed_at,
        )
    return found


def case_id(connection: Connection, case: str) -> int:
    """Return the number of a case within the casebook."""
    query = select(tables.cases.c.id).where(tables.cases.c.pseudonym == case)
    return int(connection.execute(query).scalar_one())


def _revoke(
    connection: Connection,
    case: str,
    user: str,
    reason: str,
    *,
    after: datetime | None = None,
) -> int:
    """Revoke a case's orders, or those whose window ends after a moment."""
    table = tables.orders
    ending = update(table).where(
        table.c.case_id == case_id(connection, case),
        table.c.state.in_(("requested", "approved")),
    )
    if after is not None:
        ending = ending.where(table.c.window_end > after)
    return int(
        connection.execute(
            ending.values(
                state="revoked",
                revoked_by=user,
                revoked_at=clock.now(),
                reason=reason,
            )
        ).rowcount
    )


def _past(moment: datetime, what: str) -> datetime:
    value = utc(moment, what)
    if value > clock.now():
        raise DongseonError(
            f"{what} {moment.isoformat()} lies in the future.",
            code="in_future",
            at=moment,
        )
    return value


def _random_pseudonym() -> str:
    return "P-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))


def _row(connection: Connection, case: str) -> Row | None:
    query = select(tables.cases).where(tables.cases.c.pseudonym == case)
    return connection.execute(query).first()


def _case(row: Row) -> Case:
    fields = row._mapping
    return Case(**{name: fields[name] for name in Case.__dataclass_fields__})
