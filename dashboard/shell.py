"""What every page shares: title, language, who is acting; then the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import access, i18n, style

HERE = Path(__file__).parent


def main() -> None:
    """Run the page that was asked for."""
    st.set_page_config(
        page_title="Dongseon",
        page_icon=str(HERE / "assets" / "dongseon.svg"),
        layout="wide",
        initial_sidebar_state="expanded",
    )
    style.apply()
    texts = i18n.choose()
    pages = [
        st.Page(
            HERE / "pages" / "trace.py",
            title=texts("page_trace"),
            url_path="trace",
            default=True,
        ),
    ]
    page = st.navigation(pages, position="hidden")
    with st.sidebar:
        st.html(f"<div class='brand'>Dongseon<span>{texts('tagline')}</span></div>")
        i18n.switch()
        st.caption(texts("acting_as", user=access.user()))
    page.run()


main()
