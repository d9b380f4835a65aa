"""Which case and which of its results a page shows; asked in the sidebar."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import access, remembered, tables
from dashboard.i18n import Texts
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings
from pipeline.trace import results

#: Older results of a case stay stored, but are not offered.
MOST_RUNS = 20
DEMO = "./run demo"
CASES = Path(__file__).parent / "pages" / "cases.py"


def result(texts: Texts) -> tuple[Order, Authorisation, dict[str, Any]] | None:
    """Return the order, the permission it gives and the row of the chosen result.

    None where there is no order in force, or the case has no result; the page says so.
    """
    found = order(texts)
    if found is None:
        return None
    authorisation = access.authorise(found)
    row = run(authorisation, found, texts)
    return None if row is None else (found, authorisation, row)


def order(texts: Texts) -> Order | None:
    """Return the order in force under which the page reads; None if there is none."""
    orders = access.authorised_orders()
    if not orders:
        st.info(texts("no_order"))
        st.write(texts("no_order_help"))
        _to_cases(texts)
        if access.single_machine():
            st.caption(texts("no_order_demo"))
            st.code(DEMO, language=None)
        return None
    by_case = {one.case: one for one in orders}
    last = remembered.case(orders)
    if "case" not in st.session_state and last is not None:
        st.session_state["case"] = last  # of another page, or another day
    with st.sidebar:
        found = by_case[st.selectbox(texts("case"), list(by_case), key="case")]
        st.caption(_about(found, texts))
    remembered.choose(found)
    return found


def run(
    authorisation: Authorisation, order: Order, texts: Texts
) -> dict[str, Any] | None:
    """Return the row of the chosen result; None if the case has none."""
    rows = runs(authorisation, order)
    if not rows:
        st.info(texts("no_run", case=order.case))
        st.write(texts("no_run_help"))
        _to_cases(texts)
        st.code(f"dongseon trace {order.case} --tracklet ID", language=None)
        return None
    by_run = {row["run"]: row for row in rows}
    key = f"run-{order.case}"
    made = st.session_state.pop("wanted-run", None)
    if made in by_run:
        st.session_state[key] = made
    with st.sidebar:
        name = st.selectbox(
            texts("run"),
            list(by_run),
            format_func=lambda one: _label(by_run[one]["made_at"], rows),
            key=key,
        )
    return by_run[name]


def _label(made: datetime, rows: list[dict[str, Any]]) -> str:
    """When a result was made; of several in one second, which part of it.

    A choice is known by its label, so that no two may be the same.
    """
    second = made.replace(microsecond=0)
    same = [row for row in rows if row["made_at"].replace(microsecond=0) == second]
    form = "%Y-%m-%d %H:%M:%S" if len(same) == 1 else "%Y-%m-%d %H:%M:%S.%f"
    return tables.when(made, form)


def runs(authorisation: Authorisation, order: Order) -> list[dict[str, Any]]:
    """Return the rows of a case's results, newest first, as of some seconds ago."""
    found = access.remembered(
        f"runs-{order.id}", lambda: _runs(authorisation), seconds=10
    )
    return sorted(found, key=lambda row: row["made_at"], reverse=True)


def _about(order: Order, texts: Texts) -> str:
    """Return what an order allows, in four lines."""
    return "  \n".join(
        [
            texts("order_heading", order=order.id),
            texts("order_purpose", purpose=order.purpose),
            texts(
                "order_window",
                start=tables.when(order.window_start),
                end=tables.when(order.window_end),
            ),
            texts("order_expires", when=tables.when(order.expires_at)),
        ]
    )


def _to_cases(texts: Texts) -> None:
    if access.may("case.list") and st.button(
        texts("to_cases"), key="to-cases", type="primary"
    ):
        st.switch_page(CASES)


def _runs(authorisation: Authorisation) -> list[dict[str, Any]]:
    settings = get_settings()
    return [
        results.read(authorisation, "run", name, settings=settings).to_pylist()[0]
        for name in results.runs(authorisation, settings=settings)[-MOST_RUNS:]
    ]
