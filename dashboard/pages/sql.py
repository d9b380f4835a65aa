"""The SQL page: one SELECT over documented views, recorded, under pseudonyms."""

from __future__ import annotations

import csv
import io
import time

import streamlit as st

from dashboard import access, i18n, tables
from dashboard.i18n import Texts, ko_dictionary
from dashboard.panels import answer as shown
from dashboard.panels import editor
from pipeline.casebook import analysis, audit
from pipeline.settings import get_settings
from pipeline.store import dictionary, query
from pipeline.store.worked_queries import WORKED

ROWS = (100, 1_000, 10_000, query.MOST_ROWS)
SECONDS = 60.0
FIRST = "SELECT count(*) AS passes FROM tracklets"


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    access.user()  # nothing, also of what is remembered, once the session has ended
    tables.heading(texts("sql_heading"), texts("sql_note"))
    left, right = st.columns([1.7, 1], gap="large")
    with left:
        _editor(texts)
        _answer(texts)
    with right:
        _dictionary(texts)
        _log(texts)


def _editor(texts: Texts) -> None:
    by_name = {one.name: one for one in WORKED}
    kept = st.session_state
    kept.setdefault("sql-query", FIRST)
    kept.setdefault("sql-version", 0)

    # A choice is known by its words: in another language it is another list, which
    # begins with the same choice as long as its query was not changed.
    key, chosen = f"sql-worked-{texts.language}", kept.get("sql-chosen")
    unchanged = chosen is not None and kept["sql-query"] == by_name[chosen].sql

    def take() -> None:
        picked = kept["sql-chosen"] = kept[key]
        if picked is not None:
            kept["sql-query"] = by_name[picked].sql
            kept["sql-version"] += 1

    st.selectbox(
        texts("sql_worked"),
        list(by_name),
        format_func=lambda name: texts(f"worked_{name}"),
        index=list(by_name).index(chosen) if chosen and unchanged else None,
        placeholder=texts("sql_own"),
        key=key,
        on_change=take,
    )
    typed = editor.show(
        kept["sql-query"],
        kept["sql-version"],
        _entries(texts.language),
        texts,
        key="sql-editor",
    )
    kept["sql-query"] = typed.text
    st.caption(texts("sql_keys"))
    first, second, third = st.columns([2.4, 1, 0.6], vertical_alignment="bottom")
    purpose = first.text_input(
        texts("sql_purpose"), texts("sql_purpose_first"), key="sql-purpose"
    )
    limit = second.selectbox(
        texts("sql_rows"), ROWS, index=1, format_func="{:,}".format, key="sql-rows"
    )
    asked = third.button(
        texts("sql_run"), key="sql-run", type="primary", width="stretch"
    )
    if asked or typed.run:
        kept.pop("sql-answer", None)
        sql = kept["sql-query"]
        with (
            access.refusals_shown(),
            st.spinner(texts("sql_running", seconds=SECONDS)),
        ):
            begun = time.perf_counter()
            answer = analysis.ask(
                get_settings(),
                access.user(),
                sql,
                purpose=purpose,
                limit=limit,
                seconds=SECONDS,
            )
            kept["sql-answer"] = (answer, time.perf_counter() - begun)


def _answer(texts: Texts) -> None:
    if "sql-answer" not in st.session_state:
        return
    answer, spent = st.session_state["sql-answer"]
    tables.section(
        texts("sql_result", rows=len(answer.rows), seconds=spent),
        texts("sql_capped", rows=len(answer.rows)) if answer.capped else "",
    )
    shown.show(answer, texts)
    st.download_button(
        texts("sql_download"),
        _csv(answer),
        "dongseon.csv",
        "text/csv",
        key="sql-download",
        on_click=lambda: audit.record(
            get_settings(), access.user(), "export", "views",
            st.session_state.get("sql-purpose", ""),
            {"rows": len(answer.rows)},
        ),
    )  # fmt: skip


def _csv(answer: query.Answer) -> bytes:
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
    return target.getvalue().encode("utf-8-sig")


def _dictionary(texts: Texts) -> None:
    tables.section(texts("sql_dictionary"))
    wanted = st.text_input(
        texts("sql_filter"), key="sql-filter", placeholder=texts("sql_filter"),
        label_visibility="collapsed",
    ).strip().lower()  # fmt: skip
    some = False
    for name, about, columns in _entries(texts.language):
        rows = [row for row in columns if wanted in f"{name} {row[0]} {row[2]}".lower()]
        if not rows:
            continue
        some = True
        with st.expander(name, expanded=bool(wanted)):
            st.caption(about)
            tables.show(("column", "type", "meaning"), rows, texts)
    if not some:
        st.caption(texts("sql_filter_none"))


@st.cache_data(show_spinner=False)
def _entries(language: str) -> list[editor.Entry]:
    """Return the data dictionary in the viewer's language."""
    own = [
        (name, analysis.ABOUT[name], analysis.columns(name)) for name in analysis.VIEWS
    ]
    said = ko_dictionary.MEANINGS if language == "ko" else {}
    return [
        (
            name,
            said.get(about, about),
            [(column, kind, said.get(told, told)) for column, kind, told in columns],
        )
        for name, about, columns in [*dictionary.entries(), *own]
    ]


def _log(texts: Texts) -> None:
    tables.section(texts("sql_log"))
    known = analysis.history(get_settings(), access.user())
    if not known:
        st.caption(texts("sql_log_none"))
        return
    rows = [
        (
            tables.when(row["at"], "%m-%d %H:%M"),
            tables.Html(f"<pre>{tables.escaped(row['query'][:300])}</pre>"),
        )
        for row in known
    ]
    tables.show(("when", "query"), rows, texts)


with access.refusals_shown():
    main()
