"""What the browser keeps between visits: its language, the case looked at last.

Kept in cookies of this address, so that neither a reload of the page nor a restart
of the server loses them. The case is kept as the number of its order, which says
nothing to whoever may not read the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import streamlit as st

from dashboard.i18n import LANGUAGE_COOKIE, preferred
from pipeline.casebook.orders import Order

ORDER_COOKIE = "dongseon_order"
BESIDE_COOKIE = "dongseon_beside"
_YEAR_S = 365 * 86_400
_JS = """
export default function ({ data }) {
  document.documentElement.lang = data.language;
  const secure = location.protocol === "https:" ? "; secure" : "";
  for (const [name, value, seconds] of data.kept) {
    document.cookie = `${name}=${value}; path=/; samesite=strict${secure}` +
      (seconds ? `; max-age=${seconds}` : "");
  }
}
"""


def language() -> str:
    """Return the language of this browser: chosen before, or else its own."""
    return preferred(st.context.cookies.get(LANGUAGE_COOKIE), st.context.locale)


def case(orders: Iterable[Order]) -> str | None:
    """Return the case that was looked at last, if one of these orders is for it."""
    by_case = {order.case: order for order in orders}
    last = st.session_state.get("_case")
    if last in by_case:
        return str(last)
    number = st.context.cookies.get(ORDER_COOKIE)
    return next((name for name, o in by_case.items() if str(o.id) == number), None)


def choose(order: Order) -> None:
    """Remember the order under which the page reads."""
    st.session_state["_case"] = order.case
    st.session_state["_order"] = order.id


def beside(orders: Iterable[Order]) -> list[str]:
    """Return the cases that were shown beside one, of those these orders are for."""
    kept = st.session_state.get("_beside", st.context.cookies.get(BESIDE_COOKIE, ""))
    numbers = str(kept).split(".")
    return [order.case for order in orders if str(order.id) in numbers]


def choose_beside(orders: Iterable[Order]) -> None:
    """Remember the orders of the cases that are shown beside one."""
    st.session_state["_beside"] = ".".join(str(order.id) for order in orders)


def keep() -> None:
    """Tell the browser what to keep, and in which language the page is."""
    chosen = st.session_state.get("language") or language()
    kept: list[list[Any]] = [[LANGUAGE_COOKIE, chosen, _YEAR_S]]
    if "_order" in st.session_state:
        kept.append([ORDER_COOKIE, st.session_state["_order"], 0])
    if "_beside" in st.session_state:
        kept.append([BESIDE_COOKIE, st.session_state["_beside"], 0])
    _component()(key="kept", data={"language": chosen, "kept": kept})


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("dongseon_kept", js=_JS)
