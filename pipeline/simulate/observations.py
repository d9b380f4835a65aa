"""Passes as the pipeline would have observed them: rows of the store."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline import __version__
from pipeline.simulate import copies, embeddings
from pipeline.simulate import faces as faces_of
from pipeline.simulate.columns import label, masked, micros, moments
from pipeline.simulate.copies import Observed
from pipeline.simulate.faces import INCORRECT, NONE, UNKNOWN, WORN, Faces, mask_at
from pipeline.simulate.maker import Maker
from pipeline.simulate.passes import Passes, tenths
from pipeline.simulate.points import Points, observed
from pipeline.simulate.ways import Ways
from pipeline.store import ids, writer
from pipeline.store.schema import FOOTAGE, MASK_STATES


def observe(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    cameras: range,
    hour_unix: int,
    hour_s: float,
    hour: int,
) -> Observed:
    """Make the rows of one hour and a range of cameras.

    Parameters
    ----------
    rows : passes that were not missed, ordered by (camera, first second).
    cameras : rows of the network whose footage this is.
    hour_unix, hour_s : start of the hour, Unix seconds and seconds of the day.
    hour : its number within the simulation.
    """
    rng = np.random.default_rng([maker.seed, 4, hour, cameras.start])
    tenth, ordinal = tenths(passes.camera[rows], passes.first[rows])
    room = tenth < 10
    rows, tenth, ordinal = rows[room], tenth[room], ordinal[room]
    camera, count = passes.camera[rows], passes.count[rows]
    start = hour_unix + passes.first[rows] + tenth / 10  # by the camera's clock
    start += maker.network.skew[camera]
    # Ids sort by (camera, tenth): so do the rows.
    order = np.lexsort((ordinal, start, camera))
    rows, ordinal, camera, count, start = (
        c[order] for c in (rows, ordinal, camera, count, start)
    )
    number = maker.network.numbers[camera]
    tracklet = ids.tracklet_ids(number, start, ordinal)
    recorded = [c for c in cameras if not maker.network.down[c, hour]]
    keys = np.full(len(maker.network.ids), -1, dtype=np.int64)
    names = [f"sim-{maker.seed}-{maker.network.ids[c]}" for c in recorded]
    keys[recorded] = [writer.part_key(name, hour) for name in names]
    twice = copies.drawn(maker, recorded, hour)
    faces = faces_of.draw(maker, ways, passes, rows, hour_s, rng)
    points = observed(maker, passes, rows, camera, rng)
    detections = _detections(
        maker, ways, passes, rows, points, faces, start, hour_s, tracklet, keys[camera]
    )
    columns = {
        "tracklet_id": pa.array(tracklet),
        "part_key": pa.array(keys[camera]),
        "camera_id": label(camera, maker.network.ids.tolist()),
        "camera_no": pa.array(number),
        "start_at": moments(start),
        "end_at": moments(start + count - 1),
        "detections": pa.array(points.kept),
        "first_east_cm": pa.array(points.ends[0]),
        "first_north_cm": pa.array(points.ends[1]),
        "last_east_cm": pa.array(points.ends[2]),
        "last_north_cm": pa.array(points.ends[3]),
        "ground_error_cm": pa.array(maker.network.error_cm[camera]),
        "faces": pa.array(faces.seconds.astype(np.int32)),
        "mask_state": label(faces.observed, MASK_STATES),
        "mask_probability": masked(faces.sure, absent=faces.observed == UNKNOWN),
        "best_at": moments(start + faces.begin),
        **embeddings.columns(maker, ways, passes, rows, faces, rng),
    }
    footage = _footage(maker, recorded, names, camera, faces, hour_unix, hour)
    true = start - maker.network.skew[camera]
    made = Observed(
        footage, pa.table(columns), detections, rows, tracklet, true, true + count - 1
    )
    return copies.add(made, maker.network.numbers[twice]) if len(twice) else made


def _detections(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    points: Points,
    faces: Faces,
    start: np.ndarray,
    hour_s: float,
    tracklet: np.ndarray,
    keys: np.ndarray,
) -> pa.Table:
    """Detections, ordered by (camera, second)."""
    camera, first = passes.camera[rows], passes.first[rows]
    owner, within = points.owner, points.within
    since = within - faces.begin.astype(np.int32)[owner]
    # Before the face is seen is a large number without a sign.
    f = np.flatnonzero(since.view(np.uint32) < faces.seconds.astype(np.uint32)[owner])
    who = owner[f]
    true = mask_at(ways, passes.way[rows[who]], hour_s + first[who] + within[f])
    seen = np.zeros(len(owner), dtype=bool)
    seen[f] = True
    state = np.full(len(owner), UNKNOWN, dtype=np.int8)
    state[f] = faces_of.read(
        true, faces.wrong[who], np.ones(len(f), bool), faces.width[who]
    )
    sure = np.zeros(len(owner), dtype=np.float32)
    sure[f] = faces.sure[who]
    begin = np.rint(start * 10).astype(np.int64) * 100_000
    moment = within * np.int64(1_000_000)
    moment += begin[owner]
    # Rows of one camera follow each other.
    head = np.flatnonzero(np.diff(camera, prepend=-1))
    times = np.add.reduceat(points.kept, head) if len(head) else head
    net = maker.network
    return pa.table(
        {
            "tracklet_id": pa.array(tracklet[owner]),
            "part_key": pa.array(np.repeat(keys[head], times)),
            "camera_no": pa.array(np.repeat(net.numbers[camera[head]], times)),
            "second": pa.array((begin // 1_000_000).astype(np.int32)[owner] + within),
            "at": micros(moment),
            "score": pa.repeat(pa.scalar(0.9, pa.float32()), len(owner)),
            "east_cm": pa.array(points.east),
            "north_cm": pa.array(points.north),
            "ground_error_cm": pa.array(np.repeat(net.error_cm[camera[head]], times)),
            "mask_state": label(state, MASK_STATES, absent=~seen),
            "mask_probability": masked(sure, absent=state == UNKNOWN),
        }
    )


def _footage(
    maker: Maker,
    recorded: list[int],
    names: list[str],
    camera: np.ndarray,
    faces: Faces,
    hour_unix: int,
    hour: int,
) -> pa.Table:
    """One part of footage a camera and hour, people or none."""
    n = len(recorded)
    net = maker.network
    total = len(net.ids)
    columns: dict[str, pa.Array] = {
        "footage_id": pa.array(names, pa.string()),
        "part": pa.repeat(pa.scalar(hour, pa.int32()), n),
        "camera_id": pa.array(net.ids[recorded], pa.string()),
        "camera_no": pa.array(net.numbers[recorded]),
        "start_at": moments(np.full(n, float(hour_unix))),
        "end_at": moments(np.full(n, hour_unix + 3600.0)),
        "clock": pa.repeat("argument", n),
        "source": pa.repeat(f"synthetic:{maker.seed}", n),
        "fps": pa.repeat(1.0, n),
        "width": pa.array(net.size[recorded, 0]),
        "height": pa.array(net.size[recorded, 1]),
        "frames_read": pa.repeat(pa.scalar(3600, pa.int32()), n),
        "frames_analysed": pa.repeat(pa.scalar(3600, pa.int32()), n),
        "software": pa.repeat(__version__, n),
        "analysed_at": moments(np.full(n, hour_unix + 3600.0)),
        "synthetic": pa.repeat(True, n),
    }
    counts = {"tracklets": np.ones(len(camera)), "faces": faces.seconds}
    for state, name in ((WORN, "worn"), (INCORRECT, "incorrect"),
                        (NONE, "none"), (UNKNOWN, "unknown")):  # fmt: skip
        counts[f"masks_{name}"] = faces.observed == state
    for name, weights in counts.items():
        sums = np.bincount(camera, weights=weights, minlength=total)[recorded]
        columns[name] = pa.array(sums.astype(np.int32))
    names_of = {f.name for f in FOOTAGE}
    return pa.table({k: v for k, v in columns.items() if k in names_of})
