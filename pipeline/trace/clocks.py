"""Clocks of cameras, told from people who walk on to the cameras around.

Somebody who passes camera X and, dressed alike, a camera nearby goes on at the speed
he had before X: the way between the two takes so many seconds, in the direction he
walked. What the two clocks say beyond that is the error of X's, as long as the clocks
around it are right; many walkers agree on it, mistaken pairs do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace.field import Field

#: Metres around a camera and seconds within which walkers are looked for again.
_AROUND_M, _WITHIN_S = 150.0, 180.0
#: Evidence of clothing from which two passes are taken for one person's.
_ALIKE_LLR = 4.0
#: Passes of a camera that are looked at, most; seconds by which votes may differ; votes
#: and their share that must agree.
_PASSES, _AGREE_S, _VOTES, _SHARE = 200, 6.0, 4, 0.3
#: Speeds (m/s) of a pass that is a walker's.
_WALKING = (0.6, 2.2)


@dataclass(frozen=True)
class Clock:
    """What is known of a camera's clock."""

    ahead_s: float  #: its clock less the true time, seconds
    walkers: int  #: who agree on it


def estimate(field: Field, camera_no: int) -> Clock | None:
    """Estimate the clock of one camera against those around it; None if few tell."""
    at = np.flatnonzero(field.numbers == camera_no)
    if not len(at):
        return None
    away = np.hypot(*(field.middle - field.middle[at[0]]).T)
    mine = _all_of(field, at)
    mine = mine[:: max(1, len(mine) // _PASSES)]
    near = (away <= _AROUND_M) & (field.numbers != camera_no)
    others = _all_of(field, np.flatnonzero(near))
    _fetch(field, mine, others)
    votes = np.concatenate(
        [np.empty(0), *(_votes(field, int(x), others) for x in mine)]
    )
    votes = np.sort(votes[np.abs(votes) <= _WITHIN_S / 2])
    if len(votes) < _VOTES:
        return None
    count = np.searchsorted(votes, votes + 2 * _AGREE_S, side="right")
    count = count - np.arange(len(votes))
    best = int(np.argmax(count))
    agreed = votes[best : best + int(count[best])]
    if len(agreed) < max(_VOTES, _SHARE * len(votes)):
        return None
    return Clock(float(np.median(agreed)), len(agreed))


def _all_of(field: Field, cameras: np.ndarray) -> np.ndarray:
    """Rows, ascending, of cameras (numbers of `Field.middle`)."""
    ever = np.full(len(cameras), np.inf)
    return np.sort(field.before(cameras, -ever, ever))


def _fetch(field: Field, mine: np.ndarray, others: np.ndarray) -> None:
    """Have the clothing that `_votes` asks for, pass by pass, read at once."""
    asked = [_around(field, int(x), others) for x in mine if _walks(field, int(x))]
    if asked:
        rows = np.unique(np.concatenate([mine, *asked]))
        for day in np.unique(field.day[rows]):
            field.wear(rows[field.day[rows] == day])


def _speed(field: Field, x: int) -> tuple[float, float]:
    """Metres that a pass goes, and metres a second."""
    length = float(np.hypot(*(field.last[x] - field.first[x])))
    return length, length / max(float(field.end[x] - field.start[x]), 1e-6)


def _walks(field: Field, x: int) -> bool:
    length, speed = _speed(field, x)
    return length >= 3 and _WALKING[0] <= speed <= _WALKING[1]


def _around(field: Field, x: int, others: np.ndarray) -> np.ndarray:
    """Those of other passes, ascending, that begin near pass `x` in time."""
    middle = (field.start[x] + field.end[x]) / 2
    low, high = np.searchsorted(
        field.start[others], [middle - _WITHIN_S, middle + _WITHIN_S]
    )
    rows = others[low:high]
    return np.asarray(rows[field.day[rows] == field.day[x]])


def _votes(field: Field, x: int, others: np.ndarray) -> np.ndarray:
    """Errors of the clock, seconds, as the walkers alike to pass `x` tell them."""
    none = np.empty(0)
    if not _walks(field, x):
        return none
    way, (length, speed) = field.last[x] - field.first[x], _speed(field, x)
    middle = (field.start[x] + field.end[x]) / 2
    rows = _around(field, x, others)
    if not len(rows):
        return none
    worn, law = field.wear(np.concatenate([[x], rows]))
    told = ~np.isnan(worn[:, 0])
    if law is None or not told[0] or not told[1:].any():
        return none
    rows, worn = rows[told[1:]], np.concatenate([worn[:1], worn[1:][told[1:]]])
    alike = law.llr(worn[0], 1, worn[1:], np.ones(len(rows))) >= _ALIKE_LLR
    rows = rows[alike]
    there = (field.first[rows] + field.last[rows]) / 2
    gone = there - (field.first[x] + field.last[x]) / 2
    straight = np.hypot(gone[:, 0], gone[:, 1])
    cosine = (gone @ way) / np.maximum(straight * length, 1e-9)
    clear = (straight >= 10) & (np.abs(cosine) >= 0.7)
    # Straight on the way is straight; beside it, streets wind.
    detour = np.where(np.abs(cosine) >= 0.95, 1.0, travel_time.DETOUR_FACTOR)
    takes = np.sign(cosine) * straight * detour / speed
    when = (field.start[rows] + field.end[rows]) / 2
    return np.asarray((takes - (when - middle))[clear])
