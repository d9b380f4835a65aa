"""Layers of several patients on one map: each a colour, and where they met."""

from __future__ import annotations

from typing import Any

import pydeck

from dashboard.maps import basemap, layers, palette

#: Pixels by which each further path is wider than the one above it, so that paths
#: that coincide show as bands.
WIDER = 1.6
MEETING = [17, 24, 39]
#: Layers of each other patient that belong to a time.
KINDS = ("seen", "inferred", "dots")


def ids(number: int, kinds: tuple[str, ...] = KINDS) -> tuple[str, ...]:
    """Return the ids of the layers of so many others."""
    return tuple(
        f"path{index}-{kind}" for index in range(1, number + 1) for kind in kinds
    )


def paths(others: list[dict[str, Any]]) -> list[pydeck.Layer]:
    """Return the paths and sightings of the others, the first on top.

    Parameters
    ----------
    others : records with legs (of `Trace.legs`) and dots (`p`, `t0`, `t1`, `tip`).
    """
    found: list[pydeck.Layer] = []
    for index, one in reversed(list(enumerate(others, start=1))):
        colour = palette.colour(index)
        found += layers.path(
            one["legs"], colour, name=f"path{index}", wider=WIDER * index
        )
        found.append(_dots(f"path{index}-dots", one["dots"], colour))
    return found


def moving() -> list[pydeck.Layer]:
    """Return the others' markers and names; the browser sets where they are."""
    text = layers.text
    return [
        pydeck.Layer(
            "ScatterplotLayer",
            [],
            id="others",
            get_position="p",
            get_fill_color="fill",
            get_line_color="c",
            stroked=True,
            line_width_units=text("pixels"),
            get_line_width=3,
            radius_units=text("pixels"),
            get_radius=7,
            pickable=False,
        ),
        pydeck.Layer(
            "TextLayer",
            [],
            id="others-names",
            get_position="p",
            get_text="name",
            get_size=12,
            get_color=[255, 255, 255],
            get_pixel_offset=[0, 19],
            character_set=text("auto"),
            font_family=text(basemap.FONT),
            font_weight=700,
            background=True,
            get_background_color="c",
            background_padding=[5, 2, 5, 2],
            background_border_radius=4,
            pickable=False,
        ),
    ]


def meetings(rows: list[dict[str, Any]]) -> pydeck.Layer:
    """Return the places of meetings: rings with `p`, `t0`, `t1`, `tip`."""
    return pydeck.Layer(
        "ScatterplotLayer",
        rows,
        id="meetings",
        get_position="p",
        get_fill_color=[255, 255, 255, 60],
        get_line_color=MEETING,
        stroked=True,
        line_width_units=layers.text("pixels"),
        get_line_width=3,
        radius_units=layers.text("pixels"),
        get_radius=15,
        pickable=True,
    )


def css(index: int) -> str:
    """Return a patient's colour for the page."""
    return "rgb({}, {}, {})".format(*palette.colour(index))


def _dots(name: str, rows: list[dict[str, Any]], colour: list[int]) -> pydeck.Layer:
    return pydeck.Layer(
        "ScatterplotLayer",
        rows,
        id=name,
        get_position="p",
        get_fill_color=colour,
        get_line_color=[255, 255, 255],
        stroked=True,
        line_width_units=layers.text("pixels"),
        get_line_width=1.5,
        radius_units=layers.text("pixels"),
        get_radius="r",
        pickable=True,
    )
