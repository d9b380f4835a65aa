"""Fit the map that makes shares of the chain's posteriors, on cities with truth.

Each patient of each city is hunted twice: from the photographs alone, and from them and
one pass pointed at. What the chain said of every candidate, and whether he
was the patient, is what `trace.posteriors` is fitted on: a logistic regression with a
little shrinkage, each patient weighed by the square root of his candidates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import trace as evaluation
from pipeline.evaluate.trace_figures import calibration_error
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings
from pipeline.trace import posteriors
from pipeline.trace.finding import Seeds, prepared
from pipeline.trace.observations import Scope
from pipeline.trace.search import templates_of
from pipeline.trace.templates import Template

#: Strength of the shrinkage (scikit-learn's C) and least posterior that is shown.
_STRENGTH, _SHOWN = 1.0, 0.02


@dataclass(frozen=True)
class Told:
    """What the chain said of one patient's candidates; m rows."""

    city: str
    alone: bool  #: whether the photographs were all there was to begin with
    signs: np.ndarray  #: float64 [m, signs], as of `posteriors.signs`
    right: np.ndarray  #: bool [m]


def collect(
    cities: Sequence[Path],
    patients: int,
    *,
    settings: Settings,
    seed: int = 1,
    progress: Callable[[str, int], object] | None = None,
) -> list[Told]:
    """Hunt patients of simulated cities, each from photographs alone as well."""
    found: list[Told] = []
    for city in cities:
        known = Known(city)
        chosen = evaluation.choose(known, patients, seed)
        photos = evaluation.photographs(city, settings, chosen)
        with evaluation.installation(city, settings) as own:
            scope = Scope(evaluation.order(own, "E-001", city), own)
            passes, footage = scope.passes(), scope.footage()
            for number, resident in enumerate(chosen):
                if progress:
                    progress(city.name, len(found))
                faces = [
                    Template(
                        "face", one.model, one.embedding, width_px=one.face_width_px
                    )
                    for one in photos[number]
                ]
                row = evaluation.widest(scope, known, resident)
                starts = [Seeds(faces, frozenset(), "")]
                if row is not None:
                    views = [*faces, *templates_of(passes, row)]
                    starts.append(Seeds(views, frozenset({int(passes.ids[row])}), ""))
                for seeds in starts:
                    hunt = prepared(passes, footage, seeds, own)
                    _, _, rows = hunt.run()
                    free = ~np.isin(rows, hunt.sure)
                    right = np.isin(passes.ids[rows], known.passes(resident))
                    alone = not seeds.certain
                    found.append(Told(city.name, alone, hunt.signs[free], right[free]))
    return found


def errors(
    told: Sequence[Told], law: tuple[np.ndarray, float] | None = None
) -> dict[tuple[str, bool], float]:
    """Calibration error of posteriors shown, by city and way to begin.

    Parameters
    ----------
    law : as of `posteriors.calibrated`.

    Returns
    -------
    (city, whether from photographs alone) -> error.
    """
    found = {}
    for city, alone in sorted({(one.city, one.alone) for one in told}):
        mine = [one for one in told if (one.city, one.alone) == (city, alone)]
        signs = np.concatenate([one.signs for one in mine])
        said = posteriors.calibrated(signs, law)
        right = np.concatenate([one.right for one in mine])
        shown = said >= _SHOWN
        error = calibration_error(said[shown], right[shown])
        found[city, alone] = round(error, 4)
    return found


def name(city: str, alone: bool) -> str:
    """How `posteriors.json` names hunts of a city by their way to begin."""
    return f"{city}p" if alone else city


def fit(told: Sequence[Told], command: str) -> dict[str, Any]:
    """Fit the map; its error on each city is that of a map fitted on the others.

    Returns
    -------
    dict as in `posteriors.json`.
    """
    weights, constant = _fitted(told)
    cities = sorted({one.city for one in told})
    left_out: dict[str, float] = {}
    for city in cities if len(cities) > 1 else []:
        law = _fitted([one for one in told if one.city != city])
        mine = errors([one for one in told if one.city == city], law)
        left_out |= {name(*key): error for key, error in mine.items()}
    return {
        "signs": list(posteriors.SIGNS),
        "weights": [round(float(one), 5) for one in weights],
        "constant": round(float(constant), 5),
        "provenance": {
            "made_at": f"{datetime.now(UTC):%Y-%m-%d}",
            "command": command,
            "hunts": len(told),
            "candidates": int(sum(len(one.right) for one in told)),
            "ece_of_each_city_by_a_map_of_the_others": left_out,
        },
    }


def save(law: dict[str, Any], path: Path) -> None:
    """Write the map, whole or not at all."""
    pending = path.with_name(f".{path.name}.pending")
    pending.write_text(json.dumps(law, indent=1) + "\n", encoding="utf-8")
    pending.replace(path)


def _fitted(told: Sequence[Told]) -> tuple[np.ndarray, float]:
    """Weights of the signs as they are, and the constant."""
    from sklearn.linear_model import LogisticRegression

    signs = np.concatenate([one.signs for one in told])
    right = np.concatenate([one.right for one in told])
    share = np.concatenate(
        [
            np.full(len(one.right), len(one.right) ** -0.5)
            for one in told
            if len(one.right)
        ]
    )
    middle, spread = signs.mean(axis=0), signs.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    model = LogisticRegression(C=_STRENGTH, max_iter=5000)
    model.fit((signs - middle) / spread, right, sample_weight=share / share.mean())
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - middle @ weights)
