"""Chains: sums and maxima over sequences of candidates, by compiled code.

Rows are candidates in order of time; of a table [n, n] of steps only those to later
rows count. All scores are logarithms.
"""

from __future__ import annotations

import math

import numba
import numpy as np

#: Terms by so much below the largest do not change a sum of logarithms.
_TOO_SMALL = 60.0


@numba.njit(cache=True, nogil=True)
def likeliest(
    llr: np.ndarray,
    step: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    nothing: float,
) -> np.ndarray:
    """Rows int64 [k] of the sequence of the highest score (Viterbi); maybe none.

    Parameters
    ----------
    llr, begin, finish : float64 [n], of each row, beginning and ending there.
    step : float64 [n, n], from row to column.
    nothing : score of no row at all.
    """
    n = len(llr)
    best, back = begin + llr, np.full(n, -1, np.int64)
    ways, whence = np.full(n, -np.inf), np.zeros(n, np.int64)
    for i in range(n):
        if i and ways[i] + llr[i] > best[i]:
            best[i], back[i] = ways[i] + llr[i], whence[i]
        if best[i] == -np.inf:
            continue
        for j in range(i + 1, n):
            way = best[i] + step[i, j]
            if way > ways[j]:
                ways[j], whence[j] = way, i
    total = best + finish
    last = int(np.argmax(total))
    if not total[last] > nothing:
        return np.empty(0, np.int64)
    rows, used = np.empty(n, np.int64), n
    while last >= 0:
        used -= 1
        rows[used] = last
        last = back[last]
    return rows[used:].copy()


@numba.njit(cache=True, nogil=True)
def sums(
    llr: np.ndarray,
    step: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    nothing: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Sum over all sequences (forward-backward); arguments as of `likeliest`.

    Returns
    -------
    (forward [n], backward [n], whole): logarithms of the sums up to each row, after
    each row, and of all.
    """
    n = len(llr)
    forward = begin + llr
    ways = np.empty(n)
    for j in range(1, n):
        for i in range(j):
            ways[i] = forward[i] + step[i, j]
        forward[j] = _more(forward[j], _summed(ways[:j]) + llr[j])
    backward = finish.copy()
    for i in range(n - 2, -1, -1):
        for j in range(i + 1, n):
            ways[j] = step[i, j] + llr[j] + backward[j]
        backward[i] = _more(backward[i], _summed(ways[i + 1 :]))
    for i in range(n):
        ways[i] = forward[i] + finish[i]
    return forward, backward, _more(_summed(ways), nothing)


@numba.njit(cache=True, nogil=True)
def vouched(step: np.ndarray, looks: np.ndarray, trusted: np.ndarray) -> None:
    """Bound, in place, what two passes that nobody trusts say for each other.

    Parameters
    ----------
    looks : float64 [n], how much of a row's evidence is clothing.
    trusted : bool [n].
    """
    n = len(looks)
    for i in range(n):
        if trusted[i]:
            continue
        for j in range(i + 1, n):
            if trusted[j] or not np.isfinite(step[i, j]):
                continue
            score = min(max(step[i, j] + looks[j], -700.0), 700.0)
            step[i, j] = -_more(0.0, -score) - looks[j]


@numba.njit(cache=True, nogil=True)
def clash(
    rows: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    camera_no: np.ndarray,
    llr: np.ndarray,
    certain: np.ndarray,
    overlap_s: float,
) -> int:
    """The weaker of two passes of a path that overlap before one camera, or -1."""
    for k in range(len(rows)):
        one = rows[k]
        for later in rows[k + 1 :]:
            if (
                start[later] >= end[one]
                or camera_no[later] != camera_no[one]
                or end[one] - start[later] <= overlap_s
            ):
                continue
            if certain[one] and certain[later]:
                continue
            if certain[one] or (not certain[later] and llr[later] < llr[one]):
                return int(later)
            return int(one)
    return -1


@numba.njit(cache=True, nogil=True)
def _summed(values: np.ndarray) -> float:
    """Logarithm of a sum of exponentials."""
    peak = -np.inf
    for value in values:
        peak = max(peak, value)
    if not np.isfinite(peak):
        return -np.inf
    total = 0.0
    for value in values:
        if value > peak - _TOO_SMALL:
            total += math.exp(value - peak)
    return peak + math.log(total)


@numba.njit(cache=True, nogil=True)
def _more(one: float, other: float) -> float:
    """Logarithm of the sum of two exponentials."""
    low, high = min(one, other), max(one, other)
    return high if low == -np.inf else high + math.log1p(math.exp(low - high))
