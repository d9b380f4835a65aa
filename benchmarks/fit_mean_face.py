"""Fit the mean face, and measure how quality ranks faces that are partly covered.

    python -m benchmarks.fit_mean_face --faces DIR --templates DIR --out NPZ

`--faces` holds one folder of photographs a person (Labeled Faces in the Wild). The
mean face is that of everybody's first photograph. For the figures it is fitted on
every second person and judged on the others: their second photograph, bare and
covered in nine ways, full size and smaller, against the first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from scipy.stats import spearmanr

from pipeline.evaluate import drawn
from pipeline.evaluate.finding import Finder
from pipeline.settings import get_settings
from pipeline.vision import faces, occlusion

#: What is covered: parts of the face, in distances between the eyes about a landmark
#: or the middle of two (left, top, right, bottom), and whether with a pattern.
COVERS: dict[str, tuple[tuple[int, ...], tuple[float, ...], bool]] = {
    "eyes": ((0, 1), (-1.1, -0.35, 1.1, 0.35), False),
    "one eye": ((0,), (-0.4, -0.4, 0.4, 0.4), False),
    "mouth": ((3, 4), (-0.8, -0.35, 0.8, 0.45), False),
    "lower half": ((2,), (-1.2, -0.05, 1.2, 2.0), False),
    "right half": ((2,), (0.0, -2.0, 1.5, 2.0), False),
    "nose, patterned": ((2,), (-0.5, -0.5, 0.5, 0.5), True),
    "lower half, patterned": ((2,), (-1.2, -0.05, 1.2, 2.0), True),
    "left half, patterned": ((2,), (-1.5, -2.0, 0.0, 2.0), True),
}
#: Sizes of the second photograph, one for each person, as shares.
SIZES = (1.0, 1.0, 0.6, 0.45, 0.35)
#: Cosine under which a pair of one person counts as missed (about FAR 1e-3).
MISSED = 0.4
#: Shares of the faces, best quality first, of which the misses are told.
KEPT = (1.0, 0.8, 0.6, 0.4)


def main(argv: list[str] | None = None) -> None:
    """Fit and measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.fit_mean_face")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="file of the mean face")
    parser.add_argument("--json", type=Path, help="file of the figures")
    args = parser.parse_args(argv)
    people = list(_people(args.faces))
    if args.out:
        mean = np.mean([occlusion.shrunk(one[0]) for one in people], axis=0)
        np.savez(args.out, mean=np.round(mean).astype(np.uint8), faces=len(people))
    figures = measure(people, args.templates)
    print(json.dumps(figures, indent=1))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(people: list[Any], templates: Path) -> dict[str, Any]:
    """Return how quality, with and without what is covered, ranks faces."""
    weights = get_settings().weights_dir
    find, embed = Finder(weights, 1), faces.FaceEmbedder(weights, 1)
    masks = drawn.mask_pictures(templates)
    random = np.random.default_rng(3)
    fitted = np.mean([occlusion.shrunk(one[0]) for one in people[::2]], axis=0)
    rows: list[tuple[str, float, float, float]] = []
    occlusion._mean_parts.cache_clear()
    with mock.patch.object(occlusion, "mean_face", return_value=fitted):
        for first, photo, marks, name in people[1::2]:
            known, size = embed(first[None])[0], random.choice(SIZES)
            for cover, picture in _covered(photo, marks, name, masks, random):
                small = cv2.resize(
                    picture, None, fx=size, fy=size, interpolation=cv2.INTER_AREA
                )
                face = find(small)
                if face is None:
                    continue
                aligned = faces.align(small, face.landmarks)
                whole = faces.quality(aligned, face.width, face.landmarks, face.score)
                seen = occlusion.visible(aligned)
                cosine = float(embed(aligned[None])[0] @ known)
                rows.append((cover, cosine, whole / max(seen, 1e-9), whole))
    occlusion._mean_parts.cache_clear()
    return {
        "faces": len(rows),
        "without": _ranks(rows, 2),
        "with": _ranks(rows, 3),
        "covers": {
            cover: {
                "cosine": float(np.mean([r[1] for r in rows if r[0] == cover])),
                "without": float(np.mean([r[2] for r in rows if r[0] == cover])),
                "with": float(np.mean([r[3] for r in rows if r[0] == cover])),
            }
            for cover in dict.fromkeys(row[0] for row in rows)
        },
    }


def _ranks(rows: list[Any], column: int) -> dict[str, Any]:
    cosine = np.array([row[1] for row in rows])
    quality = np.array([row[column] for row in rows])
    bare = np.array([row[0] == "bare" for row in rows])
    best = cosine[np.argsort(-quality, kind="stable")]
    return {
        "spearman": float(spearmanr(quality, cosine).statistic),
        "spearman_bare": float(spearmanr(quality[bare], cosine[bare]).statistic),
        "missed_of_the_best": {
            str(share): float((best[: int(share * len(best))] < MISSED).mean())
            for share in KEPT
        },
    }


def _people(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, str]]:
    """Yield the first face of each person, aligned, and the second photograph."""
    find = Finder(get_settings().weights_dir, 1)
    for home in sorted(path for path in folder.iterdir() if path.is_dir()):
        photos = sorted(home.glob("*.jpg"))[:2]
        pictures = [cv2.imread(str(photo)) for photo in photos]
        found = [find(picture) for picture in pictures]
        if len(found) == 2 and found[0] is not None and found[1] is not None:
            first = faces.align(pictures[0], found[0].landmarks)
            yield first, pictures[1], found[1].landmarks, photos[1].name


def _covered(
    photo: np.ndarray,
    marks: np.ndarray,
    name: str,
    masks: list[np.ndarray],
    random: np.random.Generator,
) -> Iterator[tuple[str, np.ndarray]]:
    yield "bare", photo
    yield "mask", drawn.draw(photo, marks, masks, name)
    apart = float(np.linalg.norm(marks[1] - marks[0]))
    for cover, (about, reach, patterned) in COVERS.items():
        middle = marks[list(about)].mean(axis=0)
        box = (np.tile(middle, 2) + apart * np.array(reach)).round().astype(int)
        left, top = np.maximum(box[:2], 0)
        place = photo[top : max(box[3], 0), left : max(box[2], 0)]
        picture = photo.copy()
        colours = random.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        if not patterned:
            colours[:] = colours[0, 0]
        if place.size:
            size = place.shape[1::-1]
            picture[top : top + size[1], left : left + size[0]] = cv2.resize(
                colours, size, interpolation=cv2.INTER_CUBIC
            )
        yield cover, picture


if __name__ == "__main__":
    main()
