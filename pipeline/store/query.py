"""Analysts' SQL: one SELECT over the documented views, and nothing else."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import reader, snapshot

#: Table functions that read nothing but their arguments.
_FUNCTIONS = {"range", "generate_series", "unnest"}
#: Places a query may name besides the views.
_CATALOGUE = {("information_schema", "tables"), ("information_schema", "columns")}
#: What may stand in FROM.
_SOURCES = {"BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SUBQUERY", "EMPTY", "EMPTY_FROM"}
_SOURCES |= {"EXPRESSION_LIST", "PIVOT", "SHOW_REF", "CTE", "DELIM_GET"}
_ATTEMPTS = 3


@dataclass(frozen=True)
class Answer:
    """Rows of a query."""

    columns: list[str]
    rows: list[tuple]
    capped: bool  #: whether there were more rows than asked for


def run(
    settings: Settings, sql: str, *, limit: int = 1000, seconds: float = 60.0
) -> Answer:
    """Answer one SELECT over the views.

    The connection reads the observation segments and the cameras' table only:
    other files, the network, extensions and settings are closed to it. Times are
    shown in the zone of the settings.

    Raises
    ------
    StoreError
        If it is not one SELECT over the views, or fails, or takes too long.
    """
    text = check(sql)
    if limit < 1:
        raise StoreError(f"limit is {limit}; ask for at least one row.")
    for attempt in range(_ATTEMPTS):
        connection = _guarded(settings)
        timer = threading.Timer(seconds, connection.interrupt)
        timer.start()
        try:
            # The check has parsed it as one SELECT; the wrapper only caps the rows.
            found = connection.sql(
                f"SELECT * FROM ({text}\n) LIMIT {limit + 1}"
            ).to_arrow_table()
            rows = list(zip(*(c.to_pylist() for c in found.columns), strict=True))
            return Answer(found.column_names, rows[:limit], len(rows) > limit)
        except duckdb.InterruptException as error:
            raise StoreError(
                f"the query took longer than {seconds:g} s; narrow it, for instance "
                "by WHERE date = DATE '2025-11-03'."
            ) from error
        except duckdb.IOException as error:
            # A segment was swept up between the listing and its opening.
            if attempt == _ATTEMPTS - 1:
                raise StoreError(_sentence(error)) from error
        except duckdb.Error as error:
            raise StoreError(_sentence(error)) from error
        finally:
            timer.cancel()
            connection.close()
    raise AssertionError("unreachable")


def check(sql: str) -> str:
    """Return the query as parsed and written out again, if it is allowed.

    Raises
    ------
    StoreError
        If it is not exactly one SELECT, or reads anything but the views.
    """
    with duckdb.connect() as parser:
        try:
            found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql])
            tree = json.loads(found.fetchall()[0][0])
            if tree.get("error"):
                raise StoreError(_refusal(tree.get("error_message", "")))
            if len(tree["statements"]) != 1:
                raise StoreError("give exactly one SELECT statement at a time.")
            _walk(tree["statements"][0]["node"], frozenset())
            text = parser.execute(
                "SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]
            ).fetchall()[0][0]
        except duckdb.Error as error:
            raise StoreError(_sentence(error)) from error
    return text.rstrip().rstrip(";")


def _walk(node: Any, names: frozenset[str]) -> None:
    """Refuse any source of rows that is not a view or a name of the query's own."""
    if isinstance(node, list):
        for entry in node:
            _walk(entry, names)
        return
    if not isinstance(node, dict):
        return
    own = (node.get("cte_map") or {}).get("map") or []
    names = names | {str(entry["key"]).lower() for entry in own}
    if node.get("type") == "RECURSIVE_CTE_NODE" or "cte_name" in node:
        names = names | {str(node.get("cte_name", "")).lower()}
    kind = node.get("type")
    if kind == "BASE_TABLE" or (kind == "SHOW_REF" and node.get("table_name")):
        _allow_table(node, names)
    elif kind == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in _FUNCTIONS:
            raise StoreError(
                f"the table function {name!r} is not allowed here; query the views "
                f"{', '.join(snapshot.VIEWS)}."
            )
    source = node.get("from_table")
    if isinstance(source, dict) and source.get("type") not in _SOURCES:
        raise StoreError(
            f"{source.get('type')} is not allowed in FROM; query the views "
            f"{', '.join(snapshot.VIEWS)}."
        )
    for value in node.values():
        _walk(value, names)


def _allow_table(node: dict, names: frozenset[str]) -> None:
    path = (node.get("qualified_name") or {}).get("path") or [
        node.get("schema_name") or "",
        node.get("table_name") or "",
    ]
    parts = [str(part).lower().strip('"') for part in path if part]
    if len(parts) == 1 and (parts[0] in names or parts[0] in snapshot.VIEWS):
        return
    if len(parts) == 2 and (tuple(parts) in _CATALOGUE):
        return
    if len(parts) == 2 and parts[0] == "main" and parts[1] in snapshot.VIEWS:
        return
    raise StoreError(
        f"there is no view {'.'.join(str(part) for part in path)!r}; query "
        f"{', '.join(snapshot.VIEWS)}."
    )


def _guarded(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return views in memory that can read the segments and nothing else."""
    connection = reader.connect(settings, read_only=False)
    zone = settings.time_zone.replace("'", "''")
    root = str(settings.observations_dir.resolve()).replace("'", "''")
    cameras = str(snapshot.cameras_file(settings).resolve()).replace("'", "''")
    for statement in (
        f"SET TimeZone = '{zone}'",
        "SET temp_directory = ''",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET allowed_directories = ['{root}/']",
        f"SET allowed_paths = ['{cameras}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def _refusal(message: str) -> str:
    if "Only SELECT" in message:
        return (
            "only SELECT is allowed: the views are read-only; write "
            "SELECT ... FROM tracklets."
        )
    return f"the query cannot be read: {' '.join(message.split())}."


def _sentence(error: Exception) -> str:
    """Return a DuckDB error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    hints = [line for line in lines[1:] if line.startswith(("Did you", "Candidate"))]
    return " ".join(["the query failed:", text, *hints[:1]])
