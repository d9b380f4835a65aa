"""The first page of a new installation: what there is, and what to do next."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import access, i18n, tables
from dashboard.i18n import Texts
from pipeline.footage import setup
from pipeline.footage.setup import Step
from pipeline.settings import get_settings

DEMO = "./run demo"
#: Step -> the command that takes it.
COMMANDS = {
    "registry": "dongseon cameras import TABLE.csv",
    "weights": "dongseon models fetch",
    "footage": "dongseon ingest CLIP.mp4 --camera BC-00001",
    "case": "dongseon case open --help",
    "order": "dongseon order request --help",
    "trace": "dongseon trace CASE --tracklet ID",
}


def main() -> None:
    """Show the steps; only a fresh installation has nothing to hide in them."""
    texts = i18n.choose()
    access.user()
    settings = get_settings()
    if not setup.is_fresh(settings=settings):
        st.info(texts("start_over"))
        return
    tables.heading(texts("start"), texts("start_lead"))
    tables.section(texts("start_demo"))
    st.caption(texts("start_demo_note"))
    st.code(DEMO, language=None)
    tables.section(texts("start_steps"))
    rows = [
        _step(number, step, texts)
        for number, step in enumerate(setup.steps(settings=settings), start=1)
    ]
    st.html(f"<ol class='steps'>{''.join(rows)}</ol>")


def _step(number: int, step: Step, texts: Texts) -> str:
    state = "done" if step.done else "todo"
    note = texts(f"start_{step.name}_note", number=step.number or 0)
    label = tables.tag(texts(f"start_{state}"), "good" if step.done else "casual")
    return (
        f"<li class='{state}'><span class='no'>{number}</span>"
        f"<b>{html.escape(texts(f'start_{step.name}'))}</b>{label}"
        f"<p>{html.escape(note)}</p>"
        f"<code>{html.escape(COMMANDS[step.name])}</code></li>"
    )


with access.refusals_shown():
    main()
