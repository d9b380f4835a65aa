"""When contacts were near, and what both wore: drawn as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import picture
from dashboard.i18n import Texts

#: Told apart by people with any colour vision (Okabe and Ito, 2008); worn is blue,
#: never green against red.
MASKS = {
    "worn": "#0072b2",
    "incorrect": "#e69f00",
    "none": "#d55e00",
    "unknown": "#94a3b8",
}
LEFT, RIGHT = 64, 14
WIDE, NARROW = 1000, 420  #: widths of drawings, in their own units
LANE, GAP = 9, 12
#: Contacts drawn at once; more would not be read.
MOST = 60
#: Steps of the axis, seconds.
_STEPS = (10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800)


def show(
    episodes: Sequence[dict[str, Any]],
    names: Sequence[str],
    zone: ZoneInfo,
    texts: Texts,
    *,
    key: str,
    width: int = WIDE,
) -> None:
    """Show one row per contact: above the patient's mask, below the contact's."""
    wanted = list(names)[:MOST]
    rows = [row for row in episodes if row["contact"] in set(wanted)]
    if not rows:
        return
    st.html(_legend(texts))
    picture.show(draw(rows, wanted, zone, texts, width), key=key)
    if len(names) > MOST:
        st.caption(texts("timeline_more", number=len(names) - MOST))


def draw(
    rows: Sequence[dict[str, Any]],
    names: Sequence[str],
    zone: ZoneInfo,
    texts: Texts,
    width: int = WIDE,
) -> str:
    """Return the drawing as SVG."""
    low = min(row["start_at"] for row in rows)
    high = max(max(row["end_at"] for row in rows), low + timedelta(seconds=30))
    margin = (high - low) * 0.02
    low, high = low - margin, high + margin
    span = (high - low).total_seconds()

    def x(moment: datetime) -> float:
        return LEFT + (moment - low).total_seconds() / span * (width - LEFT - RIGHT)

    pitch = 2 * LANE + GAP
    height = 24 + pitch * len(names)
    parts = []
    for at, label in _ticks(low, high, zone, 8 if width > NARROW else 4):
        parts.append(
            f"<line x1='{x(at):.1f}' x2='{x(at):.1f}' y1='18' y2='{height}' "
            f"class='tick'/><text x='{x(at):.1f}' y='12' text-anchor='middle'>"
            f"{label}</text>"
        )
    for index, name in enumerate(names):
        top = 24 + index * pitch
        parts.append(
            f"<text x='8' y='{top + LANE + 4}' class='name'>{html.escape(name)}</text>"
            f"<line x1='{LEFT}' x2='{width - RIGHT}' y1='{top + LANE}' "
            f"y2='{top + LANE}' class='base'/>"
        )
        for row in rows:
            if row["contact"] == name:
                parts.append(_bar(row, x, top, zone, texts))
    label = html.escape(texts("timeline_alt", number=len(names)), True)
    return (
        f"<svg class='timeline' viewBox='0 0 {width} {height}' role='img' "
        f"style='min-width:{0.88 * width:.0f}px;max-width:{1.7 * width:.0f}px' "
        f"aria-label='{label}'>{''.join(parts)}</svg>"
    )


def _bar(row: dict[str, Any], x: Any, top: int, zone: ZoneInfo, texts: Texts) -> str:
    left = x(row["start_at"])
    width = max(4.0, x(row["end_at"]) - left)
    tip = html.escape(
        texts(
            "episode_tip",
            start=f"{row['start_at'].astimezone(zone):%m-%d %H:%M:%S}",
            end=f"{row['end_at'].astimezone(zone):%H:%M:%S}",
            camera=row["camera_id"],
            seconds=row["seconds"],
            metres=row["least_metres"],
            patient=texts.of("mask", row["patient_mask"]),
            contact=texts.of("mask", row["contact_mask"]),
        )
    )
    return "".join(
        f"<rect x='{left:.1f}' y='{top + lane * LANE}' width='{width:.1f}' "
        f"height='{LANE}' fill='{MASKS.get(row[mask], MASKS['unknown'])}'>"
        f"<title>{tip}</title></rect>"
        for lane, mask in enumerate(("patient_mask", "contact_mask"))
    )


def _ticks(
    low: datetime, high: datetime, zone: ZoneInfo, most: int
) -> list[tuple[datetime, str]]:
    span = (high - low).total_seconds()
    step = next((one for one in _STEPS if span / one <= most), _STEPS[-1])
    start = low.astimezone(zone)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = int((start - midnight).total_seconds() // step) + 1
    form = "%m-%d %H:%M" if span > 86400 else "%H:%M" if step >= 60 else "%H:%M:%S"
    found = []
    at = midnight + timedelta(seconds=first * step)
    while at < high:
        found.append((at, f"{at:{form}}"))
        at += timedelta(seconds=step)
    return found


def _legend(texts: Texts) -> str:
    items = "".join(
        f"<span><i style='background:{colour}'></i>{texts.of('mask', state)}</span>"
        for state, colour in MASKS.items()
    )
    lanes = texts("timeline_lanes")
    return f"<div class='keys'><span>{lanes}</span>{items}</div>"
