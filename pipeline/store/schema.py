"""Columns of the observation store, declared once.

Three tables, each a folder of immutable Parquet segments under
`data/observations/<table>/date=YYYY-MM-DD/hour=HH/<unit>.parquet` (UTC date and
hour in which the part of footage starts; the unit as 16 hexadecimal digits). A
part lasts an hour at most.

The footage table is the manifest: a row of `tracklet` or `detection` counts only
if the footage log holds a row with the same (unit, part_key). A part that was
published twice has two footage rows; the one with the highest
(generation, unit) wins, the other is invisible. So publishing and compacting
are each made visible by the rename of one footage file.
"""

from __future__ import annotations

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")
LABEL = pa.dictionary(pa.int16(), pa.string())

#: Mask states in the order of their stored codes.
MASK_STATES = ("unknown", "none", "incorrect", "worn")

FOOTAGE = pa.schema(
    [
        ("footage_id", pa.string()),  # digest of content, camera and start
        ("part", pa.int32()),  # 0, 1, 2 ... within the footage
        ("part_key", pa.int64()),  # digest of (footage_id, part)
        ("unit", pa.int64()),  # publication this row belongs to
        ("generation", pa.int16()),  # 0 as ingested, +1 at each compaction
        ("camera_id", pa.string()),
        ("camera_no", pa.uint16()),
        ("start_at", UTC),  # of the part, inclusive
        ("end_at", UTC),  # of the part, exclusive
        ("clock", pa.string()),  # where the start came from: argument, name, registry
        ("source", pa.string()),  # path of the clip as given
        ("source_sha256", pa.string()),
        ("source_offset_s", pa.float64()),  # of the part's start within the clip
        ("last_part", pa.bool_()),
        ("fps", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("frames_read", pa.int32()),
        ("frames_analysed", pa.int32()),
        ("frames_corrupt", pa.int32()),
        ("persons", pa.int32()),  # person detections
        ("tracklets", pa.int32()),
        ("faces", pa.int32()),  # face detections
        ("masks_worn", pa.int32()),  # tracklets by mask state
        ("masks_incorrect", pa.int32()),
        ("masks_none", pa.int32()),
        ("masks_unknown", pa.int32()),
        ("seconds", pa.float64()),  # of work
        ("models", pa.string()),  # JSON: role -> {name, sha256}
        ("options", pa.string()),  # JSON: thresholds and sampling
        ("software", pa.string()),  # version of dongseon
        ("analysed_at", UTC),
        ("synthetic", pa.bool_()),  # true when made by `dongseon simulate`
    ]
)

TRACKLET = pa.schema(
    [
        ("tracklet_id", pa.int64()),  # see store.ids
        ("unit", pa.int64()),
        ("part_key", pa.int64()),
        ("camera_id", LABEL),
        ("camera_no", pa.uint16()),
        ("start_at", UTC),
        ("end_at", UTC),
        ("detections", pa.int32()),
        ("first_east_cm", pa.int32()),  # see store.ids for the local frame
        ("first_north_cm", pa.int32()),
        ("last_east_cm", pa.int32()),
        ("last_north_cm", pa.int32()),
        ("ground_error_cm", pa.int32()),  # 1 sd, null where uncalibrated
        ("faces", pa.int32()),  # detections with a face
        ("face_model", LABEL),  # registry name, null without an embedding
        ("face_i8", pa.binary()),  # int8[d]; value = int8 * face_scale
        ("face_scale", pa.float32()),
        ("face_f16", pa.binary()),  # float16[d], unit length
        ("face_quality", pa.float32()),  # 0..1
        ("face_width_px", pa.float32()),  # of the best face
        ("appearance_model", LABEL),
        ("appearance_i8", pa.binary()),
        ("appearance_scale", pa.float32()),
        ("appearance_f16", pa.binary()),
        ("mask_state", LABEL),  # one of MASK_STATES, over the whole pass
        ("mask_probability", pa.float32()),  # of that state; null when unknown
        ("best_at", UTC),  # moment of the best view, for a still on demand
        ("best_x", pa.float32()),  # its person box, pixels of the clip
        ("best_y", pa.float32()),
        ("best_w", pa.float32()),
        ("best_h", pa.float32()),
    ]
)

DETECTION = pa.schema(
    [
        ("tracklet_id", pa.int64()),
        ("unit", pa.int64()),
        ("part_key", pa.int64()),
        ("camera_no", pa.uint16()),
        ("second", pa.int32()),  # Unix time
        ("at", UTC),
        ("frame", pa.int32()),  # number within the clip; null when simulated
        ("x", pa.float32()),  # person box: left, top, width, height in pixels
        ("y", pa.float32()),
        ("w", pa.float32()),
        ("h", pa.float32()),
        ("score", pa.float32()),
        ("east_cm", pa.int32()),  # ground point; null where uncalibrated
        ("north_cm", pa.int32()),
        ("ground_error_cm", pa.int32()),
        ("face_x", pa.float32()),
        ("face_y", pa.float32()),
        ("face_w", pa.float32()),
        ("face_h", pa.float32()),
        ("face_score", pa.float32()),
        ("mask_state", LABEL),  # null where no face was seen
        ("mask_probability", pa.float32()),
    ]
)

TABLES = {"footage": FOOTAGE, "tracklet": TRACKLET, "detection": DETECTION}
