"""How well faces are found and told apart, by their size and under masks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import drawn, metrics, report
from pipeline.evaluate.finding import Finder, shrunk
from pipeline.evaluate.tables import Pairs
from pipeline.vision import faces

#: Widths to which the second picture's face is brought, pixels; None: as it is.
WIDTHS: tuple[int | None, ...] = (None, 112, 60, 40, 30, 20)
#: Which pictures of a pair wear a drawn mask: first, second.
MASKS = {
    "bare": (False, False),
    "one_masked": (False, True),
    "both_masked": (True, True),
}
FARS = {"tar_at_far_1e-2": 1e-2, "tar_at_far_1e-3": 1e-3}


@dataclass(frozen=True)
class View:
    """A picture as one condition shows it."""

    masked: bool = False
    width: int | None = None  #: of the face, pixels; None: as it is


@dataclass
class Embedded:
    """Faces of pictures under several views; computed once, used in many pairs."""

    #: float32 [number of pictures, d], NaN where no face was found
    vectors: dict[View, np.ndarray] = field(default_factory=dict)
    #: float32 [number of pictures], width of the face, pixels, NaN likewise
    widths: dict[View, np.ndarray] = field(default_factory=dict)
    #: bool [number of pictures]: the file could be decoded
    readable: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    def found(self, view: View) -> np.ndarray:
        """Return where a face was found, bool [number of pictures]."""
        return np.isfinite(self.widths[view])


def evaluate(
    pairs: Pairs,
    weights_dir: Path,
    *,
    masked: bool = False,
    templates: Path | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure detection and verification on pairs of pictures.

    Parameters
    ----------
    pairs
        From `tables.read_pairs`.
    weights_dir
        Folder of verified weights.
    masked
        Judge pairs of a bare face and one with a drawn mask (and report both).
    templates
        Pictures of masks to draw; plain ones by default.
    threads
        Threads of the inference engine.
    quiet
        Show no progress.

    Returns
    -------
    dict
        The figures of the main condition (bare, or one masked, at full size) at
        the top, every condition's under `by_condition`.

    Raises
    ------
    EvaluationError, ModelError
        The templates or the weights cannot be used.
    """
    started = time.monotonic()
    kinds = list(MASKS) if masked else ["bare"]
    views = _views(kinds, WIDTHS)
    pictures = drawn.mask_pictures(templates) if masked else []
    embedded = embed(
        pairs.images, views, weights_dir, pictures, threads=threads, quiet=quiet
    )
    usable = embedded.readable[pairs.first] & embedded.readable[pairs.second]
    conditions = {
        f"{kind}/{'full' if width is None else f'{width}px'}": figures(
            pairs, embedded, MASKS[kind], width, usable
        )
        for kind in kinds
        for width in WIDTHS
    }
    main = "one_masked/full" if masked else "bare/full"
    top = ("accuracy", *FARS, "eer", "cllr", "detection_rate")
    result: dict[str, Any] = {key: conditions[main][key] for key in top}
    result |= {
        "condition": main,
        "pairs": int(usable.sum()),
        "images": int(embedded.readable.sum()),
        "undecodable": int((~embedded.readable).sum()),
        "pairs_left_out": int((~usable).sum()),
        "by_condition": conditions,
        "measured": report.provenance(
            report.model_hashes(faces.DETECTOR, faces.EMBEDDER),
            time.monotonic() - started,
        ),
    }
    return result


def embed(
    images: Sequence[Path],
    views: Sequence[View],
    weights_dir: Path,
    pictures: list[np.ndarray] | None = None,
    *,
    threads: int = 2,
    quiet: bool = False,
) -> Embedded:
    """Find and embed the face of every picture under every view.

    Parameters
    ----------
    images
        Files; undecodable ones count as such.
    views
        Conditions wanted.
    weights_dir
        Folder of verified weights.
    pictures
        Masks to draw where a view is masked, from `drawn.mask_pictures`.
    """
    finder = Finder(weights_dir, threads)
    embedder = faces.FaceEmbedder(weights_dir, threads)
    count = len(images)
    result = Embedded(readable=np.zeros(count, bool))
    for view in views:
        result.vectors[view] = np.full((count, faces.DIMENSIONS), np.nan, np.float32)
        result.widths[view] = np.full(count, np.nan, np.float32)
    for index, path in enumerate(report.shown(images, "faces", quiet)):
        image = report.read_image(path)
        if image is None:
            continue
        result.readable[index] = True
        name = f"{path.parent.name}/{path.name}"
        mask = _mask_drawer(pictures or [], name)
        for view, (vector, width) in _seen(image, views, finder, embedder, mask):
            result.vectors[view][index] = vector
            result.widths[view][index] = width
    return result


def figures(
    pairs: Pairs,
    embedded: Embedded,
    masks: tuple[bool, bool],
    width: int | None,
    usable: np.ndarray,
) -> dict[str, Any]:
    """Return the figures of one condition: first picture full, second of a width."""
    first, second = View(masks[0]), View(masks[1], width)
    scores = np.einsum(
        "ij,ij->i",
        embedded.vectors[first][pairs.first],
        embedded.vectors[second][pairs.second],
    ).astype(np.float64)
    scores, same = scores[usable], pairs.same[usable]
    shown = _shown(pairs, embedded, first, second, usable)
    compared = np.isfinite(scores)
    result: dict[str, Any] = {
        "detection_rate": float(shown.mean()) if len(shown) else float("nan"),
        "genuine": int(same.sum()),
        "impostor": int((~same).sum()),
        "compared": int(compared.sum()),
    }
    if not same.any() or same.all():
        return result | dict.fromkeys(("accuracy", *FARS, "eer", "cllr"), float("nan"))
    share, spread = metrics.accuracy(scores, same)
    result |= {"accuracy": share, "accuracy_fold_sd": spread}
    for key, far in FARS.items():
        point = metrics.at_far(scores, same, far)
        hits = round(point.tar * int(same.sum()))
        result |= {
            key: point.tar,
            f"{key}_interval": metrics.wilson(hits, int(same.sum())),
            f"{key}_threshold": point.threshold,
        }
    narrower = np.fmin(
        embedded.widths[first][pairs.first], embedded.widths[second][pairs.second]
    )[usable]
    return result | {
        "eer": metrics.equal_error_rate(scores, same),
        "cllr": metrics.cllr(metrics.calibrated(scores, same), same),
        "cllr_isotonic": metrics.cllr(
            metrics.calibrated(scores, same, "isotonic"), same
        ),
        "cllr_min": metrics.cllr_min(scores, same),
        "cllr_shipped": _shipped(scores, same, narrower, sum(masks)),
        "median_width_px": float(np.nanmedian(narrower)) if compared.any() else None,
    }


def _views(kinds: Sequence[str], widths: Sequence[int | None]) -> list[View]:
    """Return every view that the conditions need, once."""
    needed: dict[View, None] = {}
    for kind in kinds:
        first, second = MASKS[kind]
        needed[View(first)] = None
        for width in widths:
            needed[View(second, width)] = None
    return list(needed)


def _mask_drawer(
    pictures: list[np.ndarray], name: str
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda image, landmarks: drawn.draw(image, landmarks, pictures, name)


def _seen(  # type: ignore[no-untyped-def]
    image: np.ndarray, views: Sequence[View], finder: Finder, embedder, mask
):
    """Yield (view, (vector, width)) of each view in which the face is found."""
    known = finder(image)
    if known is None:
        return
    bases = {False: image}
    if any(view.masked for view in views):
        bases[True] = mask(image, known.landmarks)
    for view in views:
        base, box = bases[view.masked], known.box
        scale = (view.width or known.width) / known.width
        if scale < 1:
            base, box = shrunk(base, scale), box * scale
        again = view.masked or scale < 1
        face = finder(base, near=box) if again else known
        if face is not None:
            aligned = faces.align(base, face.landmarks)
            yield view, (embedder(aligned[None])[0], face.width)


def _shown(
    pairs: Pairs, embedded: Embedded, first: View, second: View, usable: np.ndarray
) -> np.ndarray:
    """Return whether a face was found in each distinct picture of a condition.

    Where one side is the bare picture at full size, the other side's pictures
    only: theirs is the condition.
    """
    plain = View()
    parts = []
    for view, rows in ((first, pairs.first), (second, pairs.second)):
        if view != plain or second == plain:
            parts.append((view, rows[usable]))
    if len({view for view, _ in parts}) == 1:
        rows = np.unique(np.concatenate([rows for _, rows in parts]))
        return embedded.found(parts[0][0])[rows]
    return np.concatenate(
        [embedded.found(view)[np.unique(rows)] for view, rows in parts]
    )


def _shipped(
    scores: np.ndarray, same: np.ndarray, widths: np.ndarray, kind: int
) -> float:
    """Return the Cllr of the evidence that a trace would draw from the scores."""
    from pipeline.trace.calibration import face_llr

    known = np.isfinite(scores)
    masks = np.full(int(known.sum()), kind)
    return metrics.cllr(face_llr(scores[known], widths[known], masks), same[known])
