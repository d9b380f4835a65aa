"""Exposure in words: class (blind to masks) and dose (not blind) side by side."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import tables
from dashboard.i18n import Texts
from dashboard.panels.contacts import duration
from pipeline.trace.cells import Sum

#: Columns that set the guideline's class and the dose beside each other.
BOTH = ("person_minutes", "close", "casual", "dose_sum")
#: Names that a cell of a table lists; the rest is counted.
MOST_NAMES = 8


def beside(one: Sum, most: float, texts: Texts) -> tuple[object, ...]:
    """Return the cells of `BOTH` for one row.

    Parameters
    ----------
    most : the largest dose of the table: a full bar.
    """
    return (
        duration(one.seconds, texts),
        number(None if one.close_seconds is None else len(one.close), "close"),
        number(None if one.close_seconds is None else len(one.casual), "casual"),
        dose(one.dose, most),
    )


def number(persons: int | None, kind: str) -> object:
    """Return how many persons of a class; a dash where that is not known."""
    if persons is None:
        return "–"
    return tables.tag(str(persons), kind) if persons else "0"


def dose(quantiles: Sequence[float | None], most: float) -> tables.Html:
    """Return a dose with its interval, and a bar of the dose."""
    low, middle, high = quantiles
    width = 100 * (middle or 0.0) / most if most else 0.0
    told = (
        "<span class='nowrap'><span class='share short'>"
        f"<i style='width:{width:.0f}%'></i></span>{middle:.2g}</span>"
    )
    if low is not None and high is not None:
        told += f"<small class='nowrap'>{low:.2g}–{high:.2g}</small>"
    return tables.Html(told)


def names(one: Sum) -> str:
    """Return the pseudonyms, close contacts first."""
    every = [*one.close, *one.casual]
    more = f" +{len(every) - MOST_NAMES}" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more or "–"
