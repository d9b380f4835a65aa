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
from pipeline.trace import chains, travel
from pipeline.trace import constants as c
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
    before: np.ndarray  #: float64 [n], all sequences up to each, logarithms
    after: np.ndarray  #: float64 [n], all from each on, as shares of the whole

    def link(self, rows: np.ndarray) -> np.ndarray:
        """Probability [k - 1] that of k candidates each comes next after another."""
        one, other = rows[:-1], rows[1:]
        score = self.before[one] + self.step[one, other] + self.after[other]
        return np.asarray(np.exp(np.minimum(score, 0.0)))


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
    told: Remembered | None = None,
    streets: Streets | None = None,
) -> Path:
    """Find the most probable path and every candidate's posterior.

    Parameters
    ----------
    candidates : ordered by start; certain ones are on every path.
    seen : all visible passes.
    told : what the patient remembers.
    streets : where known, the way by them bounds the time as well as the straight
        line does (`cameras.travel_time`, by vehicle).

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
    score = _steps(candidates, seen, streets)
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
    ways = llr, step, begin, finish, nothing
    best = chains.likeliest(*ways)
    forward, backward, total = chains.sums(*ways)
    posterior = np.exp(np.minimum(forward + backward - total, 0.0))
    posterior[candidates.certain] = 1.0

    chain = Chain(
        candidates, step, sound, begin, finish, forward, llr + backward - total
    )
    found = Path(
        rows=best,
        most_probable=best,
        posterior=posterior,
        link=np.empty(0),
        absent=float(np.exp(nothing - total)),
        conflicts=score.conflicts,
        evidence=float(total),
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
    these = chain.candidates
    certain = these.certain.any() and trust >= 0.5
    nothing = -np.inf if certain else 0.0
    while True:
        rows = chains.likeliest(gain, free, first, last, nothing)
        worse = chains.clash(
            rows, these.start, these.end, these.camera_no, these.llr, these.certain,
            c.SAME_CAMERA_OVERLAP_SECONDS,
        )  # fmt: skip
        if worse < 0:
            break
        gain[worse] = -np.inf
    return rows, trust * chain.link(rows)


def _steps(these: Candidates, seen: Seen, streets: Streets | None = None) -> Steps:
    n = len(these.start)
    slow = np.empty((0, 0))
    if streets is not None:
        i, j = np.triu_indices(n, 1)
        cameras = these.camera_no[i], these.camera_no[j]
        metres = streets.least(cameras, (these.last[i], these.first[j]))
        metres -= 2 * np.hypot(these.error_m[j], these.error_m[i])
        slow = np.full((n, n), np.nan)
        slow[i, j] = np.maximum(metres - travel_time.SLACK_M, 0)
        slow /= travel_time.VEHICLE_MPS
    chain = travel.Chain(
        start=these.start,
        end=these.end,
        first=these.first,
        last=these.last,
        error_m=these.error_m,
        camera_no=these.camera_no,
        passed=np.concatenate([[0], np.cumsum(these.certain)]),
    )
    can = travel.steps(chain, slow, travel.rules())
    i, j = np.divmod(can.at, n)
    mass = np.log(c.PRIOR_NEXT) - np.log(reachable(these.last, these.end, seen))
    score = mass[i] - np.log(these.rate)[j]
    score += np.log(np.maximum(spread(can.metres, can.wait), 1e-300))
    short = np.flatnonzero(can.missing)
    score[short] += travel.penalty(can.missing[short])
    step = np.full((n, n), -np.inf)
    step.ravel()[can.at] = score
    conflicts = []
    for one, other in pairwise(np.flatnonzero(these.certain).tolist()):
        if not np.isfinite(step[one, other]):
            step[one, other] = _IMPOSSIBLE
            conflicts.append((one, other))
    barred = None
    if len(slow):
        gap = these.start[None, :] - these.end[:, None]
        barred = slow - gap > c.CLOCK_LIMIT_SECONDS
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
        chains.vouched(step, these.looks, these.trusted)
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
