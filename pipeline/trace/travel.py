"""Travel: which steps of a path can be, and by how much they are too fast."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import constants as c


class Rules(NamedTuple):
    """What makes a step slow or impossible, from `constants` and `travel_time`."""

    slack_m: float
    fastest_mps: float
    overlap_m: float
    clock_s: float
    same_camera_s: float


class Chain(NamedTuple):
    """Candidates ordered by start; n rows, as `path.Candidates`."""

    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres
    last: np.ndarray  #: float64 [n, 2], metres
    error_m: np.ndarray  #: float64 [n], 1 sd
    camera_no: np.ndarray  #: int64 [n]
    passed: np.ndarray  #: int64 [n + 1], certain ones before each


class Steps(NamedTuple):
    """Steps that can be; k rows."""

    at: np.ndarray  #: int64 [k], n times the earlier candidate, plus the later
    metres: np.ndarray  #: float64 [k], straight line
    wait: np.ndarray  #: float64 [k], seconds between them, >= 0
    missing: np.ndarray  #: float64 [k], seconds that they are too fast


def rules() -> Rules:
    """Return what makes a step slow or impossible, as the constants now stand."""
    return Rules(
        travel_time.SLACK_M, travel_time.VEHICLE_MPS, c.OVERLAP_METRES,
        c.CLOCK_LIMIT_SECONDS, c.SAME_CAMERA_OVERLAP_SECONDS,
    )  # fmt: skip


def penalty(missing: np.ndarray) -> np.ndarray:
    """Log penalty [k] of steps for clocks that would have to differ, seconds."""
    wrong = c.CLOCK_WRONG_SHARE
    bell = np.exp(-0.5 * (missing / c.CLOCK_SD_SECONDS) ** 2)
    return np.asarray(np.log((1 - wrong) * bell + wrong))


@numba.njit(cache=True, nogil=True)
def steps(these: Chain, slow: np.ndarray, rule: Rules) -> Steps:
    """Find the steps that can be.

    Parameters
    ----------
    slow : float64 [n, n], least seconds by the streets, NaN where unknown; or [0, 0].
    """
    n, used = len(these.start), 0
    at, metres = np.empty(n * n // 2, np.int64), np.empty(n * n // 2)
    wait, missing = np.empty(n * n // 2), np.empty(n * n // 2)
    for i in range(n):
        x, y = these.last[i, 0], these.last[i, 1]
        for j in range(i + 1, n):
            if these.passed[j] > these.passed[i + 1]:
                break  # a certain pass cannot be stepped over
            if these.end[j] < these.end[i]:
                continue  # whoever leaves first was not the one who is still there
            gap = these.start[j] - these.end[i]
            same = these.camera_no[j] == these.camera_no[i]
            if same and gap < -rule.same_camera_s:
                continue
            east, north = these.first[j, 0] - x, these.first[j, 1] - y
            away = math.sqrt(east * east + north * north)
            error = math.sqrt(these.error_m[j] ** 2 + these.error_m[i] ** 2)
            near = away <= rule.overlap_m + 2 * error
            if not same and not near and gap < -rule.clock_s:
                continue
            short = 0.0
            # Neighbouring cameras may see one person at the same moment.
            if same or not near or gap >= 0:
                # Places are uncertain: a step may be shorter by twice both errors.
                share = min(max(1 - 2 * error / max(away, 1e-6), 0.0), 1.0)
                need = max(away * share - rule.slack_m, 0.0) / rule.fastest_mps
                if len(slow) and slow[i, j] > need:
                    need = slow[i, j]
                short = max(need - gap, 0.0)
                if short > rule.clock_s:
                    continue
            at[used], metres[used] = i * n + j, away
            wait[used], missing[used] = max(gap, 0.0), short
            used += 1
    return Steps(at[:used], metres[:used], wait[:used], missing[:used])
