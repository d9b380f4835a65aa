"""Contact exposure by cell and time, in person-seconds on a fixed scale."""

from __future__ import annotations

from typing import Any

import h3
import numpy as np
import pandas as pd
import pyarrow as pa
import pydeck

#: More records than this make a slider sluggish; coarser cells are taken instead.
MOST_CELLS = 5_000
FINEST, COARSEST = 13, 9  # H3 resolutions of the cells
BIN_SECONDS, WIDEST_SECONDS = 30.0, 86_400.0
#: A cell is to be some 1/60 of the whole extent, so that it can be seen.
CELLS_ACROSS = 60
METRES_PER_DEGREE = 111_320.0


def layer(episodes: pa.Table, start: float) -> pydeck.Layer:
    """Return contact exposure: person-seconds within the rule's distance by cell.

    The browser sums the records of the selected time by cell and colours the cells
    by a fixed scale (`component/heat.js`).
    """
    return of_records(heat_records(episodes, start))


def of_records(records: list[dict[str, Any]]) -> pydeck.Layer:
    """Return the layer of records with `k`, `w`, `t0`, `t1`, once also `outline`."""
    return pydeck.Layer(
        "PolygonLayer",
        records,
        id="heat",
        get_polygon="polygon",
        get_fill_color="c",
        get_line_color=[124, 45, 18, 150],
        line_width_units=pydeck.types.String("pixels"),
        get_line_width=0.8,
        pickable=True,
    )


def heat_records(
    episodes: pa.Table, start: float, *, most: int = MOST_CELLS
) -> list[dict[str, Any]]:
    """Sum episodes to cells and times.

    Each episode is spread evenly over its time, summed by H3 cell and half minute
    (or coarser, so that at most `most` records go to the browser).

    Parameters
    ----------
    episodes : table of `pipeline.trace.tables.EPISODE`.
    start : Unix time from which `t0` and `t1` count, seconds.

    Returns
    -------
    Records with `k` (number of the cell), `w` (person-seconds), `t0`, `t1` (seconds
    after `start`); the sum of `w` is that of `seconds`. The first record of a cell
    has its `outline` too (WGS84 lon/lat).
    """
    frame = _spread(episodes, start)
    resolution, width = _resolution(frame), BIN_SECONDS
    while True:
        cells = [
            h3.latlng_to_cell(lat, lon, resolution)
            for lat, lon in zip(frame["lat"], frame["lon"], strict=True)
        ]
        bins = np.floor_divide(frame["t"].to_numpy(dtype=float), width)
        summed = frame.assign(cell=cells, bin=bins).groupby(["cell", "bin"])["w"].sum()
        if len(summed) <= most or width > WIDEST_SECONDS:
            break
        resolution, width = max(resolution - 1, COARSEST), width * 2
    numbers: dict[str, int] = {}
    records = []
    for (cell, bin_), weight in summed.items():
        record: dict[str, Any] = {
            "w": round(float(weight), 3),
            "t0": float(bin_ * width),
            "t1": float((bin_ + 1) * width),
        }
        if cell not in numbers:
            numbers[cell] = len(numbers)
            record["outline"] = [
                [round(lon, 6), round(lat, 6)] for lat, lon in h3.cell_to_boundary(cell)
            ]
        records.append(record | {"k": numbers[cell]})
    return records


def _resolution(frame: pd.DataFrame) -> int:
    """Return the finest resolution whose cells can be seen with the whole extent."""
    if not len(frame):
        return FINEST
    across = METRES_PER_DEGREE * max(
        float(np.ptp(frame["lat"])),
        float(np.ptp(frame["lon"])) * np.cos(np.radians(float(frame["lat"].mean()))),
    )
    for resolution in range(FINEST, COARSEST, -1):
        if 2 * h3.average_hexagon_edge_length(resolution, "m") >= across / CELLS_ACROSS:
            return resolution
    return COARSEST


def _spread(episodes: pa.Table, start: float) -> pd.DataFrame:
    """Spread each episode's seconds evenly over pieces of at most BIN_SECONDS."""
    frame = episodes.select(["start_at", "end_at", "seconds", "lon", "lat"]).to_pandas()
    frame = frame.dropna(subset=["lon", "lat", "seconds"])
    pieces = []
    for row in frame.itertuples(index=False):
        t0 = row.start_at.timestamp() - start
        t1 = max(row.end_at.timestamp() - start, t0)
        number = max(1, int(np.ceil((t1 - t0) / BIN_SECONDS)))
        middle = t0 + (np.arange(number) + 0.5) * (t1 - t0) / number
        pieces += [(t, row.lon, row.lat, row.seconds / number) for t in middle]
    return pd.DataFrame(pieces, columns=["t", "lon", "lat", "w"])
