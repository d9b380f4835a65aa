"""Which case and which of its results a page shows; asked in the sidebar."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, remembered
from dashboard.i18n import Texts
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings
from pipeline.trace import results

#: Older results of a case stay stored, but are not offered.
MOST_RUNS = 20


def order(texts: Texts) -> Order | None:
    """Return the order in force under which the page reads; None if there is none."""
    orders = access.authorised_orders()
    if not orders:
        st.info(texts("no_order"))
        st.write(texts("no_order_help"))
        st.code("./run demo", language=None)
        return None
    by_case = {one.case: one for one in orders}
    names = list(by_case)
    last = remembered.case(orders)
    with st.sidebar:
        case = st.selectbox(
            texts("case"), names, index=names.index(last) if last in names else 0
        )
    remembered.choose(by_case[case])
    return by_case[case]


def run(
    authorisation: Authorisation, order: Order, texts: Texts
) -> dict[str, Any] | None:
    """Return the row of the chosen result; None if the case has none."""
    settings = get_settings()
    zone = ZoneInfo(settings.time_zone)
    runs = access.remembered(
        f"runs-{order.id}", lambda: _runs(authorisation), seconds=10
    )
    if not runs:
        st.info(texts("no_run", case=order.case))
        st.write(texts("no_run_help"))
        st.code(f"dongseon trace {order.case} --tracklet ID", language=None)
        return None
    rows = sorted(runs, key=lambda row: row["made_at"], reverse=True)
    by_run = {row["run"]: row for row in rows}

    def label(name: str) -> str:
        return f"{by_run[name]['made_at'].astimezone(zone):%Y-%m-%d %H:%M:%S}"

    with st.sidebar:
        return by_run[st.selectbox(texts("run"), list(by_run), format_func=label)]


def _runs(authorisation: Authorisation) -> list[dict[str, Any]]:
    settings = get_settings()
    return [
        results.read(authorisation, "run", name, settings=settings).to_pylist()[0]
        for name in results.runs(authorisation, settings=settings)[-MOST_RUNS:]
    ]
