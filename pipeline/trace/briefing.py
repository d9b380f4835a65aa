"""Figures for a shared screen: aggregates of all cases in force, small ones left out.

What leaves this module may be projected. It holds no pseudonym, no moment of a
person, no line on a map:

- counts of persons below `SMALLEST` are not given, nor is one that could be had by
  subtraction; larger ones on the map are rounded down to multiples of it;
- a cell of the map is shown only with so many contacts of at least `FEWEST_CASES`
  cases, so that the way of a single patient cannot be followed from cell to cell;
- hours are hours of the day, over all days.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import h3
from sqlalchemy import select

from pipeline.casebook import (
    analysis,
    clock,
    database,
    followups,
    roles,
    tables,
    usage,
)
from pipeline.casebook.disclosure import Place
from pipeline.settings import Settings, get_settings
from pipeline.trace import followup

SMALLEST = analysis.SMALLEST_CELL
FEWEST_CASES = 2
#: H3 resolution of the map's cells, some 0.7 km2 each.
RESOLUTION = 8
#: From the approval of an order to the first result.
TARGET = timedelta(minutes=10)
#: Figures on the use of power cover so long.
PERIOD = timedelta(days=30)


@dataclass(frozen=True)
class Cell:
    """Contacts of a cell: at an hour of the day, or over all hours."""

    cell: str  #: H3 index
    hour: int | None  #: 0 to 23 in the settings' zone; None: all hours together
    contacts: int  #: at least so many; a multiple of SMALLEST
    outline: tuple[tuple[float, float], ...]  #: WGS84 lon, lat


@dataclass(frozen=True)
class Briefing:
    """What may be projected; None stands for a number that is too small to be told."""

    made_at: datetime
    cases: int | None
    contacts: int | None
    close: int | None
    share_in_time: float | None  #: of contacts, reached within 24 hours of listing
    trace_seconds: float | None  #: median length of a trace
    minutes_to_result: float | None  #: median from approval to first result
    within_target: float | None  #: share of orders with a result within TARGET
    power: dict[str, int]  #: figure of `usage.FIGURES` -> count within PERIOD
    mismatch: float | None  #: share of people's verdicts that rejected a sighting
    cells: tuple[Cell, ...]
    places: tuple[Place, ...]


def make(user: str, *, settings: Settings | None = None) -> Briefing:
    """Return the figures as of now; the reading is recorded.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not read aggregates.
    """
    settings = settings or get_settings()
    with roles.acting_as(settings, user, "aggregate.read", "*") as (_, note):
        note("aggregate.read", "*", what="briefing")
    found = list(analysis.runs_in_force(settings))
    contacts = {run.case_id: _contacts(run) for run in found}
    number = sum(len(rows) for rows in contacts.values())
    close = sum(row["class"] == "close" for rows in contacts.values() for row in rows)
    rows = usage.figures(user, since=clock.now() - PERIOD, settings=settings)
    power: dict[str, int] = dict.fromkeys(usage.FIGURES, 0)
    for row in rows:
        name = str(row["figure"])
        power[name] = power.get(name, 0) + int(str(row["count"]))
    waits = _waits(found, settings)
    lengths = [row["seconds"] for run in found for row in run.rows("run")]
    return Briefing(
        made_at=clock.now(),
        cases=told(len(found)),
        contacts=told(number),
        close=told(close, number),
        share_in_time=_share_in_time(found, contacts, settings),
        trace_seconds=statistics.median(lengths) if lengths else None,
        minutes_to_result=(
            statistics.median(w.total_seconds() for w in waits) / 60 if waits else None
        ),
        within_target=(
            sum(wait <= TARGET for wait in waits) / len(waits) if waits else None
        ),
        power=power,
        mismatch=usage.mismatch_rate(rows),
        cells=tuple(_cells(found, ZoneInfo(settings.time_zone))),
        places=tuple(_places(settings)),
    )


def told(number: int, of: int | None = None) -> int | None:
    """Return a count of persons, unless it or what it leaves of the whole is small."""
    rest = 0 if of is None else of - number
    return None if 0 < number < SMALLEST or 0 < rest < SMALLEST else number


def _contacts(run: analysis.Run) -> list[dict[str, Any]]:
    opens, closes = run.window
    return [
        row
        for row in run.rows("contact")
        if opens <= row["first_at"] and row["last_at"] <= closes
    ]


def _waits(found: list[analysis.Run], settings: Settings) -> list[timedelta]:
    """Return for each order in force how long its first result took."""
    orders = tables.orders
    with database.reading(settings) as connection:
        decided = {
            row.id: row.decided_at
            for row in connection.execute(select(orders.c.id, orders.c.decided_at))
        }
    first: dict[int, datetime] = {}
    for run in found:
        for folder in sorted(run.folder.parent.glob("run=*")):
            row = analysis.Run(run.case_id, folder, run.window, run.area).rows("run")[0]
            first.setdefault(row["order_id"], row["made_at"])
    waits = [
        made - decided[order]
        for order, made in first.items()
        if decided.get(order) is not None
    ]
    return [wait for wait in waits if wait >= timedelta(0)]


def _share_in_time(
    found: list[analysis.Run],
    contacts: dict[int, list[dict[str, Any]]],
    settings: Settings,
) -> float | None:
    standings = []
    for run in found:
        case = run.folder.parent.name.removeprefix("case=")
        made = run.rows("run")[0]["made_at"]
        with database.reading(settings) as connection:
            known = followups.of_case(connection, case)
        for row in contacts[run.case_id]:
            one = followups.of(known, row["contact"], row["tracklet_ids"])
            standings.append(
                followup.Standing(
                    contact="",
                    state=one.state if one else followups.TO_NOTIFY,
                    notifiable=False,
                    listed_at=(one and one.listed_at) or made,
                    reached_at=one.reached_at if one else None,
                    by=None,
                    at=None,
                )
            )
    figures = followup.figures(standings)
    if figures.in_time + figures.late < SMALLEST:
        return None
    return figures.share


@dataclass
class Crowd:
    """Who was in a cell at an hour of the day, or over all hours; never shown whole."""

    persons: set[int] = field(default_factory=set)
    close: set[int] = field(default_factory=set)
    cases: set[int] = field(default_factory=set)

    @property
    def may_be_told(self) -> bool:
        """Whether so many of so many cases were there that nobody stands out."""
        return len(self.persons) >= SMALLEST and len(self.cases) >= FEWEST_CASES


def crowds(
    found: Iterable[analysis.Run], zone: ZoneInfo
) -> dict[tuple[str, int | None], Crowd]:
    """Return who was in which cell, by hour of the day (None: all hours)."""
    result: dict[tuple[str, int | None], Crowd] = defaultdict(Crowd)
    owner: dict[int, int] = {}  # tracklet -> person, over cases: one pass, one person
    for run in found:
        who, close = {}, set()
        for row in _contacts(run):
            known = [owner[one] for one in row["tracklet_ids"] if one in owner]
            person = known[0] if known else len(owner) + 1
            for one in row["tracklet_ids"]:
                owner.setdefault(one, person)
            who[row["contact"]] = person
            if row["class"] == "close":
                close.add(person)
        for row in run.rows("episode"):
            if row["contact"] not in who or row["lon"] is None:
                continue
            person = who[row["contact"]]
            cell = h3.latlng_to_cell(row["lat"], row["lon"], RESOLUTION)
            hour = row["start_at"].astimezone(zone).hour
            for crowd in (result[cell, hour], result[cell, None]):
                crowd.persons.add(person)
                crowd.cases.add(run.case_id)
                crowd.close |= close & {person}
    return dict(result)


def rounded(number: int) -> int:
    """Return a count of persons rounded down, so that one more or less is not told."""
    return number // SMALLEST * SMALLEST


def _cells(found: Iterable[analysis.Run], zone: ZoneInfo) -> list[Cell]:
    return [
        Cell(
            cell=cell,
            hour=hour,
            contacts=rounded(len(crowd.persons)),
            outline=tuple((lon, lat) for lat, lon in h3.cell_to_boundary(cell)),
        )
        for (cell, hour), crowd in sorted(crowds(found, zone).items(), key=str)
        if crowd.may_be_told
    ]


def _places(settings: Settings) -> list[Place]:
    """Return the places of lists made public that have not ended, newest first.

    Of each case the newest list counts: it leaves out what has been reached.
    """
    table = tables.disclosures
    with database.reading(settings) as connection:
        rows = connection.execute(
            select(table).where(table.c.expires_at > clock.now()).order_by(table.c.id)
        ).all()
    newest = {row.case_id: row for row in rows}
    found = [
        Place(
            **{
                **one,
                "start_at": datetime.fromisoformat(one["start_at"]),
                "end_at": datetime.fromisoformat(one["end_at"]),
            }
        )
        for row in newest.values()
        for one in json.loads(row.places)
    ]
    return sorted(found, key=lambda one: one.start_at, reverse=True)
