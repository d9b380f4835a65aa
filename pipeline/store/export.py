"""Figures for other programs: the footage log, and counts by camera and hour.

Nobody's movements leave the store this way: rows of single persons are read under an
order, or as the views' queries, which are recorded.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store import layout, reader

WHAT = ("footage", "counts")
_COUNTED = (
    "frames_analysed",
    "persons",
    "tracklets",
    "faces",
    "masks_worn",
    "masks_incorrect",
    "masks_none",
    "masks_unknown",
)


def export(
    settings: Settings,
    what: str,
    out: Path,
    *,
    window: tuple[datetime, datetime] | None = None,
    camera_numbers: list[int] | None = None,
) -> int:
    """Write figures to a file, whole or not at all; return the rows written.

    Parameters
    ----------
    what : "footage", one row a part of footage as in the view `footage`; or
        "counts", one row a camera and UTC hour in which its parts start.
    out : .parquet or .csv; the ending decides.
    window : aware (start, end); parts that overlap it.

    Raises
    ------
    StoreError
        If the ending or `what` is unknown, or the file is there already.
    """
    if what not in WHAT:
        raise StoreError(f"{what!r} cannot be exported; name one of {', '.join(WHAT)}.")
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        raise StoreError(
            f"{out} ends in {out.suffix or 'nothing'}; name a .parquet or .csv file."
        )
    if out.exists():
        raise StoreError(f"{out} is there already; name another file or remove it.")
    table = reader.footage(settings, window, camera_numbers)
    if what == "counts":
        table = _counts(table)
    pending = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(table, pending)
        os.link(pending, out)  # unlike a rename, never replaces
    except FileExistsError:
        raise StoreError(f"{out} is there already; name another file.") from None
    except OSError as error:
        raise StoreError(f"{out} cannot be written ({error.strerror}).") from error
    finally:
        pending.unlink(missing_ok=True)
    layout.flush_folder(out.parent)
    return table.num_rows


def _counts(footage: pa.Table) -> pa.Table:
    spans = pc.cast(pc.subtract(footage["end_at"], footage["start_at"]), pa.int64())
    table = footage.append_column(
        "hour", pc.floor_temporal(footage["start_at"], 1, "hour")
    )
    table = table.append_column(
        "footage_seconds", pc.divide(pc.cast(spans, "double"), 1e6)
    )
    table = table.append_column("parts", pa.repeat(pa.scalar(1), table.num_rows))
    summed = ("parts", "footage_seconds", *_COUNTED)
    grouped = table.group_by(["camera_id", "camera_no", "hour"]).aggregate(
        [(name, "sum") for name in summed]
    )
    names = {f"{name}_sum": name for name in summed}
    grouped = grouped.rename_columns(
        [names.get(name, name) for name in grouped.column_names]
    )
    return grouped.sort_by([("camera_no", "ascending"), ("hour", "ascending")])


def _parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def _csv(table: pa.Table, path: Path) -> None:
    pa_csv.write_csv(table, path)


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
}
