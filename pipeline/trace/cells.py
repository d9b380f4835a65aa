"""Exposure by cell and hour, ready to be shown: of one case, or of all together.

Of one case under its order: time of others near the patient, guideline classes
(blind to masks) and doses (which know them) beside each other, with the contacts'
pseudonyms. Of all cases in force: what the shared screen may tell (`briefing`) with
classes and doses added, under the same limits, so that neither can be subtracted from
the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import h3
import numpy as np

from pipeline.casebook import analysis, roles
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import Settings, get_settings
from pipeline.trace import briefing, results

HOUR = timedelta(hours=1)
#: A cell is to be at least such a share of the whole extent, so that it can be seen.
CELLS_ACROSS = 32
_METRES_PER_DEGREE = 111_320.0
#: Times and doses of all cases together are given in steps of so much.
MINUTES, DOSE = 5, 0.1


@dataclass(frozen=True)
class Cell:
    """Exposure in one cell during one hour."""

    cell: str  #: H3 index
    hour: datetime  #: its begin, UTC
    seconds: float  #: of others within the rule's distance
    close_seconds: float | None  #: of them of close contacts; None: not stored then
    dose: tuple[float | None, float, float | None]  #: 5 %, median, 95 %
    who: frozenset[str]  #: pseudonyms


@dataclass(frozen=True)
class Burden:
    """Exposure of one case."""

    resolution: int  #: H3, of the cells
    cells: tuple[Cell, ...]  #: in order of hour
    close: frozenset[str]  #: pseudonyms of the close contacts
    contacts: int  #: all of them

    @property
    def hours(self) -> list[datetime]:
        """Hours from the first to the last with exposure; none left out."""
        if not self.cells:
            return []
        first, last = self.cells[0].hour, self.cells[-1].hour
        return [first + k * HOUR for k in range(int((last - first) / HOUR) + 1)]


@dataclass(frozen=True)
class Sum:
    """Cells put together: of a place over hours, or of an hour over places."""

    seconds: float
    close_seconds: float | None
    dose: tuple[float | None, float, float | None]
    close: tuple[str, ...]  #: pseudonyms of close contacts
    casual: tuple[str, ...]  #: and of the others


def of_case(
    authorisation: Authorisation, run: str, *, settings: Settings | None = None
) -> Burden:
    """Return the exposure that an order allows to read; the reading is recorded.

    Cells are the finest that can be told apart with all of them in view.

    Raises
    ------
    NotAuthorisedError
        If the order is not in force.
    """
    settings = settings or get_settings()
    found, contacts = (
        results.read(authorisation, table, run, settings=settings).to_pylist()
        for table in ("exposure", "contact")
    )
    size = _resolution(found)
    cells = [
        Cell(
            cell=row["cell"],
            hour=row["hour"],
            seconds=row["person_seconds"],
            close_seconds=row["close_seconds"],
            dose=(row["dose_low"], row["dose_median"] or 0.0, row["dose_high"]),
            who=frozenset(row["who"] or ()),
        )
        for row in found
        if row["resolution"] == size
    ]
    return Burden(
        resolution=size,
        cells=tuple(sorted(cells, key=lambda one: (one.hour, one.cell))),
        close=frozenset(row["contact"] for row in contacts if row["class"] == "close"),
        contacts=len(contacts),
    )


def total(cells: Iterable[Cell], close: frozenset[str]) -> Sum:
    """Put cells together; a person in several of them counts once.

    The unknowns of a dose are the same for everybody in a run, so that doses rise and
    fall together: quantiles are added, which never makes the interval too narrow.
    """
    rows = list(cells)
    who = sorted(frozenset[str]().union(*(row.who for row in rows)))
    low, middle, high = ([row.dose[k] for row in rows] for k in range(3))
    return Sum(
        seconds=sum(row.seconds for row in rows),
        close_seconds=_added([row.close_seconds for row in rows]),
        dose=(_added(low), _added(middle) or 0.0, _added(high)),
        close=tuple(name for name in who if name in close),
        casual=tuple(name for name in who if name not in close),
    )


def outline(cell: str) -> list[tuple[float, float]]:
    """Return a cell's corners, WGS84 lon, lat."""
    return [(lon, lat) for lat, lon in h3.cell_to_boundary(cell)]


def middle(cell: str) -> tuple[float, float]:
    """Return a cell's middle, WGS84 lon, lat."""
    lat, lon = h3.cell_to_latlng(cell)
    return lon, lat


def _added(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else float(sum(one or 0.0 for one in known))


def _resolution(rows: list[dict[str, Any]]) -> int:
    """Return the finest stored size whose cells can be seen with the whole extent."""
    stored = sorted({row["resolution"] for row in rows}, reverse=True)
    if not stored:
        return 0
    middles = np.array(
        [h3.cell_to_latlng(r["cell"]) for r in rows if r["resolution"] == stored[0]]
    )
    tall, wide = np.ptp(middles, axis=0) * _METRES_PER_DEGREE
    across = max(tall, wide * np.cos(np.radians(middles[:, 0].mean())))
    for size in stored:
        if 2 * h3.average_hexagon_edge_length(size, "m") >= across / CELLS_ACROSS:
            return int(size)
    return int(stored[-1])


# --- all cases together -------------------------------------------------------


@dataclass(frozen=True)
class Pooled:
    """Exposure of all cases in a cell, at an hour of the day over all days."""

    cell: str  #: H3 index
    hour: int  #: 0 to 23 in the settings' zone
    persons: int  #: at least so many; a multiple of `briefing.SMALLEST`
    close: int | None  #: so too; None: too few, or too few others, to be told
    minutes: int  #: of others within the rule's distance, in steps of MINUTES
    dose: tuple[float, float, float]  #: 5 %, median, 95 %, in steps of DOSE


@dataclass(frozen=True)
class Together:
    """What may be told of all cases in force."""

    cases: int | None  #: None: too few to be told
    shown: tuple[Pooled, ...]
    withheld: int  #: pairs of cell and hour that are left out


def of_all(user: str, *, settings: Settings | None = None) -> Together:
    """Return the exposure of all cases in force; the reading is recorded.

    A pair of cell and hour is told with `briefing.SMALLEST` persons of
    `briefing.FEWEST_CASES` cases or more; the rest is counted only.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not read exposure.
    """
    settings = settings or get_settings()
    with roles.acting_as(settings, user, "exposure.read", "*") as (_, note):
        note("aggregate.read", "*", what="exposure")
    zone = ZoneInfo(settings.time_zone)
    found = list(analysis.runs_in_force(settings))
    crowds = briefing.crowds(found, zone)
    burden: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for run in found:
        for row in run.cells():
            # Cells are stored finer: each counts where its middle lies.
            cell = h3.cell_to_parent(row["cell"], briefing.RESOLUTION)
            burden[cell, row["hour"].astimezone(zone).hour].append(row)
    by_hour = {key: one for key, one in crowds.items() if key[1] is not None}
    shown = [
        _pooled(cell, hour, one, burden[cell, hour])
        for (cell, hour), one in sorted(by_hour.items(), key=str)
        if hour is not None and one.may_be_told
    ]
    return Together(
        cases=briefing.told(len(found)),
        shown=tuple(shown),
        withheld=len(by_hour) - len(shown),
    )


def _pooled(
    cell: str, hour: int, crowd: briefing.Crowd, rows: list[dict[str, Any]]
) -> Pooled:
    close = briefing.told(len(crowd.close), len(crowd.persons))
    low, middle, high = (
        sum(row[name] or 0.0 for row in rows)
        for name in ("dose_low", "dose_median", "dose_high")
    )
    return Pooled(
        cell=cell,
        hour=hour,
        persons=briefing.rounded(len(crowd.persons)),
        close=None if close is None else briefing.rounded(close),
        minutes=round(sum(row["person_seconds"] for row in rows) / 60 / MINUTES)
        * MINUTES,
        dose=(_step(low), _step(middle), _step(high)),
    )


def _step(dose: float) -> float:
    return round(round(dose / DOSE) * DOSE, 6)
