"""How many people pass where and when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.trace.motion import SAMPLES, Seen
from pipeline.trace.passes import Footage, Passes


def rates(passes: Passes, footage: Footage) -> dict[int, float]:
    """Passes a second before each camera, over its analysed footage."""
    spans = footage.seconds_by_camera()
    counts = np.bincount(passes.camera_no)
    return {
        int(number): float(counts[number]) / max(spans.get(int(number), 0.0), 1.0)
        for number in np.flatnonzero(counts)
    }


def busy_of(passes: Passes, footage: Footage) -> Callable[[np.ndarray], np.ndarray]:
    """How many times as many passes there are at some moments as on average."""
    hour = 3600.0
    if len(passes) < SAMPLES or not len(footage.start):
        return lambda moment: np.ones(len(moment))
    zero = np.floor(footage.start.min() / hour) * hour
    count = int((footage.end.max() - zero) // hour) + 1
    # They are in order of start.
    edges = np.searchsorted(passes.start, zero + hour * np.arange(count + 1))
    seen = np.diff(edges)
    film = np.zeros(count)
    for k in range(count):
        begin, end = zero + k * hour, zero + (k + 1) * hour
        both = np.minimum(footage.end, end) - np.maximum(footage.start, begin)
        film[k] = np.clip(both, 0, None).sum()
    rate = (seen + 1) / (film + hour)
    rate /= (len(passes) + count) / (film.sum() + count * hour)
    middle = zero + (np.arange(count) + 0.5) * hour
    return lambda moment: np.interp(moment, middle, rate)


def seen_of(
    passes: Passes, footage: Footage, rates: dict[int, float], middle: np.ndarray
) -> Seen:
    """All visible passes, each with the seconds of footage it stands for.

    Parameters
    ----------
    rates : as `rates`.
    middle : float64 [m, 2], mean place of the passes of each camera that has any.
    """
    counts = np.bincount(passes.camera_no)
    numbers = np.flatnonzero(counts)
    each = np.zeros(len(counts), dtype=np.float32)
    each[numbers] = [1.0 / rates[int(number)] for number in numbers]
    cameras: np.ndarray | None = None
    recorded: np.ndarray | None = None
    if len(passes) > SAMPLES:
        cameras = middle
        spans = footage.seconds_by_camera()
        begin, end = footage.start.min(initial=np.inf), footage.end.max(initial=-np.inf)
        recorded = np.array([spans.get(int(n), 0.0) for n in numbers])
        recorded = np.clip(recorded / max(end - begin, 1.0), 0, 1)
    return Seen(
        place=passes.first,
        at=passes.start,
        weight=each[passes.camera_no] if len(numbers) else np.empty(0),
        seconds=float((footage.end - footage.start).sum()),
        cameras=cameras,
        recorded=recorded,
        until=float(footage.end.max(initial=0.0)),
    )
