"""Listed: what is stored of passes that results show, read once.

After a verdict a trace shows most of its passes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pipeline.trace.columns import floats
from pipeline.trace.passes import Passes

_COLUMNS = ["part_key", "camera_id", "best_at", "mask_probability"]
#: Passes remembered at most (some 300 bytes each).
_REMEMBERED = 20_000
#: Of one pass, by `_COLUMNS`.
_Row = tuple[int, str, datetime | None, float]


@dataclass(frozen=True)
class Listed:
    """Some passes; k rows."""

    part_key: list[int]
    camera_id: list[str]
    best_at: list[datetime | None]  #: UTC
    mask_probability: list[float]  #: NaN where unknown


def of(passes: Passes, rows: np.ndarray) -> Listed:
    """Return what is stored of some rows, int64 [k]."""
    memory: dict[int, _Row] = passes.kept("listed", dict)
    asked = rows.tolist()
    found = {row: memory[row] for row in asked if row in memory}
    fresh = [row for row in dict.fromkeys(asked) if row not in found]
    if fresh:
        table = passes.take(np.array(fresh, dtype=np.int64)).stored(_COLUMNS)
        key, camera, best = (table[name].to_pylist() for name in _COLUMNS[:3])
        masked = floats(table["mask_probability"]).tolist()
        new = dict(zip(fresh, zip(key, camera, best, masked, strict=True), strict=True))
        if len(memory) + len(new) > _REMEMBERED:
            memory.clear()
        memory.update(new)
        _names(passes).update(
            zip(passes.camera_no[fresh].tolist(), camera, strict=True)
        )
        found |= new
    columns = zip(*(found[row] for row in asked), strict=True) if asked else [()] * 4
    return Listed(*map(list, columns))


def cameras(passes: Passes, rows: np.ndarray) -> list[str]:
    """Return the names of the cameras of some rows, int64 [k]."""
    names, numbers = _names(passes), passes.camera_no[rows]
    unique, first = np.unique(numbers, return_index=True)
    fresh = [k for k, number in enumerate(unique.tolist()) if number not in names]
    of(passes, rows[first[fresh]])
    return [names[number] for number in numbers.tolist()]


def _names(passes: Passes) -> dict[int, str]:
    """Names of cameras by number, as far as they were read."""
    return passes.kept("camera names", dict)
