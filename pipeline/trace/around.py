"""Cameras around cameras, by compiled code, for those that were asked about."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from pipeline.trace.arrangement import CAMERA_ERROR, CAMERA_RADIUS


class Beside(NamedTuple):
    """Cameras around each of m, worked out for those that were asked about."""

    cameras: np.ndarray  #: int32, one list after the other; room for more
    low: np.ndarray  #: int64 [m], where the list of each begins; -1: not known yet
    high: np.ndarray  #: int64 [m], where it ends

    @classmethod
    def nothing(cls, count: int) -> Beside:
        """Begin with nothing known of `count` cameras."""
        low, high = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        return cls(np.empty(1024, np.int32), low, high)

    def also(self, asked: np.ndarray, camera: np.ndarray, reach: float) -> Beside:
        """Know the lists of some cameras as well.

        Parameters
        ----------
        asked : int [k], numbers of cameras.
        camera : float64 [m, CAMERA_WIDTH], as of `arrangement`.
        reach : metres within which passes before others may be of those before them.
        """
        fresh = np.unique(asked[self.low[asked] < 0]).astype(np.int64)
        if not len(fresh):
            return self
        begin = int(self.high.max(initial=0))
        edges, more = _around(fresh, camera, reach)
        cameras = self.cameras
        if begin + len(more) > len(cameras):
            cameras = np.empty(2 * (begin + len(more)), np.int32)
            cameras[:begin] = self.cameras[:begin]
        cameras[begin : begin + len(more)] = more
        self.low[fresh], self.high[fresh] = begin + edges[:-1], begin + edges[1:]
        return self._replace(cameras=cameras)


@numba.njit(cache=True, nogil=True)
def _around(
    asked: np.ndarray, camera: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where the list of each begins int64 [k + 1], and the lists int32, ascending."""
    edges = np.zeros(len(asked) + 1, np.int64)
    found = np.empty(len(asked) * len(camera), np.int32)
    used = 0
    for k in range(len(asked)):
        x, y = camera[asked[k], 0], camera[asked[k], 1]
        own = reach + camera[asked[k], CAMERA_RADIUS]
        for other in range(len(camera)):
            far = own + camera[other, CAMERA_RADIUS] + 2 * camera[other, CAMERA_ERROR]
            east, north = camera[other, 0] - x, camera[other, 1] - y
            if abs(east) <= far and math.sqrt(east * east + north * north) <= far:
                found[used] = other
                used += 1
        edges[k + 1] = used
    return edges, found[:used].copy()
