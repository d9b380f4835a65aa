"""Exposure of one case: the map by hour and cell, places and hours in words."""

from __future__ import annotations

import html
from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, choosing, i18n, tables
from dashboard.i18n import Texts
from dashboard.maps import exposure_map, network
from dashboard.maps.exposure_map import Heat
from dashboard.panels import contacts, exposure_tables
from dashboard.panels.contacts import duration
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings
from pipeline.trace import cells
from pipeline.trace.cells import HOUR, Burden, Cell, Sum

#: Places that are marked on the map, and rows of the table of places.
MARKED, MOST_PLACES = 5, 40
#: Hours that the grid of places and hours has side by side.
MOST_HOURS = 48


def show(texts: Texts) -> None:
    """Show the case that is chosen in the sidebar."""
    chosen = choosing.result(texts)
    if chosen is None:
        return
    order, authorisation, run = chosen
    name = run["run"]
    # A finished run never changes; what was read is read (and recorded) once.
    burden: Burden = access.remembered(
        f"exposure-{run['case']}-{name}",
        lambda: cells.of_case(authorisation, name, settings=get_settings()),
        seconds=3600,
    )
    tables.heading(
        texts("exposure_of", case=run["case"]),
        texts("exposure_lead", when=tables.when(run["made_at"], "%Y-%m-%d %H:%M:%S")),
    )
    contacts.warn(run, texts)
    if not burden.cells:
        st.info(texts("contacts_nobody"))
        return
    _figures(burden, texts)
    _body(burden, order, f"{run['case']}-{name}")


def _figures(burden: Burden, texts: Texts) -> None:
    whole = cells.total(burden.cells, burden.close)
    low, middle, high = whole.dose
    spread = "" if low is None or high is None else f" ({low:.2g}–{high:.2g})"
    values = {
        "kpi_contacts": f"{burden.contacts} ({len(burden.close)})",
        "kpi_person_minutes": duration(whole.seconds, texts),
        "kpi_dose": f"{middle:.2g}{spread}",
        "kpi_places": str(len({one.cell for one in burden.cells})),
        "kpi_hours": str(len({one.hour for one in burden.cells})),
    }
    for column, (name, value) in zip(
        st.columns([1, 1, 1.5, 1, 1]), values.items(), strict=True
    ):
        column.metric(texts(name), value)


@st.fragment
def _body(burden: Burden, order: Order, key: str) -> None:
    with access.refusals_shown():
        access.authorise(order)  # asked again at every rerun
        _show(burden, i18n.choose(), key)


def _show(burden: Burden, texts: Texts, key: str) -> None:
    places = access.remembered(
        f"places-{key}", lambda: _places(burden.cells), seconds=3600
    )
    measures = ["time", "close", "dose"]
    if any(one.close_seconds is None for one in burden.cells):
        measures.remove("close")  # of a result made before this was stored
    left, right = st.columns([2.15, 1], gap="medium")
    with left:
        measure = exposure_map.choose(measures, texts)
        ranks = _ranked(burden.cells, burden.close)
        chosen = exposure_map.show(
            _heat(burden, measure, places, [cell for cell, _ in ranks]),
            measure,
            texts,
            key=key,
        )
    begin = burden.hours[0].timestamp()
    low, high = (begin + second for second in chosen.range)
    shown = [
        one
        for one in burden.cells
        if low < (one.hour + HOUR).timestamp() and one.hour.timestamp() < high
    ]
    with right:
        _hours(shown, burden, texts)
    by_place, grid = st.tabs([texts("tab_places"), texts("tab_grid")])
    numbers = {cell: rank for rank, (cell, _) in enumerate(ranks[:MARKED], start=1)}
    with by_place:
        _by_place(_ranked(shown, burden.close), numbers, places, texts)
    with grid:
        _grid(shown, burden, measure, places, texts)
    st.caption(texts("exposure_note"))


def _ranked(rows: list[Cell] | tuple[Cell, ...], close: frozenset[str]) -> list:
    """Return (cell, sum over its hours), the largest dose first."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for one in rows:
        groups[one.cell].append(one)
    summed = [(cell, cells.total(mine, close)) for cell, mine in groups.items()]
    return sorted(summed, key=lambda row: (-row[1].dose[1], -row[1].seconds, row[0]))


def _heat(
    burden: Burden, measure: str, places: dict[str, str], ranks: list[str]
) -> Heat:
    first = burden.hours[0]
    return Heat(
        start=first.timestamp(),
        hours=len(burden.hours),
        amounts=tuple(
            (one.cell, int((one.hour - first) / HOUR), _amount(one, measure))
            for one in burden.cells
            if _amount(one, measure) > 0
        ),
        names={one.cell: [places[one.cell]] for one in burden.cells},
        ranks=tuple(ranks[:MARKED]),
    )


def _amount(one: Cell, measure: str) -> float:
    if measure == "dose":
        return one.dose[1]
    return (one.seconds if measure == "time" else one.close_seconds or 0.0) / 60


def _places(rows: tuple[Cell, ...]) -> dict[str, str]:
    """Return cell -> its neighbourhood and the camera nearest to its middle."""
    registry = network.load(get_settings().registry)
    found = {}
    for cell in {one.cell for one in rows}:
        near = registry.nearest(*cells.middle(cell), 1)
        found[cell] = f"{near[0][0].dong} · {near[0][0].id}" if near else cell
    return found


def _hours(shown: list[Cell], burden: Burden, texts: Texts) -> None:
    tables.section(texts("exposure_by_hour"), texts("exposure_sides"))
    rows = [
        (hour, cells.total([one for one in shown if one.hour == hour], burden.close))
        for hour in sorted({one.hour for one in shown})
    ]
    if not rows:
        st.info(texts("exposure_none"))
        return
    most = max(one.dose[1] for _, one in rows)
    with st.container(height=560, border=False, key="exposure-hours"):
        tables.show(
            ("hour", *exposure_tables.BOTH),
            [
                (_hour(hour), *exposure_tables.beside(one, most, texts))
                for hour, one in rows
            ],
            texts,
            numbers=("person_minutes", "close", "casual"),
        )


def _by_place(
    ranked: list[tuple[str, Sum]],
    numbers: dict[str, int],
    places: dict[str, str],
    texts: Texts,
) -> None:
    if not ranked:
        st.info(texts("exposure_none"))
        return
    most = max(one.dose[1] for _, one in ranked)
    tables.show(
        ("mark", "near_place", *exposure_tables.BOTH, "who"),
        [
            (
                numbers.get(cell, ""),
                places[cell],
                *exposure_tables.beside(one, most, texts),
                exposure_tables.names(one),
            )
            for cell, one in ranked[:MOST_PLACES]
        ],
        texts,
        numbers=("mark", "person_minutes", "close", "casual"),
    )
    if len(ranked) > MOST_PLACES:
        st.caption(texts("exposure_more", number=len(ranked) - MOST_PLACES))


def _grid(
    shown: list[Cell],
    burden: Burden,
    measure: str,
    places: dict[str, str],
    texts: Texts,
) -> None:
    """Show places and hours as a table: what the map plays, all at once."""
    hours = sorted({one.hour for one in shown})
    if not hours:
        st.info(texts("exposure_none"))
        return
    if len(hours) > MOST_HOURS:
        st.caption(texts("exposure_grid_more", number=len(hours) - MOST_HOURS))
        hours = hours[:MOST_HOURS]
    scale = exposure_map.SCALES[measure][0]
    amounts = {(one.cell, one.hour): _amount(one, measure) for one in shown}
    heads = "".join(f"<th scope='col'>{_hour(hour)}</th>" for hour in hours)
    body = []
    for cell, _ in _ranked(shown, burden.close)[:MOST_PLACES]:
        line = []
        for hour in hours:
            amount = amounts.get((cell, hour), 0.0)
            step = sum(amount >= least for least in scale) - 1
            told = f"{amount:.2g}" if amount else ""
            line.append(f"<td class='{f'heat{step}' if amount else ''}'>{told}</td>")
        name = html.escape(places[cell])
        body.append(f"<tr><th scope='row'>{name}</th>{''.join(line)}</tr>")
    st.caption(texts(f"exposure_unit_{measure}"))
    st.html(
        f"{tables.region(texts, 'grid told')}<table><thead><tr>"
        f"<th>{texts('column_near_place')}</th>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _hour(hour: datetime) -> tables.Html:
    local = hour.astimezone(ZoneInfo(get_settings().time_zone))
    after = (hour + HOUR).astimezone(local.tzinfo)
    return tables.Html(f"<span class='nowrap'>{local:%m-%d %H}–{after:%H}</span>")
