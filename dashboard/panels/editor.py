"""The SQL editor: completes the names of views, columns and functions, offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import streamlit as st

from dashboard import access, serving
from dashboard.i18n import Texts

#: View, what it is, its columns (name, type, meaning).
Entry = tuple[str, str, list[tuple[str, str, str]]]
#: Words of the language that are completed.
KEYWORDS = [
    *[
        "SELECT",
        "FROM",
        "WHERE",
        "LIMIT",
        "HAVING",
        "QUALIFY",
        "JOIN",
        "USING",
        "ON",
        "AS",
        "AND",
        "OR",
        "NOT",
        "IN",
    ],
    *[
        "BETWEEN",
        "IS",
        "NULL",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "DISTINCT",
        "WITH",
        "UNION",
        "FILTER",
    ],
    *["OVER", "INTERVAL", "DESC", "ASC", "DATE", "TIMESTAMP"],
    *("GROUP BY", "GROUP BY ALL", "ORDER BY", "LEFT JOIN", "ASOF JOIN"),
    *("PARTITION BY", "RANGE BETWEEN", "CURRENT ROW", "UNION ALL"),
]
_CSS = serving.ASSETS / "editor.css"
_JS = """
export default function (component) {
  let gone = false;
  let leave = null;
  const host = component.parentElement;
  import(new URL(component.data.module, window.location.origin).href)
    .then((module) => { if (!gone) leave = module.default(component); })
    .catch((error) => {
      host.querySelector(".sql-editor").textContent = String(error);
    });
  return () => { gone = true; leave?.(); };
}
"""


@dataclass(frozen=True)
class Typed:
    """What the browser sent back."""

    text: str
    run: bool  #: by key


def show(
    text: str, version: int, entries: Sequence[Entry], texts: Texts, *, key: str
) -> Typed:
    """Show the editor and return what is in it.

    Parameters
    ----------
    text : what is in it at first, and again whenever `version` changes.
    entries : views that are completed.
    """
    result = _component()(
        key=key,
        data={
            "module": serving.url("editor.js"),
            "engine": [serving.url(name) for name in serving.ACE],
            "text": text,
            "version": version,
            "owner": access.user(touch=False),
            "views": [
                {"name": name, "about": about, "columns": columns}
                for name, about, columns in entries
            ],
            "functions": _functions(),
            "keywords": KEYWORDS,
            "texts": {
                "label": texts("sql_query"),
                "placeholder": texts("sql_placeholder"),
            },
        },
        default={"draft": None},
        on_draft_change=lambda: None,
        on_run_change=lambda: None,
    )
    draft = result.draft or {}
    fresh = draft.get("version") == version
    return Typed(str(draft["text"]) if fresh else text, result.run is not None)


@lru_cache(maxsize=1)
def _functions() -> list[str]:
    """Return the functions that the database knows, by plain names."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]+') "
            "AND function_type IN ('scalar', 'aggregate') ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows if not name.startswith("pg_")]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "dongseon_sql_editor",
        html="<div class='sql-editor'></div>",
        css=_CSS.read_text(encoding="utf-8"),
        js=_JS,
        isolate_styles=False,  # Ace puts its style and its lists into the page
    )
