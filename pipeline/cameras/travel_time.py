"""How soon a person can be at another camera, without a road network."""

from __future__ import annotations

import math

#: Street distance over straight distance; 1.2-1.4 in dense street networks:
#: Boscoe, Henry & Zdeb (2012), "A nationwide comparison of driving distance
#: versus straight-line distance to hospitals" (1.4 for the United States);
#: Cole & King (1968), "Quantitative geography" (1.2-1.6). 1.3 lies between.
DETOUR_FACTOR = 1.3
#: Comfortable walking, m/s, about the mean of adults: Bohannon & Williams Andrews
#: (2011), "Normal walking speed: a descriptive meta-analysis", Physiotherapy 97(3).
WALKING_MPS = 1.25
#: Walking fast, m/s (assumed).
WALKING_FAST_MPS = 2.0
#: City cycling, m/s, about 16 km/h (assumed).
CYCLING_MPS = 4.5
#: Vehicle in the city, m/s: the speed limit of Korean city streets is 50 km/h
#: (Enforcement Rule of the Road Traffic Act, Art. 19), the fastest fair travel.
VEHICLE_MPS = 50 / 3.6
#: Cameras see people some way off: two points this near need no time between.
SLACK_M = 15.0

SPEEDS_MPS = {
    "walking": WALKING_MPS,
    "walking_fast": WALKING_FAST_MPS,
    "cycling": CYCLING_MPS,
    "vehicle": VEHICLE_MPS,
}


def distance_m(x1: float, y1: float, x2: float, y2: float) -> float:
    """Return the estimated way between two EPSG:5186 points, metres."""
    return DETOUR_FACTOR * math.hypot(x2 - x1, y2 - y1)


def minimum_seconds(
    x1: float, y1: float, x2: float, y2: float, mode: str = "vehicle"
) -> float:
    """Return the least time between two EPSG:5186 points, seconds.

    Impossible is what no mode allows, so the straight line (no detour) is taken
    at the mode's speed, less a slack for what a camera sees around it.

    Parameters
    ----------
    x1, y1, x2, y2 : EPSG:5186 metres.
    mode : one of `SPEEDS_MPS`.

    Raises
    ------
    ValueError
        When the mode is unknown.
    """
    return max(0.0, math.hypot(x2 - x1, y2 - y1) - SLACK_M) / _speed(mode)


def expected_seconds(
    x1: float, y1: float, x2: float, y2: float, mode: str = "walking"
) -> float:
    """Return the usual time of the way, detours included, seconds."""
    return distance_m(x1, y1, x2, y2) / _speed(mode)


def _speed(mode: str) -> float:
    try:
        return SPEEDS_MPS[mode]
    except KeyError:
        raise ValueError(f"mode must be one of {', '.join(SPEEDS_MPS)}") from None
