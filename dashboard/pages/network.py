"""The Network page: health of the cameras, what they cover, what they recorded."""

from __future__ import annotations

import html
import time
from collections import defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, i18n, tables
from dashboard.i18n import Texts
from dashboard.maps import area, network
from pipeline.cameras.registry import Registry
from pipeline.fleet import live
from pipeline.footage import health
from pipeline.footage.health import Health
from pipeline.settings import get_settings

FRESH_S = 60
#: Seconds between two looks at the watch.
LIVE_S = 10
#: Rows of the grid and of the list of broken cameras at most.
MOST_ROWS, MOST_BROKEN = 60, 100


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    settings = get_settings()
    user = access.user()
    found = access.remembered(
        "health", lambda: health.health(user, settings=settings), seconds=FRESH_S
    )
    registry = network.load(settings.registry)
    lead = (
        texts("network_lead_empty")
        if found.newest is None
        else texts("network_lead", when=tables.when(found.newest), hours=health.HOURS)
    )
    tables.heading(texts("network"), lead)
    facts = network.facts(settings.registry)
    if facts.synthetic == facts.cameras:
        told = texts("notice_synthetic", cameras=facts.cameras)
        st.html(f"<div class='notice'>{told}</div>")
    covered = _figures(found, texts)
    area.show(found.states, texts, key="area")
    names = ("dongs", "footage", "broken", "watch")
    tabs = dict(zip(names, st.tabs([texts(f"tab_{n}") for n in names]), strict=True))
    with tabs["footage"]:
        _footage(found, registry, texts)
    with tabs["broken"]:
        _broken(found, registry, texts)
    with tabs["watch"]:
        _watch(user, texts)
    # Last: covering takes some seconds the first time, the rest need not wait.
    with tabs["dongs"], st.spinner(texts("tab_dongs")):
        rows = health.by_dong(user, settings=settings)
        share = health.shares(rows)
        covered.metric(
            texts("kpi_covered"),
            "–" if share is None else f"{share:.0%}",
            help=texts("kpi_covered_help"),
        )
        _dongs(rows, texts)


def _figures(found: Health, texts: Texts) -> st.delta_generator.DeltaGenerator:
    """Show the counts; return the place of the share of covered ground."""
    columns = st.columns(3 + len(health.STATES))
    columns[0].metric(texts("kpi_cameras_all"), f"{len(found.states):,}")
    for column, state in zip(columns[1:], health.STATES, strict=False):
        column.metric(texts.of("health", state), f"{found.counts[state]:,}")
    columns[-2].metric(texts("kpi_lag"), _age(found.lag, texts))
    place = columns[-1].empty()
    place.metric(texts("kpi_covered"), "…")
    return place


def _age(lag: timedelta | None, texts: Texts) -> str:
    if lag is None:
        return "–"
    if lag >= timedelta(days=2):
        return texts("network_days", days=lag.days)
    if lag >= timedelta(hours=2):
        return texts("network_hours", hours=lag / timedelta(hours=1))
    return texts("network_minutes", minutes=lag / timedelta(minutes=1))


def _dongs(rows: tuple[health.Dong, ...], texts: Texts) -> None:
    st.caption(texts("network_dongs_note"))
    most = max((row.covered for row in rows), default=1.0) or 1.0
    tables.show(
        ("gu", "dong", "cameras", "outages", "calibrated", "error", "covered"),
        [
            (
                row.gu,
                row.dong,
                f"{row.cameras:,}",
                f"{row.outages:,}",
                f"{row.calibrated:,}",
                "–" if row.error_m is None else f"{row.error_m:.1f} m",
                tables.Html(
                    "<span class='share'><i style='width:"
                    f"{100 * row.covered / most:.0f}%'></i></span>{row.covered:.1%}"
                ),
            )
            for row in rows
        ],
        texts,
        numbers=("cameras", "outages", "calibrated", "error"),
    )


def _footage(found: Health, registry: Registry, texts: Texts) -> None:
    """Show minutes of footage as a grid: cameras, or neighbourhoods if many."""
    if not found.minutes:
        st.info(texts("network_no_footage", hours=health.HOURS))
        return
    zone = ZoneInfo(get_settings().time_zone)
    st.caption(
        texts("network_footage_note", zone=texts.of("zone", get_settings().time_zone))
    )
    rows = dict(sorted(found.minutes.items()))
    if len(rows) > MOST_ROWS:
        st.caption(texts("network_footage_by_dong", number=MOST_ROWS))
        rows = _grouped(rows, registry)
    hours = [hour.astimezone(zone) for hour in found.hours]
    heads = "".join(f"<th scope='col'>{hour:%H}</th>" for hour in hours)
    body = []
    for name, minutes in rows.items():
        cells = []
        for hour, number in zip(hours, minutes, strict=True):
            tip = html.escape(
                texts(
                    "network_cell", name=name, hour=f"{hour:%m-%d %H}", minutes=number
                ),
                True,
            )
            depth = 0 if number <= 0 else 0.18 + 0.82 * min(number / 60, 1)
            style = f" style='background:rgba(15,118,110,{depth:.2f})'" if depth else ""
            cells.append(f"<td title='{tip}'{style}></td>")
        body.append(
            f"<tr><th scope='row'>{html.escape(name)}</th>{''.join(cells)}</tr>"
        )
    st.html(
        f"{tables.region(texts, 'grid')}<table><thead><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _grouped(
    rows: dict[str, tuple[float, ...]], registry: Registry
) -> dict[str, tuple[float, ...]]:
    """Return neighbourhood -> mean minutes of its cameras with footage."""
    groups: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for camera, minutes in rows.items():
        if camera in registry:
            groups[registry.get(camera).dong].append(minutes)
    return {
        dong: tuple(sum(hour) / len(mine) for hour in zip(*mine, strict=True))
        for dong, mine in sorted(groups.items())
    }


def _broken(found: Health, registry: Registry, texts: Texts) -> None:
    wanted = [
        camera
        for state in ("late", "outage")
        for camera in registry.cameras
        if found.states[camera.id] == state
    ]
    damaged = [
        registry.get(one.camera_id)
        for one in found.recorded.values()
        if one.frames_corrupt and one.camera_id in registry
    ]
    wanted = [*damaged, *(one for one in wanted if one not in damaged)]
    if not wanted:
        st.info(texts("network_broken_none"))
        return
    rows = []
    for camera in wanted[:MOST_BROKEN]:
        state = found.states[camera.id]
        one = found.recorded.get(camera.id)
        rows.append(
            (
                camera.id,
                camera.dong,
                camera.usage,
                tables.tag(
                    texts.of("health", state),
                    "close" if state == "outage" else "casual",
                ),
                tables.when(one.last_at if one else None),
                f"{one.frames_corrupt:,}" if one else "–",
            )
        )
    names = ("camera", "dong", "usage", "health", "last_footage", "corrupt")
    tables.show(names, rows, texts, numbers=("corrupt",))
    if len(wanted) > MOST_BROKEN:
        st.caption(texts("network_broken_more", number=len(wanted) - MOST_BROKEN))


@st.fragment(run_every=LIVE_S)
def _watch(user: str, texts: Texts) -> None:
    """Show rate, lag and faults per camera as `dongseon watch` has them now."""
    with access.refusals_shown():
        _watched(user, texts)


def _watched(user: str, texts: Texts) -> None:
    now = time.time()
    found = live.cameras(user, now, settings=get_settings())
    if not found:
        st.info(texts("network_watch_none"))
        return
    st.caption(texts("network_watch_note"))
    rows = []
    for camera in found[:MOST_BROKEN]:
        lag = camera.lag_s(now)
        rows.append(
            (
                camera.camera,
                texts.of("link", camera.link) if camera.link else "–",
                f"{camera.waiting:,}",
                _age(None if lag is None else timedelta(seconds=lag), texts),
                f"{camera.footage_s / camera.work_s:.1f}" if camera.work_s else "–",
                f"{camera.faults + camera.refused:,}",
                camera.fault,
            )
        )
    names = ("camera", "stream", "waiting", "behind", "rate", "faults", "last_fault")
    tables.show(names, rows, texts, numbers=("waiting", "rate", "faults"))
    if len(found) > MOST_BROKEN:
        st.caption(texts("network_broken_more", number=len(found) - MOST_BROKEN))


with access.refusals_shown():
    main()
