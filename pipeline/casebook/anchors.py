"""Anchors: where a patient says he was, and when; encrypted like his gallery.

"At the clinic at 14:05" helps to find the way from there. People err: an anchor is
soft evidence with an uncertainty in place and time, never a certain pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import shapely
from sqlalchemy import Connection, Row, insert, select

from pipeline.casebook import cases, clock, crypto, orders, removal, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings, get_settings

#: Uncertainty where none is given, 1 sd: a person's memory of a time, and a building
#: with its forecourt (assumed).
WITHIN_SECONDS, METRES = 600.0, 50.0
#: Least and largest uncertainty that can be given.
SECONDS_RANGE, METRES_RANGE = (10.0, 6 * 3600.0), (5.0, 2000.0)


@dataclass(frozen=True)
class Anchor:
    """One statement of a case."""

    id: int
    at: datetime  #: UTC
    lon: float  #: WGS84
    lat: float
    seconds: float  #: uncertainty of the time, 1 sd
    metres: float  #: uncertainty of the place, 1 sd
    place: str  #: in words: "clinic"
    added_by: str
    added_at: datetime  #: UTC


def add(
    authorisation: Authorisation,
    *,
    at: datetime,
    lon: float,
    lat: float,
    seconds: float = WITHIN_SECONDS,
    metres: float = METRES,
    place: str = "",
    settings: Settings | None = None,
) -> int:
    """Add a statement to the authorised case (recorded).

    Parameters
    ----------
    at : aware moment.
    lon, lat : WGS84 degrees.
    seconds, metres : uncertainty, 1 sd.
    place : in words, at most 200 characters.

    Returns
    -------
    Its number; the same statement again changes nothing.

    Raises
    ------
    NotAuthorisedError
        If it lies outside the order's window or area (refused and recorded).
    DongseonError
        If a value is out of range.
    """
    settings = settings or get_settings()
    _check(at, lon, lat, seconds, metres, place)
    content = {
        "at": at.astimezone(UTC).isoformat(),
        "lon": float(lon),
        "lat": float(lat),
        "seconds": float(seconds),
        "metres": float(metres),
        "place": place.strip(),
    }
    plain = json.dumps(content, sort_keys=True).encode()
    with orders.acting_under(authorisation, "gallery.enrol", settings) as (
        connection,
        note,
    ):
        _demand_covered(authorisation, at, lon, lat, seconds)
        case = authorisation.case
        for row in _rows(connection, case):
            if _opened(settings, row, case) == plain:
                return int(row.id)
        made = connection.execute(
            insert(tables.anchors)
            .values(
                case_id=cases.case_id(connection, case),
                sealed=crypto.seal(settings, plain, context_of(case)),
                order_id=authorisation.order_id,
                added_by=authorisation.user,
                added_at=clock.now(),
            )
            .returning(tables.anchors.c.id)
        ).scalar_one()
        note("anchor.add", case, authorisation.purpose, anchor=made)
    return int(made)


def listed(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> list[Anchor]:
    """Return the statements of the authorised case that its order covers (recorded).

    Ordered by time.
    """
    settings = settings or get_settings()
    with orders.acting_under(authorisation, "gallery.read", settings) as (
        connection,
        note,
    ):
        case = authorisation.case
        rows = _rows(connection, case)
        note("anchor.read", case, authorisation.purpose, anchors=len(rows))
    found = [_anchor(row, json.loads(_opened(settings, row, case))) for row in rows]
    found = [
        one
        for one in found
        if _covered(authorisation, one.at, one.lon, one.lat, one.seconds)
    ]
    return sorted(found, key=lambda one: (one.at, one.id))


def remove(
    authorisation: Authorisation, number: int, *, settings: Settings | None = None
) -> None:
    """Destroy one statement of the authorised case (recorded)."""
    settings = settings or get_settings()
    removal.remove(
        authorisation, tables.anchors, number, "anchor", "anchor.remove", settings
    )


def context_of(case: str) -> str:
    """Return the encryption context of a case's anchors."""
    return f"anchor of {case}"


def _check(
    at: datetime, lon: float, lat: float, seconds: float, metres: float, place: str
) -> None:
    if at.tzinfo is None:
        raise DongseonError(
            f"The time {at.isoformat()} has no time zone; write it like "
            f"{at.isoformat(timespec='minutes')}+09:00."
        )
    if not (math.isfinite(lon) and abs(lon) <= 180 and abs(lat) <= 90):
        raise DongseonError(
            f"{lon}, {lat} is no place on Earth; give longitude, then latitude, in "
            "degrees, like 126.766,37.503.",
            code="no_place",
        )
    for value, (low, high), unit in (
        (seconds, SECONDS_RANGE, "seconds"),
        (metres, METRES_RANGE, "metres"),
    ):
        if not low <= value <= high:
            raise DongseonError(
                f"The uncertainty of {value:g} {unit} must lie between {low:g} and "
                f"{high:g} {unit}.",
                code="uncertainty",
                value=value,
                low=low,
                high=high,
                unit=unit,
            )
    if len(place.strip()) > 200:
        raise DongseonError(
            "The place has more than 200 characters; shorten it.", code="place_long"
        )


def _demand_covered(
    authorisation: Authorisation, at: datetime, lon: float, lat: float, seconds: float
) -> None:
    if not _covered(authorisation, at, lon, lat, seconds):
        raise NotAuthorisedError(
            f"The statement lies outside the window or area of order "
            f"{authorisation.order_id} of case {authorisation.case}; check the time "
            "and the place, or request an order that covers them.",
            code="statement_outside",
            order=authorisation.order_id,
            case=authorisation.case,
        )


def _covered(
    authorisation: Authorisation, at: datetime, lon: float, lat: float, seconds: float
) -> bool:
    spare = timedelta(seconds=seconds)
    return bool(
        authorisation.window_start - spare <= at <= authorisation.window_end + spare
        and shapely.intersects_xy(authorisation.area, lon, lat)
    )


def _anchor(row: Row, content: dict) -> Anchor:
    return Anchor(
        id=row.id,
        at=datetime.fromisoformat(content["at"]),
        lon=content["lon"],
        lat=content["lat"],
        seconds=content["seconds"],
        metres=content["metres"],
        place=content["place"],
        added_by=row.added_by,
        added_at=row.added_at,
    )


def _rows(connection: Connection, case: str) -> Sequence[Row]:
    return connection.execute(
        select(tables.anchors)
        .where(tables.anchors.c.case_id == cases.case_id(connection, case))
        .order_by(tables.anchors.c.id)
    ).all()


def _opened(settings: Settings, row: Row, case: str) -> bytes:
    return crypto.unseal(settings, row.sealed, context_of(case))
