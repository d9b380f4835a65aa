"""What the patient remembers, pinned on the map against what the cameras show."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import h3
import streamlit as st

from dashboard import access, forms, tables
from dashboard.i18n import Texts
from dashboard.maps import network
from dashboard.trace_view import Trace
from pipeline.casebook import anchors
from pipeline.casebook.anchors import Anchor
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import get_settings

#: A statement agrees with the path within so many of its own uncertainties.
AGREES = 2.0


def known(authorisation: Authorisation) -> list[Anchor]:
    """Return the statements of a case, as of some seconds ago."""
    return access.remembered(
        f"anchors-{authorisation.order_id}",
        lambda: anchors.listed(authorisation, settings=get_settings()),
        seconds=30,
    )


def against(one: Anchor, trace: Trace) -> float | None:
    """Return the least metres between a statement and the path around its time.

    None where the path says nothing of that time.
    """
    spare = timedelta(seconds=one.seconds)
    moments = [one.at + spare * step / 4 for step in range(-4, 5)]
    places = [trace.place_at(moment) for moment in moments]
    return min(
        (
            h3.great_circle_distance((one.lat, one.lon), (lat, lon), unit="m")
            for lon, lat, _ in filter(None, places)
        ),
        default=None,
    )


def fit(one: Anchor, trace: Trace, texts: Texts) -> tuple[str, str]:
    """Return in words how a statement fits the path, and the kind of its label."""
    metres = against(one, trace)
    if metres is None:
        return texts("anchor_unknown"), "casual"
    if metres <= AGREES * one.metres:
        return texts("anchor_fits", metres=metres), "good"
    return texts("anchor_apart", metres=metres), "close"


def marks(found: list[Anchor], trace: Trace, texts: Texts) -> list[dict[str, Any]]:
    """Return the statements as the map takes them."""
    return [
        {
            "p": [one.lon, one.lat],
            "m": one.metres,
            "t0": one.at.timestamp() - one.seconds - trace.start,
            "t1": one.at.timestamp() + one.seconds - trace.start,
            "tip": [
                one.place or texts("anchor"),
                _when(one, trace),
                fit(one, trace, texts)[0],
            ],
        }
        for one in found
    ]


def show(
    found: list[Anchor], trace: Trace, authorisation: Authorisation, texts: Texts
) -> None:
    """Show the statements beside the path, and offer to enter and remove some."""
    with st.expander(texts("anchors", number=len(found))):
        st.caption(texts("anchors_note"))
        if found:
            tables.show(
                ("anchor_when", "anchor_place", "anchor_fit", "anchor_by"),
                [
                    (
                        _when(one, trace),
                        one.place or f"{one.lat:.5f}, {one.lon:.5f}",
                        tables.tag(*fit(one, trace, texts)),
                        one.added_by,
                    )
                    for one in found
                ],
                texts,
            )
        if access.may("gallery.enrol"):
            _remove(found, trace, authorisation, texts)
            # Its list of all cameras is sent only to somebody who asks for it.
            if st.toggle(texts("anchor_new"), key="anchor-new"):
                _add(trace, authorisation, texts)


def _when(one: Anchor, trace: Trace) -> str:
    minutes = one.seconds / 60
    return f"{one.at.astimezone(trace.zone):%m-%d %H:%M} ±{minutes:.0f}′"


def _add(trace: Trace, authorisation: Authorisation, texts: Texts) -> None:
    registry = network.load(get_settings().registry)
    places = {one.id: f"{one.id} · {one.dong} · {one.name}" for one in registry.cameras}
    start = trace.local(0).replace(second=0, microsecond=0, tzinfo=None)
    with st.form(f"anchor-{authorisation.case}", border=False, clear_on_submit=True):
        first, second = st.columns(2)
        at = first.datetime_input(texts("anchor_at"), start, key="anchor-at")
        minutes = second.number_input(
            texts("anchor_minutes"), 1, 360, 10, key="anchor-minutes"
        )
        camera = first.selectbox(
            texts("anchor_camera"),
            list(places),
            index=None,
            format_func=places.__getitem__,
            placeholder=texts("anchor_camera_help"),
            key="anchor-camera",
        )
        metres = second.number_input(
            texts("anchor_metres"), 5, 2000, 50, step=25, key="anchor-metres"
        )
        words = first.text_input(texts("anchor_words"), key="anchor-words")
        where = second.text_input(
            texts("anchor_where"), placeholder="37.50300, 126.78300", key="anchor-where"
        )
        if not st.form_submit_button(texts("anchor_add"), key="anchor-add"):
            return
        with access.refusals_shown():
            lon, lat = _place(where, camera, texts)
            anchors.add(
                authorisation,
                at=forms.aware(at if isinstance(at, datetime) else None),
                lon=lon,
                lat=lat,
                seconds=float(minutes) * 60,
                metres=float(metres),
                place=words,
                settings=get_settings(),
            )
            access.forget_starting("anchors-")
            forms.tell(texts("anchor_added"))


def _place(where: str, camera: str | None, texts: Texts) -> tuple[float, float]:
    """Return lon, lat of what was typed, else of the chosen camera."""
    if where.strip():
        try:
            lat, lon = (float(part) for part in where.split(","))
        except ValueError:
            raise DongseonError(texts("anchor_no_place")) from None
        return lon, lat
    if camera is None:
        raise DongseonError(texts("anchor_no_place"))
    one = network.load(get_settings().registry).get(camera)
    return one.lon, one.lat


def _remove(
    found: list[Anchor], trace: Trace, authorisation: Authorisation, texts: Texts
) -> None:
    if not found:
        return

    def gone(number: int) -> None:
        anchors.remove(authorisation, number, settings=get_settings())
        access.forget_starting("anchors-")

    with st.container(horizontal=True, gap="small", key="anchors-remove"):
        for one in found:
            st.button(
                texts("anchor_remove", what=one.place or _when(one, trace)),
                key=f"anchor-gone-{one.id}",
                on_click=partial(gone, one.id),
                type="tertiary",
            )
