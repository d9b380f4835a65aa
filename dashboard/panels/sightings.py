"""The list of sightings: stills, evidence, similarity, posterior, mask."""

from __future__ import annotations

import base64
import html
from typing import Any

import streamlit as st

from dashboard import access, refusals
from dashboard.i18n import Texts
from dashboard.maps import network
from dashboard.panels import review, why
from dashboard.trace_view import Trace
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import get_settings

#: Stills are cut on demand: no more than this many are shown at once.
MOST = 40
KEPT_SECONDS = 900.0
#: Posterior from which a sighting is called so (our own words, not a standard's).
SURE = (
    (0.99, "certain"),
    (0.9, "likely"),
    (0.6, "rather"),
    (0.3, "open"),
    (float("-inf"), "hardly"),
)


def show(
    trace: Trace,
    authorisation: Authorisation,
    rows: list[dict[str, Any]],
    texts: Texts,
    picked: int | None,
) -> int | None:
    """Show the sightings and return the one to be shown on the map, if any."""
    if not rows:
        st.info(texts("sightings_none"))
        return None
    wanted = None
    for row in rows[:MOST]:
        number = row["sighting"]
        with st.container(key=f"sighting-{number}", gap=None):
            st.html(_card(row, authorisation, trace, texts, number == picked))
            if access.may("review"):
                review.buttons(row, authorisation, texts, number == picked)
            if row["lon"] is not None and st.button(
                texts("show_on_map"), key=f"go-{number}", type="tertiary"
            ):
                wanted = number
    if len(rows) > MOST:
        st.caption(texts("sightings_more", number=len(rows) - MOST))
    return wanted


def _card(
    row: dict[str, Any],
    authorisation: Authorisation,
    trace: Trace,
    texts: Texts,
    picked: bool,
) -> str:
    registry = network.load(get_settings().registry)
    facts = [
        (texts("fact_evidence"), texts.of("evidence", row["evidence"])),
        (texts("fact_similarity"), _number(row["similarity"])),
        (texts("fact_posterior"), _share(row["posterior"], texts)),
        (texts("fact_mask"), _mask(row, texts)),
        (texts("fact_travel"), html.escape(why.travel(row, trace, texts))),
        (texts("fact_detail"), html.escape(why.detail(row, registry, texts))),
        (texts("fact_review"), review.standing(row, authorisation, texts)),
    ]
    listed = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{value}</dd>" for name, value in facts
    )
    error = row["ground_error_m"]
    place = row["camera_id"]
    if error is not None:
        place += " · " + texts("fact_ground", metres=error)
    if not row["on_path"]:
        place += " · " + texts("off_path")
    classes = "card" + (" picked" if picked else "")
    classes += "" if row["on_path"] else " aside"
    return (
        f"<div class='{classes}' data-sighting='{row['number']}'>"
        f"{_still(row['tracklet_id'], authorisation, texts)}"
        f"<div><div class='top'><span class='number'>{row['number']}</span>"
        f"{trace.clock(row['t0'])}–{trace.clock(row['t1'])}</div>"
        f"<div class='place'>{html.escape(place)}</div><dl>{listed}</dl>"
        f"{why.told(row, trace, texts)}</div></div>"
    )


def _still(tracklet: int, authorisation: Authorisation, texts: Texts) -> str:
    """Return the picture as HTML; kept in this session's memory only."""

    def cut() -> tuple[str | None, DongseonError | None]:
        # Loaded late: the inference engine takes a second, the map need not wait.
        from pipeline.footage import stills

        try:
            picture = stills.still(authorisation, tracklet, settings=get_settings())
        except DongseonError as error:
            return None, error
        return base64.b64encode(picture).decode(), None

    picture, refused = access.remembered(
        f"still-{authorisation.order_id}-{tracklet}", cut, seconds=KEPT_SECONDS
    )
    if picture is None:
        missing = html.escape(texts("still_missing"))
        reason = "" if refused is None else refusals.told(refused, texts)
        return f"<div class='none' title='{html.escape(reason, True)}'>{missing}</div>"
    kind = "png" if picture.startswith("iVBOR") else "jpeg"
    return f"<img alt='' src='data:image/{kind};base64,{picture}'>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _share(value: float | None, texts: Texts) -> str:
    if value is None:
        return "–"
    width = round(100 * min(max(value, 0.0), 1.0))
    word = next(name for least, name in SURE if value >= least)
    return (
        f"<span class='bar'><i style='width:{width}%'></i></span>{value:.2f} "
        f"<span class='nowrap'>{html.escape(texts(f'sure_{word}'))}</span>"
    )


def _mask(row: dict[str, Any], texts: Texts) -> str:
    word = html.escape(texts.of("mask", row["mask_state"]))
    probability = row["mask_probability"]
    if row["mask_state"] == "unknown" or probability is None:
        return word
    return f"{word} ({probability:.2f})"
