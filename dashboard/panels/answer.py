"""The answer of a query as a table, a chart or a map."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import h3
import pandas as pd
import streamlit as st
from shapely.geometry import mapping

from dashboard.i18n import Texts
from dashboard.maps import palette
from pipeline.cameras.basemap import boundary
from pipeline.store import query

#: Names of columns that say where a row lies (WGS84).
PLACES = (("lon", "lat"), ("longitude", "latitude"))
#: Points and bars drawn at most: more are neither told apart nor quick to draw.
MOST_POINTS, MOST_BARS = 5_000, 60
COLOUR = "#1d4ed8"
#: Of the chart and the map, pixels.
HEIGHT = 420


def show(answer: query.Answer, texts: Texts) -> None:
    """Show an answer; the viewer chooses how."""
    table = frame(answer)
    view = st.segmented_control(
        texts("sql_view"),
        ("table", "chart", "map"),
        default="table",
        format_func=lambda name: texts(f"sql_view_{name}"),
        key="sql-view",
        label_visibility="collapsed",
    )
    if view == "chart":
        _chart(table, texts)
    elif view == "map":
        _map(table, texts)
    else:
        st.dataframe(table, hide_index=True, key="sql-rows-shown")


def frame(answer: query.Answer) -> pd.DataFrame:
    """Return the rows for showing; values that are no plain ones as text.

    Of several columns with one name the later ones get a number.
    """
    seen: dict[str, int] = {}
    shown = {}
    for index, name in enumerate(answer.columns):
        values: list[Any] = [row[index] for row in answer.rows]
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name} ({seen[name]})"
        if not all(isinstance(v, int | float | str | None) for v in values):
            values = [None if v is None else str(v) for v in values]
        shown[label] = values
    return pd.DataFrame(shown)


def places(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the rows that lie somewhere, with `_lon` and `_lat` (WGS84 degrees).

    From columns lon and lat, or from the centres of H3 cells; None if the table has
    neither.
    """
    found = None
    lower = {str(name).lower(): name for name in table.columns}
    for lon, lat in PLACES:
        if lon in lower and lat in lower:
            found = table.assign(
                _lon=pd.to_numeric(table[lower[lon]], errors="coerce"),
                _lat=pd.to_numeric(table[lower[lat]], errors="coerce"),
            )
            break
    else:
        for name in table.columns:
            values = table[name].dropna()
            if len(values) and all(
                isinstance(v, str) and h3.is_valid_cell(v) for v in values
            ):
                centres = {cell: h3.cell_to_latlng(cell) for cell in set(values)}
                found = table.dropna(subset=[name])
                found = found.assign(
                    _lat=[centres[cell][0] for cell in found[name]],
                    _lon=[centres[cell][1] for cell in found[name]],
                )
                break
    if found is None:
        return None
    return found[found["_lon"].between(-180, 180) & found["_lat"].between(-90, 90)]


def _chart(table: pd.DataFrame, texts: Texts) -> None:
    numbers = [
        name
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and table[name].notna().any()
    ]
    if not numbers or len(table.columns) < 2:
        st.info(texts("sql_no_chart"))
        return
    left, right = st.columns(2)
    names = [str(name) for name in table.columns]
    across = left.selectbox(texts("sql_across"), names, key="sql-across")
    heights = [name for name in numbers if name != across] or numbers
    up = right.selectbox(texts("sql_up"), heights, key="sql-up")
    shown = pd.DataFrame({"x": table[across], "y": table[up]})
    kinds = _kinds(table, {across, up})
    if kinds is not None:
        shown["kind"] = table[kinds].astype(str)
    x_type: Literal["quantitative", "nominal"] = (
        "quantitative" if across in numbers else "nominal"
    )
    if x_type == "nominal" and len(shown) > MOST_BARS:
        st.caption(texts("sql_first_only", number=MOST_BARS))
        shown = shown.head(MOST_BARS)
    elif len(shown) > MOST_POINTS:
        st.caption(texts("sql_first_only", number=MOST_POINTS))
        shown = shown.head(MOST_POINTS)
    marks = alt.Chart(shown)
    drawn = (
        marks.mark_circle(color=COLOUR, size=45)
        if x_type == "quantitative"
        else marks.mark_bar(color=COLOUR)
    ).encode(
        x=alt.X("x", type=x_type, title=across, sort=None),
        y=alt.Y("y", type="quantitative", title=up),
        tooltip=[alt.Tooltip("x", title=across), alt.Tooltip("y", title=up)],
    )
    if kinds is not None:
        colours = ["rgb({}, {}, {})".format(*rgb) for rgb in palette.PATIENTS]
        drawn = drawn.encode(
            color=alt.Color(
                "kind", type="nominal", title=kinds, scale=alt.Scale(range=colours)
            )
        )
    st.altair_chart(drawn.properties(height=HEIGHT), key="sql-chart")


def _kinds(table: pd.DataFrame, used: set[str]) -> str | None:
    """Return the first other column whose few words can be told apart by colour."""
    for name in table.columns:
        numeric = pd.api.types.is_numeric_dtype(table[name])
        if name in used or numeric:
            continue
        if 2 <= table[name].nunique() <= len(palette.PATIENTS):
            return str(name)
    return None


def _map(table: pd.DataFrame, texts: Texts) -> None:
    found = places(table)
    if found is None or found.empty:
        st.info(texts("sql_no_map"))
        return
    if len(found) > MOST_POINTS:
        st.caption(texts("sql_first_only", number=MOST_POINTS))
        found = found.head(MOST_POINTS)
    columns = [name for name in table.columns if "." not in name and "[" not in name]
    outline = {"type": "Feature", "geometry": mapping(boundary().boundary)}
    ground = alt.Chart(alt.InlineData(values=[outline])).mark_geoshape(
        fill=None, stroke="#7886a0", strokeWidth=1.5
    )
    points = (
        alt.Chart(found)
        .mark_circle(color=COLOUR, size=28, opacity=0.7)
        .encode(longitude="_lon:Q", latitude="_lat:Q", tooltip=columns)
    )
    st.altair_chart(
        alt.layer(ground, points).project("mercator").properties(height=HEIGHT),
        key="sql-map",
    )
