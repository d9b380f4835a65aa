"""On which passes a face is seen, when, how large and how masked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulate.maker import Maker
from pipeline.simulate.passes import Passes
from pipeline.simulate.ways import Ways

#: Width of the best face of a pass, pixels: median and sd of its logarithm; and
#: the least that is embedded (assumed: street cameras at 5 to 20 m).
FACE_PX, FACE_SPREAD, FACE_LEAST_PX = 27.0, 0.45, 16.0
#: Chance that a face is seen, by where one looks: at the camera, across, away.
FACE_CHANCE = (0.72, 0.18, 0.03)
#: Share of passes whose mask is read wrongly.
MASK_ERROR = 0.05
UNKNOWN, NONE, INCORRECT, WORN = range(4)


@dataclass(frozen=True)
class Faces:
    """What the t passes show of a face."""

    seconds: np.ndarray  #: int64 [t], seconds with a face; 0 none
    begin: np.ndarray  #: int64 [t], first of them
    width: np.ndarray  #: float32 [t], pixels
    true: np.ndarray  #: int8 [t], mask at that moment
    observed: np.ndarray  #: int8 [t], as classified
    sure: np.ndarray  #: float32 [t], probability of it
    wrong: np.ndarray  #: bool [t], classified wrongly throughout


def draw(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    hour_s: float,
    rng: np.random.Generator,
) -> Faces:
    """Draw what each pass shows; `hour_s` is the hour's start, seconds of the day."""
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
    observed = read(true, wrong, seen, width)
    sure = 0.7 + 0.29 * np.sqrt(rng.random(n, dtype=np.float32))
    return Faces(seconds, begin, np.clip(width, 12, 120), true, observed, sure, wrong)


def read(
    true: np.ndarray, wrong: np.ndarray, seen: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Return mask states as classified: none for worn, the reverse where wrong."""
    swapped = np.where(true == WORN, NONE, WORN)
    state = np.where(wrong, swapped, true)
    return np.where(seen & (width >= 20), state, UNKNOWN).astype(np.int8)


def mask_at(ways: Ways, way: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Return the true mask state of walkers (int8) at seconds of the day."""
    since = moment - ways.start[way]
    off = (since >= ways.bare_from[way]) & (since < ways.bare_to[way])
    return np.where(off, NONE, ways.mask[way]).astype(np.int8)
