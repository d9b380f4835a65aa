"""Attempts to get out of the analysts' SQL; and the queries that must pass."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import query, worked_queries, writer
from tests.pipeline.store.store_samples import unit

#: Each tries to read, write, load, learn or change what is not an analyst's. FILE
#: stands for a file that exists, NEW for one that must not be made.
ESCAPES = [
    # Other statements than SELECT.
    "COPY tracklets TO 'NEW'",
    "COPY (SELECT 1) TO 'NEW' (FORMAT parquet)",
    "COPY tracklets FROM 'FILE'",
    "EXPORT DATABASE 'NEW'",
    "IMPORT DATABASE 'NEW'",
    "ATTACH 'NEW' AS other",
    "ATTACH IF NOT EXISTS 'FILE' (TYPE sqlite)",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM 'http://192.0.2.1/'",
    "LOAD httpfs",
    "LOAD 'FILE'",
    "UPDATE EXTENSIONS",
    "PRAGMA database_list",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA import_database('NEW')",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_directories = ['/']",
    "SET VARIABLE x = 1",
    "RESET lock_configuration",
    "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE VIEW tracklets AS SELECT 1",
    "CREATE OR REPLACE TEMP VIEW tracklets AS SELECT 1",
    "CREATE MACRO f() AS TABLE SELECT * FROM read_text('FILE')",
    "CREATE TABLE t AS SELECT * FROM tracklets",
    "INSERT INTO cameras SELECT * FROM cameras",
    "UPDATE tracklets SET camera_id = 'x'",
    "DELETE FROM footage",
    "TRUNCATE footage",
    "DROP VIEW tracklets",
    "ALTER VIEW tracklets RENAME TO t",
    "COMMENT ON VIEW tracklets IS 'x'",
    "CALL pragma_version()",
    "EXECUTE p",
    "PREPARE p AS SELECT 1",
    "BEGIN TRANSACTION",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN SELECT * FROM read_text('FILE')",
    # Several statements, and what comments might hide.
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY tracklets TO 'NEW'",
    "SELECT 1 --\n; ATTACH 'NEW'",
    "SELECT 1 /* */ ; /* */ SET threads = 1",
    "/* SELECT 1 */ COPY tracklets TO 'NEW'",
    "-- SELECT\nATTACH 'NEW'",
    "SELECT 1 /* /* nested */ */ ; DROP VIEW tracklets",
    "SELECT 1) LIMIT 1; COPY (SELECT 1) TO 'NEW'; SELECT * FROM (SELECT 1",
    "SELECT 1) TO 'NEW' --",
    # Functions that read files, folders or the network.
    "SELECT * FROM read_csv('FILE')",
    "SELECT * FROM read_csv_auto('FILE')",
    "SELECT * FROM Read_Text('FILE')",
    "SELECT * FROM read_blob(['FILE'])",
    "SELECT * FROM read_json('FILE')",
    "SELECT * FROM read_ndjson_objects('FILE')",
    "SELECT * FROM read_parquet('FILE')",
    "SELECT * FROM parquet_scan('FILE')",
    "SELECT * FROM parquet_metadata('FILE')",
    "SELECT * FROM parquet_file_metadata('FILE')",
    "SELECT * FROM parquet_kv_metadata('FILE')",
    "SELECT * FROM sniff_csv('FILE')",
    "SELECT * FROM sqlite_scan('FILE', 'cases')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM python_map_function(1)",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM system.main.read_text('FILE')",
    "SELECT * FROM \"read_text\"('FILE')",
    "FROM read_text('FILE') SELECT content",
    "SELECT * FROM read_csv('https://192.0.2.1/x.csv')",
    "SELECT * FROM 's3://bucket/x.parquet'",
    # The same, hidden in other places of a query.
    "SELECT (SELECT content FROM read_text('FILE'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('FILE'))",
    "SELECT 1 IN (SELECT content FROM read_text('FILE'))",
    "SELECT * FROM tracklets, LATERAL (SELECT * FROM read_text('FILE'))",
    "SELECT * FROM tracklets POSITIONAL JOIN read_text('FILE')",
    "SELECT 1 UNION ALL SELECT size FROM read_text('FILE')",
    "SELECT * FROM (VALUES ((SELECT content FROM read_text('FILE'))))",
    "WITH q AS (SELECT * FROM read_text('FILE')) SELECT * FROM q",
    "WITH q AS MATERIALIZED (FROM read_text('FILE')) SELECT 1",
    "SELECT 1 ORDER BY (SELECT content FROM read_text('FILE'))",
    "SELECT 1 LIMIT (SELECT size FROM read_text('FILE'))",
    "SELECT 1 GROUP BY (SELECT content FROM read_text('FILE'))",
    "SELECT count(*) OVER (ORDER BY (SELECT size FROM read_text('FILE')))",
    "SELECT list_transform([1], lambda x: (SELECT content FROM read_text('FILE')))",
    "PIVOT (SELECT * FROM read_text('FILE')) ON filename USING count(*)",
    "FROM (PIVOT 'FILE' ON column0 USING count(*))",
    "FROM (UNPIVOT (FROM read_text('FILE')) ON content)",
    "SELECT * FROM (DESCRIBE 'FILE')",
    "SELECT * FROM (SUMMARIZE 'FILE')",
    "SELECT * FROM (SHOW ALL TABLES), read_text('FILE')",
    "WITH RECURSIVE r AS (SELECT size FROM read_text('FILE') "
    "UNION ALL SELECT size FROM r) SELECT * FROM r",
    # Names that stand for files or for the program's own variables.
    "SELECT * FROM 'FILE'",
    'SELECT * FROM "FILE"',
    "SELECT * FROM main.'FILE'",
    "SELECT * FROM settings",
    "SELECT * FROM further",
    "SUMMARIZE 'FILE'",
    "DESCRIBE 'FILE'",
    "TABLE 'FILE'",
    # A name of the query's own, where it does not yet stand for itself.
    'WITH "FILE" AS (SELECT * FROM \'FILE\') SELECT * FROM "FILE"',
    'WITH a AS (SELECT * FROM "FILE"), "FILE" AS (SELECT 1) SELECT * FROM a',
    'SELECT * FROM (WITH "FILE" AS (SELECT 1) FROM "FILE"), "FILE"',
    # Text that is run as a query.
    "SELECT * FROM query('SELECT * FROM read_text(''FILE'')')",
    "SELECT * FROM query_table('FILE')",
    "SELECT * FROM query_table(['FILE', 'tracklets'])",
    "SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT json_deserialize_sql('{}')",
    # The machine, its settings, and who else asks.
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "SELECT current_setting('temp_directory')",
    "SELECT pg_catalog.current_setting('temp_directory')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_logs()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM pragma_storage_info('cameras')",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "SELECT sql FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_views",
    "SELECT * FROM information_schema.schemata",
    "SELECT version()",
    "SELECT current_schemas(true)",
    "SELECT write_log('x')",
    "SELECT nextval('s')",
    "SELECT sleep_ms(100000)",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM repeat_row(1, num_rows := 1)",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM case_file",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "SELECT '" + "x" * query.LONGEST + "'",
]


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A store with one part of footage."""
    writer.publish(settings, *unit())
    return settings


def test_there_are_many_attempts() -> None:
    assert len(set(ESCAPES)) == len(ESCAPES) >= 120


def test_no_attempt_gets_out(filled: Settings, tmp_path: Path) -> None:
    secret, new = tmp_path / "secret.csv", tmp_path / "new"
    secret.write_text("word\nHUSH\n", encoding="utf-8")
    before = contents(tmp_path)
    passed = []
    for attempt in ESCAPES:
        sql = attempt.replace("FILE", str(secret)).replace("NEW", str(new))
        try:
            answer = query.run(
                filled, sql, extra={"case_summary": pa.table({"a": [1]})}
            )
            passed.append((attempt, answer.rows[:1]))
        except StoreError as error:
            text = str(error)
            assert "\n" not in text, attempt
            assert "HUSH" not in text, attempt
    assert not passed
    assert contents(tmp_path) == before


def contents(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('FILE')",
        "SELECT * FROM 'FILE'",
        "COPY (SELECT 1) TO 'NEW'",
        "ATTACH 'NEW' AS other",
        "ATTACH 'FILE' AS other",
        "EXPORT DATABASE 'NEW'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET allowed_paths",
        "SET allowed_directories = ['/']",
        "SET threads = 8",
        "PRAGMA memory_limit = '100GB'",
    ],
)
def test_the_second_wall_holds_without_the_first(
    filled: Settings, tmp_path: Path, sql: str
) -> None:
    """What a query could do if it were not looked at before."""
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nHUSH\n", encoding="utf-8")
    sql = sql.replace("FILE", str(secret)).replace("NEW", str(tmp_path / "new"))
    with query._guarded(filled, {}) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "worked",
    [one for one in worked_queries.WORKED if "case_" not in one.sql],
    ids=lambda one: one.question,
)
def test_worked_queries_pass(filled: Settings, worked: worked_queries.Worked) -> None:
    assert query.run(filled, worked.sql).columns


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ';' AS sign, '--' AS other, '/*' AS third",
        "SELECT 1 -- ; DROP VIEW tracklets",
        "SELECT camera_id AS \"read_text('x')\" FROM tracklets",
        "WITH tracklets AS (SELECT * FROM tracklets LIMIT 1) SELECT * FROM tracklets",
        "SELECT 'COPY tracklets TO ''x'''",
        "SELECT * FROM given_table",
        "SELECT now() > start_at FROM tracklets",
        "SELECT list_sum([1, 2]), date_trunc('hour', TIMESTAMP '2025-11-03 14:00')",
    ],
)
def test_harmless_ones_pass(filled: Settings, sql: str) -> None:
    assert query.run(filled, sql, extra={"given_table": pa.table({"a": [1]})}).rows


def test_limits(filled: Settings) -> None:
    answer = query.run(filled, "SELECT * FROM range(1000000)", limit=10)
    assert len(answer.rows) == 10
    assert answer.capped
    for limit in (0, -1, query.MOST_ROWS + 1):
        with pytest.raises(StoreError, match="limit is"):
            query.run(filled, "SELECT 1", limit=limit)
    large = "SELECT string_agg(repeat('x', 1000000), '') FROM range(20000)"
    with pytest.raises(StoreError):
        query.run(filled, large, seconds=5)


def test_errors_tell_of_no_folder(filled: Settings) -> None:
    for path in filled.observations_dir.rglob("tracklet/**/*.parquet"):
        path.write_bytes(b"not parquet at all")
    with pytest.raises(StoreError) as caught:
        query.run(filled, "SELECT * FROM tracklets")
    assert str(filled.data_dir) not in str(caught.value)


def test_it_answers_while_footage_is_stored(filled: Settings) -> None:
    """Queries beside a process that publishes parts all the time."""
    code = (
        "import sys; from pathlib import Path; "
        "from tests.pipeline.store.store_processes import write; "
        "write(Path(sys.argv[1]), 9, Path(sys.argv[2]))"
    )
    done = filled.data_dir / "done.txt"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(filled.observations_dir), str(done)]
    )
    try:
        waiting = threading.Event()
        while not done.exists() or not done.stat().st_size:
            assert process.poll() is None
            waiting.wait(0.05)
        counts = []
        for _ in range(12):
            sql = "SELECT count(*), count(DISTINCT footage_id) FROM tracklets"
            ((rows, clips),) = query.run(filled, sql).rows
            counts.append(clips)
            assert rows == (clips - 1) * 6 + 5
        assert counts == sorted(counts)
        assert counts[-1] > counts[0]
    finally:
        process.kill()
        process.wait()


def test_segments_deleted_under_a_query(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that went is asked for once; one that is damaged again and again."""
    writer.publish(settings, *unit())
    made = query._guarded
    gone = ["c", "b", "a"]

    class Swept:
        def __init__(self, *given: object) -> None:
            self.connection = made(*given)
            self.interrupt, self.close = self.connection.interrupt, lambda: None

        def sql(self, text: str) -> duckdb.DuckDBPyRelation:
            if gone:
                raise duckdb.IOException(f"Cannot open {gone.pop()}: No such file")
            return self.connection.sql(text)

    monkeypatch.setattr(query, "_guarded", Swept)
    asked = "SELECT count(*) FROM detections"
    assert query.run(settings, asked).rows == [(20,)]
    assert gone == []
    gone += ["left", "damaged", "damaged"]
    with pytest.raises(StoreError, match="open damaged"):
        query.run(settings, asked)
    assert gone == ["left"]
