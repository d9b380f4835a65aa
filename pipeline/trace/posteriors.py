"""Posteriors as frequencies: what the chain says, held against what came true.

The chain takes passes for more independent than they are, and knows nothing of how
walks and persons were put together. A logistic map from its log odds and from some
signs of how a pass came to be a candidate (`SIGNS`) makes of every posterior the
share of such passes that were the patient's (Platt, Probabilistic outputs for support
vector machines, 1999, with more than one input). Its weights stand in
`posteriors.json`, with the cities they were fitted on; `dongseon evaluate posteriors`
makes that file. It holds for days on which the spread of clothing is measured
(`trace.clothing.Measured`), as in those cities; elsewhere log odds are only scaled.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from pipeline.trace import constants as c
from pipeline.trace.walks import Walk

#: Log odds beyond which the chain is not taken at its word.
_MOST_ODDS = 8.0
#: Evidence of a face from which it holds its walk together, and below which the faces
#: of a walk say nothing.
PILLAR_LLR, _NO_FACE_LLR = 3.0, 0.5
#: Seconds to the next pass that lends its clothing, at most.
_LONG = 86_400.0
#: What is told of each pass.
SIGNS = (
    "log odds of the chain",
    "log odds, where a face of the walk fits or a pass of it is certain",
    "log odds, where nothing but clothing speaks",
    "evidence of the walk's faces",
    "evidence of the walk's clothing",
    "evidence of the pass's own clothing",
    "log of the passes of the walk",
    "log of the links to the face that fits or the pass that is certain",
    "whether a pass of the walk is certain",
    "log of the seconds to the next pass that lends its clothing",
    "log odds of the person",
)


def signs(
    posterior: np.ndarray,
    rows: np.ndarray,
    start: np.ndarray,
    own: np.ndarray,
    walks: list[Walk],
    weights: np.ndarray,
    pillars: list[np.ndarray],
    certain: np.ndarray,
    lent: np.ndarray,
    trust: float,
) -> np.ndarray:
    """Tell of each candidate how it came to be one: float64 [m, len(SIGNS)].

    Parameters
    ----------
    posterior : float64 [m], the chain's, of the passes `rows` int64 [m].
    start, own : float64 [m], Unix seconds; evidence of the pass's own clothing.
    walks, weights : walks; evidence float64 [w, 3] of the first w: all, face,
        clothing.
    pillars : of each walk, bool [k]: passes that are certain or whose face fits.
    certain : bool, of each walk: whether a pass of it is certain.
    lent : float64, Unix seconds of the passes that lend their clothing.
    trust : probability of the person that the path is drawn of.
    """
    told = np.zeros((len(walks) + 1, 3))
    told[: len(weights)] = np.clip(weights, -4.0, 8.0)
    size, fixed = np.ones(len(walks) + 1), np.zeros(len(walks) + 1, dtype=bool)
    walk_of, links = np.full(len(rows), -1, dtype=np.int64), np.zeros(len(rows))
    order = np.argsort(rows, kind="stable")
    for k, walk in enumerate(walks):
        at = np.searchsorted(rows, walk.rows, sorter=order)
        known = order[np.minimum(at, len(rows) - 1)]
        among = rows[known] == walk.rows
        size[k], fixed[k] = len(walk.rows), certain[k]
        walk_of[known[among]] = k
        links[known[among]] = _to_pillar(walk, pillars[k])[among]
    odds = _log_odds(posterior)
    face = told[walk_of, 1]
    fits = (face >= PILLAR_LLR) | fixed[walk_of]
    bare = ~fits & (face <= _NO_FACE_LLR)
    away = np.full(len(rows), _LONG)
    if len(lent):
        moments = np.sort(lent)
        at = np.searchsorted(moments, start)
        for near in (np.maximum(at - 1, 0), np.minimum(at, len(moments) - 1)):
            away = np.minimum(away, np.abs(start - moments[near]))
    return np.column_stack(
        [
            odds,
            odds * fits,
            odds * bare,
            face,
            told[walk_of, 2],
            np.clip(own, -4.0, 6.0),
            np.log(size[walk_of]),
            links,
            fixed[walk_of],
            np.log1p(away),
            np.full(len(rows), _log_odds(np.array([trust]))[0]),
        ]
    )


def calibrated(
    told: np.ndarray, law: tuple[np.ndarray, float] | None = None
) -> np.ndarray:
    """Turn signs float64 [m, len(SIGNS)] into posteriors float64 [m].

    Parameters
    ----------
    law : weights and constant; default: those of `posteriors.json`.
    """
    weights, constant = law or (np.array(_law()["weights"]), _law()["constant"])
    odds = told @ weights + constant
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def tempered(posterior: np.ndarray) -> np.ndarray:
    """Scale the log odds of the chain's posteriors [m], where the map does not hold."""
    bounded = np.clip(posterior, 1e-9, 1 - 1e-9)
    odds = np.log(bounded / (1 - bounded)) * c.POSTERIOR_TEMPER
    return np.asarray(1 / (1 + np.exp(-odds)))


def provenance() -> dict[str, Any]:
    """What the weights were fitted on, as kept beside them."""
    return dict(_law()["provenance"])


def _to_pillar(walk: Walk, pillar: np.ndarray) -> np.ndarray:
    """Log probability [k] that a pass is of one person with the nearest pillar."""
    if not pillar.any():
        return np.zeros(len(pillar))
    link = np.log(np.maximum(walk.link, 1e-3))
    sums = np.concatenate([[0.0], np.cumsum(link)])
    return np.asarray(-np.abs(sums[:, None] - sums[pillar][None, :]).min(axis=1))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    bounded = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.clip(np.log(bounded / (1 - bounded)), -_MOST_ODDS, _MOST_ODDS))


@lru_cache(maxsize=1)
def _law() -> dict[str, Any]:
    text = resources.files("pipeline.trace").joinpath("posteriors.json").read_text()
    law: dict[str, Any] = json.loads(text)
    if tuple(law["signs"]) != SIGNS:
        raise ValueError("posteriors.json was fitted on other signs than SIGNS")
    return law
