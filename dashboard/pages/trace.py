"""The Trace page: a patient's path on the map, sightings and contacts beside it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, choosing, forms, i18n
from dashboard.i18n import Texts
from dashboard.maps import network, playback
from dashboard.panels import (
    airspace,
    companions,
    contacts,
    path_map,
    path_table,
    review,
    sightings,
    statements,
)
from dashboard.trace_view import Trace
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings
from pipeline.trace import results


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    chosen = choosing.result(texts)
    if chosen is None:
        return
    order, authorisation, run = chosen
    trace = _read(authorisation, run)
    beside = companions.choose(order, texts)
    _heading(trace, texts)
    forms.told()
    review.bar(trace, authorisation, _earlier(authorisation, run), texts)
    trace, others = companions.widen(trace, _newest(beside, texts))
    _body(trace, others, [order, *beside])


def seed(stored: str, texts: Texts) -> str:
    """Return in words what a trace started from."""
    kind, _, rest = stored.partition(" ")
    if kind == "tracklet":
        return texts("seed_tracklet")
    if rest.startswith("photo"):
        return texts("seed_photo", number=kind)
    return stored


def _read(authorisation: Authorisation, run: dict[str, Any]) -> Trace:
    settings = get_settings()

    def read() -> Trace:
        tables = {
            name: results.read(authorisation, name, run["run"], settings=settings)
            for name in ("sighting", "leg", "contact", "episode", "airspace")
        }
        return Trace(run, zone=ZoneInfo(settings.time_zone), **tables)

    # A finished run never changes; what was read is read (and recorded) once.
    return access.remembered(f"trace-{run['case']}-{run['run']}", read, seconds=3600)


def _newest(beside: list[Order], texts: Texts) -> list[Trace]:
    """Return the newest trace of each other case; say which have none."""
    found = []
    for order in beside:
        authorisation = access.authorise(order)
        rows = choosing.runs(authorisation, order)
        if rows:
            found.append(_read(authorisation, rows[0]))
        else:
            st.sidebar.caption(texts("no_run", case=order.case))
    return found


def _earlier(authorisation: Authorisation, run: dict[str, Any]) -> Trace | None:
    """Return the trace that this one was made to correct, if it was here."""
    name = st.session_state.get("compare-with")
    if name is None or name >= run["run"]:
        return None
    stored = access.remembered(
        f"run-{run['case']}-{name}",
        lambda: results.read(
            authorisation, "run", name, settings=get_settings()
        ).to_pylist(),
        seconds=3600,
    )
    if not stored or stored[0]["case"] != run["case"]:
        return None
    return _read(authorisation, stored[0])


def _heading(trace: Trace, texts: Texts) -> None:
    run = trace.run
    detail = texts(
        "heading_detail",
        when=f"{run['made_at'].astimezone(trace.zone):%Y-%m-%d %H:%M}",
        seconds=run["seconds"],
        seed=seed(run["seed"], texts),
    )
    st.html(
        f"<div class='head'><h1>{texts('heading', case=run['case'])}</h1>"
        f"<span>{detail}</span></div>"
    )
    st.html(_notice(texts))
    rows = trace.contact.to_pylist()
    total, share = trace.share_seen()
    on_path = sum(row["on_path"] for row in trace.sightings)
    close = sum(row["class"] == "close" for row in rows)
    values = {
        "kpi_searched": f"{run['tracklets_searched']:,}",
        "kpi_cameras": f"{run['cameras_searched']:,}",
        "kpi_seconds": f"{run['seconds']:.2f}",
        "kpi_sightings": f"{on_path}",
        "kpi_contacts": f"{len(rows)} ({close})",
        "kpi_path": texts("kpi_minutes", minutes=total / 60, share=share),
    }
    for column, (name, value) in zip(
        st.columns(len(values)), values.items(), strict=True
    ):
        column.metric(texts(name), value)
    contacts.warn(run, texts)


def _notice(texts: Texts) -> str:
    found = network.facts(get_settings().registry)
    parts = []
    if found.synthetic == found.cameras:
        parts.append(texts("notice_synthetic", cameras=found.cameras))
    elif found.synthetic:
        parts.append(
            texts("notice_partly", synthetic=found.synthetic, cameras=found.cameras)
        )
    parts += [
        texts("notice_clip", clip=clip, number=number)
        for clip, number in found.shared_clips.items()
    ]
    return f"<div class='notice'>{' '.join(parts)}</div>" if parts else ""


@st.fragment
def _body(trace: Trace, others: list[Trace], orders: list[Order]) -> None:
    with access.refusals_shown():
        # Asked again at every rerun, for each patient that is shown.
        authorisation, *_ = [access.authorise(order) for order in orders]
        _show(trace, others, authorisation)


def _show(trace: Trace, others: list[Trace], authorisation: Authorisation) -> None:
    texts = i18n.choose()
    focus_key = f"focus-{trace.run['run']}"
    left, right = st.columns([2.15, 1], gap="medium")
    with left:
        met = companions.met(trace, others)
        focus = st.session_state.get(focus_key)
        said = statements.known(authorisation)
        chosen = path_map.show(trace, others, met, said, texts, focus)
    low, high = chosen.range
    if chosen.picked is not None:
        st.session_state[f"picked-{trace.run['run']}"] = chosen.picked
    picked = st.session_state.get(f"picked-{trace.run['run']}")
    with right:
        title = st.empty()
        only = False
        if not all(row["on_path"] for row in trace.sightings):
            only = st.checkbox(texts("only_path"), value=True, key="only-path")
        listed = [row for row in trace.sightings if row["on_path"] or not only]
        mine = review.waiting(trace.sightings, authorisation)
        if mine and st.checkbox(
            texts("only_waiting", number=len(mine)), key="only-waiting"
        ):
            listed = mine
        rows = [row for row in listed if row["t1"] >= low and row["t0"] <= high]
        shown = texts(
            "sightings_shown",
            shown=len(rows),
            all=len(listed),
            start=trace.clock(low),
            end=trace.clock(high),
        )
        title.html(
            f"<div class='section' data-testid='shown'>{texts('sightings')}"
            f"<span>{shown}</span></div>"
        )
        with st.container(height=playback.HEIGHT, border=False, key="sighting-list"):
            wanted = sightings.show(trace, authorisation, rows, texts, picked)
    if wanted is not None:
        row = next(row for row in trace.sightings if row["sighting"] == wanted)
        st.session_state[focus_key] = {
            "longitude": row["lon"],
            "latitude": row["lat"],
            "zoom": 18.2,
            "sighting": wanted,
            "seconds": row["t0"],
        }
        st.session_state[f"picked-{trace.run['run']}"] = wanted
        st.rerun(scope="fragment")
    place = companions.show(trace, met, texts) if others else None
    if place is not None and st.session_state.get(focus_key) != place:
        st.session_state[focus_key] = place
        st.rerun(scope="fragment")
    path_table.show(trace, low, high, texts)
    statements.show(said, trace, authorisation, texts)
    near = trace.contacts_within(low, high)
    counted = texts("contacts_shown", shown=len(near), all=trace.contact.num_rows)
    st.html(
        f"<div class='section'>{texts('contacts')}<span>{counted}</span></div>",
    )
    contacts.show(near, trace.zone, texts)
    airspace.show(trace.airspace_within(low, high), trace, texts)


with access.refusals_shown():
    main()
