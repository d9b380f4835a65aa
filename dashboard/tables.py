"""Plain tables and times of the pages, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.i18n import Texts
from pipeline.settings import get_settings


def show(
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    texts: Texts,
    *,
    numbers: Iterable[str] = (),
    marked: int | None = None,
) -> None:
    """Show a table.

    Parameters
    ----------
    names : columns; their heads are the texts `column_<name>`.
    rows : cells as text, escaped here; `Html` is taken as it is.
    numbers : columns set to the right.
    marked : row that is chosen.
    """
    right = set(numbers)
    kinds = [" class='number'" if name in right else "" for name in names]
    heads = "".join(
        f"<th{kind}>{html.escape(texts(f'column_{name}'))}</th>"
        for name, kind in zip(names, kinds, strict=True)
    )
    body = []
    for index, row in enumerate(rows):
        cells = "".join(
            f"<td{kind}>{cell if isinstance(cell, Html) else html.escape(str(cell))}"
            "</td>"
            for cell, kind in zip(row, kinds, strict=True)
        )
        chosen = " class='chosen'" if index == marked else ""
        body.append(f"<tr{chosen}>{cells}</tr>")
    st.html(
        f"{region(texts)}<table class='rows'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def region(texts: Texts, kind: str = "wide") -> str:
    """Return the start of a box in which a table scrolls, by keyboard too."""
    label = html.escape(texts("table"), True)
    return f"<div class='{kind}' tabindex='0' role='region' aria-label='{label}'>"


def escaped(text: str) -> str:
    """Return text as HTML."""
    return html.escape(text)


class Html(str):
    """Text that is HTML already."""


def tag(text: str, kind: str = "casual") -> Html:
    """Return a coloured label: casual (grey), close (red) or good (green)."""
    return Html(f"<span class='tag {kind}'>{html.escape(text)}</span>")


def when(moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return a moment in the settings' zone, or a dash."""
    if moment is None:
        return "–"
    return f"{moment.astimezone(ZoneInfo(get_settings().time_zone)):{form}}"


def once(moment: datetime) -> Html:
    """Return a moment of a log, on one line."""
    return Html(f"<span class='nowrap'>{when(moment, '%m-%d %H:%M:%S')}</span>")


def heading(title: str, note: str = "") -> None:
    """Show a page's heading."""
    st.html(
        f"<div class='head'><h1>{html.escape(title)}</h1></div>"
        f"<div class='lead'>{html.escape(note)}</div>"
    )


def section(title: str, note: str = "") -> None:
    """Show a section's heading."""
    more = f"<span>{html.escape(note)}</span>" if note else ""
    st.html(f"<div class='section'>{html.escape(title)}{more}</div>")
