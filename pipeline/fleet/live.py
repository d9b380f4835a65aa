"""The watch as people look at it while it runs: rate, lag and faults per camera."""

from __future__ import annotations

from pipeline.casebook import roles
from pipeline.fleet import state
from pipeline.fleet.state import CameraState
from pipeline.settings import Settings


def cameras(user: str, now: float, *, settings: Settings) -> list[CameraState]:
    """Return the figures of every watched camera, as `worst_first`.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not look at the network.
    """
    roles.check(settings, user, "network.read", "*")
    return worst_first(state.cameras(settings), now)


def worst_first(rows: list[CameraState], now: float) -> list[CameraState]:
    """Sort cameras: with a fault, with most clips waiting, the farthest behind."""
    return sorted(
        rows,
        key=lambda c: (not c.fault, -c.waiting, -(c.lag_s(now) or 0), c.camera),
    )
