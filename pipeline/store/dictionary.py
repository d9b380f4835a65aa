"""docs/data-dictionary.md, generated from schema.sql."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.settings import CHECKOUT, Settings
from pipeline.store import reader, snapshot

PLACE = CHECKOUT / "docs" / "data-dictionary.md"


Entry = tuple[str, str, list[tuple[str, str, str]]]


def entries() -> list[Entry]:
    """Return (view, comment, [(column, type, meaning)]) of each documented view."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))  # type: ignore[call-arg]
        with reader.connect(settings, read_only=False) as connection:
            views = dict(
                connection.execute(
                    "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
                ).fetchall()
            )
            columns = connection.execute(
                "SELECT table_name, column_name, data_type, comment "
                "FROM duckdb_columns() WHERE NOT internal ORDER BY column_index"
            ).fetchall()
    return [
        (view, views[view], [row[1:] for row in columns if row[0] == view])
        for view in snapshot.VIEWS
    ]


def dictionary() -> str:
    """Return the data dictionary as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Views of `data/dongseon.duckdb`, generated from `pipeline/store/schema.sql` "
        "by `dongseon store dictionary`.",
        "Times are UTC with zone, positions WGS84, distances metres.",
    ]
    for view, about, columns in entries():
        lines += ["", f"## {view}", "", about, ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {kind} | {comment} |" for name, kind, comment in columns
        ]
    return "\n".join(lines) + "\n"
