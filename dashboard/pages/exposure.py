"""The Exposure page: where and when others were exposed, by class and by dose."""

from __future__ import annotations

import streamlit as st

from dashboard import access, forms, i18n
from dashboard.panels import exposure_all, exposure_case

SCOPES = ("case", "all")


def main() -> None:
    """Show one case, or all together to those who may not see cases."""
    texts = i18n.choose()
    scope = "all"
    if access.may("result.read"):
        with st.sidebar:
            scope = forms.one_of(
                st.radio,
                "exposure_scope",
                SCOPES,
                lambda one: texts(f"exposure_scope_{one}"),
                texts,
            )
    if scope == "case":
        exposure_case.show(texts)
    else:
        exposure_all.show()


with access.refusals_shown():
    main()
