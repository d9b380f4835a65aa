"""The little CSS that Streamlit's theme cannot say."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

SHEET = Path(__file__).parent / "assets" / "style.css"


def apply() -> None:
    """Put the style on the page."""
    st.html(f"<style>{SHEET.read_text(encoding='utf-8')}</style>")
