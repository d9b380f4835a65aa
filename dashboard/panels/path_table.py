"""The path as a table: what the map shows, in words."""

from __future__ import annotations

import streamlit as st

from dashboard import tables
from dashboard.i18n import Texts
from dashboard.trace_view import Trace, unseen


def show(trace: Trace, low: float, high: float, texts: Texts) -> None:
    """Show the legs within a range of time, first to last.

    Parameters
    ----------
    low, high : seconds after the trace's start.
    """
    number = {row["sighting"]: row["number"] for row in trace.sightings}
    camera = {row["sighting"]: row["camera_id"] for row in trace.sightings}
    rows = []
    for leg in sorted(trace.leg.to_pylist(), key=lambda row: row["start_at"]):
        t0 = leg["start_at"].timestamp() - trace.start
        t1 = leg["end_at"].timestamp() - trace.start
        if t1 < low or t0 > high:
            continue
        ends = [leg["from_sighting"]]
        if leg["to_sighting"] not in (None, leg["from_sighting"]):
            ends.append(leg["to_sighting"])
        sure = leg["probability"]
        rows.append(
            (
                tables.Html(
                    f"<span class='nowrap'>{trace.clock(t0)}–{trace.clock(t1)}</span>"
                ),
                tables.tag(
                    texts(f"path_{leg['kind']}"),
                    "good" if leg["kind"] == "seen" else "casual",
                ),
                " → ".join(
                    f"{number.get(end, '?')} ({camera.get(end, '?')})" for end in ends
                ),
                f"{leg['metres'] or 0:,.0f} m",
                texts.of("mode", leg["mode"]).rstrip(" ,"),
                "–" if sure is None else f"{sure:.0%}",
                unseen(leg, texts) or "–",
            )
        )
    with st.expander(texts("path_table", legs=len(rows))):
        st.caption(texts("path_note"))
        tables.show(
            ("path_time", "path_kind", "path_where", "path_metres", "path_mode",
             "path_sure", "path_gap"),
            rows,
            texts,
            numbers=("path_metres", "path_sure"),
        )  # fmt: skip
