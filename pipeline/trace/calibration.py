"""From similarity to evidence: calibrated log-likelihood ratios.

A log-likelihood ratio (natural logarithm) says how many times more often this
similarity is seen between two views of one person than between two people. It
adds up with other evidence and with the prior; a similarity does not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.trace import constants as c

_GRID = np.linspace(-1.0, 1.0, 2001)
BARE, ONE_MASKED, BOTH_MASKED = 0, 1, 2


def is_calibrated(model: str) -> bool:
    """Tell whether a face model's similarities can be turned into evidence."""
    return str(model).lower().replace("_", "-") in c.FACE_CALIBRATED_MODELS


def face_llr(
    similarity: np.ndarray, width_px: np.ndarray, masks: np.ndarray
) -> np.ndarray:
    """Log-likelihood ratio of face similarities.

    Parameters
    ----------
    similarity : float [n], cosine of two MobileFaceNet embeddings.
    width_px : float [n], width of the smaller of the two faces; NaN counts as 30.
    masks : int [n], BARE, ONE_MASKED or BOTH_MASKED.

    Returns
    -------
    float64 [n], natural logarithm; 0 below `FACE_LEAST_PX`. Never falls as the
    similarity rises. NaN similarities give 0.
    """
    similarity = np.asarray(similarity, dtype=np.float64)
    width = np.nan_to_num(np.asarray(width_px, dtype=np.float64), nan=c.FACE_SMALL_PX)
    masks = np.asarray(masks)
    level = ((_level(width) - c.FACE_WIDTHS_PX[0]) / 2).astype(np.int64)
    table = _face_tables()
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


def mask_pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Count masked sides of pairs of mask states (str arrays), 0, 1 or 2."""
    return np.isin(one, ("worn", "incorrect")).astype(np.int8) + np.isin(
        other, ("worn", "incorrect")
    ).astype(np.int8)


@lru_cache(maxsize=1024)
def least_similarity(llr: float, masked: bool, width_px: float) -> float:
    """Return a cosine below which no face reaches an evidence.

    Parameters
    ----------
    llr : log-likelihood ratio of `face_llr`.
    masked : whether the template's face is; the other may be either way.
    width_px : of the template's face; the other may be of any width.
    """
    kinds = (ONE_MASKED, BOTH_MASKED) if masked else (BARE, ONE_MASKED)
    least = np.inf
    for width in np.arange(c.FACE_WIDTHS_PX[0], min(width_px, 112.0) + 2, 2.0):
        for kind in kinds:
            some = face_llr(
                _GRID,
                np.full(len(_GRID), min(width, width_px)),
                np.full(len(_GRID), kind),
            )
            reached = np.flatnonzero(some >= llr)
            if len(reached):
                least = min(least, float(_GRID[max(reached[0] - 1, 0)]))
    return least


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


@lru_cache(maxsize=1)
def _face_tables() -> np.ndarray:
    """Evidence by masked sides, width in steps of 2 px, and point of the grid."""
    first, last = c.FACE_WIDTHS_PX[0], c.FACE_WIDTHS_PX[-1]
    widths = np.arange(first, last + 1, 2)
    return np.stack(
        [
            [_face_table(float(width), kind) for width in widths]
            for kind in (BARE, ONE_MASKED, BOTH_MASKED)
        ]
    )


def _face_table(width: float, kind: int) -> np.ndarray:
    """Evidence at each point of the grid, never falling."""
    curve: tuple[float, ...]
    curve = c.FACE_MEAN_BARE if kind == BARE else c.FACE_MEAN_ONE_MASKED
    shift = 0.0
    if kind == BOTH_MASKED:
        curve = tuple(m + c.FACE_BOTH_MASKED_MEAN_SHIFT for m in c.FACE_MEAN_BARE)
        shift = c.FACE_BOTH_MASKED_IMPOSTOR_SHIFT
    mean = float(np.interp(width, c.FACE_WIDTHS_PX, curve))
    genuine = _normal(_GRID, mean, c.FACE_GENUINE_SD)
    stranger = _impostor(_GRID - shift)
    miss, alike = c.FACE_MISS_SHARE, c.FACE_ALIKE_SHARE
    llr = np.log((1 - miss) * genuine + miss * stranger) - np.log(
        (1 - alike) * stranger + alike * genuine
    )
    lowest = int(np.argmin(llr))
    llr[:lowest] = llr[lowest]
    table = np.maximum.accumulate(llr)
    table.flags.writeable = False
    return table


def _impostor(x: np.ndarray) -> np.ndarray:
    """Density of strangers' cosines: normal body, exponential tail."""
    start, rate = c.FACE_IMPOSTOR_TAIL_START, c.FACE_IMPOSTOR_TAIL_RATE
    body = _normal(x, c.FACE_IMPOSTOR_MEAN, c.FACE_IMPOSTOR_SD)
    joint = float(_normal(np.asarray(start), c.FACE_IMPOSTOR_MEAN, c.FACE_IMPOSTOR_SD))
    tail = joint * np.exp(-rate * (x - start))
    return np.maximum(np.where(x < start, body, tail), 1e-300)


def _normal(x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
