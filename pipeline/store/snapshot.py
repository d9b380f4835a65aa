"""`data/dongseon.duckdb`: views and documentation over the observation segments."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path
from string import Template

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import layout, place, version
from pipeline.store.frame import lonlat_sql

SCHEMA_SQL = Path(__file__).with_name("schema.sql")
VIEWS = ("cameras", "footage", "tracklets", "detections", "mask_predictions")
_HIVE_TYPES = "{'date': DATE, 'hour': UTINYINT}"

#: Columns of the view `cameras`, in order.
CAMERAS = pa.schema(
    [
        ("camera_id", pa.string()),
        ("camera_no", pa.uint16()),
        ("name", pa.string()),
        ("usage", pa.string()),
        ("gu", pa.string()),
        ("dong", pa.string()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("height_m", pa.float64()),
        ("heading_deg", pa.float64()),
        ("tilt_deg", pa.float64()),
        ("fov_deg", pa.float64()),
        ("resolution", pa.string()),
        ("installed", pa.string()),
        ("retention_days", pa.int32()),
        ("source", pa.string()),
        ("status", pa.string()),
        ("indoors", pa.bool_()),
        ("calibrated", pa.bool_()),
        ("calibration_error_m", pa.float64()),
        ("clips", pa.int32()),
        ("h3_9", pa.string()),
        ("h3_10", pa.string()),
        ("east_cm", pa.int32()),
        ("north_cm", pa.int32()),
    ]
)
#: Names the registry uses for the same things.
_ALIASES = {"camera_id": "id", "camera_no": "number"}


def ensure(
    settings: Settings, cameras: pa.Table | None = None, stamp: str | None = None
) -> Path:
    """Make `data/dongseon.duckdb` if it is missing or outdated; return its path.

    Parameters
    ----------
    settings : where things lie.
    cameras : the registry's table, for the view `cameras`; without it the one given
        last stays (none at all gives an empty view).
    stamp : what the cameras came from, told back by `known_stamp`.

    Notes
    -----
    The file is built beside its place and renamed, so a reader that has the old
    one open keeps it.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    version.begin(place.root_of(settings))
    layout.seed(place.root_of(settings))
    table = cameras_file(settings)
    if cameras is not None:
        _write_cameras(table, cameras)
    elif not table.exists():
        _write_cameras(table, CAMERAS.empty_table())
    state = _read_state(settings)
    digest = _digest(settings)
    if state.get("digest") != digest or not settings.database.exists():
        _build(settings)
        state = {"digest": digest, "stamp": state.get("stamp")}
        _write_state(settings, state)
    if stamp is not None and state.get("stamp") != stamp:
        _write_state(settings, {**state, "stamp": stamp})
    return settings.database


def known_stamp(settings: Settings) -> str | None:
    """Return the stamp given to `ensure` last, if its result still stands."""
    state = _read_state(settings)
    stands = settings.database.exists() and cameras_file(settings).exists()
    if not stands or state.get("digest") != _digest(settings):
        return None
    return state.get("stamp")


def cameras_file(settings: Settings) -> Path:
    """Return the place of the cameras' table."""
    return settings.data_dir / "cameras.parquet"


def create_views(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Create the documented views in an open database."""
    connection.execute(schema_sql(settings))


def schema_sql(settings: Settings) -> str:
    """Return schema.sql with paths and expressions filled in."""
    root = place.root_of(settings)
    if isinstance(root, Path):
        root = root.resolve()
    values = {
        f"{name}_files": _quoted(root / name) + "/date=*/hour=*/*.parquet"
        for name in ("footage", "tracklet", "detection")
    }
    values["cameras_file"] = _quoted(cameras_file(settings).resolve())
    values["hive_types"] = _HIVE_TYPES
    for prefix, east, north in (
        ("first_", "t.first_east_cm", "t.first_north_cm"),
        ("last_", "t.last_east_cm", "t.last_north_cm"),
        ("", "d.east_cm", "d.north_cm"),
    ):
        values[f"{prefix}lon"], values[f"{prefix}lat"] = lonlat_sql(east, north)
    return Template(SCHEMA_SQL.read_text(encoding="utf-8")).substitute(values)


def _build(settings: Settings) -> None:
    target = settings.database
    pending = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with contextlib.closing(duckdb.connect(str(pending))) as connection:
            place.register(connection, place.root_of(settings))
            create_views(connection, settings)
            connection.execute("CHECKPOINT")
        with open(pending, "rb") as file:
            os.fsync(file.fileno())
        os.rename(pending, target)
    finally:
        for rest in target.parent.glob(f"{pending.name}*"):
            rest.unlink(missing_ok=True)
    layout.flush_folder(target.parent)


def _write_cameras(file: Path, cameras: pa.Table) -> None:
    """Write the cameras' table in the view's columns, if it changed."""
    columns = []
    for field in CAMERAS:
        name = field.name
        if name not in cameras.column_names:
            name = _ALIASES.get(name, name)
        if name in cameras.column_names:
            try:
                columns.append(cameras[name].cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise StoreError(
                    f"cameras column {name} must be {field.type}, got "
                    f"{cameras[name].type} ({error})."
                ) from error
        elif field.name == "calibrated" and "calibration" in cameras.column_names:
            columns.append(cameras["calibration"].is_valid())
        else:
            columns.append(pa.nulls(cameras.num_rows, field.type))
    table = pa.table(columns, schema=CAMERAS)
    with contextlib.suppress(OSError, pa.ArrowInvalid):
        if pq.read_table(file).equals(table):
            return
    pending = file.parent / f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with open(pending, "xb") as written:
            pq.write_table(table, written)
            written.flush()
            os.fsync(written.fileno())
        os.rename(pending, file)
    finally:
        pending.unlink(missing_ok=True)


def _digest(settings: Settings) -> str:
    text = duckdb.__version__ + schema_sql(settings)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _state_file(settings: Settings) -> Path:
    return settings.observations_dir / ".views.json"


def _read_state(settings: Settings) -> dict:
    try:
        state = json.loads(_state_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write_state(settings: Settings, state: dict) -> None:
    file = _state_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    pending = file.with_name(f"{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    pending.write_text(json.dumps(state), encoding="utf-8")
    os.rename(pending, file)


def _quoted(path: place.Place) -> str:
    """Return a path for use inside a quoted SQL pattern that is taken literally."""
    text = str(path)
    for sign in "*?[":
        if sign in text:
            raise StoreError(
                f"the data folder {text} has {sign!r} in its name, which DuckDB takes "
                "for a pattern; choose another DONGSEON_DATA_DIR."
            )
    return text.replace("'", "''")
