"""The Contacts page: who was near, why they rank so, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import access, choosing, i18n, tables
from dashboard.i18n import Texts
from dashboard.panels import (
    contact_detail,
    contact_network,
    contact_timeline,
    contacts,
)
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import get_settings
from pipeline.trace import exports, followup, results
from pipeline.trace.followup import Standing

#: Rows the ranking shows without scrolling inside it, pixels.
HEIGHT = 460
CLASSES = ("close", "casual", "airspace")


@dataclass(frozen=True)
class Found:
    """What the page shows of one result."""

    run: dict[str, Any]
    contacts: list[dict[str, Any]]  #: most exposed first
    episodes: list[dict[str, Any]]
    standings: dict[str, Standing]


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    chosen = choosing.result(texts)
    if chosen is None:
        return
    _, authorisation, run = chosen
    found = _read(authorisation, run)
    tables.heading(
        texts("contacts_of", case=run["case"]),
        texts("contacts_lead", when=tables.when(run["made_at"], "%Y-%m-%d %H:%M:%S")),
    )
    contacts.warn(run, texts)
    if not found.contacts:
        st.info(texts("contacts_nobody"))
        return
    _figures(found, texts)
    _body(found, authorisation, texts)


def _read(authorisation: Authorisation, run: dict[str, Any]) -> Found:
    settings = get_settings()
    name = run["run"]

    def read() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        people, episodes = (
            results.read(authorisation, table, name, settings=settings).to_pylist()
            for table in ("contact", "episode")
        )
        people.sort(
            key=lambda row: (
                row["class"] != "close",
                -contact_detail.day_seconds(row),
                -(row["dose_median"] or 0.0),
            )
        )
        return people, sorted(episodes, key=lambda row: row["start_at"])

    people, episodes = access.remembered(
        f"contacts-{run['case']}-{name}", read, seconds=3600
    )
    standings = access.remembered(
        f"standings-{authorisation.order_id}-{name}",
        lambda: followup.standings(authorisation, name, settings=settings),
        seconds=20,
    )
    return Found(run, people, episodes, standings)


def _figures(found: Found, texts: Texts) -> None:
    figures = followup.figures(found.standings.values())
    close = sum(row["class"] == "close" for row in found.contacts)
    share = "–" if figures.share is None else f"{figures.share:.0%}"
    values = {
        "kpi_contacts": f"{figures.contacts} ({close})",
        "kpi_share_short": share,
        **{
            f"followup_{state}": str(number)
            for state, number in figures.by_state.items()
        },
    }
    helps = {
        "kpi_share_short": texts(
            "kpi_share_help",
            in_time=figures.in_time,
            late=figures.late,
            pending=figures.pending,
        )
    }
    for column, (name, value) in zip(
        st.columns(len(values)), values.items(), strict=True
    ):
        column.metric(texts(name), value, help=helps.get(name))


def _body(found: Found, authorisation: Authorisation, texts: Texts) -> None:
    left, right = st.columns([1.5, 1], gap="medium")
    with left:
        shown = _filtered(found, texts)
        chosen = _ranking(shown, found, texts)
    with right:
        if chosen is None:
            tables.section(texts("contact_one"))
            st.caption(texts("contact_choose"))
        else:
            with st.container(key="one-contact"):
                contact_detail.show(
                    chosen,
                    found.episodes,
                    found.standings[chosen["contact"]],
                    found.run,
                    authorisation,
                    texts,
                )
    zone = ZoneInfo(get_settings().time_zone)
    names = ["timeline", "network"]
    if access.may("export"):
        names.append("export")
    tabs = dict(zip(names, st.tabs([texts(f"tab_{n}") for n in names]), strict=True))
    with tabs["timeline"]:
        contact_timeline.show(
            found.episodes,
            [row["contact"] for row in shown],
            zone,
            texts,
            key="all-timeline",
        )
    with tabs["network"]:
        contact_network.show(shown, found.episodes, found.run["case"], texts)
    if "export" in tabs:
        with tabs["export"]:
            _exports(found, authorisation, texts)


def _filtered(found: Found, texts: Texts) -> list[dict[str, Any]]:
    known = {row["class"] for row in found.contacts}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = st.pills(
            texts("column_class"),
            [kind for kind in CLASSES if kind in known],
            format_func=lambda kind: texts.of("class", kind),
            selection_mode="multi",
            key="contact-kinds",
        )
        states = st.pills(
            texts("followup"),
            sorted(
                {one.state for one in found.standings.values()},
                key=followup.followups.STATES.index,
            ),
            format_func=lambda state: texts.of("followup", state),
            selection_mode="multi",
            key="contact-states",
        )
    return [
        row
        for row in found.contacts
        if (not kinds or row["class"] in kinds)
        and (not states or found.standings[row["contact"]].state in states)
    ]


def _ranking(
    shown: list[dict[str, Any]], found: Found, texts: Texts
) -> dict[str, Any] | None:
    """Show the ranking and return the chosen contact, at first the first one."""
    if not shown:
        st.info(texts("contacts_filtered_out"))
        return None
    limit = contact_detail.close_seconds(found.run)
    frame = pd.DataFrame(
        [
            {
                "contact": row["contact"],
                "class": texts.of("class", row["class"]),
                "followup": texts.of("followup", found.standings[row["contact"]].state),
                "minutes": contact_detail.day_seconds(row) / 60,
                "dose": row["dose_median"],
                "reason": texts(
                    "reason_short",
                    episodes=row["episodes"],
                    metres=row["least_metres"],
                    patient=texts.of("mask_short", row["patient_mask"]),
                    contact=texts.of("mask_short", row["contact_mask"]),
                ),
                "two": found.standings[row["contact"]].notifiable,
            }
            for row in shown
        ]
    )
    config = st.column_config
    picked = st.dataframe(
        frame,
        hide_index=True,
        height=min(HEIGHT, 38 + 35 * len(frame)),
        row_height=35,
        on_select="rerun",
        selection_mode="single-row",
        key=f"ranking-{found.run['run']}",
        column_config={
            "contact": config.TextColumn(texts("column_contact"), width=56),
            "class": config.TextColumn(texts("column_class"), width=50),
            "followup": config.TextColumn(texts("followup"), width=74),
            "minutes": config.ProgressColumn(
                texts("column_minutes_24h"),
                help=texts("column_minutes_24h_help", minutes=limit / 60),
                format=texts("minutes_format"),
                min_value=0,
                max_value=limit / 60,
                width=105,
            ),
            "dose": config.NumberColumn(
                texts("column_dose_short"), format="%.2g", width=78
            ),
            "reason": config.TextColumn(texts("column_reason"), width=186),
            "two": config.CheckboxColumn(
                texts("column_two"), help=texts("column_two_help"), width=76
            ),
        },
    )
    st.caption(texts("contacts_note"))
    rows = picked.selection.rows
    return shown[rows[0]] if rows and rows[0] < len(shown) else shown[0]


def _exports(found: Found, authorisation: Authorisation, texts: Texts) -> None:
    """Make a file only once it is asked for: making one is recorded."""
    st.caption(texts("export_note"))

    def content(form: str) -> bytes:
        made = exports.make(
            authorisation, form, found.run["run"], settings=get_settings()
        )
        return made.content

    for form in exports.FORMS:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                texts(f"export_{form}"),
                data=partial(content, form),
                file_name=exports.file_name(authorisation, form),
                mime=exports.media_type(form),
                on_click="ignore",
                key=f"export-{form}",
                width=200,
            )
            st.caption(texts(f"export_{form}_help"))


with access.refusals_shown():
    main()
