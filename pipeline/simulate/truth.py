"""What really happened: residents, path, visits, contacts; Parquet beside the store.

`DIR/truth/residents.parquet`, `cameras.parquet` and, for each simulated hour, one
file each of `path`, `visits`, `contacts` and `copies`, named by its UTC hour.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.simulate.columns import label, moments
from pipeline.simulate.network import Network
from pipeline.simulate.passes import Passes, points_of
from pipeline.simulate.walking import LONGEST_S
from pipeline.simulate.ways import PLACES, Ways
from pipeline.store import layout
from pipeline.store.schema import LABEL
from pipeline.store.schema import UTC as UTC_TYPE

#: Metres within which two people are in contact (the rule of the trace).
CONTACT_METRES = 2.0

RESIDENTS = pa.schema(
    [
        ("resident", pa.int32()),
        ("household", pa.int32()),
        ("kind", LABEL),  # child, worker, other
        ("home_lon", pa.float64()),
        ("home_lat", pa.float64()),
        ("wears", pa.float32()),  # share of ways with a mask
        ("twin", pa.int32()),  # twin or look-alike; null none
        ("patient", pa.bool_()),  # contacts are recorded of these
    ]
)
CAMERAS = pa.schema(
    [
        ("camera_no", pa.uint16()),
        ("camera_id", pa.string()),
        ("clock_skew_s", pa.int32()),  # its clock less the true time
        ("miss", pa.float32()),  # share of passes missed altogether
        ("ground_error_cm", pa.int32()),  # 1 sd of ground points
        ("down", pa.list_(UTC_TYPE)),  # hours without recording
    ]
)
PATH = pa.schema(
    [
        ("tracklet_id", pa.int64()),  # null where the pass was missed
        ("resident", pa.int32()),
        ("camera_no", pa.uint16()),
        ("start_at", UTC_TYPE),  # truly, whatever the camera's clock says
        ("end_at", UTC_TYPE),
        ("missed", pa.bool_()),  # in view, but no tracklet: outage, crowd, short
        ("party", pa.int64()),  # equal for those who walk together
        ("goal", LABEL),  # where to: home, work, school, shop, station
        ("mask_state", LABEL),  # at the start of the pass
        ("mask_state_end", LABEL),  # at its end: masks are taken off and put on
    ]
)
VISITS = pa.schema(
    [
        ("resident", pa.int32()),
        ("place", pa.int32()),
        ("kind", LABEL),
        ("arrive_at", UTC_TYPE),
        ("leave_at", UTC_TYPE),  # null: the day's last
        ("outdoors_s", pa.float32()),  # of the stay in the open, before it
        ("lon", pa.float64()),
        ("lat", pa.float64()),
    ]
)
CONTACTS = pa.schema(
    [
        ("patient", pa.int32()),
        ("other", pa.int32()),
        ("camera_no", pa.uint16()),
        ("first_at", UTC_TYPE),
        ("last_at", UTC_TYPE),
        ("seconds", pa.int32()),  # within 2 m, before this camera, in this hour
        ("shown", pa.int32()),  # of those, seconds for which both have a tracklet
        ("least_metres", pa.float32()),
        ("together", pa.bool_()),  # of one party
        ("recorded", pa.bool_()),  # the camera was recording
    ]
)
COPIES = pa.schema(
    [
        ("tracklet_id", pa.int64()),  # from footage that was stored a second time
        ("copy_of", pa.int64()),  # the tracklet of the path
    ]
)
TABLES = {"path": PATH, "visits": VISITS, "contacts": CONTACTS, "copies": COPIES}
#: Tables of one file for the whole city.
WHOLE = {"residents": RESIDENTS, "cameras": CAMERAS}


def read(directory: Path, table: str) -> pa.Table:
    """Return a table of `WHOLE` or `TABLES` of a simulated city.

    Raises
    ------
    StoreError
        If the folder holds no truth.
    """
    folder = directory / "truth"
    if table in WHOLE:
        paths, schema = [folder / f"{table}.parquet"], WHOLE[table]
    else:
        paths, schema = sorted((folder / table).glob("*.parquet")), TABLES[table]
    if not paths or not paths[0].is_file():
        raise StoreError(
            f"{directory} holds no truth about {table}; make a city with "
            f"`dongseon simulate --out {directory}`."
        )
    tables = [pq.read_table(path, schema=schema) for path in paths]
    return pa.concat_tables(tables)


def hour_file(directory: Path, table: str, hour_unix: int) -> Path:
    """Return the file of one table and hour."""
    name = datetime.fromtimestamp(hour_unix, UTC).strftime("%Y-%m-%dT%H")
    return directory / "truth" / table / f"{name}.parquet"


def write(path: Path, table: pa.Table) -> None:
    """Write a file of truth whole or not at all."""
    layout.make_folder(path.parent)
    pending = path.with_name(f".{path.name}.pending")
    pq.write_table(table, pending, **layout.encoded(table.schema))
    pending.replace(path)


def contacts(
    ways: Ways,
    passes: Passes,
    patients: np.ndarray,
    network: Network,
    hour_unix: int,
    hour: int,
) -> pa.Table:
    """Return who was within 2 m of a patient before the same camera, and how long.

    Parameters
    ----------
    patients : bool [n], residents whose contacts are recorded.
    """
    ill = patients[ways.resident[passes.way]]
    i, at = points_of(passes, np.flatnonzero(ill))
    mine = np.flatnonzero(ill)[i]
    second = passes.first[mine] + at - (np.cumsum(passes.count) - passes.count)[mine]
    key = passes.camera[mine].astype(np.int64) * 3600 + second
    # Everybody before a camera at a second when a patient is there: first by spans
    # of a pass's greatest length, of which a pass touches two, then by seconds.
    spans = 3600 // LONGEST_S + 1
    row = passes.camera.astype(np.int64) * spans
    begins = row + passes.first // LONGEST_S
    ends = row + (passes.first + passes.count - 1) // LONGEST_S
    busy = np.zeros(len(network.ids) * spans, dtype=bool)
    busy[begins[ill]] = busy[ends[ill]] = True
    near = np.flatnonzero(busy[begins] | busy[ends])
    other, there = points_of(passes, near)
    other = near[other]
    begin = (np.cumsum(passes.count) - passes.count)[other]
    key2 = passes.camera[other].astype(np.int64) * 3600
    key2 += passes.first[other] + there - begin
    seconds = np.unique(key)
    place = np.searchsorted(seconds, key2)
    meets = place < len(seconds)
    meets[meets] = seconds[place[meets]] == key2[meets]
    other, there, key2 = other[meets], there[meets], key2[meets]
    order = np.argsort(key2, kind="stable")
    other, there, key2 = other[order], there[order], key2[order]
    low = np.searchsorted(key2, key)
    many = np.searchsorted(key2, key, side="right") - low
    pair = np.repeat(np.arange(len(key)), many)
    partner = low[pair] + np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
    a, b = at[pair], there[partner]
    metres = np.hypot(
        passes.east[a] - passes.east[b], passes.north[a] - passes.north[b]
    )
    one, two = passes.way[mine[pair]], passes.way[other[partner]]
    shown = ~(passes.missed[mine[pair]] | passes.missed[other[partner]])
    close = (metres <= CONTACT_METRES) & (ways.resident[one] != ways.resident[two])
    one, two, metres, key = one[close], two[close], metres[close], key[pair][close]
    shown = shown[close].astype(np.int32)
    patient, contact = ways.resident[one], ways.resident[two]
    camera, moment = key // 3600, key % 3600 + hour_unix
    order = np.lexsort((moment, camera, contact, patient))
    patient, contact, camera, moment, metres, one, two, shown = (
        c[order] for c in (patient, contact, camera, moment, metres, one, two, shown)
    )
    new = np.ones(len(patient), dtype=bool)
    for column in (patient, contact, camera):
        same = column[1:] == column[:-1]
        new[1:] = same if column is patient else new[1:] & same
    new[1:] = ~new[1:]
    start = np.flatnonzero(new)
    if not len(start):
        return CONTACTS.empty_table()
    last = np.append(start[1:], len(patient)) - 1
    return pa.table(
        [
            pa.array(patient[start]),
            pa.array(contact[start]),
            pa.array(network.numbers[camera[start]]),
            moments(moment[start]),
            moments(moment[last]),
            pa.array((last - start + 1).astype(np.int32)),
            pa.array(np.add.reduceat(shown, start, dtype=np.int32)),
            pa.array(np.minimum.reduceat(metres, start).astype(np.float32)),
            pa.array(ways.party[one[start]] == ways.party[two[start]]),
            pa.array(~network.down[camera[start], hour]),
        ],
        schema=CONTACTS,
    )


def visits(ways: Ways, day_unix: float, hour_s: float, places: np.ndarray) -> pa.Table:
    """Return the visits that begin within the hour at `hour_s` of the day."""
    order = np.lexsort((ways.start, ways.resident))
    resident, end = ways.resident[order], ways.end[order]
    leave = np.full(len(order), np.nan)
    same = resident[1:] == resident[:-1]
    leave[:-1][same] = ways.start[order][1:][same]
    here = np.flatnonzero((end >= hour_s) & (end < hour_s + 3600))
    rows = order[here]
    place = ways.goal_place[rows]
    from pipeline.cameras import frame

    lon, lat = frame.to_lonlat(places[place, 0], places[place, 1])
    gone = leave[here]
    return pa.table(
        [
            pa.array(resident[here]),
            pa.array(place),
            label(ways.goal[rows], PLACES),
            moments(day_unix + end[here]),
            moments(day_unix + np.nan_to_num(gone), absent=np.isnan(gone)),
            pa.array(ways.stay[rows]),
            pa.array(np.asarray(lon, np.float64)),
            pa.array(np.asarray(lat, np.float64)),
        ],
        schema=VISITS,
    )
