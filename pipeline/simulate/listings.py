"""The truth about who lives in the city and about its cameras."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.cameras import frame
from pipeline.simulate.columns import label, moments
from pipeline.simulate.network import Network
from pipeline.simulate.residents import Residents
from pipeline.simulate.truth import CAMERAS, RESIDENTS


def cameras(net: Network, start_unix: int) -> pa.Table:
    """Return the cameras, their faults and their hours without recording."""
    hour = np.nonzero(net.down)[1]
    ends = np.cumsum(net.down.sum(axis=1)).astype(np.int32)
    down = pa.ListArray.from_arrays(
        pa.array(np.concatenate([np.zeros(1, np.int32), ends])),
        moments(start_unix + 3600.0 * hour),
    )
    return pa.table(
        [
            pa.array(net.numbers),
            pa.array(net.ids, pa.string()),
            pa.array(net.skew),
            pa.array(net.miss),
            pa.array(net.error_cm),
            down,
        ],
        schema=CAMERAS,
    )


def residents(people: Residents, patients: np.ndarray) -> pa.Table:
    """Return the residents and their homes."""
    home = people.places[people.home]
    lon, lat = frame.to_lonlat(home[:, 0], home[:, 1])
    return pa.table(
        [
            pa.array(np.arange(len(people), dtype=np.int32)),
            pa.array(people.household),
            label(people.kind, ("child", "worker", "other")),
            pa.array(np.asarray(lon, np.float64)),
            pa.array(np.asarray(lat, np.float64)),
            pa.array(people.wears),
            pa.array(people.twin, mask=people.twin < 0),
            pa.array(patients),
        ],
        schema=RESIDENTS,
    )
