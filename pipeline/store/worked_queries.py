"""Worked queries for analysts: shown by `dongseon sql --examples`, all tested."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Worked:
    """A question and the query that answers it."""

    name: str  #: short, by which the dashboard finds its translation
    question: str
    sql: str


WORKED = (
    Worked(
        "footage",
        "Which footage was analysed on a day, and how much of it?",
        """SELECT camera_id, count(*) AS parts, min(start_at) AS first,
       max(end_at) AS last, sum(epoch(end_at - start_at)) / 3600 AS hours
FROM footage
WHERE date = DATE '2025-11-03'
GROUP BY camera_id
ORDER BY hours DESC""",
    ),
    Worked(
        "passes",
        "How many passes were seen by hour and dong?",
        """SELECT c.dong, date_trunc('hour', t.start_at) AS hour, count(*) AS passes
FROM tracklets AS t
JOIN cameras AS c USING (camera_no)
GROUP BY ALL
ORDER BY hour, c.dong""",
    ),
    Worked(
        "mask_share",
        "What share wore a mask, by dong and hour, of those whose mask could be told?",
        """SELECT c.dong, date_trunc('hour', t.start_at) AS at_hour,
       count(*) FILTER (WHERE mask_state = 'worn') AS worn,
       count(*) FILTER (WHERE mask_state IN ('worn', 'incorrect', 'none')) AS told,
       count(*) AS passes,
       round(worn / nullif(told, 0), 3) AS share
FROM tracklets AS t
JOIN cameras AS c USING (camera_no)
GROUP BY ALL
ORDER BY at_hour, c.dong""",
    ),
    Worked(
        "mask_sure",
        "How sure are the mask predictions, by width of the face?",
        """SELECT 10 * floor(face_width_px / 10) AS width_px, mask_state, count(*) AS n,
       round(median(mask_probability), 3) AS median_probability
FROM mask_predictions
GROUP BY ALL
ORDER BY width_px, mask_state""",
    ),
    Worked(
        "stay",
        "Where do people stay longest before a camera?",
        """SELECT camera_id, count(*) AS passes,
       quantile_cont(epoch(end_at - start_at), [0.5, 0.9]) AS seconds
FROM tracklets
GROUP BY camera_id
HAVING count(*) >= 5
ORDER BY seconds[2] DESC
LIMIT 20""",
    ),
    Worked(
        "crowded",
        "How crowded was each cell in each minute?",
        """WITH minutes AS (
    SELECT c.h3_9 AS cell, time_bucket(INTERVAL 1 minute, d.seen_at) AS minute,
           count(DISTINCT d.tracklet_id) AS persons
    FROM detections AS d
    JOIN cameras AS c USING (camera_no)
    GROUP BY ALL
)
SELECT cell, max(persons) AS most, round(avg(persons), 1) AS mean
FROM minutes
GROUP BY cell
ORDER BY most DESC""",
    ),
    Worked(
        "blind",
        "Which cameras of the network have no analysed footage at all?",
        """SELECT gu, dong, count(*) AS cameras
FROM cameras
WHERE status = 'active' AND camera_no NOT IN (SELECT camera_no FROM footage)
GROUP BY ALL
ORDER BY cameras DESC""",
    ),
    Worked(
        "gaps",
        "How do the last passes of each camera compare with the ones before?",
        """SELECT camera_id, start_at,
       start_at - lag(start_at) OVER (PARTITION BY camera_no ORDER BY start_at) AS gap
FROM tracklets
QUALIFY row_number() OVER (PARTITION BY camera_no ORDER BY start_at DESC) <= 3
ORDER BY camera_id, start_at""",
    ),
    Worked(
        "cumulative",
        "How many passes had each dong in the 24 hours up to each hour?",
        """WITH hours AS (
    SELECT c.dong, date_trunc('hour', t.start_at) AS at_hour, count(*) AS passes
    FROM tracklets AS t
    JOIN cameras AS c USING (camera_no)
    GROUP BY ALL
)
SELECT dong, at_hour, passes,
       sum(passes) OVER (
           PARTITION BY dong ORDER BY at_hour
           RANGE BETWEEN INTERVAL 23 HOURS PRECEDING AND CURRENT ROW
       ) AS passes_24h
FROM hours
ORDER BY dong, at_hour""",
    ),
    Worked(
        "as_of",
        "Who passed a camera last before each pass, and how long before?",
        """SELECT t.camera_id, t.start_at, before.end_at AS left_at,
       epoch(t.start_at - before.end_at) AS seconds_between
FROM tracklets AS t
ASOF JOIN tracklets AS before
  ON t.camera_no = before.camera_no AND t.start_at > before.end_at
ORDER BY t.camera_id, t.start_at""",
    ),
    Worked(
        "case_contacts",
        "How many contacts does each case have, close and casual?",
        """SELECT case_code, "class", count(*) AS contacts, max(minutes) AS most_minutes
FROM case_contacts
GROUP BY ALL
ORDER BY case_code""",
    ),
    Worked(
        "case_masks",
        "How does the dose index go with masks?",
        """SELECT patient_mask, contact_mask, count(*) AS contacts,
       round(median(dose_median), 2) AS dose
FROM case_contacts
GROUP BY ALL
HAVING count(*) >= 5""",
    ),
    Worked(
        "case_exposure",
        "Where and when were most people exposed?",
        """SELECT cell, hour, sum(contacts) AS contacts, sum(person_minutes) AS minutes
FROM case_exposure
GROUP BY ALL
ORDER BY contacts DESC
LIMIT 20""",
    ),
    Worked(
        "case_path",
        "How much of each case's path was seen, and how much inferred?",
        """SELECT case_code, sightings, legs_seen, legs_inferred, path_metres
FROM case_summary
ORDER BY case_code""",
    ),
)
