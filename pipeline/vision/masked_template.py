"""A second template of a photo, for comparison with masked faces only.

Masks are painted over the enrolled face; the bare and the painted views are pooled,
and what masks change in everybody is weighed down (within-person covariance of bare
and painted views, inverted, as in linear discriminant analysis; Fisher, 1936). The
result is a vector of the recogniser's own space: faces of footage stay as they are
stored, and one cosine compares them. `weights/masked-template-*.npz` holds the
covariance's inverse, fitted by `dongseon models calibrate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np

from pipeline.errors import ModelError
from pipeline.vision import faces
from pipeline.vision.faces import unit
from pipeline.vision.painting import draw, plain_masks
from pipeline.vision.recognisers import Recogniser

#: Weight of the bare view beside the mean of the painted ones.
BARE_WEIGHT = 0.5
#: Share of an even covariance in the one that is inverted (shrinkage; chosen on
#: people held out: 0.3 and 0.9 gave one to three points less).
SHRINKAGE = 0.6
#: The same photo is always painted in the same way.
_PLACE = "enrolment"


@dataclass(frozen=True)
class Law:
    """What masks change in everybody's embeddings by one recogniser."""

    middle: np.ndarray  #: float32 [d], mean of pooled views
    inverse: np.ndarray  #: float32 [d, d], of the within-person covariance
    common: np.ndarray  #: float32 [d], unit length: what all painted views share
    provenance: dict[str, object]

    def apply(self, pooled: np.ndarray) -> np.ndarray:
        """Return templates float32 [n, d], unit length, of pooled views [n, d]."""
        told = (pooled - self.middle) @ self.inverse
        told = told - np.outer(told @ self.common, self.common)
        return np.stack([unit(row) for row in told])


def law(recogniser: str, recogniser_sha256: str, weights_dir: Path) -> Law | None:
    """Return the law of a recogniser, None where none was fitted to these weights.

    One beside the weights (`dongseon models calibrate`) comes before one shipped.

    Raises
    ------
    ModelError
        The file is damaged.
    """
    own = weights_dir / file_name(recogniser)
    shipped = Path(str(files("pipeline.vision"))) / "weights" / own.name
    for source in (own, shipped):
        if source.is_file():
            known = _read(str(source), source.stat().st_mtime_ns)
            if known.provenance["recogniser_sha256"] == recogniser_sha256:
                return known
    return None


def file_name(recogniser: str) -> str:
    """Return the name of the file that holds a recogniser's law."""
    return f"masked-template-{recogniser.replace('+', '-')}.npz"


@lru_cache(maxsize=8)
def _read(path: str, changed_ns: int) -> Law:
    source = Path(path)
    try:
        with np.load(BytesIO(source.read_bytes())) as stored:
            provenance = json.loads(str(stored["provenance"]))
            provenance["recogniser_sha256"]
            return Law(
                stored["middle"].astype(np.float32),
                _mirrored(stored["inverse"].astype(np.float32), stored["middle"]),
                stored["common"].astype(np.float32),
                provenance,
            )
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{source} is damaged ({error}); run `dongseon models calibrate` again."
        ) from error


def _mirrored(half: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix whose upper half is given."""
    size = len(middle)
    full = np.zeros((size, size), np.float32)
    full[np.triu_indices(size)] = half
    return full + np.triu(full, 1).T


def painted(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the aligned face under each of the painted masks, uint8 [m, 112, 112, 3].

    Parameters
    ----------
    image
        uint8 [h, w, 3], BGR.
    landmarks
        float32 [5, 2], pixels.
    """
    return np.stack(
        [
            faces.align(draw(image, landmarks, [mask], _PLACE), landmarks)
            for mask in plain_masks()
        ]
    )


def pooled(bare: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Return one unit vector of a bare view [d] and painted views [m, d]."""
    return unit(BARE_WEIGHT * bare + views.mean(axis=0))


def template(
    image: np.ndarray,
    landmarks: np.ndarray,
    bare: np.ndarray,
    embed: Recogniser,
    known: Law | None,
) -> np.ndarray:
    """Return the template for masked faces, float32 [d], unit length.

    Parameters
    ----------
    image, landmarks
        Of the enrolled photo.
    bare
        float32 [d], its embedding.
    embed
        The recogniser that made it.
    known
        From `law`; without one the pooled views are the template.
    """
    pool = pooled(bare, embed(painted(image, landmarks)))
    return pool if known is None else known.apply(pool[None])[0]


def fit(
    bare: np.ndarray,
    views: np.ndarray,
    person: np.ndarray,
    provenance: dict[str, object] | None = None,
) -> Law:
    """Fit a law on faces of several people.

    Parameters
    ----------
    bare
        float32 [n, d], embeddings of bare faces.
    views
        float32 [n, m, d], of the same faces with painted masks.
    person
        int [n]; people of one picture only are left out.
    provenance
        For the record.

    Raises
    ------
    ModelError
        No person has two pictures.
    """
    if not len(bare):
        raise ModelError("No face was found to fit on; add photographs.")
    pools = np.stack([pooled(b, v) for b, v in zip(bare, views, strict=True)])
    kinds = [pools, bare, *views.transpose(1, 0, 2)]
    centred = [kind - kind.mean(axis=0) for kind in kinds]
    within, count = np.zeros((bare.shape[1],) * 2), 0
    for one in np.unique(person):
        rows = np.flatnonzero(person == one)
        if len(rows) < 2:
            continue
        mine = np.concatenate([kind[rows] for kind in centred])
        spread = mine - mine.mean(axis=0)
        within += spread.T @ spread
        count += len(spread)
    if not count:
        raise ModelError("No person has two photographs; add some.")
    within /= count
    even = np.trace(within) / len(within) * np.eye(len(within))
    inverse = np.linalg.inv((1 - SHRINKAGE) * within + SHRINKAGE * even)
    inverse *= np.trace(even) / len(even)  # of the order of one, for float16
    return Law(
        middle=pools.mean(axis=0),
        inverse=inverse.astype(np.float32),
        common=unit(views.mean(axis=(0, 1))),
        provenance=provenance or {},
    )


def write(fitted: Law, out: Path) -> None:
    """Write a law, replacing the file at once."""
    size = len(fitted.middle)  # of the symmetric inverse one half is written
    partial = out.with_name(f".{out.stem}.partial.npz")
    try:
        np.savez_compressed(
            partial,
            middle=fitted.middle.astype(np.float32),
            inverse=fitted.inverse[np.triu_indices(size)].astype(np.float16),
            common=fitted.common.astype(np.float32),
            provenance=np.array(json.dumps(fitted.provenance, sort_keys=True)),
        )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
