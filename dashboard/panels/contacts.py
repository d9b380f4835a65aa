"""The table of contacts with the reason for each."""

from __future__ import annotations

import html
import json
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import tables
from dashboard.i18n import Texts

#: Rows at most: the page Contacts has all, and every row is sent with each range.
MOST = 60


def show(rows: list[dict[str, Any]], zone: ZoneInfo, texts: Texts) -> None:
    """Show contacts, the most exposed first."""
    if not rows:
        st.info(texts("contacts_none"))
        return
    names = (
        *("contact", "class", "relation", "reason", "sightings", "first", "last"),
        "dose",
    )
    heads = "".join(f"<th>{html.escape(texts(f'column_{n}'))}</th>" for n in names)
    body = "".join(_row(row, zone, texts) for row in rows[:MOST])
    st.html(
        f"{tables.region(texts)}<table class='rows contacts'><thead><tr>{heads}</tr>"
        f"</thead><tbody>{body}</tbody></table></div>"
    )
    if len(rows) > MOST:
        st.caption(texts("contacts_more", number=len(rows) - MOST))
    st.caption(texts("contacts_note"))


def warn(run: dict[str, Any], texts: Texts) -> None:
    """Warn where the path rests on footage that counts contacts short."""
    hasty = json.loads(run["options"] or "{}").get("sightings_at_triage", 0)
    if hasty:
        told = html.escape(texts("contacts_triage", sightings=hasty))
        st.html(f"<div class='notice'>{told}</div>")


def reason(row: dict[str, Any], texts: Texts) -> str:
    """Return why a person is a contact, in the viewer's language."""
    time = duration(row["seconds"], texts)
    if row.get("inferred_seconds"):
        more = duration(row["inferred_seconds"], texts)
        time = texts("seen_and_inferred", seen=time, inferred=more)
    return texts(
        "reason",
        time=time,
        episodes=row["episodes"],
        metres=row["least_metres"],
        patient=texts.of("mask", row["patient_mask"]),
        contact=texts.of("mask", row["contact_mask"]),
    )


def relation(row: dict[str, Any], texts: Texts) -> str:
    """Return how a contact was with the patient: companion, beside, passing."""
    if row["relation"] is None:  # of a result made before this was stored
        return "–"
    return texts(f"relation_{row['relation']}", share=row["joint_share"] or 0.0)


def duration(seconds: float, texts: Texts) -> str:
    """Return seconds as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes and not rest:
        return texts("only_minutes", minutes=minutes)
    if minutes:
        return texts("minutes_seconds", minutes=minutes, seconds=rest)
    return texts("only_seconds", seconds=rest)


def _row(row: dict[str, Any], zone: ZoneInfo, texts: Texts) -> str:
    first, last = (
        f"{row[name].astimezone(zone):%m-%d %H:%M:%S}"
        for name in ("first_at", "last_at")
    )
    kind = row["class"] if row["class"] in ("close", "casual") else "casual"
    tag = tables.tag(texts.of("class", row["class"]), kind)
    with_him = relation(row, texts)
    dose = "–"
    if row["dose_median"] is not None:
        dose = (
            f"{row['dose_median']:.2g} ({row['dose_low']:.2g}–{row['dose_high']:.2g})"
        )
    cells = [
        html.escape(row["contact"]),
        tag,
        html.escape(with_him),
        html.escape(reason(row, texts)),
        ", ".join(row["at"]) or "–",
        first,
        last,
        dose,
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
