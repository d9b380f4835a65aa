"""Who was near whom and where: patient, places, contacts. Names are hidden first."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import picture
from dashboard.i18n import Texts
from dashboard.panels.contacts import duration, reason

SIZE = 620
RINGS = (0.0, 120.0, 250.0)
CLASS = {"close": "#d55e00", "casual": "#56b4e9"}
MOST = 240


def show(
    contacts: Sequence[dict[str, Any]],
    episodes: Sequence[dict[str, Any]],
    case: str,
    texts: Texts,
) -> None:
    """Show the network; names only once asked for."""
    named = st.toggle(texts("network_names"), value=False, key="network-names")
    keys = "".join(
        f"<span><i class='dot' style='background:{colour}'></i>"
        f"{texts.of('class', kind)}</span>"
        for kind, colour in CLASS.items()
    )
    places = f"<span><i class='dot place'></i>{texts('network_place')}</span>"
    st.html(
        f"<div class='keys'>{keys}{places}<span>{texts('network_keys')}</span></div>"
    )
    drawn = draw(list(contacts)[:MOST], episodes, case if named else None, texts)
    picture.show(drawn, key="network")
    if len(contacts) > MOST:
        st.caption(texts("timeline_more", number=len(contacts) - MOST))


def draw(
    contacts: Sequence[dict[str, Any]],
    episodes: Sequence[dict[str, Any]],
    case: str | None,
    texts: Texts,
) -> str:
    """Return the drawing as SVG; without a case no name is in it.

    Parameters
    ----------
    case : pseudonym of the case, or None to hide all names.
    """
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    wanted = {row["contact"] for row in contacts}
    for row in episodes:
        if row["contact"] in wanted:
            seconds[row["camera_id"], row["contact"]] += row["seconds"]
    weight: dict[str, int] = defaultdict(int)
    for camera, _ in seconds:
        weight[camera] += 1
    angle, place = 0.0, {}
    for number, (camera, count) in enumerate(sorted(weight.items()), start=1):
        share = count / max(sum(weight.values()), 1) * 2 * math.pi
        place[camera] = (number, angle + share / 2)
        angle += share
    spots = _spots(contacts, seconds, place)
    parts = [
        f"<line x1='{_x(1, a)}' y1='{_y(1, a)}' x2='{SIZE / 2}' y2='{SIZE / 2}' "
        "class='way'/>"
        for _, a in place.values()
    ]
    most = max(seconds.values(), default=1.0)
    for (camera, name), length in seconds.items():
        a, b = place[camera][1], spots[name]
        width = 0.8 + 3.2 * length / most
        parts.append(
            f"<line x1='{_x(1, a)}' y1='{_y(1, a)}' x2='{_x(2, b)}' y2='{_y(2, b)}' "
            f"class='near' style='stroke-width:{width:.1f}'/>"
        )
    for camera, (number, a) in place.items():
        told = camera if case else texts("network_place_number", number=number)
        parts.append(
            f"<rect x='{_x(1, a) - 9}' y='{_y(1, a) - 9}' width='18' height='18' "
            f"rx='4' class='place'><title>{html.escape(told)}</title></rect>"
            f"<text x='{_x(1, a)}' y='{_y(1, a) + 4}' text-anchor='middle' "
            f"class='number'>{number}</text>"
        )
    for row in contacts:
        parts.append(_contact(row, spots[row["contact"]], case is not None, texts))
    middle = html.escape(case) if case else texts("network_patient")
    label = html.escape(
        texts("network_alt", contacts=len(contacts), places=len(place)), True
    )
    return (
        f"<svg class='net' viewBox='0 0 {SIZE} {SIZE}' role='img' aria-label='{label}'>"
        f"{''.join(parts)}<circle cx='{SIZE / 2}' cy='{SIZE / 2}' r='13' "
        f"class='patient'/><text x='{SIZE / 2}' y='{SIZE / 2 + 30}' "
        f"text-anchor='middle' class='middle'>{middle}</text></svg>"
    )


def _spots(
    contacts: Sequence[dict[str, Any]],
    seconds: dict[tuple[str, str], float],
    place: dict[str, tuple[int, float]],
) -> dict[str, float]:
    """Return contact -> angle: near its places, evenly spread around."""
    ideal: dict[str, float] = {}
    for row in contacts:
        known = [
            (place[camera][1], length)
            for (camera, name), length in seconds.items()
            if name == row["contact"]
        ]
        x = sum(math.cos(a) * length for a, length in known)
        y = sum(math.sin(a) * length for a, length in known)
        ideal[row["contact"]] = math.atan2(y, x) % (2 * math.pi)
    ranked = sorted(ideal, key=lambda name: (ideal[name], name))
    number = max(len(ranked), 1)
    shift = sum(ideal[n] - i * 2 * math.pi / number for i, n in enumerate(ranked))
    return {
        name: index * 2 * math.pi / number + shift / number
        for index, name in enumerate(ranked)
    }


def _contact(row: dict[str, Any], angle: float, named: bool, texts: Texts) -> str:
    x, y = _x(2, angle), _y(2, angle)
    tip = reason(row, texts) if named else duration(row["seconds"], texts)
    name = ""
    if named:
        turned = math.cos(angle) < 0
        anchor = "end" if turned else "start"
        name = (
            f"<text x='{x + (-11 if turned else 11)}' y='{y + 4}' "
            f"text-anchor='{anchor}'>{html.escape(row['contact'])}</text>"
        )
    colour = CLASS.get(row["class"], CLASS["casual"])
    radius = 7 if row["class"] == "close" else 5
    return (
        f"<circle cx='{x}' cy='{y}' r='{radius}' fill='{colour}'>"
        f"<title>{html.escape(tip)}</title></circle>{name}"
    )


def _x(ring: int, angle: float) -> float:
    return round(SIZE / 2 + RINGS[ring] * math.cos(angle), 1)


def _y(ring: int, angle: float) -> float:
    return round(SIZE / 2 + RINGS[ring] * math.sin(angle), 1)
