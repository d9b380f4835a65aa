"""Whether errors fall evenly: misses and false matches by group of people."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import faces as face_figures
from pipeline.evaluate import metrics, report
from pipeline.evaluate.faces import View
from pipeline.evaluate.tables import EvaluationError, Groups
from pipeline.vision import faces, recognisers

#: Draws of people with replacement, for intervals.
DRAWS = 500
#: Pictures compared at once: bounds the memory.
CHUNK = 2048


def evaluate(
    groups: Groups,
    weights_dir: Path,
    *,
    far: float = 1e-3,
    threshold: float | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure miss and false-match rates by group, at one threshold for all.

    Parameters
    ----------
    groups
        From `tables.read_groups`.
    weights_dir
        Folder of verified weights.
    far
        The threshold is the lowest that keeps to this false-match rate over the
        pairs of two people of one group, all groups together.
    threshold
        Cosine to use instead.
    threads
        Threads of the inference engine.
    quiet
        Show no progress.

    Raises
    ------
    EvaluationError
        No two pictures can be compared.
    """
    started = time.monotonic()
    name = recognisers.chosen(weights_dir)
    embedded = face_figures.embed(
        groups.images,
        [View()],
        weights_dir,
        recogniser=name,
        threads=threads,
        quiet=quiet,
    )
    vectors, usable = embedded.vectors[View()], embedded.readable
    people, person = np.unique(groups.persons, return_inverse=True)
    labels = np.unique(groups.groups)
    rows = {
        label: np.flatnonzero((groups.groups == label) & usable) for label in labels
    }
    if threshold is None:
        strangers = np.concatenate(
            [_stranger_scores(vectors[r], person[r]) for r in rows.values()]
        )
        if not len(strangers):
            raise EvaluationError(
                "No group has readable pictures of two people; add some, or give "
                "--threshold."
            )
        truth = np.zeros(len(strangers), bool)
        threshold = metrics.at_far(strangers, truth, far).threshold
    found = embedded.found(View())
    by_group = {
        str(label): _of_group(vectors[r], person[r], found[r], threshold)
        for label, r in rows.items()
    }
    return {
        "threshold": threshold,
        "far_target": far,
        "groups": by_group,
        "largest_ratio": {
            key: _ratio([one[key] for one in by_group.values()])
            for key in ("miss_rate", "false_match_rate")
        },
        "images": int(usable.sum()),
        "persons": len(people),
        "undecodable": int((~usable).sum()),
        "measured": report.provenance(
            report.model_hashes(faces.DETECTOR)
            | {name: recognisers.sha256(name, weights_dir)},
            time.monotonic() - started,
        ),
    }


def _of_group(
    vectors: np.ndarray, person: np.ndarray, found: np.ndarray, threshold: float
) -> dict[str, Any]:
    people, index = np.unique(person, return_inverse=True)
    size = len(people)
    matches, pairs = np.zeros((size, size)), np.zeros((size, size))
    for start in range(0, len(vectors), CHUNK):
        part = slice(start, start + CHUNK)
        hit = np.nan_to_num(vectors[part] @ vectors.T, nan=-2.0) > threshold
        later = np.arange(len(vectors)) > np.arange(len(vectors))[part, None]
        where = (index[part, None] * size + index[None])[later]
        pairs += np.bincount(where, minlength=size * size).reshape(size, size)
        weights = hit[later].astype(float)
        matches += np.bincount(where, weights, size * size).reshape(size, size)
    own = np.eye(size, dtype=bool)
    genuine, missed = pairs[own], pairs[own] - matches[own]
    others, false = np.where(own, 0, pairs), np.where(own, 0, matches)
    return {
        "images": len(vectors),
        "persons": size,
        "detection_rate": float(found.mean()) if len(found) else float("nan"),
        "genuine_pairs": int(genuine.sum()),
        "impostor_pairs": int(others.sum()),
        **_rate("miss_rate", np.diag(missed), np.diag(genuine)),
        **_rate("false_match_rate", false, others),
    }


def _rate(name: str, events: np.ndarray, pairs: np.ndarray) -> dict[str, Any]:
    """Return a rate with two intervals of 95 %.

    Wilson's takes pairs for independent and is too narrow; the bootstrap draws
    people, because the pairs of one person are alike, but cannot widen a rate of
    zero. The wider of the two is to be believed.
    """
    hits, count = int(events.sum()), int(pairs.sum())
    rate = hits / count if count else float("nan")
    return {
        name: rate,
        f"{name}_wilson": metrics.wilson(hits, count),
        f"{name}_bootstrap": _bootstrap(events, pairs),
    }


def _bootstrap(events: np.ndarray, pairs: np.ndarray) -> tuple[float, float]:
    size = len(events)
    if not size:
        return float("nan"), float("nan")
    random = np.random.default_rng(metrics.SEED)
    drawn = random.multinomial(size, np.full(size, 1 / size), DRAWS)
    between = np.count_nonzero(pairs - np.diag(np.diag(pairs))) > 0
    rates = []
    for times in drawn:
        if between:
            top, bottom = times @ events @ times, times @ pairs @ times
        else:  # pairs within people only
            top, bottom = times @ np.diag(events), times @ np.diag(pairs)
        if bottom:
            rates.append(top / bottom)
    if len(rates) < DRAWS / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def _stranger_scores(vectors: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return the scores of every pair of two people, float32 [n]."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(vectors), CHUNK):
        part = slice(start, start + CHUNK)
        later = np.arange(len(vectors)) > np.arange(len(vectors))[part, None]
        others = later & (person[part, None] != person[None])
        parts.append((vectors[part] @ vectors.T)[others])
    return np.concatenate(parts)


def _ratio(rates: list[float]) -> float | None:
    """Return the highest rate over the lowest, None where that says nothing."""
    known = [rate for rate in rates if np.isfinite(rate)]
    if len(known) < 2 or min(known) <= 0:
        return None
    return max(known) / min(known)
