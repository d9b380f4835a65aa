"""The Trace page: a patient's path on the map, sightings and contacts beside it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, i18n, serving
from dashboard.i18n import Texts
from dashboard.maps import basemap, layers, network, playback
from dashboard.panels import contacts, path_table, review, sightings
from dashboard.trace_view import Trace
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings
from pipeline.trace import results

DEMO = "./run demo"
#: Older runs of a case stay stored, but are not offered.
MOST_RUNS = 20
TRACE = "dongseon trace {case} --tracklet ID"


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    order = _choose_order(texts)
    if order is None:
        return
    authorisation = access.authorise(order)
    run = _choose_run(authorisation, order, texts)
    if run is None:
        return
    trace = _read(authorisation, run)
    _heading(trace, texts)
    review.bar(trace, authorisation, _earlier(authorisation, run), texts)
    _body(trace, order)


def _choose_order(texts: Texts) -> Order | None:
    orders = access.authorised_orders()
    if not orders:
        st.info(texts("no_order"))
        st.write(texts("no_order_help"))
        st.code(DEMO, language=None)
        return None
    zone = ZoneInfo(get_settings().time_zone)
    with st.sidebar:
        by_case = {order.case: order for order in orders}
        if "case" not in st.session_state and st.session_state.get("_case") in by_case:
            st.session_state["case"] = st.session_state["_case"]  # of another page
        case = st.selectbox(texts("case"), list(by_case), key="case")
        st.session_state["_case"] = case
        order = by_case[case]
        st.caption(
            "  \n".join(
                [
                    texts("order_heading", order=order.id),
                    texts("order_purpose", purpose=order.purpose),
                    texts(
                        "order_window",
                        start=f"{order.window_start.astimezone(zone):%Y-%m-%d %H:%M}",
                        end=f"{order.window_end.astimezone(zone):%Y-%m-%d %H:%M}",
                    ),
                    texts(
                        "order_expires",
                        when=f"{order.expires_at.astimezone(zone):%Y-%m-%d %H:%M}",
                    ),
                ]
            )
        )
    return order


def _choose_run(
    authorisation: Authorisation, order: Order, texts: Texts
) -> dict[str, Any] | None:
    settings = get_settings()
    zone = ZoneInfo(settings.time_zone)
    runs = access.remembered(
        f"runs-{order.id}",
        lambda: _runs(authorisation),
        seconds=10,
    )
    if not runs:
        st.info(texts("no_run", case=order.case))
        st.write(texts("no_run_help"))
        st.code(TRACE.format(case=order.case), language=None)
        return None
    by_run = {
        row["run"]: row
        for row in sorted(runs, key=lambda row: row["made_at"], reverse=True)
    }

    def label(run: str) -> str:
        return f"{by_run[run]['made_at'].astimezone(zone):%Y-%m-%d %H:%M:%S}"

    key = f"run-{order.case}"
    made = st.session_state.pop("wanted-run", None)
    if made in by_run:
        st.session_state[key] = made
    with st.sidebar:
        return by_run[
            st.selectbox(texts("run"), list(by_run), format_func=label, key=key)
        ]


def _runs(authorisation: Authorisation) -> list[dict[str, Any]]:
    settings = get_settings()
    return [
        results.read(authorisation, "run", name, settings=settings).to_pylist()[0]
        for name in results.runs(authorisation, settings=settings)[-MOST_RUNS:]
    ]


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
            for name in ("sighting", "leg", "contact", "episode")
        }
        return Trace(run, zone=ZoneInfo(settings.time_zone), **tables)

    # A finished run never changes; what was read is read (and recorded) once.
    return access.remembered(f"trace-{run['case']}-{run['run']}", read, seconds=3600)


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


def _notice(texts: Texts) -> str:
    found = network.facts(network.load(get_settings().registry))
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
def _body(trace: Trace, order: Order) -> None:
    with access.refusals_shown():
        _show(trace, access.authorise(order))  # asked again at every rerun


def _show(trace: Trace, authorisation: Authorisation) -> None:
    texts = i18n.choose()
    focus_key = f"focus-{trace.run['run']}"
    left, right = st.columns([2.15, 1], gap="medium")
    with left:
        chosen = _map(trace, texts, st.session_state.get(focus_key))
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
    path_table.show(trace, low, high, texts)
    near = trace.contacts_within(low, high)
    counted = texts("contacts_shown", shown=len(near), all=trace.contact.num_rows)
    st.html(
        f"<div class='section'>{texts('contacts')}<span>{counted}</span></div>",
    )
    contacts.show(near, trace.zone, texts)


def _map(trace: Trace, texts: Texts, focus: dict[str, Any] | None) -> playback.Chosen:
    language = texts.language
    key = f"{trace.run['case']}-{trace.run['run']}"
    legs = trace.legs(texts)

    def build() -> tuple[str, list[dict[str, Any]]]:
        return _spec(trace, legs, texts), _legend(texts)

    spec, legend = access.remembered(f"spec-{key}-{language}", build, seconds=600)
    zone = str(trace.zone)
    return playback.trace_map(
        key=key,
        spec=spec,
        timeline={
            "start": trace.start,
            "seconds": trace.seconds,
            "legs": [
                {name: leg[name] for name in ("kind", "p", "t", "label")}
                for leg in legs
            ],
            "sightings": [
                {
                    "t0": row["t0"],
                    "t1": row["t1"],
                    "on_path": row["on_path"],
                    "label": f"{row['number']} · {row['camera_id']}",
                }
                for row in trace.sightings
            ],
        },
        bounds=trace.bounds,
        timed=layers.TIMED,
        dashed=layers.DASHED,
        legend=legend,
        notes=[basemap.ATTRIBUTION[language], texts("scheme_note")],
        texts={
            **texts.several("map_"),
            "camera_status": texts.several("camera_status_"),
        },
        language=language,
        zone=zone,
        zone_label=texts.of("zone", zone),
        focus=focus,
    )


def _spec(trace: Trace, legs: list[dict[str, Any]], texts: Texts) -> str:
    registry = network.load(get_settings().registry)
    bound = [camera for camera in registry.cameras if camera.clips]
    known = {camera.id for camera in bound}
    bound += [
        registry.get(name)
        for name in trace.cameras_seen
        if name not in known and name in registry
    ]
    tips = {}
    for camera in bound:
        times = trace.cameras_seen.get(camera.id, 0)
        fact = texts("camera_saw", number=times) if times else texts("camera_not")
        tips[camera.id] = [camera.id, f"{camera.usage} · {camera.dong}", fact]
    marks = []
    for row in trace.sightings:
        if row["lon"] is None:
            continue
        tip = [
            f"{row['number']} · {row['camera_id']}",
            f"{trace.clock(row['t0'])}–{trace.clock(row['t1'])}",
            f"{texts('fact_evidence')}: {texts.of('evidence', row['evidence'])}",
        ]
        if row["posterior"] is not None:
            tip.append(f"{texts('fact_posterior')}: {row['posterior']:.2f}")
        marks.append({**row, "tip": tip})
    addresses = {}
    for name in basemap.PARTS:
        try:
            addresses[name] = serving.url(f"basemap/{name}.json")
        except KeyError:
            continue
    coverage_layer, bound_layer = layers.bound_cameras(
        bound, set(trace.cameras_seen), tips
    )
    found = [
        *layers.base(addresses),
        coverage_layer,
        layers.cameras(serving.url("cameras.json")),
        layers.heat(trace.episode, trace.start),
        *layers.path(legs),
        layers.trail(legs, trace.seconds),
        bound_layer,
        *layers.sightings(marks),
        *layers.patient(),
    ]
    return layers.to_json(layers.deck(found, trace.bounds))


def _legend(texts: Texts) -> list[dict[str, Any]]:
    facts = network.facts(network.load(get_settings().registry))
    entries = [
        ("seen", ["path-seen"]),
        ("inferred", ["path-inferred"]),
        ("sightings", ["sightings", "sighting-labels"]),
        ("candidates", ["candidates", "candidate-labels"]),
        ("patient", ["patient", "patient-halo", "trail"]),
        ("heat", ["heat"]),
        ("bound", ["bound"]),
        ("coverage", ["coverage"]),
        ("cameras", ["cameras"]),
    ]
    helps = {
        name: texts(f"layer_{name}_help") for name in ("heat", "bound", "candidates")
    }
    swatches = {
        "sightings": "sighting",
        "candidates": "candidate",
        "cameras": "camera",
    }
    legend = [
        {
            "layers": ids,
            "label": texts(f"layer_{name}"),
            "swatch": swatches.get(name, name),
            "help": helps.get(name, ""),
            "off": name == "candidates",
        }
        for name, ids in entries
    ]
    if facts.outages:
        legend.append(
            {
                "layers": [],
                "label": texts("layer_outage", number=facts.outages),
                "swatch": "outage",
            }
        )
    return legend


with access.refusals_shown():
    main()
