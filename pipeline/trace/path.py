"""Path: which passes, in which order, and how probable each of them is.

Candidates in time order are the nodes of a chain; a person is seen, walks or
rides, and is seen again. The model, its assumptions and its limits stand in
`docs/trace-model.md`. In short: the score of "next seen as j after i" is

    llr_j + ln[ P(next) g(d_ij, dt_ij) / (rate_j * integral of g over what was seen) ]

where g spreads a person over place and time, rate_j is how many passes a second
camera j sees (a pass before an empty alley says more than one at a station), and
the integral runs over all passes that were seen later, each with the footage it
stands for. Everything else that was seen is somebody else; a patient who was
never filmed again is an answer too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cameras import travel_time
from pipeline.trace import constants as c
from pipeline.trace import travel
from pipeline.trace.motion import Seen, reachable, spread
from pipeline.trace.remembered import Remembered, fold

if TYPE_CHECKING:
    from pipeline.trace.streets import Streets

#: Penalty of a step that cannot be, between two passes that are both certain.
_IMPOSSIBLE = -60.0


@dataclass(frozen=True)
class Candidates:
    """Passes that may be the patient's, ordered by start; n rows."""

    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres
    last: np.ndarray  #: float64 [n, 2], metres
    error_m: np.ndarray  #: float64 [n], 1 sd
    camera_no: np.ndarray  #: int64 [n]
    llr: np.ndarray  #: float64 [n], natural logarithm
    certain: np.ndarray  #: bool [n], pointed at or confirmed by a reviewer
    rate: np.ndarray  #: float64 [n], passes a second before that camera
    #: int64 [n], the pass that this one goes on from in its walk, -1 if none
    before: np.ndarray | None = None
    linked: np.ndarray | None = None  #: float64 [n], probability of that
    looks: np.ndarray | None = None  #: float64 [n], how much of llr is clothing
    trusted: np.ndarray | None = None  #: bool [n], held to be the patient's


@dataclass(frozen=True)
class Steps:
    """Scores of steps between n candidates, from row to column."""

    step: np.ndarray  #: float64 [n, n], logarithms, -inf if impossible
    sound: np.ndarray  #: bool [n, n], steps that may be on the path
    conflicts: tuple[tuple[int, int], ...]  #: as in `Path`
    barred: np.ndarray | None = None  #: bool [n, n], by streets; None: unknown


@dataclass(frozen=True)
class Chain:
    """The scores of n candidates and of their steps."""

    candidates: Candidates
    step: np.ndarray  #: float64 [n, n], logarithms
    sound: np.ndarray  #: bool [n, n], steps that may be on the path
    begin: np.ndarray  #: float64 [n]
    finish: np.ndarray  #: float64 [n]
    link: np.ndarray  #: float64 [n, n], probability that the second comes next


@dataclass(frozen=True)
class Path:
    """The answer for n candidates."""

    rows: np.ndarray  #: int64 [k], candidates on the path, in order of time
    most_probable: np.ndarray  #: int64 [m], the single most probable sequence
    posterior: np.ndarray  #: float64 [n], that this pass is the patient's
    #: float64 [k - 1], that the patient was not filmed between the two passes
    link: np.ndarray
    absent: float  #: posterior that no candidate is the patient
    #: pairs of candidates that are certain but cannot both be one person
    conflicts: tuple[tuple[int, int], ...] = ()
    evidence: float = 0.0  #: log likelihood ratio of all sequences together
    chain: Chain | None = None  #: what the path was drawn on
    #: float64 [m], probability of each of the patient's statements
    fits: np.ndarray = field(default_factory=lambda: np.empty(0))
    told: float = 0.0  #: log likelihood ratio of the statements


def solve(
    candidates: Candidates,
    seen: Seen,
    least_seconds: travel.LeastSeconds | None = None,
    told: Remembered | None = None,
    streets: Streets | None = None,
) -> Path:
    """Find the most probable path and every candidate's posterior.

    Parameters
    ----------
    candidates : ordered by start; certain ones are on every path.
    seen : all visible passes.
    least_seconds : travel-time bound; default: that of
        `cameras.travel_time`, by vehicle along the straight line.
    told : what the patient remembers.
    streets : where known, the way by them bounds the time as well.

    Notes
    -----
    Forward-backward gives the posteriors. The path is the possible sequence that
    is expected to hold most right passes less wrong ones (the sum of posterior
    less one half): where many sequences share a pass it is kept, although each of
    them alone is less probable than the shortest. Viterbi's single most probable
    sequence is given beside it. All in logarithms; work and memory grow with n
    squared.
    """
    n = len(candidates.start)
    if n == 0:
        none = np.empty(0, np.int64)
        return Path(none, none, np.empty(0), np.empty(0), 1.0)
    score = _steps(candidates, seen, least_seconds or travel.straight, streets)
    found = _solved(candidates, seen, score, told)
    if told is None or not len(told):
        return found
    # How probable each statement is: what is left of the whole without it.
    fits = []
    for k in range(len(told)):
        less = _solved(candidates, seen, score, told.without(k))
        fits.append(-np.expm1(min(less.evidence - found.evidence, 0.0)))
    plain = _solved(candidates, seen, score, None)
    # Of a stranger, a statement says 1 / (1 - REMEMBERED_TRUE) on average.
    gain = found.evidence - plain.evidence + len(told) * np.log(1 - c.REMEMBERED_TRUE)
    return replace(found, fits=np.array(fits), told=float(gain))


def _solved(
    candidates: Candidates,
    seen: Seen,
    score: Steps,
    told: Remembered | None,
) -> Path:
    step, sound = score.step.copy(), score.sound.copy()
    begin, finish, nothing = _ends(candidates, seen)
    walked = None
    if told is not None and len(told):
        walked, nothing = fold(told, candidates, seen, step, begin, finish, nothing)
    _walk_on(candidates, step, sound, begin, finish, walked, score.barred)
    llr = np.where(candidates.certain, 0.0, candidates.llr)
    best = _viterbi(llr, step, begin, finish, nothing)
    posterior, forward, backward, total = _posteriors(llr, step, begin, finish, nothing)
    posterior[candidates.certain] = 1.0

    link = forward[:, None] + step + (llr + backward)[None, :] - total
    link = np.exp(np.minimum(link, 0.0))
    chain = Chain(candidates, step, sound, begin, finish, link)
    found = Path(
        rows=best,
        most_probable=best,
        posterior=posterior,
        link=np.empty(0),
        absent=float(np.exp(nothing - total)),
        conflicts=score.conflicts,
        evidence=total,
        chain=chain,
    )
    rows, between = best_of(found, posterior, 1.0)
    return replace(found, rows=rows, link=between)


def best_of(
    found: Path, posterior: np.ndarray, trust: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the path by the posteriors given: (rows, link), as in `Path`.

    Parameters
    ----------
    posterior : float64 [n].
    trust : probability of what the candidates hold certain.
    """
    chain = found.chain
    if chain is None:
        return np.empty(0, np.int64), np.empty(0)
    gain = posterior - 0.5
    free = np.where(chain.sound, 0.0, -np.inf)
    first, last = (
        np.where(np.isfinite(end), 0.0, -np.inf) for end in (chain.begin, chain.finish)
    )
    certain = chain.candidates.certain.any() and trust >= 0.5
    nothing = -np.inf if certain else 0.0
    while True:
        rows = _viterbi(gain, free, first, last, nothing)
        worse = _clash(rows, chain.candidates)
        if worse is None:
            break
        gain[worse] = -np.inf
    return rows, trust * chain.link[rows[:-1], rows[1:]]


def _steps(
    these: Candidates,
    seen: Seen,
    least_seconds: travel.LeastSeconds,
    streets: Streets | None = None,
) -> Steps:
    n = len(these.start)
    step = np.full((n, n), -np.inf)
    mass = reachable(these.last, these.end, seen)
    passed = np.concatenate([[0], np.cumsum(these.certain)])
    conflicts = []
    i, j = np.triu_indices(n, 1)
    distance = np.hypot(
        these.first[j, 0] - these.last[i, 0], these.first[j, 1] - these.last[i, 1]
    )
    gap = these.start[j] - these.end[i]
    error = np.hypot(these.error_m[j], these.error_m[i])
    score = np.log(c.PRIOR_NEXT) - np.log(these.rate[j] * mass[i])
    score += np.log(np.maximum(spread(distance, np.maximum(gap, 0)), 1e-300))
    slow = None
    if streets is not None:
        cameras = these.camera_no[i], these.camera_no[j]
        metres = streets.least(cameras, (these.last[i], these.first[j])) - 2 * error
        slow = np.maximum(metres - travel_time.SLACK_M, 0) / travel_time.VEHICLE_MPS
    score += travel.penalty(these, i, j, distance, gap, error, least_seconds, slow)
    # A certain pass cannot be stepped over.
    score[passed[j] > passed[i + 1]] = -np.inf
    step[i, j] = score
    for one, other in pairwise(np.flatnonzero(these.certain).tolist()):
        if not np.isfinite(step[one, other]):
            step[one, other] = _IMPOSSIBLE
            conflicts.append((one, other))
    barred = None
    if slow is not None:
        barred = np.zeros((n, n), dtype=bool)
        barred[i, j] = slow - gap > c.CLOCK_LIMIT_SECONDS
    return Steps(step, np.isfinite(step), tuple(conflicts), barred)


def _walk_on(
    these: Candidates,
    step: np.ndarray,
    sound: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    walked: np.ndarray | None = None,
    barred: np.ndarray | None = None,
) -> None:
    """Let the path go along walks; entering or leaving one midway must be paid for.

    Going on from one pass of a walk to the next is as probable for a stranger as for
    the patient: it says nothing, where chance alone would make it say much.
    """
    if these.looks is not None and these.trusted is not None:
        # Of two passes neither of which is known for his, each may vouch for the
        # other: but somebody else dressed like him goes on in the same way.
        loose = ~(these.trusted[:, None] | these.trusted[None, :])
        score = np.clip(step + these.looks[None, :], -700, 700)
        bound = -np.logaddexp(0.0, -score) - these.looks[None, :]
        np.copyto(step, bound, where=loose & np.isfinite(step))
    if these.before is None or these.linked is None:
        return
    later = np.flatnonzero(these.before >= 0)
    earlier, linked = these.before[later], these.linked[later]
    apart = np.log(np.maximum(1 - linked, c.WALK_BROKEN))
    step[:, later] += apart
    begin[later] += apart
    step[earlier, :] += apart[:, None]
    finish[earlier] += apart
    # Nor does a walk step over a pass that is certain and none of its own.
    passed = np.concatenate([[0], np.cumsum(these.certain)])
    whole = passed[later] == passed[earlier + 1]
    if barred is not None:  # it was followed along straight lines
        whole &= ~barred[earlier, later]
    earlier, later, linked = earlier[whole], later[whole], linked[whole]
    step[earlier, later] = np.log(linked)
    if walked is not None:
        step[earlier, later] += walked[earlier, later]
    sound[earlier, later] = True


def _ends(these: Candidates, seen: Seen) -> tuple[np.ndarray, np.ndarray, float]:
    """Log score of beginning at [n], ending at [n], and of no pass at all."""
    n = len(these.start)
    begin = np.log(c.PRIOR_PRESENT) - np.log(these.rate * max(seen.seconds, 1.0))
    finish = np.full(n, np.log(1 - c.PRIOR_NEXT))
    nothing = float(np.log(1 - c.PRIOR_PRESENT))
    sure = np.flatnonzero(these.certain)
    if len(sure):
        begin[sure[0] + 1 :] = -np.inf
        finish[: sure[-1]] = -np.inf
        nothing = -np.inf
    return begin, finish, nothing


def _viterbi(
    llr: np.ndarray,
    step: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    nothing: float,
) -> np.ndarray:
    n = len(llr)
    best, back = begin + llr, np.full(n, -1, dtype=np.int64)
    for j in range(1, n):
        ways = best[:j] + step[:j, j]
        i = int(np.argmax(ways))
        if ways[i] + llr[j] > best[j]:
            best[j], back[j] = ways[i] + llr[j], i
    total = best + finish
    last = int(np.argmax(total))
    if not total[last] > nothing:
        return np.empty(0, np.int64)
    rows = [last]
    while back[rows[-1]] >= 0:
        rows.append(int(back[rows[-1]]))
    return np.array(rows[::-1], dtype=np.int64)


def _posteriors(
    llr: np.ndarray,
    step: np.ndarray,
    begin: np.ndarray,
    finish: np.ndarray,
    nothing: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Posterior [n], log forward [n], log backward [n], log of the whole."""
    n = len(llr)
    forward = begin + llr
    for j in range(1, n):
        ways = _logsum(forward[:j] + step[:j, j])
        forward[j] = np.logaddexp(forward[j], ways + llr[j])
    backward = finish.copy()
    for i in range(n - 2, -1, -1):
        ways = _logsum(step[i, i + 1 :] + llr[i + 1 :] + backward[i + 1 :])
        backward[i] = np.logaddexp(backward[i], ways)
    total = float(np.logaddexp(_logsum(forward + finish), nothing))
    posterior = np.exp(np.minimum(forward + backward - total, 0.0))
    return posterior, forward, backward, total


def _clash(rows: np.ndarray, these: Candidates) -> int | None:
    """The weaker of two passes of a path that overlap before one camera, if any."""
    for k in range(len(rows)):
        for later in rows[k + 1 :]:
            if these.start[later] >= these.end[rows[k]]:
                continue
            overlap = these.end[rows[k]] - these.start[later]
            if (
                these.camera_no[later] == these.camera_no[rows[k]]
                and overlap > c.SAME_CAMERA_OVERLAP_SECONDS
            ):
                pair = [int(rows[k]), int(later)]
                free = [row for row in pair if not these.certain[row]]
                if free:
                    return min(free, key=lambda row: float(these.llr[row]))
    return None


def _logsum(values: np.ndarray) -> float:
    peak = values.max(initial=-np.inf)
    if not np.isfinite(peak):
        return -np.inf
    return float(peak + np.log(np.exp(values - peak).sum()))
