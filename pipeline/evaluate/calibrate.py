"""Laws of a recogniser's similarities, fitted on photographs of known people.

What is written: the law of the template for masked faces (`vision.masked_template`)
and the laws that turn similarities into evidence (`trace.face_laws`), by kind of
comparison and face width, each with the Cllr it reached on people held out.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import drawn, metrics, report
from pipeline.evaluate.faces import KINDS, Embedded, View, embed
from pipeline.evaluate.tables import EvaluationError, pictures
from pipeline.trace import calibration, face_laws
from pipeline.vision import masked_template, recognisers

#: Widths at which similarities are measured, pixels; None stands for 112.
WIDTHS: tuple[int | None, ...] = (20, 30, 40, 60, None)
FULL_PX = 112.0
#: Pictures of one person that are taken, and the least people.
PICTURES, LEAST_PEOPLE = 2, 50
#: People are held out in so many parts.
FOLDS = 5
#: Share of strangers from which their law is a tail, and standard deviations to it.
TAIL, TAIL_SDS = 1e-3, 3.0902
#: Name of a law -> views compared.
_VIEWS = {
    "bare": KINDS["bare"],
    "one_masked": KINDS["one_masked_bare_template"],
    "both_masked": KINDS["both_masked"],
    "mask_aware": KINDS["one_masked"],
}


def calibrate(
    folder: Path,
    weights_dir: Path,
    recogniser: str,
    *,
    templates: Path | None = None,
    out: Path | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Fit the laws of a recogniser, and of its parts if it is a fused one.

    Parameters
    ----------
    folder
        One sub-folder of photographs for each person, two at least.
    weights_dir
        Folder of verified weights.
    recogniser
        Its name.
    templates
        Pictures of masks to draw; plain ones by default.
    out
        Folder that receives the files; by default the weights', where they count.
    threads
        Threads of the inference engine.
    quiet
        Show no progress.

    Returns
    -------
    dict
        What was written of each recogniser, with its figures.

    Raises
    ------
    EvaluationError, ModelError
        Too few people, or the weights cannot be used.
    """
    started = time.monotonic()
    images, person = _people(folder)
    views = {
        view: None
        for enrolled, probe in _VIEWS.values()
        for view in (enrolled, *(replace(probe, width=width) for width in WIDTHS))
    }
    embedded = embed(
        images,
        list(views),
        weights_dir,
        drawn.mask_pictures(templates),
        recogniser=recogniser,
        threads=threads,
        quiet=quiet,
    )
    target = out or weights_dir
    written = {}
    for name, part in _parts(recogniser, embedded, weights_dir):
        provenance: dict[str, Any] = {
            "recogniser": name,
            "recogniser_sha256": recognisers.sha256(name, weights_dir),
            "people": len(np.unique(person)),
            "photographs": len(images),
            "masks": "plain" if templates is None else "pictures",
            "made_at": datetime.now(UTC).strftime("%Y-%m-%d"),
            **report.provenance({}, time.monotonic() - started),
        }
        fitted, laws, cost = _fit(part, person, provenance)
        masked_template.write(fitted, target / masked_template.file_name(name))
        written[name] = {"provenance": provenance, "cllr": cost, "laws": laws}
    _note(target / face_laws.OWN_FILE, written)
    return written


def _people(folder: Path) -> tuple[list[Path], np.ndarray]:
    """Return photographs of people who have several, and whose each is."""
    by_person: dict[str, list[Path]] = {}
    for path in pictures(folder):
        if path.parent != folder:
            by_person.setdefault(path.parent.name, []).append(path)
    chosen = {
        name: paths[:PICTURES]
        for name, paths in by_person.items()
        if len(paths) >= PICTURES
    }
    if len(chosen) < LEAST_PEOPLE:
        raise EvaluationError(
            f"{folder} has {len(chosen)} folders of people with {PICTURES} "
            f"photographs; {LEAST_PEOPLE} are needed."
        )
    images = [path for paths in chosen.values() for path in paths]
    return images, np.repeat(np.arange(len(chosen)), PICTURES)


def _parts(
    recogniser: str, embedded: Embedded, weights_dir: Path
) -> list[tuple[str, Embedded]]:
    """Return a recogniser and, if it is fused, its parts, with their embeddings."""
    found = [(recogniser, embedded)]
    parts = recognisers.PARTS.get(recogniser, ())
    if len(parts) < 2:
        return found
    first = 0
    for name in parts:
        last = first + recognisers.load(name, weights_dir).dimensions
        scale = np.sqrt(len(parts))
        found.append(
            (
                name,
                Embedded(
                    {v: x[:, first:last] * scale for v, x in embedded.vectors.items()},
                    embedded.widths,
                    embedded.qualities,
                    embedded.painted[..., first:last] * scale,
                    embedded.readable,
                ),
            )
        )
        first = last
    return found


def _fit(
    embedded: Embedded, person: np.ndarray, provenance: dict[str, Any]
) -> tuple[masked_template.Law, dict[str, Any], dict[str, float]]:
    """Return the law of masked templates, those of similarities, and their Cllr."""
    views = [replace(probe, width=w) for _, probe in _VIEWS.values() for w in WIDTHS]
    seen = np.logical_and.reduce([embedded.found(view) for view in views])
    fold = np.random.default_rng(metrics.SEED).permutation(int(person.max()) + 1)
    fold = fold[person] % FOLDS
    bare = embedded.vectors[View()]
    aware = np.full_like(bare, np.nan)
    for one in range(FOLDS):
        others, mine = seen & (fold != one), np.flatnonzero(seen & (fold == one))
        law = masked_template.fit(
            bare[others], embedded.painted[others], person[others]
        )
        pools = [
            masked_template.pooled(bare[row], embedded.painted[row]) for row in mine
        ]
        aware[mine] = law.apply(np.stack(pools))
    laws, cost = {}, {}
    for name, (enrolled, probe) in _VIEWS.items():
        left = aware if enrolled.aware else embedded.vectors[enrolled]
        figures = []
        for width in WIDTHS:
            right = embedded.vectors[replace(probe, width=width)]
            scores, same, part = _within_folds(left, right, person, fold, seen)
            figures.append(_law(scores, same))
            told = np.empty(len(scores))
            for one in range(FOLDS):
                rest = part != one
                told[~rest] = _evidence(_law(scores[rest], same[rest]), scores[~rest])
            key = f"{name}/{'full' if width is None else f'{width}px'}"
            cost[key] = round(metrics.cllr(told, same), 4)
        laws[name] = {
            "widths_px": [
                FULL_PX if width is None else float(width) for width in WIDTHS
            ],
            **{key: [one[key] for one in figures] for key in figures[0]},
        }
    fitted = masked_template.fit(
        bare[seen], embedded.painted[seen], person[seen], provenance
    )
    return fitted, laws, cost


def _within_folds(
    left: np.ndarray,
    right: np.ndarray,
    person: np.ndarray,
    fold: np.ndarray,
    seen: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, truth and part of every two pictures of one part."""
    scores, same, part = [], [], []
    for one in range(FOLDS):
        rows = np.flatnonzero(seen & (fold == one))
        apart = ~np.eye(len(rows), dtype=bool)
        scores.append((left[rows] @ right[rows].T)[apart].astype(np.float64))
        same.append((person[rows][:, None] == person[rows][None])[apart])
        part.append(np.full(len(scores[-1]), one))
    return np.concatenate(scores), np.concatenate(same), np.concatenate(part)


def _law(scores: np.ndarray, same: np.ndarray) -> dict[str, float]:
    """Return the two laws' figures: quantiles, which single wrong labels spare."""
    low, middle, high = np.quantile(scores[same], [0.16, 0.5, 0.84])
    strangers = scores[~same]
    mean = float(strangers.mean())
    start, beyond = np.quantile(strangers, [1 - TAIL, 1 - TAIL / 10])
    return {
        "genuine_mean": round(float(middle), 4),
        "genuine_sd": round(float(high - low) / 2, 4),
        "stranger_mean": round(mean, 4),
        "stranger_sd": round(float(start - mean) / TAIL_SDS, 4),
        "tail_start": round(float(start), 4),
        "tail_rate": round(float(np.log(10) / max(beyond - start, 1e-3)), 2),
    }


def _evidence(figures: dict[str, float], scores: np.ndarray) -> np.ndarray:
    return calibration.evidence(face_laws.At(**figures), scores)


def _note(path: Path, written: dict[str, Any]) -> None:
    """Add laws to a file of laws, replacing it at once."""
    models = (face_laws.read(path) if path.is_file() else {}) | written
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    content = report.plain({"version": face_laws.VERSION, "models": models})
    try:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
