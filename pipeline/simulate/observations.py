"""Passes as the pipeline would have observed them: rows of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import __version__
from pipeline.simulate import recogniser
from pipeline.simulate.network import Network
from pipeline.simulate.passes import Passes, points_of, tenths
from pipeline.simulate.recogniser import Recogniser
from pipeline.simulate.residents import Residents
from pipeline.simulate.ways import Ways
from pipeline.store import ids, vectors, writer
from pipeline.store.schema import FOOTAGE, MASK_STATES, UTC

#: Width of the best face of a pass, pixels: median and sd of its logarithm; and
#: the least that is embedded (assumed: street cameras at 5 to 20 m).
FACE_PX, FACE_SPREAD, FACE_LEAST_PX = 27.0, 0.45, 16.0
#: Chance that a face is seen, by where one looks: at the camera, across, away.
FACE_CHANCE = (0.72, 0.18, 0.03)
#: Clothing: inner numbers, share that all clothes have in common, and share of the
#: rest that two views of the same clothes have; strangers then have a cosine of
#: 0.55 +- 0.15, the same clothes 0.85.
CLOTHES, CLOTHES_COMMON, CLOTHES_SAME = 9, 0.55, 0.67
#: Share of passes whose mask is read wrongly, of seconds missed by the detector.
MASK_ERROR, SECOND_MISSED = 0.05, 0.04
UNKNOWN, NONE, INCORRECT, WORN = range(4)
#: Vectors drawn at a time.
BLOCK_ROWS = 1024


@dataclass(frozen=True)
class Maker:
    """All that is needed to turn passes into rows."""

    people: Residents
    network: Network
    law: Recogniser
    clothes: np.ndarray  #: float16 [n, CLOTHES], of the day
    clothes_basis: np.ndarray  #: float32 [CLOTHES + 1, width]
    face_model: str
    appearance_model: str
    seed: int


@dataclass(frozen=True)
class Observed:
    """Rows of one unit and what they truly are."""

    footage: pa.Table
    tracklets: pa.Table
    detections: pa.Table
    rows: np.ndarray  #: int64 [t], pass of each tracklet
    tracklet_ids: np.ndarray  #: int64 [t]
    start_s: np.ndarray  #: float64 [t], Unix seconds
    end_s: np.ndarray  #: float64 [t]


def clothes_basis(width: int) -> np.ndarray:
    """Orthonormal rows, float32 [CLOTHES + 1, width]: what all share, then the rest."""
    if width <= CLOTHES:
        raise ValueError(f"appearance needs more than {CLOTHES} numbers, got {width}")
    drawn = np.random.default_rng(20_261_123).standard_normal((width, CLOTHES + 1))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


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
    start = hour_unix + passes.first[rows] + tenth / 10
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
    faces = _faces(maker, ways, passes, rows, hour_s, rng)
    points = _points(maker, passes, rows, camera, rng)
    detections = _detections(
        maker, ways, passes, rows, points, faces, start, hour_s, tracklet, keys[camera]
    )
    columns = {
        "tracklet_id": pa.array(tracklet),
        "part_key": pa.array(keys[camera]),
        "camera_id": _label(camera, maker.network.ids.tolist()),
        "camera_no": pa.array(number),
        "start_at": _moments(start),
        "end_at": _moments(start + count - 1),
        "detections": pa.array(points.kept),
        "first_east_cm": pa.array(points.east[points.first]),
        "first_north_cm": pa.array(points.north[points.first]),
        "last_east_cm": pa.array(points.east[points.last]),
        "last_north_cm": pa.array(points.north[points.last]),
        "ground_error_cm": pa.array(maker.network.error_cm[camera]),
        "faces": pa.array(faces.seconds.astype(np.int32)),
        "mask_state": _label(faces.observed, list(MASK_STATES)),
        "mask_probability": pa.array(
            faces.sure, mask=faces.observed == UNKNOWN, type=pa.float32()
        ),
        "best_at": _moments(start + faces.begin),
        **_embeddings(maker, ways, passes, rows, faces, rng),
    }
    return Observed(
        _footage(maker, recorded, names, camera, faces, hour_unix, hour),
        pa.table(columns),
        detections,
        rows,
        tracklet,
        start,
        start + count - 1,
    )


@dataclass(frozen=True)
class _Faces:
    seconds: np.ndarray  #: int64 [t], seconds with a face; 0 none
    begin: np.ndarray  #: int64 [t], first of them
    width: np.ndarray  #: float32 [t], pixels
    true: np.ndarray  #: int8 [t], mask at that moment
    observed: np.ndarray  #: int8 [t], as classified
    sure: np.ndarray  #: float32 [t], probability of it
    wrong: np.ndarray  #: bool [t], classified wrongly throughout


@dataclass(frozen=True)
class _Points:
    owner: np.ndarray  #: int64 [d], row of the tracklet
    within: np.ndarray  #: int64 [d], second of the pass
    east: np.ndarray  #: int32 [d], observed, cm of the local frame
    north: np.ndarray
    first: np.ndarray  #: int64 [t], its first point
    last: np.ndarray  #: int64 [t]
    kept: np.ndarray  #: int32 [t], number of points


def mask_at(ways: Ways, way: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """True mask state of walkers (int8) at seconds of the day."""
    since = moment - ways.start[way]
    off = (since >= ways.bare_from[way]) & (since < ways.bare_to[way])
    return np.where(off, NONE, ways.mask[way]).astype(np.int8)


def _faces(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    hour_s: float,
    rng: np.random.Generator,
) -> _Faces:
    """Decide on which passes a face is seen, when, how large and how masked."""
    n = len(rows)
    camera, count, way = passes.camera[rows], passes.count[rows], passes.way[rows]
    ends = np.cumsum(passes.count)
    last, first = ends[rows] - 1, ends[rows] - passes.count[rows]
    move = np.column_stack(
        [
            passes.east[last] - passes.east[first],
            passes.north[last] - passes.north[first],
        ]
    ).astype(np.float32)
    turn = rng.random(n, dtype=np.float32) * np.float32(2 * np.pi)
    still = np.column_stack([np.cos(turn), np.sin(turn)])
    move = np.where(np.abs(move).sum(axis=1)[:, None] > 1.5, move, still)
    looks = -np.einsum("ij,ij->i", move, maker.network.heading[camera])
    looks /= np.linalg.norm(move, axis=1)
    chance = np.select([looks > 0.3, looks > -0.3], FACE_CHANCE[:2], FACE_CHANCE[2])
    seen = rng.random(n, dtype=np.float32) < chance
    share = rng.random(n, dtype=np.float32) * 0.6 + 0.15
    seconds = np.where(seen, np.maximum(1, np.rint(share * count)), 0).astype(np.int64)
    begin = ((count - seconds) * rng.random(n, dtype=np.float32)).astype(np.int64)
    width = FACE_PX * np.exp(
        FACE_SPREAD * rng.standard_normal(n, dtype=np.float32), dtype=np.float32
    )
    true = mask_at(ways, way, hour_s + passes.first[rows] + begin)
    wrong = rng.random(n, dtype=np.float32) < MASK_ERROR
    observed = _read(true, wrong, seen, width)
    sure = 0.7 + 0.29 * np.sqrt(rng.random(n, dtype=np.float32))
    return _Faces(seconds, begin, np.clip(width, 12, 120), true, observed, sure, wrong)


def _read(
    true: np.ndarray, wrong: np.ndarray, seen: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Mask states as classified: none for worn and the reverse where wrong."""
    swapped = np.where(true == WORN, NONE, WORN)
    state = np.where(wrong, swapped, true)
    return np.where(seen & (width >= 20), state, UNKNOWN).astype(np.int8)


def _points(
    maker: Maker,
    passes: Passes,
    rows: np.ndarray,
    camera: np.ndarray,
    rng: np.random.Generator,
) -> _Points:
    """Ground points as projected: a steady error of the pass and a jitter."""
    owner, at = points_of(passes, rows)
    count = passes.count[rows]
    begin = np.cumsum(count) - count
    within = np.arange(len(owner)) - begin[owner]
    keep = rng.random(len(owner), dtype=np.float32) >= SECOND_MISSED
    keep[begin] = True
    owner, at, within = owner[keep], at[keep], within[keep]
    error = (maker.network.error_cm[camera] * 0.01).astype(np.float32)
    bias = rng.standard_normal((2, len(rows)), dtype=np.float32) * error * 0.8
    jitter = rng.standard_normal((2, len(owner)), dtype=np.float32)
    jitter *= 0.4 * error[owner]
    east, north = ids.metric_to_local_cm(
        passes.east[at] + bias[0, owner] + jitter[0],
        passes.north[at] + bias[1, owner] + jitter[1],
    )
    kept = np.bincount(owner, minlength=len(rows)).astype(np.int32)
    end = np.cumsum(kept)
    return _Points(owner, within, east, north, end - kept, end - 1, kept)


def _detections(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    points: _Points,
    faces: _Faces,
    start: np.ndarray,
    hour_s: float,
    tracklet: np.ndarray,
    keys: np.ndarray,
) -> pa.Table:
    """Detections, ordered by (camera, second)."""
    camera = passes.camera[rows]
    order = np.lexsort((points.within + passes.first[rows][points.owner],
                        camera[points.owner]))  # fmt: skip
    owner, within = points.owner[order], points.within[order]
    at = start[owner] + within
    since = within - faces.begin[owner]
    seen = (since >= 0) & (since < faces.seconds[owner])
    state = np.full(len(owner), UNKNOWN, dtype=np.int8)
    f = np.flatnonzero(seen)
    who = owner[f]
    true = mask_at(
        ways, passes.way[rows[who]], hour_s + passes.first[rows[who]] + within[f]
    )
    state[f] = _read(true, faces.wrong[who], np.ones(len(f), bool), faces.width[who])
    return pa.table(
        {
            "tracklet_id": pa.array(tracklet[owner]),
            "part_key": pa.array(keys[owner]),
            "camera_no": pa.array(maker.network.numbers[camera][owner]),
            "second": pa.array(np.floor(at + 1e-6).astype(np.int32)),
            "at": _moments(at),
            "score": pa.repeat(pa.scalar(0.9, pa.float32()), len(owner)),
            "east_cm": pa.array(points.east[order]),
            "north_cm": pa.array(points.north[order]),
            "ground_error_cm": pa.array(maker.network.error_cm[camera][owner]),
            "mask_state": _label(state, list(MASK_STATES), absent=~seen),
            "mask_probability": pa.array(
                faces.sure[owner], mask=state == UNKNOWN, type=pa.float32()
            ),
        }
    )


def _embeddings(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    faces: _Faces,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:
    """Columns of face and clothing."""
    resident = ways.resident[passes.way[rows]]
    has = (faces.seconds > 0) & (faces.width >= FACE_LEAST_PX)
    f = np.flatnonzero(has)
    people, law = maker.people, maker.law

    def face(part: slice) -> np.ndarray:
        some = f[part]
        who = resident[some]
        return law.faces(
            people.face[who].astype(np.float32),
            people.face_rest[who].astype(np.float32),
            faces.width[some],
            faces.true[some] == WORN,
            rng,
        )

    def body(part: slice) -> np.ndarray:
        worn = maker.clothes[resident[part]].astype(np.float32)
        worn *= np.float32(np.sqrt((1 - CLOTHES_COMMON) * CLOTHES_SAME))
        view = rng.standard_normal(worn.shape, dtype=np.float32)
        view *= np.float32(np.sqrt((1 - CLOTHES_COMMON) * (1 - CLOTHES_SAME) / CLOTHES))
        seen = (worn + view) @ maker.clothes_basis[1:]
        seen += np.float32(np.sqrt(CLOTHES_COMMON)) * maker.clothes_basis[0]
        return recogniser.unit(seen)

    quality = np.clip(faces.width / 80, 0.05, 1) * (0.7 + 0.3 * faces.sure)
    everyone = np.ones(len(rows), dtype=bool)
    width = maker.clothes_basis.shape[1]
    return {
        **_vector("face", face, law.dimensions, has, maker.face_model),
        "face_quality": pa.array(quality, mask=~has, type=pa.float32()),
        "face_width_px": pa.array(
            faces.width, mask=faces.seconds == 0, type=pa.float32()
        ),
        **_vector("appearance", body, width, everyone, maker.appearance_model),
    }


def _vector(
    name: str,
    draw: Callable[[slice], np.ndarray],
    width: int,
    has: np.ndarray,
    model: str,
) -> dict[str, pa.Array]:
    """Draw, quantise and halve vectors a block at a time, within the cache."""
    count = int(has.sum())
    i8 = np.empty((count, width), dtype=np.int8)
    f16 = np.empty((count, width), dtype="<f2")
    scale = np.empty(count, dtype=np.float32)
    for start in range(0, count, BLOCK_ROWS):
        part = slice(start, min(start + BLOCK_ROWS, count))
        found = draw(part)
        i8[part], scale[part] = vectors.quantise(found)
        f16[part] = found
    scales = np.zeros(len(has), dtype=np.float32)
    scales[has] = scale
    return {
        f"{name}_model": _label(np.zeros(len(has), np.int8), [model], absent=~has),
        f"{name}_i8": _binary(i8, has),
        f"{name}_scale": pa.array(scales, mask=~has),
        f"{name}_f16": _binary(f16, has),
    }


def _binary(present: np.ndarray, has: np.ndarray) -> pa.Array:
    """Rows of those that have one [m, d] as a binary column of all [n]."""
    width = present.shape[1] * present.itemsize
    offsets = np.zeros(len(has) + 1, dtype=np.int32)
    np.cumsum(has * np.int32(width), out=offsets[1:])
    valid = pa.py_buffer(np.packbits(has, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(),
        len(has),
        [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(present))],
    )


def _footage(
    maker: Maker,
    recorded: list[int],
    names: list[str],
    camera: np.ndarray,
    faces: _Faces,
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
        "start_at": _moments(np.full(n, float(hour_unix))),
        "end_at": _moments(np.full(n, hour_unix + 3600.0)),
        "clock": pa.repeat("argument", n),
        "source": pa.repeat(f"synthetic:{maker.seed}", n),
        "fps": pa.repeat(1.0, n),
        "width": pa.array(net.size[recorded, 0]),
        "height": pa.array(net.size[recorded, 1]),
        "frames_read": pa.repeat(pa.scalar(3600, pa.int32()), n),
        "frames_analysed": pa.repeat(pa.scalar(3600, pa.int32()), n),
        "software": pa.repeat(__version__, n),
        "analysed_at": _moments(np.full(n, hour_unix + 3600.0)),
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


def _label(
    codes: np.ndarray, names: list[str], absent: np.ndarray | None = None
) -> pa.Array:
    indices = pa.array(codes.astype(np.int16), mask=absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def _moments(seconds: np.ndarray) -> pa.Array:
    return pa.array(np.rint(seconds * 1e6).astype(np.int64)).cast(UTC)
