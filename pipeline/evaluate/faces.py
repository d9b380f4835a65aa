"""How well faces are found and told apart, by their size and under masks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import drawn, evidence, metrics, report
from pipeline.evaluate.finding import Face, Finder, shrunk
from pipeline.evaluate.tables import EvaluationError, Pairs
from pipeline.vision import faces, masked_template, painting, recognisers

#: Widths to which the second picture's face is brought, pixels; None: as it is.
WIDTHS: tuple[int | None, ...] = (None, 112, 60, 40, 30, 20)
FARS = {"tar_at_far_1e-2": 1e-2, "tar_at_far_1e-3": 1e-3}


@dataclass(frozen=True)
class View:
    """A picture as one condition shows it."""

    masked: bool = False
    width: int | None = None  #: of the face, pixels; None: as it is
    aware: bool = False  #: as enrolment's template for masked faces


#: Views of a pair's first picture, enrolled, and its second: drawn masks or none.
#: Enrolment makes of a bare photo a template for masked faces as well; what that is
#: worth shows against the bare template.
KINDS = {
    "bare": (View(), View()),
    "one_masked": (View(aware=True), View(masked=True)),
    "one_masked_bare_template": (View(), View(masked=True)),
    "both_masked": (View(masked=True), View(masked=True)),
}


@dataclass
class Embedded:
    """Faces of pictures under several views; computed once, used in many pairs."""

    #: float32 [number of pictures, d], NaN where no face was found
    vectors: dict[View, np.ndarray] = field(default_factory=dict)
    #: float32 [number of pictures], width of the face, pixels, NaN likewise
    widths: dict[View, np.ndarray] = field(default_factory=dict)
    #: float32 [number of pictures], quality of the face, 0..1, NaN likewise
    qualities: dict[View, np.ndarray] = field(default_factory=dict)
    #: float32 [number of pictures, m, d], under the masks that enrolment paints;
    #: empty where no view needs them
    painted: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0)))
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
    recogniser: str | None = None,
    folds: int = 0,
    widths: Sequence[int] | None = None,
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
    recogniser
        Its name; that in use by default.
    folds
        Fit the template for masked faces anew so many times, each time without the
        people judged; 0 takes the one that enrolment takes.
    widths
        To which the second picture's face is brought as well, pixels; by default
        all of `WIDTHS`.
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
    if folds in (1, 2):
        raise EvaluationError(
            "People are held out in at least 3 parts, because a pair may be of two; "
            "give --folds 3 or more, or 0."
        )
    name = recogniser or recognisers.chosen(weights_dir)
    digest = recognisers.sha256(name, weights_dir)
    kinds = list(KINDS) if masked else ["bare"]
    sizes = WIDTHS if widths is None else (None, *widths)
    views = _views(kinds, sizes)
    pictures = drawn.mask_pictures(templates) if masked else []
    embedded = embed(
        pairs.images,
        views,
        weights_dir,
        pictures,
        recogniser=name,
        threads=threads,
        quiet=quiet,
    )
    held_out = _held_out(pairs, embedded, folds) if masked and folds else None
    usable = embedded.readable[pairs.first] & embedded.readable[pairs.second]
    conditions = {
        f"{kind}/{'full' if width is None else f'{width}px'}": figures(
            pairs, embedded, kind, width, usable, name, held_out
        )
        for kind in kinds
        for width in sizes
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
        "recogniser": name,
        "folds": folds,
        "by_condition": conditions,
        "measured": report.provenance(
            report.model_hashes(faces.DETECTOR) | {name: digest},
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
    recogniser: str | None = None,
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
    recogniser
        Its name; that in use by default.
    """
    chosen = recogniser or recognisers.chosen(weights_dir)
    finder = Finder(weights_dir, threads)
    embedder = recognisers.load(chosen, weights_dir, threads)
    count, size = len(images), embedder.dimensions
    result = Embedded(readable=np.zeros(count, bool))
    for view in views:
        result.vectors[view] = np.full((count, size), np.nan, np.float32)
        result.widths[view] = np.full(count, np.nan, np.float32)
        result.qualities[view] = np.full(count, np.nan, np.float32)
    aware = any(view.aware for view in views)
    if aware:
        masks = len(painting.COLOURS)
        result.painted = np.full((count, masks, size), np.nan, np.float32)
    for index, path in enumerate(report.shown(images, "faces", quiet)):
        image = report.read_image(path)
        if image is None:
            continue
        result.readable[index] = True
        name = f"{path.parent.name}/{path.name}"
        mask = _mask_drawer(pictures or [], name)
        known = finder(image)
        if known is None:
            continue
        for view, face, aligned in _seen(image, known, views, finder, mask):
            result.vectors[view][index] = embedder(aligned[None])[0]
            result.widths[view][index] = face.width
            result.qualities[view][index] = _quality(face, aligned)
        if aware:
            crops = masked_template.painted(image, known.landmarks)
            result.painted[index] = embedder(crops)
            result.widths[View(aware=True)][index] = known.width
            plain = faces.align(image, known.landmarks)
            result.qualities[View(aware=True)][index] = _quality(known, plain)
    if aware:
        digest = recognisers.sha256(chosen, weights_dir)
        law = masked_template.law(chosen, digest, weights_dir)
        result.vectors[View(aware=True)] = _aware(result, law)
    return result


def figures(
    pairs: Pairs,
    embedded: Embedded,
    kind: str,
    width: int | None,
    usable: np.ndarray,
    recogniser: str = faces.EMBEDDER,
    held_out: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the figures of one condition: first picture full, second of a width.

    Parameters
    ----------
    pairs, embedded
        What was embedded, of which pictures.
    kind
        One of `KINDS`.
    width
        Of the second picture's face, pixels; None: as it is.
    usable
        bool [number of pairs]: both pictures can be read.
    recogniser
        Name of that which made the embeddings.
    held_out
        float32 [number of pairs, d]: templates for masked faces fitted without the
        people of the pair.
    """
    first, second = KINDS[kind]
    second = replace(second, width=width)
    enrolled = embedded.vectors[first][pairs.first]
    if first.aware and held_out is not None:
        enrolled = held_out
    scores = np.einsum(
        "ij,ij->i", enrolled, embedded.vectors[second][pairs.second]
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
    narrower, poorer = (
        np.fmin(of[first][pairs.first], of[second][pairs.second])[usable]
        for of in (embedded.widths, embedded.qualities)
    )
    return result | {
        "eer": metrics.equal_error_rate(scores, same),
        "cllr": metrics.cllr(metrics.calibrated(scores, same), same),
        "cllr_by_quality": metrics.cllr(
            metrics.calibrated(scores, same, beside=poorer), same
        ),
        "cllr_isotonic": metrics.cllr(
            metrics.calibrated(scores, same, "isotonic"), same
        ),
        "cllr_min": metrics.cllr_min(scores, same),
        "cllr_shipped": evidence.shipped_cllr(scores, same, narrower, kind, recogniser),
        "reliability": evidence.reliability(scores, same, narrower, kind, recogniser),
        "median_width_px": float(np.nanmedian(narrower)) if compared.any() else None,
    }


def _views(kinds: Sequence[str], widths: Sequence[int | None]) -> list[View]:
    """Return every view that the conditions need, once."""
    needed: dict[View, None] = {}
    for kind in kinds:
        first, second = KINDS[kind]
        needed[first] = None
        for width in widths:
            needed[replace(second, width=width)] = None
    return list(needed)


def _mask_drawer(
    pictures: list[np.ndarray], name: str
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda image, landmarks: drawn.draw(image, landmarks, pictures, name)


def _seen(  # type: ignore[no-untyped-def]
    image: np.ndarray,
    known: Face,
    views: Sequence[View],
    finder: Finder,
    mask,
):
    """Yield view, face and aligned face of each view in which the face is found."""
    bases = {False: image}
    if any(view.masked for view in views):
        bases[True] = mask(image, known.landmarks)
    for view in views:
        if view.aware:
            continue
        base, box = bases[view.masked], known.box
        scale = (view.width or known.width) / known.width
        if scale < 1:
            base, box = shrunk(base, scale), box * scale
        again = view.masked or scale < 1
        face = finder(base, near=box) if again else known
        if face is not None:
            yield view, face, faces.align(base, face.landmarks)


def _quality(face: Face, aligned: np.ndarray) -> float:
    return faces.quality(aligned, face.width, face.landmarks, face.score)


def _aware(embedded: Embedded, law: masked_template.Law | None) -> np.ndarray:
    """Return templates for masked faces, float32 [n, d], NaN without a face."""
    bare = embedded.vectors[View()]
    pools = np.full_like(bare, np.nan)
    for row in np.flatnonzero(np.isfinite(embedded.painted[:, 0, 0])):
        pools[row] = masked_template.pooled(bare[row], embedded.painted[row])
    return pools if law is None else law.apply(pools)


def _held_out(pairs: Pairs, embedded: Embedded, folds: int) -> np.ndarray:
    """Return templates for masked faces of each pair's first picture, float32 [n, d].

    Each is fitted without the people of the pair: those linked by genuine pairs.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(pairs.images)
    same = (pairs.first[pairs.same], pairs.second[pairs.same])
    links = coo_array((np.ones(len(same[0])), same), shape=(count, count))
    people, person = connected_components(links, directed=False)
    fold = np.random.default_rng(metrics.SEED).permutation(people)[person] % folds
    found = np.isfinite(embedded.painted[:, 0, 0])
    result = np.full((len(pairs.first), embedded.painted.shape[2]), np.nan, np.float32)
    bare, painted = embedded.vectors[View()], embedded.painted
    one, other = fold[pairs.first], fold[pairs.second]
    for low in range(folds):
        for high in range(low, folds):
            mine = np.minimum(one, other) == low
            mine &= np.maximum(one, other) == high
            rows = np.flatnonzero(found & (fold != low) & (fold != high))
            if not mine.any():
                continue
            law = masked_template.fit(bare[rows], painted[rows], person[rows])
            result[mine] = _aware(embedded, law)[pairs.first[mine]]
    return result


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
