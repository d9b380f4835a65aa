"""A small installation for tests: cameras, an approved order, one traced path."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import h3
import numpy as np
import pyarrow as pa
from shapely.geometry import Point, box

from pipeline.cameras import basemap
from pipeline.cameras.registry import Camera
from pipeline.casebook import cases, orders
from pipeline.settings import Settings
from pipeline.store import ids
from pipeline.trace import results, tables

CASE = "TEST-001"
RUN = "20251103T140000Z-0123abcd"
START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)  # 14:00 in Seoul
#: Of the made-up network, WGS84 lon, lat.
MIDDLE = (126.783, 37.503)
#: Stops of the walk: WGS84 lon, lat, seconds after START, seconds before camera.
STOPS = [
    (126.7830, 37.4842, 0, 60),
    (126.7852, 37.4858, 320, 75),
    (126.7869, 37.4881, 700, 50),
    (126.7841, 37.4899, 1120, 80),
    (126.7812, 37.4908, 1480, 70),
    (126.7790, 37.4889, 1900, 60),
]


def cameras(number: int = 400) -> list[Camera]:
    """Return a made-up network; the first six have footage."""
    generator = np.random.default_rng(7)
    found = []
    for index in range(number):
        if index < len(STOPS):
            lon, lat = STOPS[index][:2]
        else:
            lon, lat = _within(generator.normal(MIDDLE, (0.012, 0.012)))
        found.append(
            Camera(
                id=f"BC-{index + 1:05d}",
                number=index,
                name=f"test {index + 1}",
                lon=round(float(lon), 6),
                lat=round(float(lat), 6),
                usage="생활방범",
                gu="원미구",
                dong="심곡동",
                height_m=4.0,
                heading_deg=float(index * 37 % 360),
                tilt_deg=25.0,
                fov_deg=70.0,
                resolution="768x576",
                installed="2020-01",
                retention_days=30,
                source="synthetic",
                status="outage" if index % 50 == 49 else "active",
                clips=(
                    ({"file": "street.avi", "start": START.isoformat()},)
                    if index < len(STOPS)
                    else ()
                ),
            )
        )
    return found


def _within(place: np.ndarray) -> np.ndarray:
    """Return the place (lon, lat), drawn nearer to the middle until in the city."""
    while not basemap.boundary().contains(Point(place)):
        place = (place + np.array(MIDDLE)) / 2
    return place


def write_registry(settings: Settings) -> None:
    """Write the network to the settings' registry."""
    from pipeline.cameras import registry

    settings.registry.parent.mkdir(parents=True, exist_ok=True)
    registry.save(cameras(), settings.registry)


def approve_order(
    settings: Settings,
    name: str = CASE,
    *,
    hours: int = 5,
    frame: tuple[float, float, float, float] = (126.74, 37.45, 126.84, 37.56),
) -> orders.Order:
    """Open a case and have an order approved by another person.

    Parameters
    ----------
    hours : from START to the confirmation; the isolation follows in an hour.
    frame : west, south, east, north of the order's area, WGS84 degrees.
    """
    cases.open_case(
        "asker",
        test="PCR, laboratory of the tests, 1",
        confirmed_at=START + timedelta(hours=hours),
        onset_at=START - timedelta(hours=10),
        isolated_at=START + timedelta(hours=hours + 1),
        pseudonym=name,
        settings=settings,
    )
    order = orders.request_order(
        name,
        "asker",
        legal_basis="IDCPA Art. 76-2",
        purpose="test of the page",
        area=box(*frame),
        settings=settings,
    )
    return orders.approve(order.id, "approver", settings=settings)


def build(settings: Settings) -> None:
    """Make the whole installation: network, order, one finished trace."""
    write_registry(settings)
    order = approve_order(settings)
    authorisation = orders.authorise(CASE, "asker", "test", settings=settings)
    results.write(authorisation, result_tables(order), run=RUN, settings=settings)


def result_tables(
    order: orders.Order,
    stops: list[tuple[float, float, int, int]] = STOPS,
    watching: list[int] | None = None,
    ordinal: int = 0,
) -> dict[str, pa.Table]:
    """Return a plausible result with the schemas of `pipeline.trace.tables`.

    Parameters
    ----------
    stops : of the walk, as `STOPS`.
    watching : number of the camera at each stop; default: 0, 1, 2 ...
    ordinal : tells this patient's tracklets from those of others.
    """
    numbers = watching or list(range(len(stops)))
    sighting, leg, contact, episode = [], [], [], []
    for index, (lon, lat, after, stay) in enumerate(stops):
        number = numbers[index]
        begin = START + timedelta(seconds=after)
        end = begin + timedelta(seconds=stay)
        track = np.linspace(-1, 1, 12)
        lons = (lon + track * 0.00012).tolist()
        lats = (lat + track * 0.00005).tolist()
        seconds = np.linspace(begin.timestamp(), end.timestamp(), 12).tolist()
        tracklet = int(
            ids.tracklet_ids(
                np.array([number]),
                np.array([begin.timestamp()]),
                np.array([ordinal]),
            )[0]
        )
        sighting.append(
            {
                "sighting": index,
                "tracklet_id": tracklet,
                "camera_id": f"BC-{number + 1:05d}",
                "camera_no": number,
                "start_at": begin,
                "end_at": end,
                "lon": lon,
                "lat": lat,
                "ground_error_m": 0.6,
                "evidence": "seed" if index == 0 else "appearance",
                "similarity": 1.0 if index == 0 else max(0.9 - index * 0.03, 0.5),
                "llr": 4.0,
                "posterior": 1.0 if index == 0 else max(0.97 - index * 0.05, 0.5),
                "on_path": True,
                "review": "proposed",
                "mask_state": ("none", "worn", "unknown")[index % 3],
                "mask_probability": None if index % 3 == 2 else 0.91,
                "footage_id": f"f{index}",
                "source": "street.avi",
                "best_at": begin + timedelta(seconds=5),
            }
        )
        leg.append(
            {
                "leg": len(leg),
                "from_sighting": index,
                "to_sighting": index,
                "kind": "seen",
                "start_at": begin,
                "end_at": end,
                "metres": 22.0,
                "speed_m_s": 22.0 / stay,
                "mode": "walk",
                "probability": 0.95,
                "lon": lons,
                "lat": lats,
                "second": seconds,
            }
        )
        if index + 1 < len(stops):
            to_lon, to_lat, later, _ = stops[index + 1]
            arrive = START + timedelta(seconds=later)
            leg.append(
                {
                    "leg": len(leg),
                    "from_sighting": index,
                    "to_sighting": index + 1,
                    "kind": "inferred",
                    "start_at": end,
                    "end_at": arrive,
                    "metres": 330.0,
                    "speed_m_s": 1.3,
                    "mode": "walk",
                    "probability": 0.8,
                    "cameras": index,
                    "miss_probability": float(np.exp(-0.3 * index)),
                    "lon": [lons[-1], to_lon - 0.00012],
                    "lat": [lats[-1], to_lat - 0.00005],
                    "second": [end.timestamp(), arrive.timestamp()],
                }
            )
        for near in range(2):
            name = f"K-{index * 2 + near + 1:03d}"
            episode.append(
                {
                    "contact": name,
                    "sighting": index,
                    "tracklet_id": tracklet + near + 1,
                    "camera_id": f"BC-{number + 1:05d}",
                    "start_at": begin + timedelta(seconds=4),
                    "end_at": begin + timedelta(seconds=24 + 9 * near),
                    "seconds": 14.0 + 6 * near,
                    "least_metres": 0.9 + 0.4 * near,
                    "patient_mask": "none",
                    "contact_mask": "unknown",
                    "lon": lon + 0.00003 * near,
                    "lat": lat + 0.00002,
                }
            )
            contact.append(
                {
                    "contact": name,
                    "tracklet_ids": [tracklet + near + 1],
                    "episodes": 1,
                    "seconds": 14.0 + 6 * near,
                    "seconds_24h": 14.0 + 6 * near,
                    "least_metres": 0.9 + 0.4 * near,
                    "class": "casual" if near else "close",
                    "relation": "passing" if index else "companion",
                    "joint_share": 0.2 if index else 0.6,
                    "first_at": begin + timedelta(seconds=4),
                    "last_at": begin + timedelta(seconds=24 + 9 * near),
                    "patient_mask": "none",
                    "contact_mask": "unknown",
                    "dose_low": 0.01,
                    "dose_median": 0.05 + 0.01 * index,
                    "dose_high": 0.2,
                    "reason": "test",
                }
            )
    run = {
        "case": order.case,
        "run": RUN,
        "order_id": order.id,
        "made_at": START + timedelta(hours=7),
        "window_start": order.window_start,
        "window_end": order.window_end,
        "seed": f"tracklet {sighting[0]['tracklet_id']}",
        "tracklets_searched": 1234,
        "cameras_searched": 6,
        "options": json.dumps({}),
        "seconds": 0.42,
    }
    rows = {
        "run": [run],
        "sighting": sighting,
        "leg": leg,
        "contact": contact,
        "episode": episode,
        "airspace": [_roommate(sighting[number]) for number in (1, 3)],
        "exposure": exposure(episode, contact),
    }
    return {
        name: pa.Table.from_pylist(rows.get(name, []), schema=schema)
        for name, schema in tables.TABLES.items()
    }


def exposure(episodes: list[dict], contacts: list[dict]) -> list[dict]:
    """Return episodes summed by cell and hour, as `pipeline.trace.exposure` does."""
    close = {one["contact"] for one in contacts if one["class"] == "close"}
    found: dict[tuple, list[dict]] = {}
    for row in episodes:
        hour = row["start_at"].replace(minute=0, second=0, microsecond=0)
        for resolution in (9, 10, 11):
            cell = h3.latlng_to_cell(row["lat"], row["lon"], resolution)
            found.setdefault((cell, resolution, hour), []).append(row)
    rows = []
    for (cell, resolution, hour), mine in found.items():
        seconds = sum(one["seconds"] for one in mine)
        who = sorted({one["contact"] for one in mine})
        rows.append(
            {
                "cell": cell,
                "resolution": resolution,
                "hour": hour,
                "person_seconds": seconds,
                "close_seconds": sum(
                    one["seconds"] for one in mine if one["contact"] in close
                ),
                "dose_low": seconds / 4_000,
                "dose_median": seconds / 2_000,
                "dose_high": seconds / 1_000,
                "contacts": len(who),
                "who": who,
            }
        )
    return rows


def _roommate(sighting: dict) -> dict:
    """Return somebody indoors with the patient during a sighting, five metres away."""
    return {
        "person": f"A-{sighting['sighting']:03d}",
        "tracklet_ids": [sighting["tracklet_id"] + 40],
        "camera_id": sighting["camera_id"],
        "start_at": sighting["start_at"],
        "end_at": sighting["end_at"],
        "seconds_24h": 900.0 + sighting["sighting"],
        "least_metres": 3.2,
        "median_metres": 5.1,
        "lon": sighting["lon"],
        "lat": sighting["lat"],
        "dose_median": 0.013,
    }
