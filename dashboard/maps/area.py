"""The network's map as one component: clusters, cameras by health, coverage."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pydeck
import streamlit as st

from dashboard import serving
from dashboard.i18n import Texts
from dashboard.maps import basemap, layers
from pipeline.cameras.basemap import boundary
from pipeline.footage.health import STATES

#: Told apart by people with any colour vision (Okabe and Ito, 2008), RGBA 0..255.
COLOURS = {
    "outage": [213, 94, 0, 255],
    "late": [230, 159, 0, 255],
    "recording": [0, 158, 115, 255],
    "silent": [120, 134, 156, 190],
    "removed": [170, 176, 186, 110],
    "cluster": [51, 85, 139, 225],
}
_HTML = """
<div class="trace-map area" data-testid="area-map">
  <div class="canvas"></div>
  <div class="legend"></div>
  <div class="notes"></div>
  <div class="scale"></div>
  <div class="controls"></div>
</div>
"""
_JS = """
export default function (component) {
  let gone = false;
  let leave = null;
  const host = component.parentElement;
  import(new URL(component.data.module, window.location.origin).href)
    .then((module) => { if (!gone) leave = module.default(component); })
    .catch((error) => { host.querySelector(".canvas").textContent = String(error); });
  return () => { gone = true; leave?.(); };
}
"""


def show(states: dict[str, str], texts: Texts, *, key: str) -> None:
    """Show the network.

    Parameters
    ----------
    states : camera id -> one of `pipeline.footage.health.STATES`.
    """
    bounds = boundary().bounds
    spec = layers.to_json(layers.deck(_layers(), bounds))
    _component()(
        key=key,
        data={
            "module": serving.url("area.js"),
            "engine": serving.url("deck.js"),
            "cameras": serving.url("cameras.json"),
            "spec": spec,
            "bounds": list(bounds),
            # The rest is silent; the registry's own states come with the cameras.
            "states": {
                camera: state
                for camera, state in states.items()
                if state in ("late", "recording")
            },
            "colours": COLOURS,
            "legend": [
                *(
                    {
                        "layers": [state],
                        "label": texts.of("health", state),
                        "swatch": f"health {state}",
                    }
                    for state in STATES
                ),
                {
                    "layers": ["coverage"],
                    "label": texts("layer_coverage"),
                    "swatch": "coverage",
                    "help": texts("network_coverage_help"),
                },
            ],
            "notes": basemap.notes(texts.language, texts("scheme_note")),
            "language": texts.language,
            "texts": {
                **texts.several("map_"),
                "states": {state: texts.of("health", state) for state in STATES},
                "cameras": texts("network_cameras", number="{number}"),
                "hint": texts("network_hint"),
            },
        },
    )


def _layers() -> list[pydeck.Layer]:
    text = layers.text
    return [
        *layers.base(serving.ground()),
        pydeck.Layer(
            "SolidPolygonLayer",
            serving.url("coverage.json"),
            id="coverage",
            get_polygon="polygon",
            get_fill_color=[15, 118, 110, 60],
            pickable=False,
        ),
        pydeck.Layer(
            "ScatterplotLayer",
            [],
            id="cameras",
            get_position="p",
            get_fill_color="c",
            get_radius=6,
            radius_min_pixels=3.2,
            radius_max_pixels=7,
            pickable=True,
        ),
        pydeck.Layer(
            "ScatterplotLayer",
            [],
            id="clusters",
            get_position="p",
            get_fill_color="c",
            get_line_color=[255, 255, 255, 230],
            stroked=True,
            line_width_units=text("pixels"),
            get_line_width=1.5,
            radius_units=text("pixels"),
            get_radius="r",
            pickable=True,
        ),
        pydeck.Layer(
            "TextLayer",
            [],
            id="cluster-labels",
            get_position="p",
            get_text="label",
            get_size=12.5,
            get_color=[255, 255, 255],
            font_weight=700,
            font_family=text("'Noto Sans', 'DejaVu Sans', sans-serif"),
            pickable=False,
        ),
    ]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    css = (serving.COMPONENT / "style.css").read_text(encoding="utf-8")
    return st.components.v2.component("dongseon_area_map", html=_HTML, css=css, js=_JS)
