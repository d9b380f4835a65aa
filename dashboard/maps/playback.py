"""The trace map as one component: drawn and played in the browser.

The server sends a trace once; range, playback, hover and layers are the
browser's own. Back come only the selected range and a picked sighting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from dashboard import serving

#: Height of the map at most, pixels; less where the window is low (style.css).
HEIGHT = 680
SPEEDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
#: Length of a playback at the speed chosen at first, seconds.
PLEASANT_SECONDS = 40.0

_HTML = """
<div class="trace-map" data-testid="trace-map">
  <div class="canvas"></div>
  <div class="legend"></div>
  <div class="notes"></div>
  <div class="scale"></div>
  <div class="controls"></div>
</div>
"""
# The module goes by URL, so that the browser keeps it and no message carries it.
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


@dataclass(frozen=True)
class Chosen:
    """What the browser sent back."""

    range: tuple[float, float]  #: seconds after the trace's start
    picked: int | None  #: sighting clicked just now


def trace_map(
    *,
    key: str,
    spec: str,
    timeline: dict[str, Any],
    bounds: tuple[float, float, float, float],
    timed: tuple[str, ...],
    dashed: tuple[str, ...],
    legend: list[dict[str, Any]],
    notes: list[str],
    texts: dict[str, Any],
    language: str,
    zone: str,
    zone_label: str,
    focus: dict[str, Any] | None = None,
    on_change: Callable[[], None] | None = None,
) -> Chosen:
    """Show the map and return what the viewer selected.

    Parameters
    ----------
    key : names what is shown; another key resets range and playback. The drawing
        itself stays: to make one anew takes seconds without a graphics card.
    spec : JSON of a pydeck Deck.
    timeline : start (Unix seconds), seconds, sightings and legs with times
        relative to the start.
    bounds : west, south, east, north in WGS84 degrees.
    timed, dashed : ids of layers that are cut to the range; drawn in dashes.
    focus : longitude, latitude, zoom (and sighting) to move to, and the seconds
        to set the clock to; or None.
    zone : IANA time zone in which times are shown.
    """
    seconds = float(timeline["seconds"])
    whole = [0.0, seconds]
    changed = on_change or (lambda: None)
    result = _component()(
        key="map-trace",
        data={
            "module": serving.url("map.js"),
            "engine": serving.url("deck.js"),
            "key": key,
            "spec": spec,
            "timeline": timeline,
            "bounds": list(bounds),
            "timed": list(timed),
            "dashed": list(dashed),
            "legend": legend,
            "notes": notes,
            "texts": texts,
            "language": language,
            "zone": zone,
            "zone_label": zone_label,
            "focus": focus,
            "speeds": list(SPEEDS),
            "speed": pleasant_speed(seconds),
        },
        default={"range": whole},
        on_range_change=changed,
        on_pick_change=changed,
    )
    low, high, *of = result.range or whole
    if of not in ([], [key]):  # selected while something else was shown
        low, high = whole
    picked = result.pick
    return Chosen((float(low), float(high)), None if picked is None else int(picked))


def pleasant_speed(seconds: float) -> int:
    """Return the least offered speed at which the whole plays in some 40 s."""
    return next(
        (speed for speed in SPEEDS if seconds / speed <= PLEASANT_SECONDS), SPEEDS[-1]
    )


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    css = (serving.COMPONENT / "style.css").read_text(encoding="utf-8")
    return st.components.v2.component("dongseon_trace_map", html=_HTML, css=css, js=_JS)
