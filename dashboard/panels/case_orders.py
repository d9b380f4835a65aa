"""Orders of a case: requested by one person, decided on by another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import access, forms, tables
from dashboard.i18n import Texts
from pipeline.casebook import orders
from pipeline.casebook.cases import Case
from pipeline.casebook.orders import Order
from pipeline.settings import get_settings

#: Older orders of a case are not listed.
MOST = 6
_TAGS = {"approved": "good", "requested": "close"}


def show(case: Case, known: list[Order], texts: Texts) -> None:
    """Show a case's orders, and what the acting user may do with them."""
    tables.section(texts("orders"))
    if not known:
        st.caption(texts("orders_none"))
    for order in known[:MOST]:
        with st.container(border=True, key=f"order-{order.id}"):
            _order(order, texts)
    if access.may("order.request"):
        _request(case, known, texts)


def _order(order: Order, texts: Texts) -> None:
    state = tables.tag(
        texts(f"order_state_{order.state}"), _TAGS.get(order.state, "casual")
    )
    line = texts(
        "order_line",
        by=order.requested_by,
        start=tables.when(order.window_start),
        end=tables.when(order.window_end),
        expires=tables.when(order.expires_at),
    )
    more = [f"{order.legal_basis} · {order.purpose}"]
    if order.decided_by:
        more.append(texts("order_decided", by=order.decided_by))
    if order.reason:
        more.append(texts("order_reason", reason=order.reason))
    heading = texts("order_heading", order=order.id)
    st.html(
        f"<div class='order'><b>{heading}</b> {state}<br>{tables.escaped(line)}<br>"
        f"<small>{tables.escaped(' · '.join(more))}</small></div>"
    )
    if order.state == "requested":
        _decide(order, texts)
    elif order.state == "approved" and access.may("order.revoke"):
        _with_reason(order, "revoke", texts)


def _decide(order: Order, texts: Texts) -> None:
    user, settings = access.user(), get_settings()
    if order.requested_by == user:
        st.caption(texts("order_own"))
        if access.single_machine():
            st.caption(texts("order_own_single", order=order.id))
        return
    if not access.may("order.approve"):
        return
    if st.button(texts("order_do_approve"), key=f"approve-{order.id}", type="primary"):
        with access.refusals_shown():
            orders.approve(order.id, user, settings=settings)
            forms.tell(f"{texts('order_heading', order=order.id)}: "
                       f"{texts('order_state_approved')}")  # fmt: skip
    _with_reason(order, "refuse", texts)


def _with_reason(order: Order, act: str, texts: Texts) -> None:
    """Offer an act that needs a reason: refuse or revoke."""
    done = {"refuse": orders.refuse, "revoke": orders.revoke}[act]
    with st.expander(texts(f"order_do_{act}")):
        reason = st.text_input(texts("order_why"), key=f"{act}-why-{order.id}")
        if st.button(texts(f"order_do_{act}"), key=f"{act}-{order.id}"):
            if not reason.strip():
                st.warning(texts("order_why_needed"))
                return
            with access.refusals_shown():
                done(order.id, access.user(), reason, settings=get_settings())
                forms.tell(f"{texts('order_heading', order=order.id)}: "
                           f"{texts(f'order_state_{act}d')}")  # fmt: skip


def _request(case: Case, known: list[Order], texts: Texts) -> None:
    waiting = any(order.state in ("requested", "approved") for order in known)
    name = case.pseudonym
    with (
        st.expander(texts("order_new"), expanded=not waiting),
        st.form(f"order-new-{name}", border=False),
    ):
        zone = get_settings().time_zone
        st.caption(texts("times_in", zone=texts.of("zone", zone)))
        basis = st.text_input(
            texts("order_basis"), "IDCPA Art. 76-2 (2)", key=f"order-basis-{name}"
        )
        purpose = st.text_input(texts("order_for"), key=f"order-for-{name}")
        own = st.checkbox(texts("order_own_window"), key=f"order-own-{name}")
        first, second = st.columns(2)
        now = forms.typed_now()
        start = first.datetime_input(
            texts("order_from"), now - timedelta(days=2), key=f"order-from-{name}"
        )
        end = second.datetime_input(texts("order_to"), now, key=f"order-to-{name}")
        days = st.number_input(
            texts("order_days"),
            1,
            orders.LONGEST_VALIDITY.days,
            orders.DEFAULT_VALIDITY.days,
            key=f"order-days-{name}",
        )
        if st.form_submit_button(
            texts("order_do_request"), key=f"request-{name}", type="primary"
        ):
            with access.refusals_shown():
                # A minute less, so that the longest validity is not exceeded.
                expiry = datetime.now(UTC) + timedelta(days=int(days), minutes=-1)
                made = orders.request_order(
                    name,
                    access.user(),
                    legal_basis=basis,
                    purpose=purpose,
                    window=(forms.aware(start), forms.aware(end)) if own else None,
                    expires_at=expiry,
                    settings=get_settings(),
                )
                forms.tell(texts("order_requested", order=made.id))
