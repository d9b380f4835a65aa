"""The Exposure page: where and when others were exposed, by class and by dose."""

from __future__ import annotations

import streamlit as st

from dashboard import access, i18n
from dashboard.panels import exposure_all, exposure_case

SCOPES = ("case", "all")


def main() -> None:
    """Show one case, or all together to those who may not see cases."""
    texts = i18n.choose()
    scope = "all"
    if access.may("result.read"):
        with st.sidebar:
            scope = st.radio(
                texts("exposure_scope"),
                SCOPES,
                format_func=lambda one: texts(f"exposure_scope_{one}"),
                key="exposure-scope",
            )
    if scope == "case":
        exposure_case.show(texts)
    else:
        exposure_all.show()


with access.refusals_shown():
    main()
