"""Analysts' SQL: one SELECT over the documented views, and nothing else."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import place, reader, snapshot

#: Table functions that read nothing but their arguments.
_FUNCTIONS = {"range", "generate_series", "unnest"}
#: Places a query may name besides the views.
_CATALOGUE = {("information_schema", "tables"), ("information_schema", "columns")}
#: What may stand in FROM.
_SOURCES = {"BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SUBQUERY", "EMPTY", "EMPTY_FROM"}
_SOURCES |= {"EXPRESSION_LIST", "PIVOT", "SHOW_REF", "CTE", "DELIM_GET"}
#: Functions that tell of the machine, its files or settings, keep state, write, wait
#: or read what they are given as text; and DuckDB's inner ones.
_CLOSED = re.compile(
    r"(__internal|pg_(?!size_pretty|typeof)|duckdb_|has_\w*privilege|inet_|parse_duckdb"
    r"|current_(setting|catalog|database|schema|query|role|user|connection"
    r"|transaction)|json_(execute|serialize|deserialize|copy)|\w*obj_description"
    r"|(getvariable|getenv|session_user|user|nextval|currval|setval|setseed"
    r"|in_search_path|col_description|get_block_size|index_key|stats|txid_current"
    r"|version|write_log|sleep_ms|query|query_table|which_secret|read_\w+|glob)$)"
)
#: Times a query is asked again because segments were deleted under it.
_ATTEMPTS = 20
#: Most rows and longest text of one query, and the memory it may take.
MOST_ROWS = 100_000
LONGEST = 20_000
_MEMORY = "4GB"


class RefusedQueryError(StoreError):
    """The query asks for something that is closed to it."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query."""

    columns: list[str]
    rows: list[tuple]
    capped: bool  #: whether there were more rows than asked for


def run(
    settings: Settings,
    sql: str,
    *,
    limit: int = 1000,
    seconds: float = 60.0,
    extra: Mapping[str, pa.Table] | None = None,
) -> Answer:
    """Answer one SELECT over the views.

    The connection reads the observation segments and the cameras' table only:
    other files, the network, extensions and settings are closed to it. Times are
    shown in the zone of the settings. It asks nobody for a role: people's queries
    go through `casebook.analysis.ask`.

    Parameters
    ----------
    limit : rows at most, 1 to `MOST_ROWS`.
    extra : further tables that the query may name.

    Raises
    ------
    RefusedQueryError
        If it is not one SELECT over the views.
    StoreError
        If it fails or takes too long.
    """
    further = dict(extra or {})
    text = check(sql, further)
    if not 1 <= limit <= MOST_ROWS:
        raise StoreError(f"limit is {limit}; ask for 1 to {MOST_ROWS} rows.")
    met = ""
    for attempt in range(_ATTEMPTS):
        connection = _guarded(settings, further)
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
                "by WHERE date = DATE '2025-11-03'.",
                code="sql_slow",
                seconds=seconds,
            ) from error
        except duckdb.IOException as error:
            # A segment was swept up between the listing and its opening: the next
            # listing is without it. What is met twice is damage.
            if str(error) == met or attempt == _ATTEMPTS - 1:
                raise _failed(error, settings) from error
            met = str(error)
        except duckdb.Error as error:
            raise _failed(error, settings) from error
        finally:
            timer.cancel()
            connection.close()
    raise AssertionError("unreachable")


def check(sql: str, extra: Iterable[str] = ()) -> str:
    """Return the query as parsed and written out again, if it is allowed.

    Parameters
    ----------
    extra : names of tables allowed besides the views.

    Raises
    ------
    RefusedQueryError
        If it is not exactly one SELECT, or reads anything but the views.
    StoreError
        If it cannot be read.
    """
    if len(sql) > LONGEST:
        raise RefusedQueryError(
            f"the query has {len(sql)} characters; {LONGEST} are allowed.",
            code="sql_long",
            number=len(sql),
            most=LONGEST,
        )
    views = (*snapshot.VIEWS, *extra)
    with duckdb.connect() as parser:
        try:
            found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql])
            tree = json.loads(found.fetchall()[0][0])
            if tree.get("error"):
                _unreadable(tree.get("error_message", ""))
            if len(tree["statements"]) != 1:
                raise RefusedQueryError(
                    "give exactly one SELECT statement at a time.", code="sql_one"
                )
            _Checker(views).walk(tree["statements"][0]["node"], frozenset())
            text = parser.execute(
                "SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]
            ).fetchall()[0][0]
        except duckdb.Error as error:
            raise _failed(error) from error
        except RecursionError:
            raise RefusedQueryError(
                "the query is nested too deeply; make it simpler.", code="sql_nested"
            ) from None
    return str(text).rstrip().rstrip(";")


class _Checker:
    """Refuses sources of rows and functions that are not open to analysts."""

    def __init__(self, views: tuple[str, ...]) -> None:
        self._views = views

    def walk(self, node: Any, names: frozenset[str]) -> None:
        """Look at a node and all below it; `names`: of the query's own, in scope."""
        if isinstance(node, list):
            for entry in node:
                self.walk(entry, names)
            return
        if not isinstance(node, dict):
            return
        # A name is in scope only after its definition: within it, the same name
        # would be looked up elsewhere, also among files.
        for entry in (node.get("cte_map") or {}).get("map") or []:
            self.walk(entry["value"], names)
            names |= {str(entry["key"]).lower()}
        self._node(node, names)
        recursive = node.get("type") == "RECURSIVE_CTE_NODE"
        for key, value in node.items():
            if key == "cte_map":
                continue
            if recursive and key == "right":
                self.walk(value, names | {str(node.get("cte_name", "")).lower()})
            else:
                self.walk(value, names)

    def _node(self, node: dict, names: frozenset[str]) -> None:
        kind = node.get("type")
        if kind == "BASE_TABLE" or (kind == "SHOW_REF" and node.get("table_name")):
            self._table(node, names)
        elif kind == "TABLE_FUNCTION":
            name = _function_name(node.get("function") or {})
            if name not in _FUNCTIONS:
                raise RefusedQueryError(
                    f"the table function {name!r} is not allowed here; {self._hint}.",
                    code="sql_function",
                    name=name,
                    views=self._views,
                )
        if node.get("class") == "FUNCTION" and _CLOSED.match(_function_name(node)):
            raise RefusedQueryError(
                f"the function {_function_name(node)!r} is not allowed here; "
                f"{self._hint}.",
                code="sql_function",
                name=_function_name(node),
                views=self._views,
            )
        source = node.get("from_table")
        if isinstance(source, dict) and source.get("type") not in _SOURCES:
            raise RefusedQueryError(
                f"{source.get('type')} is not allowed in FROM; {self._hint}.",
                code="sql_source",
                name=source.get("type"),
                views=self._views,
            )

    def _table(self, node: dict, names: frozenset[str]) -> None:
        path = (node.get("qualified_name") or {}).get("path") or [
            node.get("schema_name") or "",
            node.get("table_name") or "",
        ]
        parts = [str(part).lower() for part in path if part]
        if len(parts) == 1 and (parts[0] in names or parts[0] in self._views):
            return
        if len(parts) == 2 and tuple(parts) in _CATALOGUE:
            return
        if len(parts) == 2 and parts[0] == "main" and parts[1] in self._views:
            return
        raise RefusedQueryError(
            f"there is no view {'.'.join(str(part) for part in path)!r}; {self._hint}.",
            code="sql_view",
            name=".".join(str(part) for part in path if part),
            views=self._views,
        )

    @property
    def _hint(self) -> str:
        return f"query the views {', '.join(self._views)}"


def _function_name(node: dict) -> str:
    path = (node.get("qualified_name") or {}).get("path") or [""]
    return str(node.get("function_name") or path[-1]).lower()


def _guarded(
    settings: Settings, extra: Mapping[str, pa.Table]
) -> duckdb.DuckDBPyConnection:
    """Return views in memory that can read the segments and nothing else."""
    connection = reader.connect(settings, read_only=False)
    for name, table in extra.items():
        connection.register("given", table)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
        connection.unregister("given")
    zone = settings.time_zone.replace("'", "''")
    root = place.root_of(settings)
    if isinstance(root, Path):
        root = root.resolve()
    inside = str(root).replace("'", "''")
    cameras = str(snapshot.cameras_file(settings).resolve()).replace("'", "''")
    for statement in (
        f"SET TimeZone = '{zone}'",
        "SET temp_directory = ''",
        f"SET memory_limit = '{_MEMORY}'",
        f"SET threads = {int(settings.threads)}",
        "SET python_enable_replacements = false",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET allowed_directories = ['{inside}/']",
        f"SET allowed_paths = ['{cameras}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def _unreadable(message: str) -> None:
    if "Only SELECT" in message:
        raise RefusedQueryError(
            "only SELECT is allowed: the views are read-only; write "
            "SELECT ... FROM tracklets.",
            code="sql_select",
        )
    raise StoreError(
        f"the query cannot be read: {' '.join(message.split())}.",
        code="sql_unreadable",
        error=" ".join(message.split()),
    )


def _failed(error: Exception, settings: Settings | None = None) -> StoreError:
    """Return a DuckDB error as one line that tells of no folder."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    hints = [line for line in lines[1:] if line.startswith(("Did you", "Candidate"))]
    told = " ".join([text, *hints[:1]])
    if settings is not None:
        for folder in (settings.data_dir.resolve(), settings.data_dir):
            told = told.replace(str(folder), "data")
    return StoreError(f"the query failed: {told}", code="sql_failed", error=told)
