"""Footage that was stored twice: a copy under another name, with the same people."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulate.maker import Maker
from pipeline.simulate.truth import COPIES
from pipeline.simulate.ways import uniform
from pipeline.store import writer

#: Ordinals of one tenth of a second from here on are left to copies.
FIRST_ORDINAL = 64


@dataclass(frozen=True)
class Observed:
    """Rows of one unit and what they truly are."""

    footage: pa.Table
    tracklets: pa.Table
    detections: pa.Table
    rows: np.ndarray  #: int64 [t], pass of each tracklet
    tracklet_ids: np.ndarray  #: int64 [t]
    start_s: np.ndarray  #: float64 [t], Unix seconds, truly
    end_s: np.ndarray  #: float64 [t]
    copies: pa.Table = field(default_factory=COPIES.empty_table)


def drawn(maker: Maker, recorded: list[int], hour: int) -> np.ndarray:
    """Return the cameras of `recorded` whose footage of this hour is stored twice."""
    cameras = np.array(recorded, dtype=np.int64)
    if not maker.duplicated or not len(cameras):
        return cameras[:0]
    return cameras[uniform(cameras, maker.seed, hour, 7) < maker.duplicated]


def add(made: Observed, numbers: np.ndarray) -> Observed:
    """Store the footage of some camera numbers a second time.

    The copy has a name of its own, as a clip that was converted has, and exactly
    the same people at the same times, with tracklet ids of its own.
    """
    chosen = pa.array(numbers)
    footage = made.footage.filter(pc.is_in(made.footage["camera_no"], chosen))
    names = [f"{name}-copy" for name in footage["footage_id"].to_pylist()]
    parts = footage["part"].to_pylist()
    keys = [writer.part_key(name, p) for name, p in zip(names, parts, strict=True)]
    key_of = dict(zip(footage["camera_no"].to_pylist(), keys, strict=True))
    footage = _set(footage, "footage_id", pa.array(names, pa.string()))
    source = pc.binary_join_element_wise(footage["source"], "copy", "-")
    footage = _set(footage, "source", source)
    tracklets = _again(made.tracklets, chosen, key_of)
    detections = _again(made.detections, chosen, key_of)
    ids = tracklets["tracklet_id"].to_numpy()
    return replace(
        made,
        footage=pa.concat_tables([made.footage, footage]),
        tracklets=pa.concat_tables([made.tracklets, tracklets]),
        detections=pa.concat_tables([made.detections, detections]),
        copies=pa.table([ids, ids - FIRST_ORDINAL], schema=COPIES),
    )


def _again(table: pa.Table, cameras: pa.Array, key_of: dict[int, int]) -> pa.Table:
    ids = table["tracklet_id"].to_numpy()
    room = pa.array(ids % (2 * FIRST_ORDINAL) < FIRST_ORDINAL)
    table = table.filter(pc.and_(pc.is_in(table["camera_no"], cameras), room))
    keys = np.zeros(1 << 16, dtype=np.int64)
    keys[list(key_of)] = list(key_of.values())
    table = _set(table, "part_key", pa.array(keys[table["camera_no"].to_numpy()]))
    ids = table["tracklet_id"].to_numpy() + FIRST_ORDINAL
    return _set(table, "tracklet_id", pa.array(ids))


def _set(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
