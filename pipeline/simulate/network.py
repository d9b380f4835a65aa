"""The camera network as arrays: which camera sees which square of ground, when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.cameras.registry import Registry
from pipeline.errors import CameraError

#: Side of the squares of ground, metres.
CELL_M = 3.0
#: Radius of the ground on which people are tracked, metres, and how far ahead of
#: the camera its middle lies: a part of what a camera sees, the part where the
#: detector is sure (assumed).
RADIUS_M = (7.0, 12.0)
AHEAD_M = 7.0
#: Share of camera hours without recording, in spells of `OUTAGE_HOURS` (assumed).
OUTAGE_SHARE = 0.01
OUTAGE_HOURS = 3
#: Share of cameras whose clock is off, where clocks are (assumed).
SKEWED_SHARE = 0.1
#: How far around the seen ground a walker is looked at second by second.
NEAR_M = 8.0
#: No camera sees the square.
NOBODY = -1


@dataclass(frozen=True)
class Network:
    """Working cameras by number; indices below are rows of these arrays."""

    ids: np.ndarray  #: str [c]
    numbers: np.ndarray  #: uint16 [c]
    xy: np.ndarray  #: float64 [c, 2], EPSG:5186 metres
    heading: np.ndarray  #: float32 [c, 2], unit vector east, north
    size: np.ndarray  #: int32 [c, 2], width and height of the image, pixels
    error_cm: np.ndarray  #: int32 [c], sd of ground points
    miss: np.ndarray  #: float32 [c], share of passes missed altogether
    skew: np.ndarray  #: int32 [c], seconds that the clock is ahead of the true time
    down: np.ndarray  #: bool [c, hours], no recording
    seen_by: np.ndarray  #: int32 [rows, columns], camera of each square
    near: np.ndarray  #: bool [rows, columns], seen, or within `NEAR_M` of it
    origin: np.ndarray  #: float64 [2], corner of the squares, EPSG:5186 metres


def build(
    registry: Registry, density: float, hours: int, seed: int, clock_skew_s: int = 0
) -> Network:
    """Lay out the network.

    Parameters
    ----------
    registry : cameras whose status is not active are left out.
    density : share of the cameras that take part, in (0, 1].
    hours : length of the simulation, for outages.
    clock_skew_s : most that the clock of a camera is off, seconds; `SKEWED_SHARE`
        of the clocks are, evenly up to that.

    Raises
    ------
    CameraError
        If no camera is left.
    """
    rng = np.random.default_rng([seed, 1])
    chosen = rng.random(len(registry)) < density
    working = np.array([c.status == "active" for c in registry.cameras], dtype=bool)
    rows = np.flatnonzero(chosen & working)
    rows = rows[np.argsort([registry.cameras[i].number for i in rows])]
    if not len(rows):
        raise CameraError(
            f"The registry has no active camera at density {density:g}; take a larger "
            "--density or another registry."
        )
    cameras = [registry.cameras[i] for i in rows]
    count = len(cameras)
    xy = registry.metric[rows]
    unknown = rng.uniform(0, 360, count)
    degrees = [
        unknown[i] if c.heading_deg is None else c.heading_deg
        for i, c in enumerate(cameras)
    ]
    angle = np.deg2rad(np.array(degrees))
    heading = np.column_stack([np.sin(angle), np.cos(angle)]).astype(np.float32)
    radius = rng.uniform(*RADIUS_M, count)
    starts = rng.random((count, hours)) < OUTAGE_SHARE / OUTAGE_HOURS
    down = starts.copy()
    for later in range(1, min(OUTAGE_HOURS, hours)):
        down[:, later:] |= starts[:, :-later]
    seen_by, near, origin = _squares(xy + heading * AHEAD_M, radius)
    return Network(
        ids=np.array([c.id for c in cameras]),
        numbers=np.array([c.number for c in cameras], dtype=np.uint16),
        xy=xy,
        heading=heading,
        size=np.array([c.image_size or (1920, 1080) for c in cameras], np.int32),
        error_cm=np.rint(rng.uniform(20, 90, count)).astype(np.int32),
        miss=rng.beta(1.5, 18, count).astype(np.float32),
        skew=_skew(count, clock_skew_s, seed),
        down=down,
        seen_by=seen_by,
        near=near,
        origin=origin,
    )


def _skew(count: int, most: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 6])
    wrong = rng.random(count) < SKEWED_SHARE
    return np.where(wrong, rng.integers(-most, most + 1, count), 0).astype(np.int32)


def _squares(
    middle: np.ndarray, radius: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest camera of each square, squares near those, and their corner."""
    reach = int(np.ceil((radius.max() + NEAR_M) / CELL_M)) + 1
    origin = middle.min(axis=0) - (reach + 2) * CELL_M
    shape = np.ceil((middle.max(axis=0) - origin) / CELL_M).astype(int) + reach + 3
    home = np.floor((middle - origin) / CELL_M).astype(np.int64)
    steps = np.arange(-reach, reach + 1)
    dx, dy = (grid.ravel() for grid in np.meshgrid(steps, steps))
    column, row = home[:, :1] + dx, home[:, 1:] + dy
    at_x = origin[0] + (column + 0.5) * CELL_M - middle[:, :1]
    at_y = origin[1] + (row + 0.5) * CELL_M - middle[:, 1:]
    distance = np.hypot(at_x, at_y)
    square = row * shape[0] + column
    near = np.zeros(shape[0] * shape[1], dtype=bool)
    near[square[distance <= radius[:, None] + NEAR_M + CELL_M]] = True
    inside = distance <= radius[:, None]
    camera = np.broadcast_to(np.arange(len(middle))[:, None], inside.shape)[inside]
    order = np.lexsort((-camera, -distance[inside]))  # the nearest is written last
    seen_by = np.full(len(near), NOBODY, dtype=np.int32)
    seen_by[square[inside][order]] = camera[order]
    size = (shape[1], shape[0])
    return seen_by.reshape(size), near.reshape(size), origin
