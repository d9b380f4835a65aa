"""Clothing as evidence between sets of views, of one day.

Two-covariance model ("PLDA"; Ioffe, ECCV 2006, doi:10.1007/11744085_41; Prince &
Elder, ICCV 2007, doi:10.1109/ICCV.2007.4409052): what somebody wears is drawn once
a day, each view adds its own error. The spread of all passes of the day is measured;
the share of it that views of one person have is assumed (`CLOTHING_VIEW_SHARE`).
Several views of one person are then one piece of evidence, not several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np

from pipeline.trace import calibration
from pipeline.trace import constants as c

#: Rows multiplied at a time: a multiple of what the processors' kernels take at once.
_ROWS = 48


class Law(Protocol):
    """How much likeness of clothing says on one day."""

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Turn embeddings float [n, d] into the numbers that are compared."""
        ...

    def llr(
        self,
        mean: np.ndarray,
        views: np.ndarray | int,
        means: np.ndarray,
        counts: np.ndarray,
    ) -> np.ndarray:
        """Weigh sets of views (means [n, k] of counts [n]) against one set."""
        ...


@dataclass(frozen=True)
class Measured:
    """The law of a day with enough passes."""

    middle: np.ndarray  #: float32 [d]
    axes: np.ndarray  #: float32 [d, k], whitening

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Turn embeddings float [n, d] into k whitened numbers each.

        Products of matrices sum up in an order that depends on their size. Always
        multiplied by so many, a pass is placed the same whatever it is asked with.
        """
        result = np.empty((len(vectors), self.axes.shape[1]))
        block = np.zeros((_ROWS, len(self.middle)), dtype=np.float32)
        for begin in range(0, len(vectors), _ROWS):
            part = vectors[begin : begin + _ROWS]
            np.subtract(part, self.middle, out=block[: len(part)])
            result[begin : begin + _ROWS] = (block @ self.axes)[: len(part)]
        return result

    def llr(
        self,
        mean: np.ndarray,
        views: np.ndarray | int,
        means: np.ndarray,
        counts: np.ndarray,
    ) -> np.ndarray:
        """Return float64 [n], bounded by the number of views.

        Parameters
        ----------
        mean : float [k] or [n, k], of the `views` known views of one person.
        means : float [n, k], of the sets in question; `counts` views each.
        """
        within = c.CLOTHING_VIEW_SHARE
        between = 1 - within
        # Views of one walk share light and angle: more of them say little more.
        known = _effective(np.asarray(views, dtype=np.float64))
        count = _effective(np.asarray(counts, dtype=np.float64))
        share = known * between / (known * between + within)
        same = between * within / (known * between + within) + within / count
        other = between + within / count
        apart = ((means - np.asarray(share)[..., None] * mean) ** 2).sum(axis=1)
        size = (means**2).sum(axis=1)
        k = len(self.middle) and means.shape[1]
        result = 0.5 * k * np.log(other / same) - apart / (2 * same)
        result = result + size / (2 * other)
        return _bounded(result, np.minimum(views, counts))

    def one_more(
        self,
        known: np.ndarray,
        theirs: tuple[np.ndarray, np.ndarray],
        asked: tuple[np.ndarray, np.ndarray],
        views: np.ndarray,
    ) -> np.ndarray:
        """Weigh single views, each against the views of one of some people, as `llr`.

        Parameters
        ----------
        known : float64 [m, k], placed clothing.
        theirs : int [v], rows of it, and whose each is.
        asked : int [n], rows of it (-1: not seen), and whose each may be.
        views : int64 [people], of each person.

        Returns
        -------
        float64 [n], 0 where the clothing of one of the two is not known.
        """
        within, between = c.CLOTHING_VIEW_SHARE, 1 - c.CLOTHING_VIEW_SHARE
        count = _effective(np.maximum(views, 1).astype(np.float64))
        whole = count * between + within
        same = between * within / whole + within
        fixed = 0.5 * known.shape[1] * np.log((between + within) / same)
        result = _one_more(
            known, *theirs, *asked, views, count * between / whole, same, fixed
        )
        return np.nan_to_num(_bounded(result, np.ones(len(result))), nan=0.0)


@numba.njit(cache=True, nogil=True)
def _one_more(
    known: np.ndarray,
    own: np.ndarray,
    owner: np.ndarray,
    asked: np.ndarray,
    whose: np.ndarray,
    views: np.ndarray,
    share: np.ndarray,
    same: np.ndarray,
    fixed: np.ndarray,
) -> np.ndarray:
    """As `Measured.llr` of one view each, unbounded; NaN where nothing is known."""
    dims = known.shape[1]
    mean = np.zeros((len(views), dims))
    for n in range(len(own)):
        for d in range(dims):
            mean[owner[n], d] += known[own[n], d]
    for k in range(len(views)):
        for d in range(dims):
            mean[k, d] *= share[k] / max(views[k], 1)
    result = np.full(len(asked), np.nan)
    for n in range(len(asked)):
        k = whose[n]
        if asked[n] < 0 or not views[k]:
            continue
        apart, size = 0.0, 0.0
        for d in range(dims):
            one = known[asked[n], d]
            apart += (one - mean[k, d]) ** 2
            size += one * one
        # Between and within people together are one.
        result[n] = fixed[k] - apart / (2 * same[k]) + size / 2
    return result


@dataclass(frozen=True)
class Crowd:
    """The law where few passes are known: cosines against those few."""

    sample: np.ndarray  #: float32 [m, d], unit length

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Return the embeddings as they are."""
        return np.asarray(vectors, dtype=np.float64)

    def llr(
        self,
        mean: np.ndarray,
        views: np.ndarray | int,
        means: np.ndarray,
        counts: np.ndarray,
    ) -> np.ndarray:
        """As `Measured.llr`, by `calibration.appearance_llr`."""
        found = np.zeros(len(means))
        many = np.broadcast_to(mean, means.shape)
        _, group = np.unique(many, axis=0, return_inverse=True)
        for k in range(int(group.max(initial=-1)) + 1):
            rows = np.flatnonzero(group.ravel() == k)
            one = many[rows[0]]
            one = one / max(float(np.linalg.norm(one)), 1e-12)
            length = np.maximum(np.linalg.norm(means[rows], axis=1), 1e-12)
            cohort = self.sample @ one
            # The person's own passes are no strangers.
            cohort = cohort[cohort < 1 - 1e-4]
            found[rows] = calibration.appearance_llr(means[rows] @ one / length, cohort)
        return _bounded(found, np.minimum(views, counts))


def fit(sample: np.ndarray) -> Law:
    """Measure the law of a day.

    Parameters
    ----------
    sample : float32 [m, d], unit length, passes of that day, nearly all of them of
        different people.
    """
    sample = np.asarray(sample, dtype=np.float32)
    if len(sample) < c.CLOTHING_LEAST_PASSES:
        return Crowd(sample)
    middle = sample.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov((sample - middle).T))
    spread, axes = spread[::-1], axes[:, ::-1]
    part = np.cumsum(spread) / max(float(spread.sum()), 1e-12)
    most = min(c.CLOTHING_AXES, len(spread))
    k = min(int(np.searchsorted(part, c.CLOTHING_SPREAD_KEPT)) + 1, most)
    white = axes[:, :k] / np.sqrt(np.maximum(spread[:k], 1e-9))
    return Measured(middle, white.astype(np.float32))


def _effective(count: np.ndarray) -> np.ndarray:
    """Independent views that many views of one person are worth (Kish 1965)."""
    return count / (1 + (count - 1) * c.CLOTHING_VIEWS_ALIKE)


def _bounded(llr: np.ndarray, views: np.ndarray) -> np.ndarray:
    several = np.clip((np.asarray(views, float) - 1) / 2, 0, 1)
    cap = c.APPEARANCE_CAP + several * (c.CLOTHING_CAP - c.APPEARANCE_CAP)
    return np.clip(llr, c.CLOTHING_FLOOR, cap)
