"""Figures of traces: right and wrong passes and contacts, calibration."""

from __future__ import annotations

import numpy as np

from pipeline.evaluate.trace_truth import Answer, Known

#: Seconds within 2 m from which a contact counts, by name of the figure.
CONTACT_SECONDS = {"contact_f1_15min": 900, "contact_f1_1min": 60}
_BINS = 10


def figures_of(
    known: Known, chosen: list[int], answers: list[Answer]
) -> dict[str, float]:
    """Pool the answers of all patients."""
    hit = named = true = hit_s = named_s = true_s = 0.0
    for resident, answer in zip(chosen, answers, strict=True):
        mine = known.passes(resident)
        right = answer.tracklets[np.isin(answer.tracklets, mine)]
        hit, named, true = (
            hit + len(right),
            named + len(answer.tracklets),
            true + len(mine),
        )
        hit_s += known.seconds_of(right)
        named_s += known.seconds_of(answer.tracklets)
        true_s += known.seconds_of(mine)
    figures = {
        "path_idf1": 2 * hit_s / max(named_s + true_s, 1e-9),
        "sighting_precision": hit / max(named, 1),
        "sighting_recall": hit / max(true, 1),
    }
    for name, least in CONTACT_SECONDS.items():
        both = said = were = 0
        for resident, answer in zip(chosen, answers, strict=True):
            truly = {k for k, s in known.met.get(resident, {}).items() if s >= least}
            named_as = {k for k, s in answer.seconds.items() if s >= least}
            both, said, were = (
                both + len(truly & named_as), said + len(named_as), were + len(truly),
            )  # fmt: skip
        figures[name] = 2 * both / (said + were) if said + were else float("nan")
        figures[f"{name.replace('_f1', 's')}_true"] = were
    probability = np.concatenate([answer.probability for answer in answers])
    right = np.concatenate([answer.right for answer in answers])
    figures["posterior_ece"] = calibration_error(probability, right)
    return figures


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


def reliability(answers: list[Answer]) -> list[dict[str, float]]:
    """Ten bins of posterior: how many, their mean, and the share that was right."""
    probability = np.concatenate([answer.probability for answer in answers])
    right = np.concatenate([answer.right for answer in answers])
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    return [
        {
            "from": k / _BINS,
            "count": int((place == k).sum()),
            "mean": float(probability[place == k].mean()) if (place == k).any() else 0,
            "right": float(right[place == k].mean()) if (place == k).any() else 0,
        }
        for k in range(_BINS)
    ]
