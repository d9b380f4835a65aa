"""A larger made-up installation: some cases, each with many contacts over two days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pipeline.casebook import disclosure, orders, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import Settings
from pipeline.trace import results, tables
from tests.dashboard import installation

START = installation.START
MASKS = ("none", "worn", "unknown", "incorrect")


def build(settings: Settings, number: int = 3, contacts: int = 36) -> list[str]:
    """Add cases with one result each, and some reviews; return their pseudonyms."""
    names = [f"CROWD-{index + 1:03d}" for index in range(number)]
    for index, name in enumerate(names):
        generator = np.random.default_rng(index)
        order = installation.approve_order(settings, name, hours=40)
        permission = orders.authorise(name, "asker", "test", settings=settings)
        run = f"20251103T15{index:02d}00Z-0123abcd"
        found = _tables(order, {"case": name, "run": run}, contacts, generator)
        results.write(permission, found, run=run, settings=settings)
        second = orders.authorise(name, "approver", "test", settings=settings)
        for tracklet in found["sighting"]["tracklet_id"].to_pylist()[:4]:
            for one in (permission, second):
                reviews.review(one, tracklet, "accept", settings=settings)
        _publish(permission, index, settings)
    return names


def _publish(permission: Authorisation, index: int, settings: Settings) -> None:
    """Make some places of a case public, of yesterday."""
    begin = datetime.now(UTC) - timedelta(days=1, hours=index)
    visits = [
        disclosure.Visit(
            "생활방범",
            "원미구",
            dong,
            begin + timedelta(hours=2 * number),
            begin + timedelta(hours=2 * number, minutes=20),
            frozenset({f"K-{number + 1:03d}"}),
        )
        for number, dong in enumerate(("심곡동", "중동", "상동"))
    ]
    disclosure.disclose(permission, visits, settings=settings)


def _tables(
    order: orders.Order, names: dict, number: int, generator: np.random.Generator
) -> dict[str, pa.Table]:
    base = installation.result_tables(order)
    sightings = base["sighting"].to_pylist()
    episodes, contacts = [], []
    for index in range(number):
        label = f"K-{index + 1:03d}"
        mine = []
        # Most meet once; some keep the patient company at several places.
        for place in sorted(
            generator.choice(6, size=1 + (index % 7 == 0) * 3, replace=False)
        ):
            sighting = sightings[int(place)]
            length = float(generator.integers(20, 50) + (index % 7 == 0) * 400)
            begin = sighting["start_at"] + timedelta(
                seconds=float(generator.integers(0, 40)),
                hours=4 * int(generator.integers(0, 2)),
            )
            mine.append(
                {
                    "contact": label,
                    "sighting": sighting["sighting"],
                    "tracklet_id": sighting["tracklet_id"] + 10 + index,
                    "camera_id": sighting["camera_id"],
                    "start_at": begin,
                    "end_at": begin + timedelta(seconds=length),
                    "seconds": length,
                    "least_metres": float(generator.uniform(0.4, 1.9)),
                    "patient_mask": MASKS[int(place) % 3],
                    "contact_mask": MASKS[index % 4],
                    "lon": sighting["lon"] + float(generator.normal(0, 0.0001)),
                    "lat": sighting["lat"] + float(generator.normal(0, 0.0001)),
                }
            )
        seconds = sum(one["seconds"] for one in mine)
        episodes += mine
        contacts.append(
            {
                "contact": label,
                "tracklet_ids": sorted({one["tracklet_id"] for one in mine}),
                "episodes": len(mine),
                "seconds": seconds,
                "seconds_24h": seconds,
                "least_metres": min(one["least_metres"] for one in mine),
                "class": "close" if seconds >= 900 else "casual",
                "relation": "companion" if len(mine) > 2 else "passing",
                "joint_share": len(mine) / 6,
                "first_at": mine[0]["start_at"],
                "last_at": max(one["end_at"] for one in mine),
                "patient_mask": mine[0]["patient_mask"],
                "contact_mask": mine[0]["contact_mask"],
                "dose_low": seconds / 40_000,
                "dose_median": seconds / 10_000,
                "dose_high": seconds / 2_000,
                "reason": f"{seconds:.0f} s in {len(mine)} episode(s)",
            }
        )
    run = base["run"].to_pylist()[0] | names | {"order_id": order.id}
    rows = {
        "run": [run],
        "contact": contacts,
        "episode": episodes,
        "exposure": installation.exposure(episodes, contacts),
    }
    made = {
        table: pa.Table.from_pylist(found, schema=tables.TABLES[table])
        for table, found in rows.items()
    }
    return base | made
