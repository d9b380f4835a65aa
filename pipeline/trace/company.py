"""Who went with the patient, who stayed beside him, who shared his air farther away."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.trace import constants as c
from pipeline.trace.columns import lonlat, moment
from pipeline.trace.contacts import Contact, Near
from pipeline.trace.passes import Passes
from pipeline.trace.tables import AIRSPACE


def relation(person: Contact, found: Near, mine: Passes) -> tuple[str, float]:
    """Tell companions from people who stayed beside the patient or passed by.

    Parameters
    ----------
    found : seconds within the rule; `person.rows` are the person's.
    mine : the patient's passes, in order of time.

    Returns
    -------
    (companion, beside or passing; share of the patient's passes, from the first to
    the last with this person, in which the person was near).
    """
    rows = person.rows
    with_him = np.flatnonzero(np.isin(mine.ids, found.patient[rows]))
    share = len(with_him) / (int(with_him[-1]) - int(with_him[0]) + 1)
    spread = np.hypot(np.ptp(found.east_m[rows]), np.ptp(found.north_m[rows]))
    cameras = len(np.unique(mine.camera_no[with_him]))
    if (
        cameras >= c.COMPANION_CAMERAS
        and share >= c.COMPANION_SHARE
        and spread >= c.COMPANION_METRES
    ):
        return "companion", share
    return ("beside" if person.seconds >= c.BESIDE_SECONDS else "passing"), share


def airspace(
    people: list[Contact], found: Near, cameras: dict[int, str], dose: np.ndarray
) -> pa.Table:
    """Make the table of those who were indoors with the patient, beyond the rule.

    Parameters
    ----------
    people, found : as of `contacts.contacts`, with the wider distance.
    cameras : tracklet of the other person -> camera.
    dose : float64 [k, 3], as of `exposure.of_contacts`.
    """
    records = []
    for number, person in enumerate(people, start=1):
        rows = person.rows
        middle = np.array([[found.east_m[rows].mean(), found.north_m[rows].mean()]])
        lon, lat = lonlat(middle)
        records.append(
            {
                "person": f"A-{number:03d}",
                "tracklet_ids": list(person.tracklets),
                "camera_id": cameras[person.tracklets[0]],
                "start_at": moment(min(e.start for e in person.episodes)),
                "end_at": moment(max(e.end for e in person.episodes) - 1),
                "seconds_24h": float(person.seconds_24h),
                "least_metres": person.least_metres,
                "median_metres": float(np.median(found.metres[rows])),
                "lon": float(lon[0]),
                "lat": float(lat[0]),
                "dose_median": float(dose[number - 1, 1]),
            }
        )
    return pa.Table.from_pylist(records, schema=AIRSPACE)
