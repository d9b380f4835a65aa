"""Destroying one thing of a case: a template of its gallery, a statement."""

from __future__ import annotations

from sqlalchemy import Table, delete

from pipeline.casebook import cases, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings


def remove(
    authorisation: Authorisation,
    table: Table,
    number: int,
    what: str,
    action: str,
    settings: Settings,
) -> None:
    """Destroy one row of the authorised case's, and record it.

    Parameters
    ----------
    table : has columns `id` and `case_id`.
    what : what a row is, for the record and for the error; `anchor`, `template`.
    action : as it is recorded, e.g. `anchor.remove`.

    Raises
    ------
    DongseonError
        If the case has no such row.
    """
    with orders.acting_under(authorisation, "gallery.enrol", settings) as (
        connection,
        note,
    ):
        case = authorisation.case
        gone = connection.execute(
            delete(table).where(
                table.c.id == number,
                table.c.case_id == cases.case_id(connection, case),
            )
        ).rowcount
        if not gone:
            raise DongseonError(
                f"Case {case} has no {what} {number}.",
                code="entry_unknown",
                case=case,
                number=number,
            )
        note(action, case, authorisation.purpose, **{what: number})
