"""Measure the face recogniser and write what the simulation draws faces from.

    python -m benchmarks.fit_recogniser --faces DIR --weights DIR --out JSON

`--faces` holds one folder of photographs per person (Labeled Faces in the Wild).
Each face is found, aligned and embedded as it is, then again shrunk to the widths
of street cameras and with a surgical mask painted over it. What is written are
figures only: spectra of the spread between and within people, and the similarity
of small or masked faces to the full ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import openvino

#: Places of eyes, nose tip and mouth corners in an aligned 112x112 face (ArcFace,
#: Deng et al. 2019, doi:10.1109/CVPR.2019.00482).
PLACES = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
WIDTHS_PX = (16, 20, 30, 40, 60, 90)
MASKS = ("", "-mask")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.fit_recogniser")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="npz of the embeddings")
    args = parser.parse_args(argv)
    if args.cache and args.cache.is_file():
        data = dict(np.load(args.cache))
    else:
        data = measure(args.faces, args.weights)
        if args.cache:
            np.savez(args.cache, **data)
    args.out.write_text(json.dumps(summary(data, args.weights), indent=1) + "\n")


def measure(faces: Path, weights: Path) -> dict[str, np.ndarray]:
    """Embeddings [images, 192] by condition, and the person of each image."""
    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": 2, "PERFORMANCE_HINT": "LATENCY"}
    finder = core.read_model(weights / "centerface.onnx")
    finder.reshape([1, 3, 256, 256])
    find = core.compile_model(finder, "CPU", config)
    embed = core.compile_model(
        core.read_model(weights / "MobileFaceNet.tflite"), "CPU", config
    )
    rng = np.random.default_rng(1)
    people: list[int] = []
    out: dict[str, list[np.ndarray]] = {}
    folders = sorted(p for p in faces.iterdir() if p.is_dir())
    for person, folder in enumerate(folders):
        for path in sorted(folder.glob("*.jpg")):
            image = cv2.imread(str(path))
            points = landmarks(find, image)
            if points is None:
                continue
            people.append(person)
            for name, face in conditions(image, points, rng):
                out.setdefault(name, []).append(face)
    found = {"person": np.array(people)}
    for name, crops in out.items():
        found[name] = embedded(embed, np.stack(crops))
    return found


def landmarks(find: openvino.CompiledModel, image: np.ndarray) -> np.ndarray | None:
    """Five points of the face nearest the middle, pixels; None without a face."""
    canvas = np.zeros((256, 256, 3), np.float32)
    canvas[: image.shape[0], : image.shape[1]] = image[:256, :256, ::-1]
    heat, scale, offset, marks = (
        np.asarray(v)[0] for v in find(canvas.transpose(2, 0, 1)[None]).values()
    )
    rows, cols = np.nonzero(heat[0] > 0.4)
    if not len(rows):
        return None
    pick = np.argmin((rows - 31) ** 2 + (cols - 31) ** 2 - 40 * heat[0][rows, cols])
    r, c = rows[pick], cols[pick]
    high, wide = np.exp(scale[:, r, c]) * 4
    top = (r + offset[0, r, c] + 0.5) * 4 - high / 2
    left = (c + offset[1, r, c] + 0.5) * 4 - wide / 2
    m = marks[:, r, c].reshape(5, 2)
    return np.stack([m[:, 1] * wide + left, m[:, 0] * high + top], axis=1)


def conditions(
    image: np.ndarray, points: np.ndarray, rng: np.random.Generator
) -> list[tuple[str, np.ndarray]]:
    """(condition, aligned crop) pairs of one photograph."""
    crops = [("full", aligned(image, points)), ("full-flip", aligned(image, points))]
    crops[1] = ("full-flip", crops[1][1][:, ::-1])
    masked = painted(image, points)
    crops.append(("full-mask", aligned(masked, points)))
    face_px = 2.2 * np.linalg.norm(points[1] - points[0])
    for width in WIDTHS_PX:
        factor = min(1.0, width / face_px)
        jitter = rng.normal(0, 0.02 * face_px, points.shape).astype(np.float32)
        for suffix, source in (("", image), ("-mask", masked)):
            small = cv2.resize(
                source, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
            )
            good = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
            small = cv2.imdecode(good, cv2.IMREAD_COLOR)
            back = cv2.resize(small, (image.shape[1], image.shape[0]))
            crops.append((f"{width}{suffix}", aligned(back, points + jitter)))
    return crops


def aligned(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face turned and scaled to 112x112, BGR."""
    matrix = cv2.estimateAffinePartial2D(points.astype(np.float32), PLACES)[0]
    return cv2.warpAffine(image, matrix, (112, 112), flags=cv2.INTER_LINEAR)


def painted(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The photograph with a surgical mask drawn from nose to chin."""
    shape = np.array(
        [
            [20, 66], [38, 64], [56, 60], [74, 64], [92, 66],
            [90, 92], [78, 110], [56, 116], [34, 110], [22, 92],
        ],
        np.float32,
    )  # fmt: skip
    matrix = cv2.estimateAffinePartial2D(PLACES, points.astype(np.float32))[0]
    outline = cv2.transform(shape[None], matrix)[0].astype(np.int32)
    out = image.copy()
    cv2.fillPoly(out, [outline], (214, 196, 178), cv2.LINE_AA)
    for y in (76, 88, 100):
        fold = np.array([[26, y], [56, y + 3], [86, y]], np.float32)
        line = cv2.transform(fold[None], matrix)[0].astype(np.int32)
        cv2.polylines(out, [line], False, (190, 172, 156), 1, cv2.LINE_AA)
    return out


def embedded(embed: openvino.CompiledModel, crops: np.ndarray) -> np.ndarray:
    """Unit embeddings, float32 [n, 192], of BGR crops."""
    rgb = (crops[..., ::-1].astype(np.float32) - 127.5) / 128.0
    if len(rgb) % 2:
        rgb = np.concatenate([rgb, rgb[-1:]])
    pairs = [
        next(iter(embed(rgb[i : i + 2]).values())).copy() for i in range(0, len(rgb), 2)
    ]
    found = np.concatenate(pairs)[: len(crops)]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def summary(data: dict[str, np.ndarray], weights: Path) -> dict[str, object]:
    """Everything the simulation needs, as plain figures."""
    person, full = data["person"], data["full"]
    same = (person[:, None] == person[None]) & ~np.eye(len(person), dtype=bool)
    # A photograph unlike all others of its person shows somebody else's face.
    own = np.where(same, full @ full.T, np.nan)
    several = same.any(axis=1)
    wrong = np.zeros(len(person), dtype=bool)
    wrong[several] = np.nanmax(own[several], axis=1) < 0.35
    keep = ~wrong
    data = {name: values[keep] for name, values in data.items()}
    person, full = data["person"], data["full"]
    same = (person[:, None] == person[None]) & ~np.eye(len(person), dtype=bool)
    apart = person[:, None] != person[None]
    spread = np.linalg.eigvalsh(np.cov(full.T))[::-1]
    rank = int((spread > 1e-6 * spread[0]).sum())
    conditions = {}
    for name in ("full", "full-mask", *(f"{w}{m}" for w in WIDTHS_PX for m in MASKS)):
        other = data[name]
        cross, within = full @ other.T, other @ other.T
        conditions[name] = {
            "genuine_to_full": round(float(cross[same].mean()), 4),
            "genuine_to_full_sd": round(float(cross[same].std()), 4),
            "genuine_within": round(float(within[same].mean()), 4),
            "impostor_to_full": round(float(cross[apart].mean()), 4),
            "impostor_to_full_sd": round(float(cross[apart].std()), 4),
            "impostor_within": round(float(within[apart].mean()), 4),
        }
    digest = hashlib.sha256((weights / "MobileFaceNet.tflite").read_bytes())
    return {
        "version": 1,
        "model": "mobilefacenet",
        "model_sha256": digest.hexdigest(),
        "dimensions": int(full.shape[1]),
        "rank": rank,
        "spectrum": [round(float(v), 6) for v in spread[:rank]],
        "measured": conditions,
        "people": len(np.unique(person)),
        "photographs": len(person),
        "left_out": int(wrong.sum()),
        "faces": "Labeled Faces in the Wild (funneled), a subset",
        "made_at": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
