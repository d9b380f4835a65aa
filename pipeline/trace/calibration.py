"""From similarity to evidence: calibrated log-likelihood ratios.

A log-likelihood ratio (natural logarithm) says how many times more often this
similarity is seen between two views of one person than between two people. It
adds up with other evidence and with the prior; a similarity does not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace import face_laws
from pipeline.trace.face_laws import BARE, BOTH_MASKED, MASK_AWARE, ONE_MASKED
from pipeline.trace.templates import MASKED

__all__ = ["BARE", "BOTH_MASKED", "MASK_AWARE", "ONE_MASKED"]

_GRID = np.linspace(-1.0, 1.0, 2001)


def is_calibrated(model: str) -> bool:
    """Tell whether a face model's similarities can be turned into evidence."""
    return face_laws.of(model) is not None


def face_llr(
    similarity: np.ndarray,
    width_px: np.ndarray,
    masks: np.ndarray,
    model: str = face_laws.DEFAULT,
) -> np.ndarray:
    """Log-likelihood ratio of face similarities.

    Parameters
    ----------
    similarity : float [n], cosine of two embeddings by the model.
    width_px : float [n], width of the smaller of the two faces; NaN counts as 30.
    masks : int [n], BARE, ONE_MASKED or BOTH_MASKED; MASK_AWARE where a template
        made for masked faces met a masked face.
    model : registry name; 0 comes of a model without calibration.

    Returns
    -------
    float64 [n], natural logarithm; 0 below `FACE_LEAST_PX`. Never falls as the
    similarity rises. NaN similarities give 0.
    """
    similarity = np.asarray(similarity, dtype=np.float64)
    width = np.nan_to_num(np.asarray(width_px, dtype=np.float64), nan=c.FACE_SMALL_PX)
    masks = np.asarray(masks)
    laws = face_laws.of(model)
    if laws is None:
        return np.zeros(similarity.shape)
    level = width_level(width)
    table = _face_tables(laws)
    # Between two points of the grid in a straight line.
    at = (np.clip(np.nan_to_num(similarity), -1, 1) + 1) / (_GRID[1] - _GRID[0])
    low = np.minimum(at.astype(np.int64), len(_GRID) - 2)
    below, above = table[masks, level, low], table[masks, level, low + 1]
    result = np.asarray(below + (at - low) * (above - below))
    result[masks != BARE] = np.minimum(result[masks != BARE], c.FACE_MASKED_CAP)
    small = width < c.FACE_SMALL_PX
    result[small] = np.minimum(result[small], c.FACE_SMALL_CAP)
    result[(width < c.FACE_LEAST_PX) | np.isnan(similarity)] = 0.0
    return result


def evidence(law: face_laws.At, similarity: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of similarities [n] under one law, without any cap."""
    return np.interp(similarity, _GRID, _face_table(law))


def mask_pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Count masked sides of pairs of mask states (str arrays), 0, 1 or 2."""
    return np.isin(one, MASKED).astype(np.int8) + np.isin(other, MASKED).astype(np.int8)


@lru_cache(maxsize=64)
def least_similarity(
    llr: float, kind: int, model: str = face_laws.DEFAULT
) -> np.ndarray:
    """Return by width a cosine below which no face reaches an evidence.

    Parameters
    ----------
    llr : log-likelihood ratio of `face_llr`.
    kind : of the comparison: BARE, ONE_MASKED ...
    model : registry name.

    Returns
    -------
    float32 [levels], of widths as `width_level` numbers them; infinite where no
    cosine does.
    """
    widths = np.arange(c.FACE_WIDTHS_PX[0], c.FACE_WIDTHS_PX[-1] + 1, 2.0)
    least = np.full(len(widths), np.inf, dtype=np.float32)
    for level, width in enumerate(widths):
        every = np.full(len(_GRID), width)
        some = face_llr(_GRID, every, np.full(len(_GRID), kind), model)
        reached = np.flatnonzero(some >= llr)
        if len(reached):
            least[level] = _GRID[max(reached[0] - 1, 0)]
    least.flags.writeable = False
    return least


def width_level(width_px: np.ndarray) -> np.ndarray:
    """Number widths as the laws tell them apart: int64 [n]; NaN counts as 30."""
    width = np.nan_to_num(np.asarray(width_px, dtype=float), nan=c.FACE_SMALL_PX)
    return np.asarray((_level(width) - c.FACE_WIDTHS_PX[0]) / 2).astype(np.int64)


def faces_llr(llr: np.ndarray, share: np.ndarray | None = None) -> float:
    """Log-likelihood ratio of several faces of one person, whoever it is.

    Parameters
    ----------
    llr : float64 [n], of each face by itself, as of `face_llr`; 0 says nothing.
    share : float64 [n], probability that the face is that person's; default 1.

    Returns
    -------
    A stranger who looks like the patient does so in every face: n faces are worth
    n / (1 + (n - 1) r) independent ones (Kish), r being `FACE_VIEWS_ALIKE`.
    """
    told = llr != 0
    if not told.any():
        return 0.0
    share = np.ones(len(llr)) if share is None else share
    views = max(float(share[told].sum()), 1.0)
    total = float((llr * share)[told].sum()) / (1 + (views - 1) * c.FACE_VIEWS_ALIKE)
    return float(np.clip(total, c.FACES_FLOOR, c.FACES_CAP))


def faces_llrs(llr: np.ndarray, owner: np.ndarray, people: int) -> np.ndarray:
    """`faces_llr` float64 [people] of the faces of each of some people.

    Parameters
    ----------
    llr : float64 [n], of each face by itself; 0 says nothing.
    owner : int64 [n], whose each is.
    """
    views = np.bincount(owner[llr != 0], minlength=people)
    whole = np.bincount(owner, weights=llr, minlength=people)
    total = whole / (1 + (np.maximum(views, 1) - 1) * c.FACE_VIEWS_ALIKE)
    return np.where(views > 0, np.clip(total, c.FACES_FLOOR, c.FACES_CAP), 0.0)


def appearance_llr(similarity: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of clothing similarities of one template.

    Parameters
    ----------
    similarity : float [n], cosines of the template with the passes in question.
    cohort : float [m], its cosines with the passes of the same day, nearly all
        of them strangers; robust statistics shrug off the patient's own.

    Returns
    -------
    float64 [n], between `APPEARANCE_FLOOR` and `APPEARANCE_CAP`, never falling as
    the similarity rises.
    """
    middle, spread = cohort_statistics(cohort)
    z = (_fisher(similarity) - middle) / spread
    mean, sd = c.APPEARANCE_GENUINE_MEAN, c.APPEARANCE_GENUINE_SD
    # Of two normal laws of one spread, in units of that spread: a straight line.
    llr = (mean * z - mean**2 / 2) / sd**2
    llr = np.clip(llr, c.APPEARANCE_FLOOR, c.APPEARANCE_CAP)
    return np.where(np.isnan(z), 0.0, llr)


def cohort_statistics(cohort: np.ndarray) -> tuple[float, float]:
    """Median and spread (1.4826 MAD) of strangers' atanh(cosine), shrunk when few."""
    cohort = _fisher(cohort)
    cohort = cohort[~np.isnan(cohort)]
    n, k = len(cohort), c.APPEARANCE_COHORT_WEIGHT
    if n == 0:
        return c.APPEARANCE_COHORT_MEDIAN, c.APPEARANCE_COHORT_SPREAD
    middle = float(np.median(cohort))
    spread = 1.4826 * float(np.median(np.abs(cohort - middle)))
    middle = (n * middle + k * c.APPEARANCE_COHORT_MEDIAN) / (n + k)
    spread = (n * spread + k * c.APPEARANCE_COHORT_SPREAD) / (n + k)
    return middle, max(spread, c.APPEARANCE_LEAST_SPREAD)


def _fisher(cosine: np.ndarray) -> np.ndarray:
    most = c.APPEARANCE_LARGEST_COSINE
    return np.arctanh(np.clip(np.asarray(cosine, dtype=np.float64), -most, most))


def _level(width: np.ndarray) -> np.ndarray:
    """Widths on a coarse scale (2 px, at most 112), so that tables are few."""
    return np.clip(np.floor(width / 2) * 2, c.FACE_WIDTHS_PX[0], c.FACE_WIDTHS_PX[-1])


@lru_cache(maxsize=8)
def _face_tables(laws: face_laws.Laws) -> np.ndarray:
    """Evidence by kind of comparison, width in steps of 2 px, and point of the grid."""
    first, last = c.FACE_WIDTHS_PX[0], c.FACE_WIDTHS_PX[-1]
    widths = np.arange(first, last + 1, 2)
    table = np.stack(
        [[_face_table(law.at(float(width))) for width in widths] for law in laws.kinds]
    )
    table.flags.writeable = False
    return table


def _face_table(law: face_laws.At) -> np.ndarray:
    """Evidence at each point of the grid, never falling."""
    genuine = law.genuine(_GRID)
    stranger = law.stranger(_GRID)
    miss, alike = c.FACE_MISS_SHARE, c.FACE_ALIKE_SHARE
    llr = np.log((1 - miss) * genuine + miss * stranger) - np.log(
        (1 - alike) * stranger + alike * genuine
    )
    lowest = int(np.argmin(llr))
    llr[:lowest] = llr[lowest]
    return np.maximum.accumulate(llr)
