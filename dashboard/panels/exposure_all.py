"""Exposure of all cases in force together: no person, no small number."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, i18n, tables
from dashboard.i18n import Texts
from dashboard.maps import exposure_map, network
from dashboard.maps.exposure_map import HOUR_S, Heat
from dashboard.panels import exposure_tables
from pipeline.settings import get_settings
from pipeline.trace import briefing, cells
from pipeline.trace.cells import Pooled, Together

#: Seconds between two looks at the figures.
FRESH_S = 60
MARKED = 10
MEASURES = ("time", "dose")


@st.fragment
def show() -> None:
    """Show what may be told of all cases."""
    with access.refusals_shown():
        texts = i18n.choose()
        user = access.user()
        found: Together = access.remembered(
            f"exposure-all-{user}",
            lambda: cells.of_all(user, settings=get_settings()),
            seconds=FRESH_S,
        )
        _show(found, texts)


def _show(found: Together, texts: Texts) -> None:
    tables.heading(texts("exposure_all"), texts("exposure_all_lead"))
    st.html(f"<div class='notice'>{_withheld(found, texts)}</div>")
    if not found.shown:
        st.info(texts("exposure_all_none"))
        return
    places = _places(found.shown)
    left, right = st.columns([1.35, 1], gap="medium")
    with left:
        measure = exposure_map.choose(MEASURES, texts)
        chosen = exposure_map.show(
            _heat(found, measure, places), measure, texts, key=f"all-{measure}"
        )
    low, high = (second / HOUR_S for second in chosen.range)
    shown = [one for one in found.shown if low < one.hour + 1 and one.hour < high]
    with right:
        tables.section(texts("exposure_by_hour"), texts("exposure_sides"))
        _table(shown, places, texts)
    st.caption(texts("exposure_all_note"))


def _withheld(found: Together, texts: Texts) -> str:
    return texts(
        "exposure_withheld",
        shown=len(found.shown),
        withheld=found.withheld,
        persons=briefing.SMALLEST,
        cases=briefing.FEWEST_CASES,
    )


def _heat(found: Together, measure: str, places: dict[str, str]) -> Heat:
    today = datetime.now(ZoneInfo(get_settings().time_zone))
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    return Heat(
        start=midnight.astimezone(UTC).timestamp(),
        hours=24,
        amounts=tuple(
            (one.cell, one.hour, one.dose[1] if measure == "dose" else one.minutes)
            for one in found.shown
        ),
        names={cell: [name] for cell, name in places.items()},
        ranks=tuple(_marks(found.shown))[:MARKED],
        folded=True,
    )


def _marks(rows: tuple[Pooled, ...]) -> dict[str, int]:
    """Return cell -> its number on the map: the largest dose of all hours first."""
    dose: dict[str, float] = defaultdict(float)
    for one in rows:
        dose[one.cell] += one.dose[1]
    ranked = sorted(dose, key=lambda cell: (-dose[cell], cell))
    return {cell: rank for rank, cell in enumerate(ranked, start=1)}


def _places(rows: tuple[Pooled, ...]) -> dict[str, str]:
    """Return cell -> number and neighbourhood of its middle; never a camera."""
    registry = network.load(get_settings().registry)
    found = {}
    for cell, rank in _marks(rows).items():
        near = registry.nearest(*cells.middle(cell), 1)
        found[cell] = f"{rank} · {near[0][0].dong}" if near else f"{rank} · {cell}"
    return found


def _table(rows: list[Pooled], places: dict[str, str], texts: Texts) -> None:
    if not rows:
        st.info(texts("exposure_none"))
        return
    most = max(one.dose[1] for one in rows)
    with st.container(height=600, border=False, key="exposure-hours"):
        tables.show(
            ("hour", "area", "persons", "close", "person_minutes", "dose_sum"),
            [
                (
                    texts("exposure_hours", start=one.hour, end=one.hour + 1),
                    places[one.cell],
                    f"{one.persons}+",
                    "–" if one.close is None else f"{one.close}+" if one.close else "0",
                    texts("only_minutes", minutes=f"{one.minutes:,}"),
                    exposure_tables.dose(one.dose, most),
                )
                for one in sorted(rows, key=lambda row: (row.hour, -row.dose[1]))
            ],
            texts,
            numbers=("persons", "close", "person_minutes"),
        )
