"""Figures of verification and classification from scores and truth.

A score is the larger the more alike two pictures are; NaN where no comparison was
possible (no face found). A pair matches when its score is greater than a threshold,
so a pair without a score never matches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Seed of every split, so that a figure can be had again.
SEED = 20251103
#: Folds of the cross-validation of thresholds and of calibration.
FOLDS = 10
#: Quantile of the normal distribution for intervals of 95 %.
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Operating:
    """Where a threshold puts the matcher."""

    threshold: float  #: a greater score is a match
    tar: float  #: share of genuine pairs that match
    far: float  #: share of impostor pairs that match, at most the one asked for


def at_far(scores: np.ndarray, same: np.ndarray, far: float) -> Operating:
    """Return the lowest threshold that keeps to a false-accept rate.

    Parameters
    ----------
    scores
        float [n], NaN where nothing could be compared.
    same
        bool [n], whether the pair is of one person.
    far
        Highest share of impostor pairs that may match. With fewer than 1 / far
        impostor pairs none may, and the rate itself is not resolved.
    """
    filled = _filled(scores)
    impostor = np.sort(filled[~same])[::-1]
    allowed = int(np.floor(far * len(impostor) + 1e-9))
    threshold = float(impostor[allowed]) if allowed < len(impostor) else -np.inf
    matches = filled > threshold
    return Operating(threshold, _share(matches[same]), _share(matches[~same]))


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Return the rate at which false accepts and false rejects are equal.

    Between two thresholds the rates are interpolated on a straight line; pairs
    without a score are rejected at every threshold.
    """
    filled = _filled(scores)
    steps = np.unique(filled[np.isfinite(filled)])[::-1]
    genuine, impostor = np.sort(filled[same]), np.sort(filled[~same])
    far = 1 - np.searchsorted(impostor, steps, "left") / len(impostor)
    frr = np.searchsorted(genuine, steps, "left") / len(genuine)
    far = np.concatenate([[0.0], far, [1.0]])
    frr = np.concatenate([[1.0], frr, [0.0]])
    difference = far - frr
    after = int(np.argmax(difference >= 0))
    before = max(0, after - 1)
    rise = difference[after] - difference[before]
    part = -difference[before] / rise if rise > 0 else 0.0
    return float(far[before] + part * (far[after] - far[before]))


def accuracy(
    scores: np.ndarray, same: np.ndarray, folds: int = FOLDS
) -> tuple[float, float]:
    """Return the accuracy of the best threshold, and its spread over folds.

    The threshold is chosen on nine tenths of the pairs and judged on the last
    tenth, in turn (the protocol of Huang et al., LFW, 2007, with folds drawn at
    random in the pairs' own shares of genuine and impostor).

    Returns
    -------
    float, float
        Share of pairs judged right, and the standard deviation over the folds.
    """
    filled = _filled(scores)
    right = np.zeros(len(filled), bool)
    shares = []
    for train, test in _splits(same, folds):
        threshold = best_threshold(filled[train], same[train])
        right[test] = (filled[test] > threshold) == same[test]
        shares.append(right[test].mean())
    return float(right.mean()), float(np.std(shares))


def best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """Return the threshold with the most pairs judged right (middle of the best)."""
    filled = _filled(scores)
    order = np.argsort(filled, kind="stable")
    filled, same = filled[order], same[order]
    # With the threshold at score i, pairs 0..i are rejected; first, none is.
    steps = np.concatenate([[-np.inf], filled])
    right = same.sum() + np.concatenate([[0], np.cumsum(~same) - np.cumsum(same)])
    candidates = np.flatnonzero(np.append(steps[1:] > steps[:-1], True))
    best = candidates[right[candidates] == right[candidates].max()]
    index = int(best[len(best) // 2])
    if index + 1 < len(steps) and np.isfinite(steps[index]):
        return float((steps[index] + steps[index + 1]) / 2)
    return float(steps[index])


def calibrated(
    scores: np.ndarray,
    same: np.ndarray,
    kind: str = "logistic",
    folds: int = FOLDS,
    beside: np.ndarray | None = None,
) -> np.ndarray:
    """Return log-likelihood ratios of scores, each from the other folds' pairs.

    Parameters
    ----------
    scores
        float [n], NaN where nothing could be compared.
    same
        bool [n].
    kind
        "logistic" (a straight line, logistic regression) or "isotonic" (any rising
        step function, pool adjacent violators).
    folds
        Parts of the cross-validation.
    beside
        float [n], a further measure of the pairs (quality, say): height and slope of
        the straight line follow it. Not with "isotonic".

    Returns
    -------
    numpy.ndarray
        float64 [n], natural logarithm, NaN where the score is.
    """
    told = np.full(len(scores), np.nan)
    known = np.flatnonzero(np.isfinite(scores))
    x, y = np.asarray(scores, np.float64)[known], same[known]
    if min(y.sum(), (~y).sum()) < 2:
        return told
    fit = _logistic if kind == "logistic" else _isotonic
    if beside is not None:
        other = np.asarray(beside, np.float64)[known]
        x = np.column_stack([x, other, x * other])
    for train, test in _splits(y, folds):
        told[known[test]] = fit(x[train], y[train], x[test])
    return told


def cllr(llr: np.ndarray, same: np.ndarray) -> float:
    """Return the cost of log-likelihood ratios, in bits.

    0 is perfect, 1 is what saying nothing costs; more is misleading. Brümmer and
    du Preez, Computer Speech and Language 20 (2006). NaN pairs are left out.

    Parameters
    ----------
    llr
        float [n], natural logarithm.
    same
        bool [n].
    """
    known = ~np.isnan(llr)
    genuine, impostor = llr[known & same], llr[known & ~same]
    if not len(genuine) or not len(impostor):
        return float("nan")
    cost = np.logaddexp(0, -genuine).mean() + np.logaddexp(0, impostor).mean()
    return float(cost / (2 * np.log(2)))


def cllr_min(scores: np.ndarray, same: np.ndarray) -> float:
    """Return the least Cllr any rising calibration could reach on these pairs."""
    known = np.isfinite(scores)
    x, y = np.asarray(scores, np.float64)[known], same[known]
    if not y.any() or y.all():
        return float("nan")
    return cllr(_isotonic(x, y, x, margin=0.0), y)


def calibration_error(sure: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error of stated probabilities (ECE).

    Mean distance between the stated probability and the share that is right, over
    bins of equal width, weighted by how many fall in each (Guo et al., ICML 2017).

    Parameters
    ----------
    sure
        float [n], probability stated for the answer given, 0..1.
    right
        bool [n], whether the answer was right.
    bins
        Number of bins.
    """
    if not len(sure):
        return float("nan")
    place = np.clip((np.asarray(sure) * bins).astype(int), 0, bins - 1)
    told = np.bincount(place, weights=sure, minlength=bins)
    true = np.bincount(place, weights=np.asarray(right, float), minlength=bins)
    return float(np.abs(told - true).sum() / len(place))


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the interval of 95 % of a share (Wilson, JASA 22, 1927)."""
    if not count:
        return float("nan"), float("nan")
    share, z2 = hits / count, Z95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    half /= 1 + z2 / count
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _filled(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    return np.where(np.isnan(scores), -np.inf, scores)


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _splits(same: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedKFold

    count = int(min(folds, same.sum(), (~same).sum()))
    if count < 2:  # too few to hold any out: judged on themselves
        every = np.arange(len(same))
        return [(every, every)]
    splitter = StratifiedKFold(count, shuffle=True, random_state=SEED)
    return list(splitter.split(np.zeros(len(same)), same))


def _logistic(x: np.ndarray, y: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fit a line to the log odds; with even weights odds are likelihood ratios."""
    from sklearn.linear_model import LogisticRegression

    x, wanted = x.reshape(len(x), -1), wanted.reshape(len(wanted), -1)
    middle, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=1e3, class_weight="balanced", max_iter=1000)
    model.fit((x - middle) / spread, y)
    return model.decision_function((wanted - middle) / spread)


def _isotonic(
    x: np.ndarray, y: np.ndarray, wanted: np.ndarray, margin: float = 0.5
) -> np.ndarray:
    """Fit rising steps; `margin` pairs of each kind keep the evidence finite."""
    from sklearn.isotonic import IsotonicRegression

    weights = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    told = model.fit(x, y.astype(float), sample_weight=weights).predict(wanted)
    floor = margin / max(1, min(y.sum(), (~y).sum()))
    with np.errstate(divide="ignore"):
        return np.log(told + floor) - np.log(1 - told + floor)
