"""Columns of a trace's results, one Parquet file per table and run.

They lie under `data/results/case=<pseudonym>/run=<id>/<table>.parquet`; a run's
folder is renamed into place whole, so that a reader sees all of it or nothing.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline.store.schema import UTC

RUN = pa.schema(
    [
        ("case", pa.string()),
        ("run", pa.string()),
        ("order_id", pa.int64()),
        ("made_at", UTC),
        ("window_start", UTC),
        ("window_end", UTC),
        ("seed", pa.string()),  # "tracklet 123" or "3 photos"
        ("tracklets_searched", pa.int64()),
        ("cameras_searched", pa.int32()),
        ("options", pa.string()),  # JSON
        ("seconds", pa.float64()),
    ]
)
SIGHTING = pa.schema(
    [
        ("sighting", pa.int32()),  # 0, 1, 2 ... in time order
        ("tracklet_id", pa.int64()),
        ("camera_id", pa.string()),
        ("camera_no", pa.uint16()),
        ("start_at", UTC),
        ("end_at", UTC),
        ("lon", pa.float64()),  # WGS84, middle of the pass
        ("lat", pa.float64()),
        ("ground_error_m", pa.float64()),
        ("evidence", pa.string()),  # seed, face, appearance, face+appearance
        ("similarity", pa.float64()),  # cosine of the deciding embedding
        ("llr", pa.float64()),  # log-likelihood ratio, natural logarithm
        ("posterior", pa.float64()),  # that this is the patient
        ("on_path", pa.bool_()),  # part of the most probable path
        ("review", pa.string()),  # proposed, confirmed, rejected, unsure
        ("mask_state", pa.string()),
        ("mask_probability", pa.float64()),
        ("footage_id", pa.string()),
        ("source", pa.string()),  # clip, for a still on demand
        ("best_at", UTC),
    ]
)
LEG = pa.schema(
    [
        ("leg", pa.int32()),
        ("from_sighting", pa.int32()),
        ("to_sighting", pa.int32()),  # equals from_sighting for the pass itself
        ("kind", pa.string()),  # seen (a pass before a camera) or inferred
        ("start_at", UTC),
        ("end_at", UTC),
        ("metres", pa.float64()),  # straight line x detour factor when inferred
        ("speed_m_s", pa.float64()),
        ("mode", pa.string()),  # still, walk, cycle, vehicle
        ("probability", pa.float64()),
        ("cameras", pa.int32()),  # inferred: that recorded along the straight line
        ("miss_probability", pa.float64()),  # of seeing nothing had he walked there
        ("lon", pa.list_(pa.float64())),  # WGS84 vertices in time order
        ("lat", pa.list_(pa.float64())),
        ("second", pa.list_(pa.float64())),  # Unix time of each vertex
    ]
)
CONTACT = pa.schema(
    [
        ("contact", pa.string()),  # pseudonym within this case, e.g. K-003
        ("tracklet_ids", pa.list_(pa.int64())),
        ("episodes", pa.int32()),
        ("seconds", pa.float64()),  # within the rule's distance, all episodes
        ("seconds_24h", pa.float64()),  # the most, with those inferred, in any 24 hours
        # One of the two was seen alone, between moments that show both.
        ("inferred_seconds", pa.float64()),
        ("least_metres", pa.float64()),
        ("class", pa.string()),  # guideline class: close, casual; or airspace
        ("relation", pa.string()),  # companion, beside, passing
        ("joint_share", pa.float64()),  # of the patient's passes in that time
        ("first_at", UTC),
        ("last_at", UTC),
        ("patient_mask", pa.string()),
        ("contact_mask", pa.string()),
        ("dose_low", pa.float64()),  # relative dose index, 5 % quantile
        ("dose_median", pa.float64()),
        ("dose_high", pa.float64()),  # 95 % quantile
        ("reason", pa.string()),  # "11 min in 3 episodes, 1.4 m, both unmasked"
    ]
)
EPISODE = pa.schema(
    [
        ("contact", pa.string()),
        ("sighting", pa.int32()),
        ("tracklet_id", pa.int64()),
        ("camera_id", pa.string()),
        ("start_at", UTC),
        ("end_at", UTC),
        ("seconds", pa.float64()),
        ("least_metres", pa.float64()),
        ("patient_mask", pa.string()),
        ("contact_mask", pa.string()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
    ]
)
EXPOSURE = pa.schema(
    [
        ("cell", pa.string()),  # H3 index
        ("resolution", pa.int8()),
        ("hour", UTC),
        ("person_seconds", pa.float64()),  # others within the rule's distance
        ("close_seconds", pa.float64()),  # of them those of close contacts
        ("dose_low", pa.float64()),  # 5 % quantile
        ("dose_median", pa.float64()),  # summed dose, in reference exposures
        ("dose_high", pa.float64()),  # 95 % quantile
        ("contacts", pa.int32()),
        ("who", pa.list_(pa.string())),  # their names
    ]
)
AIRSPACE = pa.schema(
    [
        ("person", pa.string()),  # within this run: A-001, by time together
        ("tracklet_ids", pa.list_(pa.int64())),
        ("camera_id", pa.string()),  # indoors
        ("start_at", UTC),
        ("end_at", UTC),
        ("seconds_24h", pa.float64()),  # together indoors, beyond the rule's distance
        ("least_metres", pa.float64()),
        ("median_metres", pa.float64()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("dose_median", pa.float64()),  # relative dose index
    ]
)
ANCHOR = pa.schema(
    [
        ("anchor", pa.int64()),  # number in the casebook, where its words are
        ("at", UTC),
        ("seconds", pa.float64()),  # uncertainty, 1 sd
        ("lon", pa.float64()),  # WGS84
        ("lat", pa.float64()),
        ("metres", pa.float64()),  # uncertainty, 1 sd
        ("fits", pa.float64()),  # probability that the path goes by there and then
        ("before_sighting", pa.int32()),  # the path's last sighting before, null none
        ("after_sighting", pa.int32()),  # and its first after
        ("metres_off", pa.float64()),  # of the path, straight between those two
    ]
)

TABLES = {
    "run": RUN,
    "sighting": SIGHTING,
    "leg": LEG,
    "contact": CONTACT,
    "episode": EPISODE,
    "exposure": EXPOSURE,
    "airspace": AIRSPACE,
    "anchor": ANCHOR,
}
