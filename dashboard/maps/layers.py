"""Layers of a trace, declared with pydeck; the component draws and animates them.

Records that belong to a time carry `t0` and `t1`, seconds after the trace's
start: the browser cuts the selected range from them without asking the server.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pydeck
from shapely.geometry import mapping

from dashboard.maps import basemap, heat_cells, palette
from pipeline.cameras import coverage
from pipeline.cameras.registry import Camera

#: Layers whose records the browser cuts to the selected range of time.
TIMED = (
    "heat",
    "path-inferred",
    "path-seen",
    "sightings",
    "sighting-labels",
    "candidates",
    "candidate-labels",
    "anchors",
    "anchor-labels",
)
#: Layers that the browser cuts into dashes of a fixed length on the screen
#: (the deck.gl that pydeck ships has no dashed lines of its own).
DASHED = ("path-inferred",)

#: Opacity of inferred ways that are out of the question, and certain, 0..255.
FAINT, SOLID = 90, 240
SEEN = palette.colour(0)
INFERRED = [91, 127, 214]
PATIENT = [225, 29, 72]
BOUND = [15, 118, 110]
PILL = [30, 58, 138]
ASIDE = [148, 163, 184]
ANCHOR = [126, 34, 206]


heat = heat_cells.layer
heat_of = heat_cells.of_records


def text(value: str) -> pydeck.types.String:
    """Return a string that deck.gl takes literally, not as an expression."""
    return pydeck.types.String(value)


def cameras(url: str) -> pydeck.Layer:
    """Return the whole network, fetched by URL once."""
    return pydeck.Layer(
        "ScatterplotLayer",
        url,
        id="cameras",
        get_position="p",
        get_fill_color="c",
        get_radius=5,
        radius_min_pixels=1.3,
        radius_max_pixels=3.2,
        pickable=True,
    )


def bound_cameras(
    bound: list[Camera], seen: set[str], tips: dict[str, list[str]]
) -> list[pydeck.Layer]:
    """Return the cameras with footage, their coverage, and which saw the patient."""
    rows = [
        {
            "p": [camera.lon, camera.lat],
            "c": PATIENT if camera.id in seen else BOUND,
            "tip": tips.get(camera.id, [camera.id]),
        }
        for camera in bound
    ]
    ground = [
        {"polygon": mapping(coverage.polygon(camera))["coordinates"]}
        for camera in bound
        if camera.height_m is not None
    ]
    return [
        pydeck.Layer(
            "PolygonLayer",
            ground,
            id="coverage",
            get_polygon="polygon",
            get_fill_color=[*BOUND, 28],
            get_line_color=[*BOUND, 110],
            line_width_units=text("pixels"),
            get_line_width=1,
            pickable=False,
        ),
        pydeck.Layer(
            "ScatterplotLayer",
            rows,
            id="bound",
            get_position="p",
            get_fill_color=[255, 255, 255],
            get_line_color="c",
            stroked=True,
            line_width_units=text("pixels"),
            get_line_width=2.5,
            radius_units=text("pixels"),
            get_radius=5,
            pickable=True,
        ),
    ]


def path(
    legs: list[dict[str, Any]],
    colour: list[int] | None = None,
    name: str = "path",
    wider: float = 0.0,
) -> list[pydeck.Layer]:
    """Return the path: what was seen solid, what was inferred dashed.

    Parameters
    ----------
    legs : records with kind, p (vertices), t (seconds), tip, and how sure they are
        (probability or None): what is inferred is the fainter, the less sure.
    colour : RGB of the patient (`palette.colour`); default: the first patient's.
    name : of the layers: `<name>-seen` and `<name>-inferred`.
    wider : pixels by which the seen part is wider than usual.
    """
    seen = colour or SEEN
    inferred = INFERRED if colour is None else palette.lighter(colour)
    rows = {"seen": [], "inferred": []}  # type: dict[str, list[dict[str, Any]]]
    for leg in legs:
        if len(leg["p"]) > 1:
            record = {"path": leg["p"], "t0": leg["t"][0], "t1": leg["t"][-1]}
            if leg["kind"] == "inferred":
                sure = 1.0 if leg.get("sure") is None else leg["sure"]
                record["c"] = [*inferred, round(FAINT + (SOLID - FAINT) * sure)]
            rows[leg["kind"]].append({**record, "tip": leg["tip"]})
    style = {
        "get_path": "path",
        "width_units": text("pixels"),
        "joint_rounded": True,
        "pickable": True,
    }
    return [
        pydeck.Layer(
            "PathLayer",
            rows["inferred"],
            id=f"{name}-inferred",
            get_color="c",
            get_width=3,
            **style,
        ),
        pydeck.Layer(
            "PathLayer",
            rows["seen"],
            id=f"{name}-seen",
            get_color=seen,
            get_width=5 + wider,
            cap_rounded=True,
            **style,
        ),
    ]


def trail(
    legs: list[dict[str, Any]], seconds: float, colour: list[int] | None = None
) -> pydeck.Layer:
    """Return the moving trail behind the patient; the browser sets its time."""
    points = [point for leg in legs for point in leg["p"]]
    times = [second for leg in legs for second in leg["t"]]
    return pydeck.Layer(
        "TripsLayer",
        [{"path": points, "times": times}] if len(points) > 1 else [],
        id="trail",
        get_path="path",
        get_timestamps="times",
        get_color=colour or PATIENT,
        width_units=text("pixels"),
        get_width=7,
        cap_rounded=True,
        joint_rounded=True,
        trail_length=max(20.0, seconds / 14),
        current_time=-1,
        opacity=0.75,
        pickable=False,
    )


def sightings(rows: list[dict[str, Any]]) -> list[pydeck.Layer]:
    """Return the sightings on the path, and the candidates beside it.

    A dot lies where the person was, the larger the longer the stay; a tag with its
    number above. Tags that would cover each other are stacked in pixels; the dots
    stay true.
    """
    stack: dict[tuple[int, int, bool], int] = {}
    records = []
    for row in rows:
        place = (round(row["lon"] * 4000), round(row["lat"] * 5000), row["on_path"])
        level = stack[place] = stack.get(place, -1) + 1
        size = radius(row["t1"] - row["t0"])
        records.append(
            {
                "p": [row["lon"], row["lat"]],
                "label": row["number"],
                "on_path": row["on_path"],
                "r": size,
                "o": [0, -14 - size - 21 * level],
                "sighting": row["sighting"],
                "t0": row["t0"],
                "t1": row["t1"],
                "tip": row["tip"],
            }
        )
    on_path = [record for record in records if record["on_path"]]
    aside = [record for record in records if not record["on_path"]]
    return [
        *_tagged(aside, "candidates", "candidate-labels", ASIDE),
        *_tagged(on_path, "sightings", "sighting-labels", PILL),
    ]


def radius(seconds: float) -> float:
    """Return the pixels of a stay: its area grows with its length, within bounds."""
    return round(float(np.clip(0.62 * np.sqrt(max(seconds, 0.0)), 5.0, 22.0)), 1)


def _tagged(
    records: list[dict[str, Any]], dots: str, tags: str, colour: list[int]
) -> list[pydeck.Layer]:
    return [
        pydeck.Layer(
            "ScatterplotLayer",
            records,
            id=dots,
            get_position="p",
            get_fill_color=colour,
            get_line_color=[255, 255, 255],
            stroked=True,
            line_width_units=text("pixels"),
            get_line_width=1.5,
            radius_units=text("pixels"),
            get_radius="r",
            pickable=True,
        ),
        pydeck.Layer(
            "TextLayer",
            records,
            id=tags,
            get_position="p",
            get_text="label",
            get_size=13,
            get_color=[255, 255, 255],
            get_pixel_offset="o",
            font_family=text("'Noto Sans', 'DejaVu Sans', sans-serif"),
            font_weight=700,
            background=True,
            get_background_color=colour,
            background_padding=[6, 3, 6, 3],
            background_border_radius=5,
            pickable=True,
        ),
    ]


def statements(rows: list[dict[str, Any]]) -> list[pydeck.Layer]:
    """Return where the patient says he was: a disc as wide as it is uncertain.

    Parameters
    ----------
    rows : records with `p`, `m` (metres, 1 sd), `t0`, `t1`, `tip`.
    """
    return [
        pydeck.Layer(
            "ScatterplotLayer",
            rows,
            id="anchors",
            get_position="p",
            get_fill_color=[*ANCHOR, 40],
            get_line_color=ANCHOR,
            stroked=True,
            line_width_units=text("pixels"),
            get_line_width=1.5,
            get_radius="m",
            radius_min_pixels=6,
            pickable=True,
        ),
        pydeck.Layer(
            "TextLayer",
            rows,
            id="anchor-labels",
            get_position="p",
            get_text="tip[0]",
            get_size=12,
            get_color=ANCHOR,
            get_pixel_offset=[0, 16],
            character_set=text("auto"),
            font_family=text(basemap.FONT),
            font_weight=700,
            pickable=False,
        ),
    ]


def patient(colour: list[int] | None = None) -> list[pydeck.Layer]:
    """Return the moving marker; the browser sets where it is.

    Parameters
    ----------
    colour : RGB, where there are several patients.
    """
    colour = colour or PATIENT
    common: dict[str, Any] = {
        "get_position": "p",
        "stroked": True,
        "line_width_units": text("pixels"),
        "radius_units": text("pixels"),
        "pickable": False,
    }
    return [
        pydeck.Layer(
            "ScatterplotLayer",
            [],
            id="patient-halo",
            get_fill_color=[*colour, 45],
            get_line_color=[255, 255, 255, 0],
            get_line_width=0,
            get_radius=17,
            **common,
        ),
        pydeck.Layer(
            "ScatterplotLayer",
            [],
            id="patient",
            get_fill_color=colour,
            get_line_color=colour,
            get_line_width=3,
            get_radius=7,
            **common,
        ),
    ]


def deck(
    found: list[pydeck.Layer], bounds: tuple[float, float, float, float]
) -> pydeck.Deck:
    """Return the deck over all layers, without any map provider.

    Parameters
    ----------
    bounds : west, south, east, north in WGS84 degrees; the first view.
    """
    west, south, east, north = bounds
    span = max(east - west, (north - south) * 1.3, 1e-4)
    state = pydeck.ViewState(
        longitude=(west + east) / 2,
        latitude=(south + north) / 2,
        zoom=float(np.clip(np.log2(360 / span), 9, 18)),
        min_zoom=9.5,
        max_zoom=21,
    )
    return pydeck.Deck(
        layers=found, initial_view_state=state, map_provider=None, map_style=None
    )


def to_json(spec: pydeck.Deck) -> str:
    """Return a deck's JSON without the blanks of pydeck's own."""
    document = json.loads(spec.to_json())
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def base(addresses: dict[str, str]) -> list[pydeck.Layer]:
    """Return the basemap's layers."""
    return basemap.layers(addresses)
