from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import (
    compact,
    dictionary,
    frame,
    ids,
    layout,
    query,
    reader,
    retention,
    snapshot,
    vectors,
    writer,
)
from tests.pipeline.store.store_samples import START, unit


def rows(settings: Settings, view: str) -> int:
    with reader.connect(settings) as connection:
        return connection.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0]


class TestPublish:
    def test_what_was_published_is_read_back(self, settings: Settings) -> None:
        footage, tracklets, detections = unit()
        number = writer.publish(settings, footage, tracklets, detections)
        found = reader.tracklets(settings)
        assert set(found["unit"].to_pylist()) == {number}
        first = tracklets.sort_by("start_at")
        for name in ("tracklet_id", "face_i8", "face_f16", "first_east_cm"):
            assert found[name].to_pylist() == first[name].to_pylist()
        assert reader.detections(settings).num_rows == detections.num_rows
        assert reader.footage(settings)["tracklets"].to_pylist() == [5]

    def test_the_same_part_twice_counts_once(self, settings: Settings) -> None:
        writer.publish(settings, *unit(tracklets=5))
        writer.publish(settings, *unit(tracklets=3, seed=1))
        snapshot.ensure(settings)
        assert rows(settings, "footage") == 1
        assert rows(settings, "tracklets") == 3
        assert rows(settings, "detections") == 12
        assert reader.tracklets(settings).num_rows == 3

    def test_done_and_overlapping(self, settings: Settings) -> None:
        footage = unit(footage_id="a")
        assert not writer.part_done(settings, "a", 0)
        writer.publish(settings, *footage)
        assert writer.part_done(settings, "a", 0, START)
        assert not writer.part_done(settings, "a", 1)
        late = START + timedelta(seconds=59)
        end = START + timedelta(hours=5)
        [found] = writer.overlapping(settings, 7, late, end)
        assert found["footage_id"] == "a"
        assert writer.overlapping(settings, 7, late, end, "a") == []
        assert writer.overlapping(settings, 8, late, end) == []
        assert writer.overlapping(settings, 7, late + timedelta(1), end) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"camera_no": [8] * 5}, "another camera_no"),
            ({"mask_state": ["masked"] * 5}, "'masked'"),
            ({"tracklet_id": [1] * 5}, "same tracklet_id"),
            ({"end_at": [START + timedelta(hours=2)] * 5}, "a time outside"),
            ({"nose": [1] * 5}, "'nose'"),
            ({"start_at": [None] * 5}, "row 0 has no start_at"),
        ],
    )
    def test_bad_rows_are_refused_whole(
        self, settings: Settings, change: dict, message: str
    ) -> None:
        footage, tracklets, detections = unit()
        columns = {name: tracklets[name] for name in tracklets.column_names}
        with pytest.raises(StoreError, match=message):
            writer.publish(
                settings, footage, pa.table({**columns, **change}), detections
            )
        assert not list(settings.observations_dir.rglob("*.parquet"))

    def test_times_without_a_zone_are_refused(self, settings: Settings) -> None:
        footage, tracklets, detections = unit()
        naive = footage["start_at"].cast(pa.timestamp("us"))
        footage = footage.set_column(4, "start_at", naive)
        with pytest.raises(StoreError, match="time zone"):
            writer.publish(settings, footage, tracklets, detections)

    def test_embeddings_are_stored_plain_and_uncompressed(
        self, settings: Settings
    ) -> None:
        number = writer.publish(settings, *unit())
        path = layout.segment(
            settings.observations_dir, "tracklet", layout.hour_of(START), number
        )
        group = pq.ParquetFile(path).metadata.row_group(0)
        columns = [group.column(i) for i in range(group.num_columns)]
        [face] = [c for c in columns if c.path_in_schema == "face_i8"]
        assert face.compression == "UNCOMPRESSED"
        assert "PLAIN" in face.encodings
        assert not any("DICTIONARY" in name for name in face.encodings)
        [start] = [c for c in columns if c.path_in_schema == "start_at"]
        assert start.compression == "LZ4"
        assert "DELTA_BINARY_PACKED" in start.encodings
        assert start.statistics.has_min_max

    def test_parts_in_one_publication_in_any_order_of_rows(
        self, settings: Settings
    ) -> None:
        one, two = unit(camera_no=7), unit(camera_no=9, tracklets=3)
        tables = [pa.concat_tables(pair) for pair in zip(one, two, strict=True)]
        keys = [
            writer.part_key(name, 0) for name in tables[0]["footage_id"].to_pylist()
        ]
        mixed = tables[:1]
        for table in tables[1:]:
            cameras = table["camera_no"].to_numpy()
            part = pa.array(np.where(cameras == 7, *keys))
            order = np.random.default_rng(1).permutation(table.num_rows)
            mixed.append(table.append_column("part_key", part).take(order))
        late = mixed[1]["end_at"].to_pylist()
        late[4] += timedelta(hours=1)
        wrong = mixed[1].drop_columns("end_at").append_column("end_at", pa.array(late))
        with pytest.raises(StoreError, match="tracklet row 4 has a time outside"):
            writer.publish(settings, mixed[0], wrong, mixed[2])
        writer.publish(settings, *mixed)
        counts = reader.footage(settings).sort_by("camera_no")["tracklets"]
        assert counts.to_pylist() == [5, 3]


class TestRead:
    def test_window_cameras_and_columns(self, settings: Settings) -> None:
        for camera in range(4):
            for minute in (0, 59, 61):
                start = START + timedelta(minutes=minute)
                writer.publish(settings, *unit(camera_no=camera, start=start))
        everything = reader.tracklets(settings)
        assert everything.num_rows == 60
        window = (START + timedelta(minutes=59, seconds=30), START + timedelta(hours=2))
        found = reader.tracklets(settings, window, [1, 3], ["camera_no", "tracklet_id"])
        start = everything["start_at"].to_numpy()
        end = everything["end_at"].to_numpy()
        low, high = (np.datetime64(w.replace(tzinfo=None)) for w in window)
        expected = (
            (start < high)
            & (end >= low)
            & np.isin(everything["camera_no"].to_numpy(), [1, 3])
        )
        assert sorted(found["tracklet_id"].to_pylist()) == sorted(
            everything["tracklet_id"].to_numpy()[expected].tolist()
        )
        assert found.column_names == ["camera_no", "tracklet_id"]
        assert reader.tracklets(settings, window, []).num_rows == 0
        assert reader.footage(settings, window, [1]).num_rows == 2

    def test_tracklets_by_id(self, settings: Settings) -> None:
        writer.publish(settings, *unit(start=START + timedelta(minutes=59, seconds=30)))
        wanted = reader.tracklets(settings)["tracklet_id"].to_pylist()
        found = reader.tracklets_by_id(settings, [*wanted, 12345])
        assert found["tracklet_id"].to_pylist() == sorted(wanted)
        width = vectors.from_binary(found["face_i8"])[0].shape
        assert width == (5, 192)

    def test_an_empty_store_answers(self, settings: Settings) -> None:
        snapshot.ensure(settings)
        assert all(rows(settings, view) == 0 for view in snapshot.VIEWS)
        assert reader.tracklets(settings).num_rows == 0

    def test_naive_windows_and_unknown_columns_are_refused(
        self, settings: Settings
    ) -> None:
        naive = START.replace(tzinfo=None)
        with pytest.raises(StoreError, match="time zone"):
            reader.tracklets(settings, (naive, naive))
        with pytest.raises(StoreError, match="no column 'nose'"):
            reader.tracklets(settings, columns=["nose"])


class TestViews:
    def test_every_view_and_column_is_documented(self, settings: Settings) -> None:
        with reader.connect(settings) as connection:
            bare = connection.execute(
                "SELECT table_name, column_name FROM duckdb_columns() "
                "WHERE NOT internal AND comment IS NULL"
            ).fetchall()
        assert bare == []

    def test_the_dictionary_is_up_to_date(self) -> None:
        assert dictionary.PLACE.read_text(encoding="utf-8") == dictionary.dictionary()

    def test_positions_agree_with_pyproj(self, settings: Settings) -> None:
        writer.publish(settings, *unit(tracklets=100))
        local = reader.detections(settings)
        local = local.sort_by([("tracklet_id", "ascending"), ("at", "ascending")])
        with reader.connect(settings) as connection:
            seen = connection.sql(
                "SELECT lon, lat FROM detections ORDER BY tracklet_id, seen_at"
            ).to_arrow_table()
        lon, lat = ids.to_lonlat(
            local["east_cm"].to_numpy(), local["north_cm"].to_numpy()
        )
        metres = np.hypot(
            (seen["lon"].to_numpy() - lon) * 88_000,
            (seen["lat"].to_numpy() - lat) * 111_000,
        )
        assert metres.max() < 0.05

    def test_the_polynomial_holds_over_the_whole_square(self) -> None:
        side = np.linspace(0, frame.SPAN_KM * 1e5, 60)
        east, north = (grid.ravel() for grid in np.meshgrid(side, side))
        lon_sql, lat_sql = frame.lonlat_sql("e", "n")
        table = pa.table({"e": east, "n": north})
        with duckdb.connect() as connection:
            connection.register("points", table)
            got = connection.sql(
                f"SELECT {lon_sql} AS lon, {lat_sql} AS lat FROM points"
            ).to_arrow_table()
        lon, lat = ids.to_lonlat(east, north)
        error = np.hypot(
            (got["lon"].to_numpy() - lon) * 88_500,
            (got["lat"].to_numpy() - lat) * 111e3,
        )
        assert error.max() < frame.ERROR_M

    def test_cameras_come_from_the_table_given(self, settings: Settings) -> None:
        cameras = pa.table({"id": ["BC-00001"], "number": [0], "calibration": ["x"]})
        snapshot.ensure(settings, cameras, "first")
        assert snapshot.known_stamp(settings) == "first"
        before = settings.database.stat().st_ino
        snapshot.ensure(settings)
        assert settings.database.stat().st_ino == before
        with reader.connect(settings) as connection:
            found = connection.execute(
                "SELECT camera_id, camera_no, calibrated FROM cameras"
            ).fetchall()
        assert found == [("BC-00001", 0, True)]


class TestCompact:
    def fill(self, settings: Settings) -> None:
        for camera in range(3):
            for minute in range(4):
                start = START + timedelta(minutes=minute)
                writer.publish(settings, *unit(camera_no=camera, start=start))
        writer.publish(settings, *unit(camera_no=1, tracklets=2, seed=5))

    def test_nothing_is_lost_or_counted_twice(self, settings: Settings) -> None:
        self.fill(settings)
        snapshot.ensure(settings)
        before = reader.tracklets(settings).drop_columns(["unit"])
        done = compact.compact(settings)
        assert (done.hours, done.merged, done.removed) == (1, 12, 0)
        after = reader.tracklets(settings).drop_columns(["unit"])
        key = "tracklet_id"
        assert after.sort_by(key).to_pylist() == before.sort_by(key).to_pylist()
        assert rows(settings, "tracklets") == 57
        assert rows(settings, "footage") == 12
        assert compact.compact(settings).merged == 0

    def test_old_segments_stay_for_the_grace_period(self, settings: Settings) -> None:
        self.fill(settings)
        compact.compact(settings)
        swept = compact.compact(settings, grace=timedelta(0))
        assert swept.removed == 39
        assert len(list(settings.observations_dir.rglob("*.parquet"))) == 3
        assert reader.tracklets(settings).num_rows == 57
        writer.publish(settings, *unit(camera_no=1, tracklets=4, seed=8))
        assert reader.tracklets(settings).num_rows == 59

    def test_old_segments_stay_while_a_shell_is_open(self, settings: Settings) -> None:
        self.fill(settings)
        database = snapshot.ensure(settings)
        shell = f"""
import duckdb
with duckdb.connect({str(database)!r}, read_only=True) as views:
    found = views.execute("SELECT camera_no, start_at FROM tracklets")
    print(len(found.fetchmany(1)), flush=True)
    input()
    print(1 + len(found.fetchall()), flush=True)
"""
        with subprocess.Popen(
            [sys.executable, "-c", shell],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as analyst:
            assert analyst.stdout is not None
            assert analyst.stdout.readline() == "1\n"
            compact.compact(settings)
            assert compact.compact(settings, grace=timedelta(0)).removed == 0
            assert analyst.communicate("\n")[0] == "57\n"
        assert compact.compact(settings, grace=timedelta(0)).removed == 39

    def test_an_hour_under_way_is_left_alone(self, settings: Settings) -> None:
        self.fill(settings)
        now = START + timedelta(minutes=30)
        assert compact.compact(settings, now=now).merged == 0


class TestExpire:
    def test_expired_bytes_are_gone(self, settings: Settings) -> None:
        root = settings.observations_dir
        for minute in (0, 20, 90):
            start = START + timedelta(minutes=minute)
            writer.publish(settings, *unit(start=start, footage_id=f"m{minute}"))
        now = START + timedelta(days=14, minutes=10)
        done = retention.expire(settings, 14, now=now)
        assert done.parts == 1
        names = reader.footage(settings)["footage_id"].to_pylist()
        assert names == ["m20", "m90"]
        assert reader.tracklets(settings).num_rows == 10
        assert not any(b"m0" in p.read_bytes() for p in root.rglob("*.parquet"))
        retention.expire(settings, 14, now=now + timedelta(days=1))
        assert reader.footage(settings).num_rows == 0
        assert not list(root.rglob("*.parquet"))

    def test_days_must_be_positive(self, settings: Settings) -> None:
        with pytest.raises(StoreError, match="days is 0"):
            retention.expire(settings, 0)


class TestQuery:
    def test_rows_are_capped(self, settings: Settings) -> None:
        writer.publish(settings, *unit())
        answer = query.run(
            settings, "SELECT start_at, has_face FROM tracklets", limit=2
        )
        assert answer.columns == ["start_at", "has_face"]
        assert len(answer.rows) == 2
        assert answer.capped
        assert str(answer.rows[0][0]).endswith("+09:00")

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT count(*) FROM cameras",
            "WITH q AS (SELECT * FROM tracklets) SELECT count(*) FROM q -- end",
            "FROM footage SELECT count(*);",
            "SELECT * FROM range(3) AS r(i) JOIN main.tracklets ON tracklet_id = i",
            "SELECT table_name FROM information_schema.tables",
            "DESCRIBE detections",
            "SELECT (SELECT count(*) FROM detections) AS n UNION ALL SELECT 1",
            "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r "
            "WHERE i < 3) SELECT * FROM r",
        ],
    )
    def test_selects_over_the_views_pass(self, settings: Settings, sql: str) -> None:
        assert query.run(settings, sql).columns

    @pytest.mark.parametrize(
        "sql",
        [
            "",
            "SELEC 1",
            "SELECT 1; SELECT 2",
            "DROP VIEW tracklets",
            "CREATE TABLE t (i INT)",
            "INSERT INTO cameras VALUES (1)",
            "DELETE FROM footage",
            "COPY tracklets TO 'x.csv'",
            "COPY (SELECT 1) TO '/tmp/x.parquet'",
            "ATTACH '/tmp/x.duckdb'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "PRAGMA database_list",
            "SET threads = 1",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM read_parquet('data/observations/**/*.parquet')",
            "SELECT * FROM glob('*')",
            "SELECT * FROM query('DROP VIEW tracklets')",
            "SELECT * FROM query_table('/etc/passwd')",
            "SELECT * FROM duckdb_settings()",
            "SELECT (SELECT content FROM read_text('/etc/passwd'))",
            "WITH q AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM q",
            "SELECT * FROM tracklets WHERE 1 IN (SELECT 1 FROM '/etc/passwd')",
            "SUMMARIZE '/etc/passwd'",
            "DESCRIBE '/etc/passwd'",
            "EXPLAIN ANALYZE SELECT 1",
            "SELECT nose FROM tracklets",
        ],
    )
    def test_everything_else_is_one_sentence(
        self, settings: Settings, sql: str
    ) -> None:
        with pytest.raises(StoreError) as caught:
            query.run(settings, sql)
        assert "\n" not in str(caught.value)

    def test_long_queries_are_stopped(self, settings: Settings) -> None:
        slow = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
        with pytest.raises(StoreError, match="longer than"):
            query.run(settings, slow, seconds=0.3)
