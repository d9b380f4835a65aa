"""Gathering the passes an order covers from the segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.store import groups
from pipeline.store.schema import MASK_STATES
from pipeline.trace.columns import floats, seconds
from pipeline.trace.passes import PLAIN, Passes, empty_passes
from pipeline.trace.vault import KINDS, Chunk, Vault, coded

if TYPE_CHECKING:
    from pipeline.trace.observations import Scope

#: Error of a place where a camera is not calibrated, metres (its own position
#: stands for all that it sees).
UNCALIBRATED_ERROR_M = 20.0
#: Bits of a moment (microseconds from the first) and of what tells rows of one moment
#: apart in a sort key: 50 days and the whole of a tracklet's id but its time.
_MOMENT_BITS, _CAMERA_BITS, _ORDINAL_BITS = 42, 14, 7


@dataclass(frozen=True)
class _Part:
    """What one segment gives."""

    chunk: Chunk
    kept: np.ndarray  #: int64 [k], rows of the chunk that the order covers, by start
    keys: tuple[np.ndarray, np.ndarray]  #: microseconds of the window, ids; ascending
    columns: dict[str, np.ndarray]  #: of those rows
    codes: dict[str, np.ndarray]  #: kind -> int8 [rows], index of `names`
    names: list[str]
    scale: np.ndarray  #: float32 [rows]


def passes(
    scope: Scope,
    numbers: Sequence[int],
    progress: Callable[[float], object] | None = None,
) -> Passes:
    """Read the passes that lie wholly inside a scope's window and area.

    Parameters
    ----------
    numbers : cameras inside the area.
    progress : told the share read, 0..1; raise in it to cancel.
    """
    threads = scope.settings.threads
    known = np.zeros(max(numbers, default=-1) + 1, dtype=bool)
    known[list(numbers)] = True
    found = groups.each(
        scope.settings,
        "tracklet",
        scope.window,
        numbers,
        PLAIN,
        lambda some: _part(scope, known, some),
        threads,
        progress,
    )
    parts = [part for part in found if part is not None]
    if not parts:
        return empty_passes()
    models = tuple(sorted({name for part in parts for name in part.names}))
    first = np.cumsum([0, *(part.chunk.rows for part in parts)])
    at = np.concatenate(
        [part.kept + begin for part, begin in zip(parts, first, strict=False)]
    ).astype(np.int32)
    # Each part is in order: merging them is quick.
    keys = [np.concatenate([part.keys[k] for part in parts]) for k in (0, 1)]
    order = _order(*keys)
    at = at.take(order)
    place = np.full(first[-1], -1, dtype=np.int32)
    place[at] = np.arange(len(at), dtype=np.int32)
    vault = Vault(
        [part.chunk for part in parts],
        {kind: _renumbered(parts, kind, models) for kind in KINDS},
        models,
        np.concatenate([part.scale for part in parts]),
        place,
    )

    def arranged(name: str) -> np.ndarray:
        return np.concatenate([p.columns[name] for p in parts]).take(order, axis=0)

    names = [
        "ids", "camera_no", "start", "end", "first", "last", "error_m", "face_width_px",
        "mask_code",
    ]  # fmt: skip
    with ThreadPoolExecutor(max(1, threads)) as pool:
        columns = dict(zip(names, pool.map(arranged, names), strict=True))
    return Passes(at=at, vault=vault, **columns)


def _part(scope: Scope, known: np.ndarray, found: groups.Groups) -> _Part | None:
    table = found.table
    number = table["camera_no"].to_numpy().astype(np.int64)
    start, end = seconds(table["start_at"]), seconds(table["end_at"])
    opens, closes = (moment.timestamp() for moment in scope.window)
    keep = found.counted & (number < len(known))
    keep &= (start >= opens) & (end <= closes) & (start < closes)
    keep[keep] &= known[number[keep]]
    rows = np.flatnonzero(keep)
    some = table if len(rows) == len(keep) else table.filter(pa.array(keep))
    number, start, end = number[rows], start[rows], end[rows]
    camera = scope.camera_places(number)
    ground = {}
    for name in ("first", "last"):
        place = np.column_stack(
            [floats(some[f"{name}_{way}_cm"]) / 100 for way in ("east", "north")]
        )
        ground[name] = np.where(np.isnan(place), camera, place)
    inside = scope.around(ground["first"], number)
    inside &= scope.around(ground["last"], number)
    error = floats(some["ground_error_cm"]) / 100
    states: list[str] = list(MASK_STATES)
    names: list[str] = []
    columns = {
        "ids": some["tracklet_id"].to_numpy(),
        "camera_no": number,
        "start": start,
        "end": end,
        **ground,
        "error_m": np.where(np.isnan(error), UNCALIBRATED_ERROR_M, error),
        "face_width_px": floats(some["face_width_px"]).astype(np.float32),
        "mask_code": np.maximum(coded(some["mask_state"], states), 0),
    }
    if not inside.any():
        return None
    micros = np.rint((start - opens) * 1e6).astype(np.int64)
    order = _order(micros, columns["ids"])
    order = order if inside.all() else order[inside[order]]
    columns = {name: column.take(order, axis=0) for name, column in columns.items()}
    chunk = Chunk(found.segment.path, found.numbers, found.counts)
    codes = {kind: coded(table[f"{kind}_model"], names) for kind in KINDS}
    scale = floats(table["face_scale"]).astype(np.float32)
    codes["face"][np.isnan(scale)] = -1
    keys = micros[order], columns["ids"]
    return _Part(chunk, rows[order], keys, columns, codes, names, scale)


def _order(micros: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Order of start (microseconds >= 0), then id; one sort where both fit a number."""
    if int(micros.max(initial=0)) >> _MOMENT_BITS:
        return np.lexsort((ids, micros))
    # Ids hold camera, start and ordinal: of one moment, camera and ordinal decide.
    ordinal = ids & ((1 << _ORDINAL_BITS) - 1)
    camera = (ids >> (32 + _ORDINAL_BITS)) & ((1 << _CAMERA_BITS) - 1)
    key = (micros << (_CAMERA_BITS + _ORDINAL_BITS)) | (camera << _ORDINAL_BITS)
    return np.argsort(key | ordinal, kind="stable")


def _renumbered(parts: list[_Part], kind: str, models: tuple[str, ...]) -> np.ndarray:
    """Codes of all parts, by one list of models."""
    result = []
    for part in parts:
        lut = np.array([*(models.index(name) for name in part.names), -1], np.int8)
        result.append(lut[part.codes[kind]])
    return np.concatenate(result)
