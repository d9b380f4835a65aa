"""The map of exposure: cells by hour on a fixed scale, played in the browser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pydeck
import streamlit as st

from dashboard import access, forms, serving
from dashboard.i18n import Texts
from dashboard.maps import basemap, layers, playback
from pipeline.settings import get_settings
from pipeline.trace import cells

HOUR_S = 3600
#: A record ends before the next hour begins, so that a range up to it has one hour.
LAST_S = HOUR_S - 1
#: Measure -> amounts from which a colour begins, of one case and of all together;
#: person-minutes, and doses in reference exposures.
SCALES = {
    "time": ((0.0, 1.0, 5.0, 30.0), (0.0, 15.0, 60.0, 240.0)),
    "close": ((0.0, 1.0, 5.0, 30.0), (0.0, 15.0, 60.0, 240.0)),
    "dose": ((0.0, 0.05, 0.25, 1.0), (0.0, 0.5, 2.0, 8.0)),
}
DIGITS = {"time": 1, "close": 1, "dose": 2}
#: Margin around the cells, degrees.
MARGIN = 0.0012


@dataclass(frozen=True)
class Heat:
    """What the map draws: amounts by cell and hour."""

    start: float  #: Unix time of the first hour; of all cases: any midnight
    hours: int  #: from the first to the last
    amounts: tuple[tuple[str, int, float], ...]  #: cell, hour from the first, amount
    names: dict[str, list[str]]  #: cell -> what its card says of it
    ranks: tuple[str, ...]  #: cells that are marked 1, 2, 3 ...
    folded: bool = False  #: hours of the day over all days, not of one day


def choose(measures: Sequence[str], texts: Texts) -> str:
    """Let one be chosen of what cells can be coloured by."""
    return forms.one_of(
        st.segmented_control,
        "exposure_measure",
        measures,
        lambda one: texts(f"exposure_measure_{one}"),
        texts,
        label_visibility="collapsed",
    )


def show(heat: Heat, measure: str, texts: Texts, *, key: str) -> playback.Chosen:
    """Show the map with the clock below; return the range of time chosen.

    Parameters
    ----------
    measure : a name of `SCALES`.
    key : names what is shown; another one resets range and playback.
    """
    language = texts.language
    scale = SCALES[measure][heat.folded]

    def build() -> tuple[str, tuple[float, float, float, float]]:
        bounds = _bounds(cell for cell, _, _ in heat.amounts)
        return layers.to_json(layers.deck(_layers(heat), bounds)), bounds

    spec, bounds = access.remembered(
        f"spec-exposure-{key}-{measure}-{language}", build, seconds=600
    )
    zone = get_settings().time_zone
    worded = [_worded(measure, step, texts) for step in scale]
    return playback.trace_map(
        key=f"exposure-{key}",
        spec=spec,
        timeline={
            "start": heat.start,
            "seconds": heat.hours * HOUR_S,
            "legs": [],
            "sightings": [
                {"t0": at, "t1": at, "on_path": True, "label": texts("exposure_hour")}
                for at in sorted({hour * HOUR_S for _, hour, _ in heat.amounts})
            ],
            "heat": {"steps": scale, "digits": DIGITS[measure], "moment": True},
            "folded": heat.folded,
        },
        bounds=bounds,
        timed=("heat",),
        dashed=(),
        legend=_legend(measure, heat, texts),
        notes=basemap.notes(language, texts("scheme_note")),
        texts={
            **texts.several("map_"),
            **texts.several("exposure_map_"),
            "camera_status": texts.several("camera_status_"),
            "heat_seconds": texts(f"exposure_amount_{measure}", number="{number}"),
            "heat_unit": texts(f"exposure_unit_{measure}"),
            "heat_step0": f"< {worded[1]}",
            "heat_step1": worded[1],
            "heat_step2": worded[2],
            "heat_step3": f"{worded[3]} +",
        },
        language=language,
        zone=zone,
        zone_label=texts.of("zone", zone),
    )


def _worded(measure: str, amount: float, texts: Texts) -> str:
    if measure == "dose":
        return f"{amount:g}"
    return texts("only_minutes", minutes=f"{amount:g}")


def _legend(measure: str, heat: Heat, texts: Texts) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "layers": ["heat"],
            "label": texts(f"exposure_measure_{measure}"),
            "swatch": "heat",
            "help": texts(f"exposure_unit_{measure}"),
        },
        {
            "layers": ["ranks"],
            "label": texts("exposure_ranks"),
            "swatch": "sighting",
        },
    ]
    if not heat.folded:
        found.append(
            {
                "layers": ["cameras"],
                "label": texts("layer_cameras"),
                "swatch": "camera",
                "off": True,
            }
        )
    return found


def _layers(heat: Heat) -> list[pydeck.Layer]:
    number: dict[str, int] = {}
    records = []
    for cell, hour, amount in heat.amounts:
        record: dict[str, Any] = {
            "w": round(amount, 4),
            "t0": hour * HOUR_S,
            "t1": hour * HOUR_S + LAST_S,
        }
        if cell not in number:
            number[cell] = len(number)
            record["outline"] = [
                [round(lon, 6), round(lat, 6)] for lon, lat in cells.outline(cell)
            ]
            record["label"] = heat.names[cell][0]
        records.append(record | {"k": number[cell]})
    found = list(layers.base(serving.ground()))
    if not heat.folded:
        found.append(layers.cameras(serving.url("cameras.json")))
    return [*found, layers.heat_of(records), _ranks(heat)]


def _ranks(heat: Heat) -> pydeck.Layer:
    west, south, east, north = _bounds(cell for cell, _, _ in heat.amounts)
    stack: dict[tuple[int, int], int] = {}
    records = []
    for rank, cell in enumerate(heat.ranks, start=1):
        lon, lat = cells.middle(cell)
        near = (
            int(24 * (lon - west) / (east - west)),
            int(18 * (lat - south) / (north - south)),
        )
        level = stack[near] = stack.get(near, -1) + 1
        records.append(
            {
                "p": [lon, lat],
                "label": str(rank),
                "o": [0, -20 - 20 * level],
                "tip": heat.names[cell],
            }
        )
    return pydeck.Layer(
        "TextLayer",
        records,
        id="ranks",
        get_position="p",
        get_text="label",
        get_size=12,
        get_color=[255, 255, 255],
        get_pixel_offset="o",
        font_family=layers.text("'Noto Sans', 'DejaVu Sans', sans-serif"),
        font_weight=700,
        background=True,
        get_background_color=layers.PILL,
        background_padding=[5, 2, 5, 2],
        background_border_radius=5,
        pickable=True,
    )


def _bounds(found: Iterable[str]) -> tuple[float, float, float, float]:
    corners = [point for cell in set(found) for point in cells.outline(cell)]
    lon, lat = [point[0] for point in corners], [point[1] for point in corners]
    return (
        min(lon) - MARGIN,
        min(lat) - MARGIN,
        max(lon) + MARGIN,
        max(lat) + MARGIN,
    )
