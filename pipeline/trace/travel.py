"""What a step costs whose time is too short for its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import constants as c

if TYPE_CHECKING:
    from pipeline.trace.path import Candidates

#: Least seconds needed between places x1, y1 and x2, y2 (metres, arrays).
LeastSeconds = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def penalty(
    these: Candidates,
    i: np.ndarray,
    j: np.ndarray,
    distance: np.ndarray,
    gap: np.ndarray,
    error: np.ndarray,
    least_seconds: LeastSeconds,
    slow: np.ndarray | None,
) -> np.ndarray:
    """Log penalty [k] of steps from `i` to `j` for clocks that would have to differ.

    `slow` is the least seconds [k] by the streets, NaN where unknown.

    -inf where a step is impossible.
    """
    same = these.camera_no[j] == these.camera_no[i]
    # Places are uncertain: a step may be shorter by twice the error of both.
    share = np.clip(1 - 2 * error / np.maximum(distance, 1e-6), 0, 1)
    (x, y), (to_x, to_y) = these.last[i].T, these.first[j].T
    need = np.asarray(
        least_seconds(x, y, x + (to_x - x) * share, y + (to_y - y) * share),
        dtype=float,
    )
    if slow is not None:
        need = np.fmax(need, slow)
    near = distance <= c.OVERLAP_METRES + 2 * error
    missing = np.maximum(need - gap, 0.0)
    # Neighbouring cameras may see one person at the same moment.
    together = ~same & near & (gap < 0)
    missing = np.where(together, 0.0, missing)
    wrong = c.CLOCK_WRONG_SHARE
    penalty = np.log(
        (1 - wrong) * np.exp(-0.5 * (missing / c.CLOCK_SD_SECONDS) ** 2) + wrong
    )
    penalty[missing > c.CLOCK_LIMIT_SECONDS] = -np.inf
    penalty[same & (gap < -c.SAME_CAMERA_OVERLAP_SECONDS)] = -np.inf
    penalty[~same & ~near & (gap < -c.CLOCK_LIMIT_SECONDS)] = -np.inf
    # Whoever leaves first was not the one who is still there.
    penalty[these.end[j] < these.end[i]] = -np.inf
    return penalty


def straight(
    x1: np.ndarray, y1: np.ndarray, x2: np.ndarray, y2: np.ndarray
) -> np.ndarray:
    """As `travel_time.minimum_seconds`, for arrays."""
    straight = np.hypot(x2 - x1, y2 - y1)
    return np.maximum(straight - travel_time.SLACK_M, 0.0) / travel_time.VEHICLE_MPS
