"""What the forms of the pages share: typed moments, and saying what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access
from dashboard.i18n import Texts
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


def one_of(
    widget: Callable[..., Any],
    name: str,
    options: Sequence[str],
    words: Callable[[str], str],
    texts: Texts,
    **more: Any,
) -> str:
    """Let one of several be chosen, at first the first; it outlives page and language.

    A choice is known to the browser by its words: in another language it would be
    lost.

    Parameters
    ----------
    widget : `st.radio` or `st.segmented_control`.
    name : of the choice, and key of the text above it.
    words : of an option.
    """
    kept, key = f"_{name}", f"{name}-{texts.language}"
    known = st.session_state.get(kept)
    st.session_state.setdefault(key, known if known in options else options[0])
    chosen = widget(texts(name), options, format_func=words, key=key, **more)
    st.session_state[kept] = chosen or options[0]
    return str(st.session_state[kept])
