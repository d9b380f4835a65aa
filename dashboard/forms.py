"""What the forms of the pages share: typed moments, and saying what was done."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access
from pipeline.settings import get_settings


def tell(text: str) -> None:
    """Read everything anew, and say what was done above the page."""
    st.session_state["_told"] = text
    access.forget_starting("cases-")
    access.forget_starting("orders")
    st.rerun(scope="app")


def told() -> None:
    """Show what was done just now."""
    text = st.session_state.pop("_told", None)
    if text:
        st.success(text)


def aware(moment: datetime | None) -> datetime:
    """Return a typed moment with the settings' zone."""
    zone = ZoneInfo(get_settings().time_zone)
    return (moment or datetime.now(zone)).replace(tzinfo=zone)


def typed_now() -> datetime:
    """Return the full hour before now in the settings' zone, as forms want it."""
    now = datetime.now(ZoneInfo(get_settings().time_zone))
    return now.replace(minute=0, second=0, microsecond=0, tzinfo=None)
