"""Whether the evidence a trace draws from faces is as strong as it says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.evaluate import metrics
from pipeline.trace import calibration


def shipped_cllr(
    scores: np.ndarray, same: np.ndarray, widths: np.ndarray, kind: str, model: str
) -> float:
    """Return the Cllr of the evidence that a trace would draw from the scores."""
    return metrics.cllr(stated(scores, widths, kind, model), same)


def reliability(
    scores: np.ndarray, same: np.ndarray, widths: np.ndarray, kind: str, model: str
) -> list[dict[str, Any]]:
    """Return what a trace's evidence says beside what is so, step by step.

    A diagram's points: the log-likelihood ratio stated on average (natural), and the
    one found by counting pairs, half a pair added to each kind.
    """
    told = stated(scores, widths, kind, model)
    known = np.isfinite(told)
    told, same = told[known], same[known]
    steps = []
    for low, high in pairwise((-np.inf, -1.0, 0.0, 1.0, 2.0, 4.0, 7.0, np.inf)):
        mine = (told >= low) & (told < high)
        genuine, strangers = int(same[mine].sum()), int((~same[mine]).sum())
        if not mine.any():
            continue
        found = np.log((genuine + 0.5) / (same.sum() + 1))
        found -= np.log((strangers + 0.5) / ((~same).sum() + 1))
        steps.append(
            {
                "stated": float(told[mine].mean()),
                "found": float(found),
                "genuine": genuine,
                "strangers": strangers,
            }
        )
    return steps


def stated(scores: np.ndarray, widths: np.ndarray, kind: str, model: str) -> np.ndarray:
    """Return what a trace makes of the scores, NaN where it makes nothing."""
    if not calibration.is_calibrated(model):
        return np.full(len(scores), np.nan)
    kinds = {
        "bare": calibration.BARE,
        "one_masked": calibration.MASK_AWARE,
        "one_masked_bare_template": calibration.ONE_MASKED,
        "both_masked": calibration.BOTH_MASKED,
    }
    told = calibration.face_llr(
        scores, widths, np.full(len(scores), kinds[kind]), model
    )
    return np.where(np.isfinite(scores), told, np.nan)
