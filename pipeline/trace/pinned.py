"""What the patient remembers, pinned beside the path that was found."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.trace.columns import lonlat, moment
from pipeline.trace.passes import Passes
from pipeline.trace.remembered import Remembered
from pipeline.trace.tables import ANCHOR


def table(
    told: Remembered, fits: np.ndarray, mine: Passes, number: dict[int, int]
) -> pa.Table:
    """What the patient remembers beside the path: how well it fits."""
    records = []
    lon, lat = lonlat(told.place)
    for k in range(len(told)):
        before = int(np.searchsorted(mine.start, told.at[k], side="right")) - 1
        ends = [j for j in (before, before + 1) if 0 <= j < len(mine)]
        where = None
        if len(ends) == 2 and told.at[k] > mine.end[before]:
            a, b = (
                mine.end[before],
                max(mine.start[before + 1], mine.end[before] + 1e-6),
            )
            share = min((told.at[k] - a) / (b - a), 1.0)
            way = mine.first[before + 1] - mine.last[before]
            where = mine.last[before] + share * way
        elif ends:
            where = mine.last[ends[0]] if before >= 0 else mine.first[ends[0]]
        off = None if where is None else float(np.hypot(*(where - told.place[k])))
        records.append(
            {
                "anchor": int(told.number[k]),
                "at": moment(told.at[k]),
                "seconds": float(told.seconds[k]),
                "lon": float(lon[k]),
                "lat": float(lat[k]),
                "metres": float(told.metres[k]),
                "fits": float(fits[k]) if k < len(fits) else None,
                "before_sighting": (
                    number[int(mine.ids[before])] if before >= 0 else None
                ),
                "after_sighting": (
                    number[int(mine.ids[before + 1])]
                    if before + 1 < len(mine)
                    else None
                ),
                "metres_off": off,
            }
        )
    return pa.Table.from_pylist(records, schema=ANCHOR)
