"""The Cases page: inbox with a clock, orders, gallery, traces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import access, forms, i18n, tables
from dashboard.i18n import Texts
from dashboard.panels import case_orders, case_work
from pipeline.casebook import cases, orders
from pipeline.casebook.cases import Case
from pipeline.casebook.orders import Order
from pipeline.errors import DongseonError
from pipeline.settings import get_settings
from pipeline.trace import results

#: From approval to the first result.
TARGET = timedelta(minutes=10)
_STATE_TAGS = {"approved": "good", "requested": "close"}


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    access.user()  # nothing, also of what is remembered, once the session has ended
    tables.heading(texts("cases"), texts("cases_note"))
    forms.told()
    known = _cases()
    mine = _orders()
    opened = [case for case in known if case.status == "open"]
    chosen = _choose(opened, texts)
    if opened:
        st.fragment(_inbox, run_every=15)(opened, mine, chosen, texts)
    else:
        st.info(texts("cases_none"))
    if chosen is not None:
        left, right = st.columns(2, gap="large")
        newest = [order for order in mine if order.case == chosen.pseudonym]
        with left:
            case_orders.show(chosen, newest, texts)
            if access.may("case.close"):
                _close(chosen, texts)
        with right:
            order = next((o for o in newest if o.state == "approved"), None)
            if order is None:
                tables.section(texts("gallery"))
                st.caption(texts("not_in_force"))
            else:
                case_work.show(order, texts)
    if access.may("case.open"):
        _open(texts)


def _cases() -> list[Case]:
    return access.remembered(
        "cases-cases",
        lambda: cases.list_cases(access.user(), settings=get_settings()),
        seconds=10,
    )


def _orders() -> list[Order]:
    return access.remembered(
        "cases-orders",
        lambda: orders.list_orders(access.user(), settings=get_settings()),
        seconds=10,
    )


def _choose(opened: list[Case], texts: Texts) -> Case | None:
    by_name = {case.pseudonym: case for case in opened}
    if not by_name:
        return None
    name = st.selectbox(
        texts("case_choose"), list(by_name), key="cases-case", width=320
    )
    return by_name.get(name)


def _inbox(
    opened: list[Case], mine: list[Order], chosen: Case | None, texts: Texts
) -> None:
    rows = []
    for case in opened:
        order = next((o for o in mine if o.case == case.pseudonym), None)
        state = order.state if order is not None else "none"
        rows.append(
            (
                case.pseudonym,
                tables.tag(
                    texts(f"order_state_{state}"), _STATE_TAGS.get(state, "casual")
                ),
                _clock(order, texts),
                tables.when(case.onset_at),
                tables.when(case.confirmed_at),
                tables.when(case.isolated_at),
            )
        )
    names = ("case", "order", "clock", "onset", "confirmed", "isolated")
    marked = opened.index(chosen) if chosen in opened else None
    tables.show(names, rows, texts, marked=marked)


def _clock(order: Order | None, texts: Texts) -> tables.Html:
    """Return the time from approval to the first result, red beyond the target."""
    if order is None or order.state != "approved" or order.decided_at is None:
        return tables.Html(texts("clock_none"))
    with_result = _first_result(order)
    spent = (with_result or datetime.now(UTC)) - order.decided_at
    minutes, seconds = divmod(max(0, int(spent.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    done = with_result is not None
    kind = "good" if spent <= TARGET else "close"
    return tables.tag(texts("clock_done" if done else "clock_running", time=time), kind)


def _first_result(order: Order) -> datetime | None:
    """Return when the first result after the approval was stored (by its name)."""
    try:
        authorisation = access.authorise(order, touch=False)
        names = results.runs(authorisation, settings=get_settings())
    except DongseonError:
        return None
    assert order.decided_at is not None
    for name in names:
        made = datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if made + timedelta(seconds=1) >= order.decided_at:
            return max(made, order.decided_at)
    return None


def _open(texts: Texts) -> None:
    """Offer the form for a new case."""
    zone = get_settings().time_zone
    with st.expander(texts("case_new")), st.form("case-new", border=False):
        st.caption(texts("times_in", zone=texts.of("zone", zone)))
        test = st.text_input(texts("case_test"), key="case-test")
        now = forms.typed_now()
        confirmed = st.datetime_input(
            texts("case_confirmed"), now, key="case-confirmed"
        )
        first, second = st.columns(2)
        with first:
            has_onset = st.checkbox(texts("case_has_onset"), key="case-has-onset")
            onset = st.datetime_input(
                texts("case_onset"), now - timedelta(days=1), key="case-onset"
            )
        with second:
            isolated = st.checkbox(texts("case_is_isolated"), key="case-is-isolated")
            since = st.datetime_input(texts("case_isolated"), now, key="case-isolated")
        if st.form_submit_button(texts("case_new"), key="case-open", type="primary"):
            with access.refusals_shown():
                case = cases.open_case(
                    access.user(),
                    test=test,
                    confirmed_at=forms.aware(confirmed),
                    onset_at=forms.aware(onset) if has_onset else None,
                    isolated_at=forms.aware(since) if isolated else None,
                    settings=get_settings(),
                )
                st.session_state.pop("cases-case", None)
                forms.tell(texts("case_opened", case=case.pseudonym))


def _close(case: Case, texts: Texts) -> None:
    with st.expander(texts("case_close")):
        st.caption(texts("case_close_help"))
        name = case.pseudonym
        sure = st.checkbox(
            texts("case_close_sure", case=name), key=f"close-sure-{name}"
        )
        if st.button(texts("case_close"), key=f"close-{name}", disabled=not sure):
            with access.refusals_shown():
                gone = cases.close_case(name, access.user(), settings=get_settings())
                st.session_state.pop("cases-case", None)
                forms.tell(texts("case_closed", case=name, number=gone))


with access.refusals_shown():
    main()
