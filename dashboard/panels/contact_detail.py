"""One contact: why, how long in 24 hours, each episode, and its follow-up."""

from __future__ import annotations

import html
import json
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import access, tables
from dashboard.i18n import Texts
from dashboard.panels import contact_timeline
from dashboard.panels.contacts import duration, reason, relation
from pipeline.casebook import followups
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import get_settings
from pipeline.trace import followup
from pipeline.trace.followup import Standing


def show(
    row: dict[str, Any],
    episodes: list[dict[str, Any]],
    standing: Standing,
    run: dict[str, Any],
    authorisation: Authorisation,
    texts: Texts,
) -> None:
    """Show a contact and offer what may be entered about it."""
    zone = ZoneInfo(get_settings().time_zone)
    kind = row["class"] if row["class"] == "close" else "casual"
    st.html(
        f"<div class='person'><div class='top'><b>{html.escape(row['contact'])}</b>"
        f"{tables.tag(texts.of('class', row['class']), kind)}"
        f"{tables.tag(texts.of('followup', standing.state), state_kind(standing))}"
        f"</div><p>{html.escape(reason(row, texts))}<br>"
        f"{html.escape(texts('column_relation'))}: "
        f"{html.escape(relation(row, texts))}</p>"
        f"{_sum(row, run, texts)}</div>"
    )
    mine = [one for one in episodes if one["contact"] == row["contact"]]
    days = {one["start_at"].astimezone(zone).date() for one in mine}
    form = "%m-%d %H:%M:%S" if len(days) > 1 else "%H:%M:%S"
    contact_timeline.show(
        mine,
        [row["contact"]],
        zone,
        texts,
        key="one-timeline",
        width=contact_timeline.NARROW,
    )
    tables.show(
        ("episode_start", "camera", "episode_time", "metres", "masks"),
        [
            (
                f"{one['start_at'].astimezone(zone):{form}}",
                one["camera_id"],
                duration(one["seconds"], texts),
                f"{one['least_metres']:.1f} m",
                f"{texts.of('mask', one['patient_mask'])} · "
                f"{texts.of('mask', one['contact_mask'])}",
            )
            for one in mine
        ],
        texts,
        numbers=("metres",),
    )
    _followup(row, standing, run, authorisation, texts)


def state_kind(standing: Standing) -> str:
    """Return the kind of label a state has."""
    if standing.state in followups.REACHED:
        return "good"
    return "close" if standing.in_time is False else "casual"


def close_seconds(run: dict[str, Any]) -> float:
    """Return the seconds within 24 hours from which a contact of a result is close."""
    rule = json.loads(run["options"] or "{}").get("rule", {})
    return float(rule.get("close_seconds", 900.0))


def day_seconds(row: dict[str, Any]) -> float:
    """Return the seconds near within the worst 24 hours."""
    most = row.get("seconds_24h")
    return float(row["seconds"] if most is None else most)


def _sum(row: dict[str, Any], run: dict[str, Any], texts: Texts) -> str:
    limit, near = close_seconds(run), day_seconds(row)
    share = min(100.0, 100 * near / limit)
    told = texts("sum_24h", time=duration(near, texts), limit=duration(limit, texts))
    return (
        f"<div class='sum'><div class='rule'><i style='width:{share:.1f}%'></i></div>"
        f"<span>{html.escape(told)}</span></div>"
    )


def _followup(
    row: dict[str, Any],
    standing: Standing,
    run: dict[str, Any],
    authorisation: Authorisation,
    texts: Texts,
) -> None:
    tables.section(texts("followup"))
    facts = [texts("followup_since", when=tables.when(standing.listed_at))]
    if standing.reached_at:
        facts.append(
            texts("followup_reached_at", when=tables.when(standing.reached_at))
        )
    if standing.by:
        facts.append(
            texts("followup_by", user=standing.by, when=tables.when(standing.at))
        )
    st.caption(" · ".join(facts))
    if not standing.notifiable:
        st.html(f"<div class='notice'>{texts('followup_two_persons')}</div>")
        return
    if not access.may("contact.followup"):
        st.caption(texts("followup_not_yours"))
        return
    with st.container(horizontal=True, gap="small", key="followup-states"):
        for state in followups.STATES:
            if st.button(
                texts(f"followup_{state}"),
                key=f"followup-{state}",
                type="primary" if standing.state == state else "secondary",
                disabled=not followups.may_follow(standing.state, state),
            ):
                followup.enter(
                    authorisation,
                    row["contact"],
                    state,
                    run["run"],
                    settings=get_settings(),
                )
                access.forget_starting("standings-")
                st.rerun()
