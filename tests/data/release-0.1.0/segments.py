"""Segments and results as version 0.1.0 wrote them; frozen, see README.md."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

HERE = Path(__file__).parent
TYPES = {
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint16": pa.uint16(),
    "bool": pa.bool_(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    "list<item: double>": pa.list_(pa.float64()),
    "list<item: int64>": pa.list_(pa.int64()),
    "dictionary<values=string, indices=int16, ordered=0>": pa.dictionary(
        pa.int16(), pa.string()
    ),
}
TAG = b"dongseon-xxh3:"
#: Passes of one person each, in one minute of one camera; the part's key is the
#: 63-bit digest of (footage id, part) as 0.1.0 made it, here a plain number.
TRACKLETS, POINTS = 5, 4
PART_KEY, CAMERA, CAMERA_NO = 0x1234_5678_9ABC, "BC-00008", 7
FIRST_ID = 7 << 40


def schemas(name: str) -> dict[str, pa.Schema]:
    """Return the schemas of a file of columns."""
    content = json.loads((HERE / f"{name}.json").read_text())
    return {
        table: pa.schema([(column, TYPES[kind]) for column, kind in columns])
        for table, columns in content.items()
    }


def rows(start: datetime, unit: int) -> dict[str, list[dict[str, Any]]]:
    """Return one publication: a part of a minute."""
    end = start + timedelta(minutes=1)
    footage = {
        "footage_id": "first-release", "part": 0, "part_key": PART_KEY, "unit": unit,
        "generation": 0, "camera_id": CAMERA, "camera_no": CAMERA_NO,
        "start_at": start, "end_at": end, "source": "clip.mp4",
        "tracklets": TRACKLETS, "software": "0.1.0", "synthetic": False,
    }  # fmt: skip
    tracklets, detections = [], []
    for number in range(TRACKLETS):
        begin = start + timedelta(seconds=10 * number)
        base = {"tracklet_id": FIRST_ID + number, "unit": unit, "part_key": PART_KEY}
        tracklets.append(
            base
            | {
                "camera_id": CAMERA, "camera_no": CAMERA_NO, "start_at": begin,
                "end_at": begin + timedelta(seconds=POINTS), "detections": POINTS,
                "first_east_cm": 900_000, "first_north_cm": 800_000,
                "last_east_cm": 900_300, "last_north_cm": 800_100,
                "face_model": "mobilefacenet", "face_i8": bytes(range(192)),
                "face_scale": 0.005, "face_f16": bytes(384), "mask_state": "worn",
                "mask_probability": 0.9,
            }
        )  # fmt: skip
        for second in range(POINTS):
            at = begin + timedelta(seconds=second)
            detections.append(
                base
                | {
                    "camera_no": CAMERA_NO, "second": int(at.timestamp()), "at": at,
                    "east_cm": 900_000 + 100 * second, "north_cm": 800_000,
                    "score": 0.8,
                }
            )  # fmt: skip
    return {"footage": [footage], "tracklet": tracklets, "detection": detections}


def write(root: Path, start: datetime, unit: int) -> None:
    """Write one publication and the seeds below the observations' folder."""
    hour = start.replace(minute=0, second=0, microsecond=0)
    content = rows(start, unit)
    for table, schema in schemas("columns").items():
        seed = folder(root, table, datetime(1970, 1, 1, tzinfo=UTC))
        seal(schema.empty_table(), seed / "seed.parquet")
        made = pa.Table.from_pylist(content[table], schema=schema)
        seal(made, folder(root, table, hour) / f"{unit:016x}.parquet")


def folder(root: Path, table: str, hour: datetime) -> Path:
    """Return the folder of a table and hour."""
    return root / table / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"


def seal(table: pa.Table, path: Path) -> None:
    """Write a segment with its digest: of all bytes, the digest's own as zeros."""
    whole = io.BytesIO()
    with pq.ParquetWriter(whole, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"dongseon.digest": (TAG + b"0" * 32).decode()})
    data = whole.getvalue()
    place = data.rfind(TAG + b"0" * 32) + len(TAG)
    digest = xxhash.xxh3_128(data).hexdigest().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:place] + digest + data[place + 32 :])


def write_results(results: Path, case: str, order: int, at: datetime) -> str:
    """Write one run of a case, one row a table; return its name."""
    run = f"{at:%Y%m%dT%H%M%SZ}-0123abcd"
    known = {
        "case": case, "run": run, "order_id": order, "made_at": at, "sighting": 0,
        "tracklet_id": FIRST_ID, "camera_id": CAMERA, "start_at": at, "end_at": at,
        "first_at": at, "last_at": at, "lon": 126.78, "lat": 37.5, "contact": "K-001",
        "tracklet_ids": [FIRST_ID], "window_start": at, "window_end": at, "leg": 0,
        "posterior": 0.9, "on_path": True,
    }  # fmt: skip
    for table, schema in schemas("results").items():
        row = {name: known.get(name) for name in schema.names}
        if table == "leg":
            row |= {"lon": [126.78], "lat": [37.5]}
        if table == "exposure":
            row |= {"cell": "8930e1d8a33ffff", "hour": at}
        place = results / f"case={case}" / f"run={run}" / f"{table}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([row], schema=schema), place)
    return run
