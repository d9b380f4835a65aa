"""The little CSS that Streamlit's theme cannot say."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ASSETS = Path(__file__).parent / "assets"
SHEET = ASSETS / "style.css"
SHEETS = (SHEET, ASSETS / "pages.css")


def apply() -> None:
    """Put the style on the page."""
    sheets = "\n".join(path.read_text(encoding="utf-8") for path in SHEETS)
    st.html(f"<style>{sheets}</style>")
