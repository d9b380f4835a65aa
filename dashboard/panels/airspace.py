"""Who shared the patient's air indoors, farther away than a contact."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import tables
from dashboard.i18n import Texts
from dashboard.panels.contacts import duration
from dashboard.trace_view import Trace


def show(rows: list[dict[str, Any]], trace: Trace, texts: Texts) -> None:
    """Show the people of a result's table `airspace`, the longest together first."""
    everybody = trace.airspace.num_rows
    if not everybody:
        return
    with st.expander(texts("airspace", shown=len(rows), all=everybody)):
        st.caption(texts("airspace_note"))
        if not rows:
            st.info(texts("airspace_none"))
            return
        tables.show(
            ("person", "camera", "together", "air_time", "metres", "median_metres",
             "dose_short"),
            [
                (
                    row["person"],
                    row["camera_id"],
                    tables.Html(
                        f"<span class='nowrap'>{_moment(row['start_at'], trace)}–"
                        f"{row['end_at'].astimezone(trace.zone):%H:%M:%S}</span>"
                    ),
                    duration(row["seconds_24h"], texts),
                    f"{row['least_metres']:.1f} m",
                    f"{row['median_metres']:.1f} m",
                    f"{row['dose_median']:.2g}",
                )
                for row in rows
            ],
            texts,
            numbers=("metres", "median_metres", "dose_short"),
        )  # fmt: skip


def _moment(at: Any, trace: Trace) -> str:
    return f"{at.astimezone(trace.zone):%m-%d %H:%M:%S}"
