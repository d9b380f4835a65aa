-- The views of data/dongseon.duckdb and their documentation. The file holds no rows:
-- each view reads the Parquet segments that the pipeline publishes, so it is always
-- up to date and can be read while footage is being analysed.
--
-- A name after a dollar sign stands for a path or an expression that `store.snapshot` fills in.
-- docs/data-dictionary.md is generated from here: `dongseon store dictionary`.
--
-- Of each part of footage the publication with the highest (generation, unit)
-- counts. The footage log stands first in every FROM, because DuckDB lists the
-- folders in that order: whatever the log names is then found.

CREATE VIEW cameras AS
SELECT * FROM read_parquet('$cameras_file');

COMMENT ON VIEW cameras IS 'The camera network: one row per camera of the registry.';
COMMENT ON COLUMN cameras.camera_id IS 'Name of the camera in the registry, e.g. BC-00001.';
COMMENT ON COLUMN cameras.camera_no IS 'Number along a Hilbert curve: neighbours on the ground have near numbers.';
COMMENT ON COLUMN cameras.name IS 'Description of the place.';
COMMENT ON COLUMN cameras.usage IS 'Purpose of installation as in the national CCTV standard table (설치목적구분).';
COMMENT ON COLUMN cameras.gu IS 'District (gu).';
COMMENT ON COLUMN cameras.dong IS 'Legal neighbourhood (dong).';
COMMENT ON COLUMN cameras.lon IS 'Longitude, WGS84 degrees.';
COMMENT ON COLUMN cameras.lat IS 'Latitude, WGS84 degrees.';
COMMENT ON COLUMN cameras.height_m IS 'Height of the optics above the ground, metres.';
COMMENT ON COLUMN cameras.heading_deg IS 'Direction of view, degrees clockwise from north; null where unknown.';
COMMENT ON COLUMN cameras.tilt_deg IS 'Downward tilt, degrees: 0 is horizontal, 90 straight down.';
COMMENT ON COLUMN cameras.fov_deg IS 'Horizontal field of view, degrees.';
COMMENT ON COLUMN cameras.resolution IS 'Width x height of the picture, pixels.';
COMMENT ON COLUMN cameras.installed IS 'Month of installation, YYYY-MM.';
COMMENT ON COLUMN cameras.retention_days IS 'Days the operator keeps the footage of this camera.';
COMMENT ON COLUMN cameras.source IS 'Where the entry comes from: synthetic, or the imported table.';
COMMENT ON COLUMN cameras.status IS 'active, outage or removed.';
COMMENT ON COLUMN cameras.indoors IS 'Whether the camera looks at an indoor place.';
COMMENT ON COLUMN cameras.calibrated IS 'Whether the registry holds a measured image-to-ground calibration.';
COMMENT ON COLUMN cameras.calibration_error_m IS 'Error of that calibration on the ground, metres.';
COMMENT ON COLUMN cameras.clips IS 'Number of clips bound to the camera for demonstration.';
COMMENT ON COLUMN cameras.h3_9 IS 'H3 cell of resolution 9 (about 0.1 km2).';
COMMENT ON COLUMN cameras.h3_10 IS 'H3 cell of resolution 10 (about 0.015 km2).';
COMMENT ON COLUMN cameras.east_cm IS 'Centimetres east of the local origin (EPSG:5186, x 170000 m).';
COMMENT ON COLUMN cameras.north_cm IS 'Centimetres north of the local origin (EPSG:5186, y 535000 m).';

CREATE VIEW footage AS
SELECT
    footage_id, part, camera_id, camera_no, start_at, end_at, clock, source,
    source_sha256, source_offset_s, last_part, fps, width, height, frames_read,
    frames_analysed, frames_corrupt, persons, tracklets, faces, masks_worn,
    masks_incorrect, masks_none, masks_unknown, seconds, models, options,
    coalesce(options::JSON ->> 'quality', 'full') AS quality, software,
    analysed_at, synthetic, part_key, unit, generation, date, hour
FROM read_parquet('$footage_files', hive_partitioning = true, hive_types = $hive_types)
QUALIFY row_number() OVER (PARTITION BY part_key ORDER BY generation DESC, unit DESC) = 1;

COMMENT ON VIEW footage IS 'What was analysed: one row per part of footage (some minutes of one camera). No row means not analysed, which is not the same as nobody there.';
COMMENT ON COLUMN footage.footage_id IS 'Digest of the clip''s content, camera and start.';
COMMENT ON COLUMN footage.part IS 'Number of the part within the footage, from 0.';
COMMENT ON COLUMN footage.camera_id IS 'Camera that recorded it.';
COMMENT ON COLUMN footage.camera_no IS 'Number of that camera.';
COMMENT ON COLUMN footage.start_at IS 'Start of the part, inclusive.';
COMMENT ON COLUMN footage.end_at IS 'End of the part, exclusive.';
COMMENT ON COLUMN footage.clock IS 'Where the start came from: argument, file name or registry.';
COMMENT ON COLUMN footage.source IS 'Path of the clip as given.';
COMMENT ON COLUMN footage.source_sha256 IS 'SHA-256 of the clip.';
COMMENT ON COLUMN footage.source_offset_s IS 'Start of the part within the clip, seconds.';
COMMENT ON COLUMN footage.last_part IS 'Whether the clip ends with this part.';
COMMENT ON COLUMN footage.fps IS 'Frames per second of the clip.';
COMMENT ON COLUMN footage.width IS 'Width of the picture, pixels.';
COMMENT ON COLUMN footage.height IS 'Height of the picture, pixels.';
COMMENT ON COLUMN footage.frames_read IS 'Frames read from the clip.';
COMMENT ON COLUMN footage.frames_analysed IS 'Frames in which persons were sought.';
COMMENT ON COLUMN footage.frames_corrupt IS 'Frames that could not be decoded and were skipped.';
COMMENT ON COLUMN footage.persons IS 'Person detections.';
COMMENT ON COLUMN footage.tracklets IS 'Tracklets stored.';
COMMENT ON COLUMN footage.faces IS 'Face detections.';
COMMENT ON COLUMN footage.masks_worn IS 'Tracklets with a mask over mouth and nose.';
COMMENT ON COLUMN footage.masks_incorrect IS 'Tracklets with a mask below the nose.';
COMMENT ON COLUMN footage.masks_none IS 'Tracklets without a mask.';
COMMENT ON COLUMN footage.masks_unknown IS 'Tracklets whose mask could not be told.';
COMMENT ON COLUMN footage.seconds IS 'Seconds the analysis took.';
COMMENT ON COLUMN footage.models IS 'JSON: role of each model, its name and SHA-256.';
COMMENT ON COLUMN footage.options IS 'JSON: thresholds and sampling used; at triage also how many frames were passed over and the longest gap, seconds.';
COMMENT ON COLUMN footage.quality IS 'full: every moment in which something moved was looked at. triage: key frames only; people may be missing.';
COMMENT ON COLUMN footage.software IS 'Version of the software.';
COMMENT ON COLUMN footage.analysed_at IS 'When the analysis ended.';
COMMENT ON COLUMN footage.synthetic IS 'Whether the part was simulated, not filmed.';
COMMENT ON COLUMN footage.part_key IS 'Number of (footage_id, part).';
COMMENT ON COLUMN footage.unit IS 'Publication that holds the part''s rows.';
COMMENT ON COLUMN footage.generation IS 'How often the part was rewritten (compacted or analysed again).';
COMMENT ON COLUMN footage.date IS 'UTC date in which the part starts; a filter on it skips the other folders.';
COMMENT ON COLUMN footage.hour IS 'UTC hour in which the part starts, 0 to 23.';

CREATE VIEW tracklets AS
SELECT
    t.tracklet_id, f.camera_id, t.camera_no, t.start_at, t.end_at, t.detections,
    $first_lon AS first_lon, $first_lat AS first_lat,
    $last_lon AS last_lon, $last_lat AS last_lat,
    t.ground_error_cm / 100.0 AS ground_error_m,
    t.faces, t.face_model IS NOT NULL AS has_face, t.face_model, t.face_quality,
    t.face_width_px, t.appearance_model IS NOT NULL AS has_appearance,
    t.appearance_model, t.mask_state, t.mask_probability, t.best_at, t.best_x,
    t.best_y, t.best_w, t.best_h, f.footage_id, f.part, t.date, t.hour
FROM (
    SELECT * FROM read_parquet('$footage_files', hive_partitioning = false)
    QUALIFY row_number() OVER (PARTITION BY part_key ORDER BY generation DESC, unit DESC) = 1
) AS f
JOIN read_parquet('$tracklet_files', hive_partitioning = true, hive_types = $hive_types) AS t
    ON t.unit = f.unit AND t.part_key = f.part_key;

COMMENT ON VIEW tracklets IS 'One person''s pass before one camera: one row each. Persons are not named; embeddings are left out.';
COMMENT ON COLUMN tracklets.tracklet_id IS 'Number of the tracklet; sorts by camera, then time.';
COMMENT ON COLUMN tracklets.camera_id IS 'Camera that saw the person.';
COMMENT ON COLUMN tracklets.camera_no IS 'Number of that camera.';
COMMENT ON COLUMN tracklets.start_at IS 'First detection.';
COMMENT ON COLUMN tracklets.end_at IS 'Last detection.';
COMMENT ON COLUMN tracklets.detections IS 'Number of detections.';
COMMENT ON COLUMN tracklets.first_lon IS 'Longitude of the first ground point, WGS84 degrees; null where the camera has no calibration.';
COMMENT ON COLUMN tracklets.first_lat IS 'Latitude of the first ground point, WGS84 degrees.';
COMMENT ON COLUMN tracklets.last_lon IS 'Longitude of the last ground point, WGS84 degrees.';
COMMENT ON COLUMN tracklets.last_lat IS 'Latitude of the last ground point, WGS84 degrees.';
COMMENT ON COLUMN tracklets.ground_error_m IS 'One standard deviation of the ground points, metres.';
COMMENT ON COLUMN tracklets.faces IS 'Detections in which a face was seen.';
COMMENT ON COLUMN tracklets.has_face IS 'Whether a face embedding is stored.';
COMMENT ON COLUMN tracklets.face_model IS 'Model of the face embedding; null without one.';
COMMENT ON COLUMN tracklets.face_quality IS 'Quality of the best face, 0 to 1.';
COMMENT ON COLUMN tracklets.face_width_px IS 'Width of the best face, pixels.';
COMMENT ON COLUMN tracklets.has_appearance IS 'Whether an appearance (clothing) embedding is stored.';
COMMENT ON COLUMN tracklets.appearance_model IS 'Model of the appearance embedding; null without one.';
COMMENT ON COLUMN tracklets.mask_state IS 'Mask over the whole pass: worn, incorrect (below the nose), none or unknown.';
COMMENT ON COLUMN tracklets.mask_probability IS 'Calibrated probability of that state; null when unknown.';
COMMENT ON COLUMN tracklets.best_at IS 'Moment of the best view.';
COMMENT ON COLUMN tracklets.best_x IS 'Person box at that moment: left, pixels.';
COMMENT ON COLUMN tracklets.best_y IS 'Person box at that moment: top, pixels.';
COMMENT ON COLUMN tracklets.best_w IS 'Person box at that moment: width, pixels.';
COMMENT ON COLUMN tracklets.best_h IS 'Person box at that moment: height, pixels.';
COMMENT ON COLUMN tracklets.footage_id IS 'Footage in which the person was seen.';
COMMENT ON COLUMN tracklets.part IS 'Part of that footage.';
COMMENT ON COLUMN tracklets.date IS 'UTC date in which the part of footage starts; a filter on it skips the other folders.';
COMMENT ON COLUMN tracklets.hour IS 'UTC hour in which the part of footage starts, 0 to 23.';

CREATE VIEW detections AS
SELECT
    d.tracklet_id, f.camera_id, d.camera_no, d.at AS seen_at, d.second, d.frame, d.x, d.y, d.w,
    d.h, d.score, $lon AS lon, $lat AS lat, d.ground_error_cm / 100.0 AS ground_error_m,
    d.face_x, d.face_y, d.face_w, d.face_h, d.face_score, d.mask_state,
    d.mask_probability, f.footage_id, f.part, d.date, d.hour
FROM (
    SELECT * FROM read_parquet('$footage_files', hive_partitioning = false)
    QUALIFY row_number() OVER (PARTITION BY part_key ORDER BY generation DESC, unit DESC) = 1
) AS f
JOIN read_parquet('$detection_files', hive_partitioning = true, hive_types = $hive_types) AS d
    ON d.unit = f.unit AND d.part_key = f.part_key;

COMMENT ON VIEW detections IS 'A person in one analysed frame: one row each.';
COMMENT ON COLUMN detections.tracklet_id IS 'Tracklet the detection belongs to.';
COMMENT ON COLUMN detections.camera_id IS 'Camera that saw the person.';
COMMENT ON COLUMN detections.camera_no IS 'Number of that camera.';
COMMENT ON COLUMN detections.seen_at IS 'Moment of the frame.';
COMMENT ON COLUMN detections.second IS 'The same moment as Unix time, whole seconds.';
COMMENT ON COLUMN detections.frame IS 'Number of the frame within the clip; null when simulated.';
COMMENT ON COLUMN detections.x IS 'Person box: left, pixels.';
COMMENT ON COLUMN detections.y IS 'Person box: top, pixels.';
COMMENT ON COLUMN detections.w IS 'Person box: width, pixels.';
COMMENT ON COLUMN detections.h IS 'Person box: height, pixels.';
COMMENT ON COLUMN detections.score IS 'Score of the person detector, 0 to 1.';
COMMENT ON COLUMN detections.lon IS 'Longitude of the ground point, WGS84 degrees; null where the camera has no calibration.';
COMMENT ON COLUMN detections.lat IS 'Latitude of the ground point, WGS84 degrees.';
COMMENT ON COLUMN detections.ground_error_m IS 'One standard deviation of the ground point, metres.';
COMMENT ON COLUMN detections.face_x IS 'Face box: left, pixels; null where no face was seen.';
COMMENT ON COLUMN detections.face_y IS 'Face box: top, pixels.';
COMMENT ON COLUMN detections.face_w IS 'Face box: width, pixels.';
COMMENT ON COLUMN detections.face_h IS 'Face box: height, pixels.';
COMMENT ON COLUMN detections.face_score IS 'Score of the face detector, 0 to 1.';
COMMENT ON COLUMN detections.mask_state IS 'Mask in this frame: worn, incorrect, none or unknown; null where no face was seen.';
COMMENT ON COLUMN detections.mask_probability IS 'Calibrated probability of that state; null when unknown.';
COMMENT ON COLUMN detections.footage_id IS 'Footage in which the person was seen.';
COMMENT ON COLUMN detections.part IS 'Part of that footage.';
COMMENT ON COLUMN detections.date IS 'UTC date in which the part of footage starts; a filter on it skips the other folders.';
COMMENT ON COLUMN detections.hour IS 'UTC hour in which the part of footage starts, 0 to 23.';

CREATE VIEW mask_predictions AS
SELECT
    tracklet_id, camera_id, camera_no, seen_at, mask_state, mask_probability,
    face_w AS face_width_px, face_h AS face_height_px, face_score, lon, lat,
    footage_id, date, hour
FROM detections
WHERE face_w IS NOT NULL;

COMMENT ON VIEW mask_predictions IS 'The mask in every frame in which a face was seen: one row each.';
COMMENT ON COLUMN mask_predictions.tracklet_id IS 'Tracklet the face belongs to.';
COMMENT ON COLUMN mask_predictions.camera_id IS 'Camera that saw the face.';
COMMENT ON COLUMN mask_predictions.camera_no IS 'Number of that camera.';
COMMENT ON COLUMN mask_predictions.seen_at IS 'Moment of the frame.';
COMMENT ON COLUMN mask_predictions.mask_state IS 'worn, incorrect (below the nose), none or unknown. Unknown is an answer: the face was too small or too poor to tell.';
COMMENT ON COLUMN mask_predictions.mask_probability IS 'Calibrated probability of that state; null when unknown.';
COMMENT ON COLUMN mask_predictions.face_width_px IS 'Width of the face, pixels.';
COMMENT ON COLUMN mask_predictions.face_height_px IS 'Height of the face, pixels.';
COMMENT ON COLUMN mask_predictions.face_score IS 'Score of the face detector, 0 to 1.';
COMMENT ON COLUMN mask_predictions.lon IS 'Longitude of the ground point, WGS84 degrees.';
COMMENT ON COLUMN mask_predictions.lat IS 'Latitude of the ground point, WGS84 degrees.';
COMMENT ON COLUMN mask_predictions.footage_id IS 'Footage in which the face was seen.';
COMMENT ON COLUMN mask_predictions.date IS 'UTC date in which the part of footage starts; a filter on it skips the other folders.';
COMMENT ON COLUMN mask_predictions.hour IS 'UTC hour in which the part of footage starts, 0 to 23.';
