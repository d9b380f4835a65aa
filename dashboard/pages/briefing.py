"""The Briefing page: one screen to be projected, aggregates only."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import streamlit as st

from dashboard import access, i18n, serving, tables
from dashboard.i18n import Texts
from dashboard.maps import basemap, wall
from pipeline.cameras.basemap import boundary
from pipeline.settings import get_settings
from pipeline.trace import briefing
from pipeline.trace.briefing import Briefing

#: Seconds between two looks at the figures.
FRESH_S = 60
#: Contacts of a cell from which the next colour of the fixed scale begins.
SCALE = (5, 10, 20, 50)
#: Figures on the use of power that the screen shows.
POWER = (
    "orders approved",
    "orders refused",
    "searches",
    "stills",
    "exports",
    "refused acts",
    "deletions",
)


@st.fragment(run_every=FRESH_S)
def main() -> None:
    """Show the screen, and look again every minute."""
    with access.refusals_shown():
        texts = i18n.choose()
        found = access.remembered(
            "briefing",
            lambda: briefing.make(access.user(), settings=get_settings()),
            seconds=FRESH_S - 5,
        )
        wall.show(_data(found, texts), key="wall")
        _as_text(found, texts)


def _data(found: Briefing, texts: Texts) -> dict[str, Any]:
    hours = [texts("wall_hour", start=hour, end=(hour + 1) % 24) for hour in range(24)]
    activity = [0] * 24
    for cell in found.cells:
        if cell.hour is not None:
            activity[cell.hour] += cell.contacts
    base = {}
    for name in ("neighbours", "boundary", "dong"):
        try:
            base[name] = serving.url(f"basemap/{name}.json")
        except KeyError:
            continue
    stamp = tables.when(found.made_at)
    return {
        "title": texts("wall_title"),
        "stamp": texts("wall_stamp", when=stamp),
        "safe": texts("wall_safe"),
        "file": f"dongseon-briefing-{tables.when(found.made_at, '%Y%m%d-%H%M')}.png",
        "texts": texts.several("wall_text_"),
        "tiles": _speed(found, texts),
        "power": _power(found, texts),
        "base": base,
        "labels": basemap.names(),
        "bounds": list(boundary().bounds),
        "steps": _steps(texts),
        "hours": hours,
        "activity": activity,
        "cells": [
            {
                "outline": [list(point) for point in cell.outline],
                "hour": cell.hour,
                "step": sum(cell.contacts >= least for least in SCALE) - 1,
                "tip": texts("wall_cell", number=cell.contacts),
            }
            for cell in found.cells
        ],
        "places": [
            [
                f"{one.gu} {one.dong} · {one.place}",
                f"{tables.when(one.start_at, '%m-%d %H:%M')}–"
                f"{tables.when(one.end_at, '%H:%M')}",
            ]
            for one in found.places
        ],
    }


def _steps(texts: Texts) -> list[str]:
    ends = [f"{least}–{after - 1}" for least, after in pairwise(SCALE)]
    return [texts("wall_step", range=step) for step in [*ends, f"{SCALE[-1]}+"]]


def _speed(found: Briefing, texts: Texts) -> list[list[str]]:
    def count(number: int | None) -> str:
        return f"< {briefing.SMALLEST}" if number is None else f"{number:,}"

    def share(part: float | None) -> str:
        return "–" if part is None else f"{part:.0%}"

    def length(seconds: float | None) -> str:
        if seconds is None:
            return "–"
        if seconds < 60:
            return texts("wall_seconds", seconds=seconds)
        return texts("wall_minutes", minutes=seconds / 60)

    wait = found.minutes_to_result
    minutes = length(None if wait is None else wait * 60)
    seconds = length(found.trace_seconds)
    return [
        [texts("wall_to_result"), minutes, texts("wall_to_result_note")],
        [texts("wall_within"), share(found.within_target), ""],
        [texts("wall_trace"), seconds, ""],
        [texts("wall_cases"), count(found.cases), ""],
        [texts("wall_contacts"), count(found.contacts), _close(found, texts)],
        [texts("kpi_share"), share(found.share_in_time), ""],
    ]


def _close(found: Briefing, texts: Texts) -> str:
    if not found.contacts or found.close is None:
        return ""
    return texts("wall_close", number=found.close)


def _power(found: Briefing, texts: Texts) -> list[list[str]]:
    rows = [
        [texts(f"power_{name.replace(' ', '_')}"), f"{found.power.get(name, 0):,}", ""]
        for name in POWER
    ]
    wrong = "–" if found.mismatch is None else f"{found.mismatch:.0%}"
    return [*rows, [texts("power_mismatch"), wrong, ""]]


def _as_text(found: Briefing, texts: Texts) -> None:
    """Offer the map's facts as a table below the screen."""
    with st.expander(texts("wall_as_text")):
        rows = [
            (
                cell.cell,
                texts("wall_text_all_hours")
                if cell.hour is None
                else texts("wall_hour", start=cell.hour, end=(cell.hour + 1) % 24),
                texts("wall_cell", number=cell.contacts),
            )
            for cell in found.cells
        ]
        if rows:
            tables.show(("cell", "hour", "persons"), rows, texts)
        else:
            st.write(texts("wall_text_suppressed"))


main()
