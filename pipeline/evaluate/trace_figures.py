"""Figures of traces: right and wrong passes, visits and contacts, calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Seconds within 2 m from which a contact counts, by name of the figure.
CONTACT_SECONDS = {"contact_f1_15min": 900, "contact_f1_1min": 60}
#: Contacts in truth: before cameras that recorded, whether or not a tracker saw both;
#: and (name, ending of the figure) in those seconds for which both have a tracklet.
TRUTHS = {"truly": "", "shown": "_shown"}
#: Seconds in truth from which what was said of a contact's seconds is compared with it.
COMPARED_SECONDS = 300
#: Metres within which, and share of the shorter stay for which, two stays are one.
STAY_METRES, STAY_OVERLAP = 200.0, 0.5
_BINS = 10
#: Figures that are given with an interval, and resamples it is drawn from.
WITH_INTERVAL = (
    "path_idf1", "path_hota", "sighting_precision", "sighting_recall", "visit_f1",
    "contact_f1_1min", "contact_f1_15min", "contact_f1_1min_shown",
    "contact_f1_15min_shown", "posterior_ece",
)  # fmt: skip
#: Figures for which the lead over a baseline is given.
LED_BY = ("path_idf1", "contact_f1_15min", "contact_f1_1min")
_RESAMPLES = 400


@dataclass
class Tally:
    """What one method said of one patient, counted against the truth."""

    passes: tuple[int, int, int]  #: right, named, true
    seconds: tuple[float, float, float]  #: of the same passes
    probability: np.ndarray  #: float64, of each pass it named, on the path or not
    right: np.ndarray  #: bool, whether each of those is the patient's
    said: dict[int, int] = field(default_factory=dict)  #: resident -> seconds near
    truly: dict[int, int] = field(default_factory=dict)  #: the same, in truth
    #: of those, for which both have a tracklet
    shown: dict[int, int] = field(default_factory=dict)
    visits: tuple[int, int, int] = (0, 0, 0)  #: right, named, true
    time_errors: list[float] = field(default_factory=list)  #: s, of right visits
    spent: float = 0.0  #: seconds of work


def figures_of(tallies: list[Tally]) -> dict[str, float]:
    """Pool the tallies of all patients."""
    hit, named, true = _sums([t.passes for t in tallies])
    hit_s, named_s, true_s = _sums([t.seconds for t in tallies])
    seen, told, were = _sums([t.visits for t in tallies])
    errors = [e for t in tallies for e in t.time_errors]
    # One person: association is as good as detection, pass by pass (Luiten et al.,
    # IJCV 129:548-578, 2021, with places known exactly).
    hota = [
        t.passes[0] / max(t.passes[1] + t.passes[2] - t.passes[0], 1) for t in tallies
    ]
    figures = {
        "path_idf1": 2 * hit_s / max(named_s + true_s, 1e-9),
        "path_hota": float(np.mean(hota)) if hota else float("nan"),
        "sighting_precision": hit / named if named else float("nan"),
        "sighting_recall": hit / max(true, 1),
        "visit_f1": _f1(seen, told, were),
        "visit_median_time_error_s": (
            float(np.median(errors)) if errors else float("nan")
        ),
    }
    for name, least in CONTACT_SECONDS.items():
        for truth, ending in TRUTHS.items():
            figures |= _contacts(tallies, name, least, truth, ending)
    shares = [
        t.said.get(other, 0) / seconds
        for t in tallies
        for other, seconds in t.truly.items()
        if seconds >= COMPARED_SECONDS
    ]
    figures["contact_seconds_share"] = (
        float(np.median(shares)) if shares else float("nan")
    )
    probability = np.concatenate([t.probability for t in tallies])
    right = np.concatenate([t.right for t in tallies])
    figures["posterior_ece"] = calibration_error(probability, right)
    return figures


def _contacts(
    tallies: list[Tally], name: str, least: int, truth: str, ending: str
) -> dict[str, float]:
    """F1, precision, recall and number of the contacts of so many seconds."""
    both = said = truly = 0
    for tally in tallies:
        real = {k for k, s in getattr(tally, truth).items() if s >= least}
        called = {k for k, s in tally.said.items() if s >= least}
        both, said = both + len(real & called), said + len(called)
        truly += len(real)
    short = name.replace("_f1", "s")
    return {
        f"{name}{ending}": _f1(both, said, truly),
        f"{short}_precision{ending}": both / said if said else float("nan"),
        f"{short}_recall{ending}": both / truly if truly else float("nan"),
        f"{short}_true{ending}": truly,
    }


def intervals_of(tallies: list[Tally], seed: int = 1) -> dict[str, list[float]]:
    """5-95 % of each figure over patients drawn with replacement (bootstrap)."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in WITH_INTERVAL}
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(tallies), len(tallies))
        found = figures_of([tallies[k] for k in rows])
        for name in WITH_INTERVAL:
            drawn[name].append(found[name])
    result = {}
    for name, values in drawn.items():
        known = np.array([v for v in values if not np.isnan(v)])
        if len(known):
            result[name] = [float(q) for q in np.quantile(known, [0.05, 0.95])]
    return result


def lead_of(
    tallies: list[Tally], others: list[Tally], seed: int = 1
) -> dict[str, dict[str, Any]]:
    """How far one method is ahead of another on the same patients.

    Parameters
    ----------
    tallies, others : what each said, patient by patient in the same order.

    Returns
    -------
    figure -> difference of the pooled figures, `interval_5_95` and `share_ahead` of
    it over patients drawn with replacement, the same ones for both: what is hard to
    trace is hard for both, so that the difference is surer than either figure (paired
    bootstrap; Efron & Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    rng = np.random.default_rng(seed)
    whole, other = figures_of(tallies), figures_of(others)
    drawn: dict[str, list[float]] = {name: [] for name in LED_BY}
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(tallies), len(tallies))
        mine = figures_of([tallies[k] for k in rows])
        theirs = figures_of([others[k] for k in rows])
        for name in LED_BY:
            drawn[name].append(mine[name] - theirs[name])
    result: dict[str, dict[str, Any]] = {}
    for name, values in drawn.items():
        known = np.array([v for v in values if not np.isnan(v)])
        if len(known):
            result[name] = {
                "difference": whole[name] - other[name],
                "interval_5_95": [float(q) for q in np.quantile(known, [0.05, 0.95])],
                "share_ahead": float((known > 0).mean()),
            }
    return result


def calibration_error(probability: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten equal bins (Naeini et al., AAAI 2015).

    Parameters
    ----------
    probability : float [n], 0..1.
    right : bool [n].
    """
    if not len(probability):
        return float("nan")
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(place, weights=probability - right, minlength=_BINS)
    return float(np.abs(gap).sum() / len(probability))


def reliability(tallies: list[Tally]) -> list[dict[str, float]]:
    """Ten bins of posterior: how many, their mean, and the share that was right."""
    probability = np.concatenate([t.probability for t in tallies])
    right = np.concatenate([t.right for t in tallies])
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    return [
        {
            "from": k / _BINS,
            "count": int((place == k).sum()),
            "mean": float(probability[place == k].mean()),
            "right": float(right[place == k].mean()),
        }
        for k in range(_BINS)
        if (place == k).any()
    ]


def match_stays(
    said: np.ndarray, true: np.ndarray
) -> tuple[tuple[int, int, int], list[float]]:
    """Match stays said [k, 4] with true ones [m, 4]: counts and errors of arrival."""
    errors: list[float] = []
    left = set(range(len(true)))
    for x, y, arrive, leave in said:
        for k in sorted(left):
            a, b, begin, finish = true[k]
            both = min(leave, finish) - max(arrive, begin)
            shorter = min(leave - arrive, finish - begin)
            if np.hypot(x - a, y - b) <= STAY_METRES and both > STAY_OVERLAP * shorter:
                left.discard(k)
                errors.append(abs(float(arrive - begin)))
                break
    return (len(errors), len(said), len(true)), errors


def _sums(rows: list[tuple]) -> tuple[float, float, float]:
    a, b, c = np.array(rows, dtype=float).reshape(-1, 3).sum(axis=0)
    return float(a), float(b), float(c)


def _f1(both: float, said: float, were: float) -> float:
    return 2 * both / (said + were) if said + were else float("nan")
