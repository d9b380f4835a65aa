"""What every page shares: title, language, who is acting; then the page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard import (
    access,
    gate,
    i18n,
    reconnecting,
    refusals,
    remembered,
    style,
    tables,
)
from dashboard.i18n import Texts
from pipeline.casebook import roles
from pipeline.errors import DongseonError
from pipeline.footage import setup

#: This script lies apart from `pages`: Streamlit would otherwise run a page that was
#: opened by its address without it.
HERE = Path(__file__).parent.parent
#: Page -> the action whose roles may open it. Its acts ask again for themselves.
PAGES = {
    "trace": "result.read",
    "contacts": "result.read",
    "exposure": "exposure.read",
    "briefing": "aggregate.read",
    "network": "network.read",
    "cases": "case.list",
    "sql": "sql",
    "audit": "audit.read",
}
#: Seconds between two looks whether the log-in still stands.
WATCH_S = 20


def main() -> None:
    """Run the page that was asked for, if the acting user may see it."""
    st.set_page_config(
        page_title="Dongseon",
        page_icon=str(HERE / "assets" / "dongseon.svg"),
        layout="wide",
        initial_sidebar_state="expanded",
    )
    style.apply()
    st.session_state.setdefault("language", remembered.language())
    texts = i18n.choose()
    try:
        user, role = access.user(), access.role()
    except DongseonError as error:
        _closed(refusals.told(error, texts), texts)
        return
    pages = [
        st.Page(
            HERE / "pages" / f"{name}.py",
            title=texts(f"page_{name}"),
            url_path=name,
        )
        for name, action in PAGES.items()
        if access.may(action)
    ]

    start = st.Page(
        HERE / "pages" / "start.py",
        title=texts("page_start"),
        url_path="start",
        visibility="hidden",
    )

    def home() -> None:
        """Open the role's first page; a default page has no address of its own."""
        if setup.is_fresh():
            st.switch_page(start)
        if pages:
            st.switch_page(pages[0])
        st.info(texts("no_page"))

    first = st.Page(home, title="Dongseon", default=True, visibility="hidden")
    many = len(pages) > 1
    closed = [
        st.Page(
            partial(_not_for, role, name, pages, texts),
            title=texts(f"page_{name}"),
            url_path=name,
            visibility="hidden",
        )
        for name, action in PAGES.items()
        if not access.may(action)
    ]
    page = st.navigation(
        [first, start, *pages, *closed], position="sidebar" if many else "hidden"
    )
    with st.sidebar:
        st.html(f"<div class='brand'>Dongseon<span>{texts('tagline')}</span></div>")
        i18n.switch()
        _who(user, role, texts)
    page.run()
    with st.sidebar:
        remembered.keep()  # last: now it is known which case the page chose
        reconnecting.guard(texts)


def _not_for(
    role: str | None, name: str, pages: list[StreamlitPage], texts: Texts
) -> None:
    """Say that a page is not for this role, whose it is, and where to go instead."""
    others = ", ".join(
        texts.of("role", one) for one in roles.ROLES if roles.may(one, PAGES[name])
    )
    tables.heading(texts(f"page_{name}"))
    st.info(texts("not_for", role=texts.of("role", role), others=others))
    for own in pages:
        st.page_link(own, label=own.title)


def _who(user: str, role: str | None, texts: Texts) -> None:
    """Say who acts; on a single machine, that nobody was asked."""
    if access.single_machine():
        st.caption(texts("acting_as", user=user))
        st.html(f"<div class='notice single'>{texts('single_machine')}</div>")
        return
    st.caption(texts("acting_in_role", user=user, role=texts.of("role", role)))
    if st.button(texts("log_out"), key="log-out", type="tertiary"):
        access.log_out()
        st.rerun()
    _watch()


@st.fragment(run_every=WATCH_S)
def _watch() -> None:
    """Clear the page once its session has ended."""
    if not access.still_here():
        access.forget()
        st.rerun()


def _closed(reason: str, texts: Texts) -> None:
    access.forget()
    st.navigation([st.Page(_nothing, title="Dongseon")], position="hidden")
    st.html(
        f"<div class='brand'>Dongseon<span>{texts('tagline')}</span></div>",
    )
    st.error(reason)
    st.html(f"<a class='to-login' href='{gate.LOGIN}'>{texts('login_enter')}</a>")


def _nothing() -> None:
    """Stand for the pages that nobody may see."""


main()
