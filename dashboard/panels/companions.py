"""Other patients beside the shown one: their paths, and where they met."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import access, remembered, tables
from dashboard.i18n import Texts
from dashboard.maps import palette
from dashboard.panels.contacts import duration
from dashboard.trace_view import Trace
from pipeline.casebook.orders import Order
from pipeline.trace import meetings
from pipeline.trace.meetings import Meeting

#: Patients on one map at most: as many as colours can be told apart.
MOST = len(palette.PATIENTS)
#: Zoom at which the map shows a meeting.
NEAR = 18.6


def choose(order: Order, texts: Texts) -> list[Order]:
    """Ask in the sidebar for other cases; return their orders."""
    others = {
        one.case: one for one in access.authorised_orders() if one.case != order.case
    }
    if not others:
        return []
    key = f"beside-{order.case}"
    if key not in st.session_state:
        st.session_state[key] = remembered.beside(others.values())[: MOST - 1]
    with st.sidebar:
        chosen = st.multiselect(
            texts("beside"),
            list(others),
            max_selections=MOST - 1,
            help=texts("beside_help"),
            placeholder=texts("beside_none"),
            key=key,
        )
    found = [others[case] for case in chosen]
    remembered.choose_beside(found)
    return found


def widen(trace: Trace, others: list[Trace]) -> tuple[Trace, list[Trace]]:
    """Return all traces on one clock, from the first moment to the last of any."""
    if not others:
        return trace, []
    every = [trace, *others]

    def wide() -> list[Trace]:
        span = (
            min(one.start for one in every),
            max(one.start + one.seconds for one in every),
        )
        return [dataclasses.replace(one, span=span) for one in every]

    # What a trace works out of its tables once is kept with it.
    found = access.remembered(f"wide-{_key(every)}", wide, seconds=3600)
    return found[0], found[1:]


def bounds(traces: list[Trace]) -> tuple[float, float, float, float]:
    """Return west, south, east, north around all, WGS84 degrees."""
    west, south, east, north = zip(*(one.bounds for one in traces), strict=True)
    return min(west), min(south), max(east), max(north)


def met(trace: Trace, others: list[Trace]) -> list[Meeting]:
    """Return the meetings of these patients, in order of time."""
    if not others:
        return []
    every = [trace, *others]
    return access.remembered(
        f"meetings-{_key(every)}",
        lambda: meetings.meetings(
            [meetings.Patient(one.run["case"], one.sighting, one.leg) for one in every]
        ),
        seconds=3600,
    )


def _key(traces: list[Trace]) -> str:
    return "-".join(f"{one.run['case']}-{one.run['run']}" for one in traces)


def tip(one: Meeting, trace: Trace, texts: Texts) -> list[str]:
    """Return in words who met where and how near."""
    begin = one.start.timestamp() - trace.start
    end = one.end.timestamp() - trace.start
    return [
        " · ".join(one.cases),
        f"{one.camera_id} · {trace.clock(begin)}–{trace.clock(end)}",
        how_near(one, texts),
    ]


def how_near(one: Meeting, texts: Texts) -> str:
    """Return how near two patients were and how long, in words."""
    if one.one_pass:
        return texts("meeting_one_pass")
    time = duration(one.seconds, texts)
    if one.least_metres is None:
        return texts("meeting_unplaced", time=time)
    return texts("meeting_near", time=time, metres=one.least_metres)


def show(trace: Trace, found: list[Meeting], texts: Texts) -> dict[str, Any] | None:
    """Show the meetings as a table; return where the map is to go, if anywhere."""
    tables.section(texts("meetings", number=len(found)), texts("meetings_note"))
    if not found:
        st.caption(texts("meetings_none"))
        return None
    frame = pd.DataFrame(
        [
            {
                "when": f"{one.start.astimezone(trace.zone):%m-%d %H:%M:%S}–"
                f"{one.end.astimezone(trace.zone):%H:%M:%S}",
                "who": " · ".join(one.cases),
                "camera": one.camera_id,
                "near": how_near(one, texts),
                "masks": " · ".join(texts.of("mask", state) for state in one.masks),
                "sure": 100 * one.probability,
            }
            for one in found
        ]
    )
    config = st.column_config
    picked = st.dataframe(
        frame,
        hide_index=True,
        height=min(320, 38 + 35 * len(frame)),
        row_height=35,
        on_select="rerun",
        selection_mode="single-row",
        key=f"meetings-{trace.run['run']}-{len(found)}",
        column_config={
            "when": config.TextColumn(texts("column_path_time"), width=180),
            "who": config.TextColumn(texts("column_met"), width=170),
            "camera": config.TextColumn(texts("column_camera"), width=90),
            "near": config.TextColumn(texts("column_near"), width="large"),
            "masks": config.TextColumn(texts("column_masks"), width=140),
            "sure": config.NumberColumn(
                texts("column_both"), help=texts("column_both_help"),
                format="%.0f %%", width=80,
            ),
        },
    )  # fmt: skip
    st.caption(texts("meetings_pick"))
    rows = picked.selection.rows
    if not rows or rows[0] >= len(found):
        return None
    one = found[rows[0]]
    return {
        "longitude": one.lon,
        "latitude": one.lat,
        "zoom": NEAR,
        "seconds": one.start.timestamp() - trace.start,
    }
