"""Detectors of faces and persons: what each finds, and its milliseconds a picture."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import supervision as sv

from benchmarks import budgets, waiting
from benchmarks.clips import MEDIA
from pipeline.evaluate import drawn, tracking
from pipeline.evaluate.finding import Finder
from pipeline.settings import CHECKOUT, get_settings
from pipeline.vision import nanodet, ssdlite
from pipeline.vision.engine import Streams
from pipeline.vision.faces import FaceDetector
from pipeline.vision.models import weight_path
from pipeline.vision.persons import NEED_SCORE, QUICK_RANK, PersonDetector
from pipeline.vision.types import Faces

#: Widths of the faces pasted into a street, pixels, and the street's size.
WIDTHS = (16, 20, 30, 40)
SIZE = (640, 480)
#: A face is found where a box overlaps it so much; a person likewise.
FACE_IOU, PERSON_IOU = 0.3, 0.4
#: Score and overlap of Ultra-Light's boxes, as its authors run it.
SCORE, IOU = 0.5, 0.3
#: Every so many frames of the labelled stretch are looked at.
STEP = 5
CLIP, TRUTH = "vtest.avi", CHECKOUT / "tests" / "data" / "vtest-truth.txt"
#: People in 80 frames of the indoor clips, labelled by eye: clip, frame (the first is
#: 1), left, top, width, height in pixels, empty where nobody is there.
INDOORS = CHECKOUT / "tests" / "data" / "indoor-boxes.csv"
#: Windows of a first look by SSDLite: the whole frame and the two squares.
FIRST_LOOK = QUICK_RANK > 0
TILES = np.isin(np.arange(7), (1, 2, 3, 4))

#: Most people who are stood still into the street, at each height.
PEOPLE = 40
#: Person networks and the file of each.
NETWORKS = {nanodet.MODEL: "nanodet.bin", ssdlite.MODEL: "ssdlite_ped.pb"}

Detector = Callable[[np.ndarray], np.ndarray]


class UltraLight:
    """Ultra-Light-640 (Linzaer, 2019): boxes without landmarks."""

    def __init__(self, weights_dir: Path, threads: int) -> None:
        path = weight_path(weights_dir, "ultra-light-640")
        self._network = Streams(path, (1, 3, SIZE[1], SIZE[0]), threads)
        self._places = [self._network.output(name) for name in ("scores", "boxes")]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the faces of a picture of SIZE, float [n, 4]: corners."""
        rgb = (image[..., ::-1].astype(np.float32) - 127) / 128
        [found] = self._network([rgb.transpose(2, 0, 1)[None]])
        scores, boxes = (found[place][0] for place in self._places)
        sure = scores[:, 1] > SCORE
        rows = np.column_stack([boxes[sure] * np.tile(SIZE, 2), scores[sure, 1]])
        kept = sv.box_non_max_suppression(rows, IOU) if len(rows) else []
        return rows[kept, :4]


def measure(folder: Path, *, rows: int, threads: int = 2, seed: int = 1) -> Any:
    """Look for `rows` faces of each width, bare and masked, and for people labelled."""
    begun = time.perf_counter()
    weights = get_settings().weights_dir
    frames = _frames(MEDIA / CLIP)
    faces = _faces(weights, frames, rows, seed)
    places = {"street": _street(frames), "indoors": _indoors()}
    return {
        "faces": {name: _found(one, faces) for name, one in _detectors(weights)},
        "persons": {
            name: {
                place: _persons(PersonDetector(weights, 1, network=name), pictures)
                for place, pictures in places.items()
            }
            for name, file in NETWORKS.items()
            if (weights / file).is_file()  # the second is optional
        },
        "standing still at triage": waiting.measure(
            weights, MEDIA / CLIP, tracking.read_truth(TRUTH), min(rows, PEOPLE), seed
        ),
        "seconds": time.perf_counter() - begun,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Nothing is promised here: the figures choose the models."""
    return []


def _detectors(weights: Path) -> list[tuple[str, Detector]]:
    centre = FaceDetector(weights, 1)
    result: list[tuple[str, Detector]] = [
        ("centerface", lambda image: _corners(centre(image)))
    ]
    if (weights / "ultra_light_640.onnx").is_file():  # it is optional
        result.append(("ultra-light-640", UltraLight(weights, 1)))
    return result


def _corners(faces: Faces) -> np.ndarray:
    return np.column_stack(
        [faces.boxes[:, :2], faces.boxes[:, :2] + faces.boxes[:, 2:]]
    )


def _frames(clip: Path) -> dict[int, np.ndarray]:
    """Return frames of the labelled stretch by number, the first being 1."""
    wanted = tracking.read_truth(TRUTH).frames[::STEP].tolist()
    with av.open(str(clip)) as file:
        every = enumerate(file.decode(video=0), 1)
        return {n: f.to_ndarray(format="bgr24") for n, f in every if n in wanted}


def _faces(
    weights: Path, frames: dict[int, np.ndarray], rows: int, seed: int
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return by condition streets with one face pasted in, and its corners."""
    random, finder = np.random.default_rng(seed), Finder(weights)
    masks = drawn.mask_pictures(MEDIA.parent / "masks" / "templates")
    streets = [
        cv2.resize(f, SIZE, interpolation=cv2.INTER_AREA) for f in frames.values()
    ]
    photos = sorted((MEDIA.parent / "faces" / "lfw").glob("*/*_0001.jpg"))
    result: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in random.permutation(np.array(photos, object))[:rows]:
        photo = cv2.imread(str(path))
        known = finder(photo)
        if known is None:
            continue
        masked = drawn.draw(photo, known.landmarks, masks, path.name)
        for width in WIDTHS:
            place = random.random(2)
            street = streets[random.integers(len(streets))]
            for name, picture in (("bare", photo), ("masked", masked)):
                shown = _pasted(street, picture, known.box, width, place)
                result.setdefault(f"{name}/{width}px", []).append(shown)
    return result


def _pasted(
    street: np.ndarray,
    photo: np.ndarray,
    box: np.ndarray,
    width: float,
    place: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a photo so that its face is so wide; its edge fades into the street."""
    scale = width / float(box[2])
    size = [max(8, round(side * scale)) for side in photo.shape[1::-1]]
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    across, down = (np.abs(np.linspace(-1, 1, extent)) for extent in size)
    edge = np.maximum(across[None], down[:, None])
    alpha = np.clip((1 - edge) / 0.25, 0, 1)[..., None]
    left, top = (
        int(p * (room - s)) for p, room, s in zip(place, SIZE, size, strict=True)
    )
    result = street.copy()
    part = result[top : top + size[1], left : left + size[0]]
    part[:] = (small * alpha + part * (1 - alpha)).astype(np.uint8)
    corner = np.array([left, top]) + box[:2] * scale
    return result, np.concatenate([corner, corner + box[2:] * scale])


def _found(
    detect: Detector, faces: dict[str, list[tuple[np.ndarray, np.ndarray]]]
) -> dict[str, Any]:
    result: dict[str, Any] = {"recall": {}}
    wrong = count = 0
    busy = 0.0
    for name, pictures in faces.items():
        hits = 0
        for image, truth in pictures:
            begun = time.process_time()
            boxes = detect(image)
            busy += time.process_time() - begun
            near = np.zeros(0)
            if len(boxes):
                near = sv.box_iou_batch(truth[None], boxes)[0]
            hits += bool((near >= FACE_IOU).any())
            wrong += int((near < FACE_IOU).sum())
            count += 1
        result["recall"][name] = hits / len(pictures)
    return result | {
        "false_alarms_a_picture": wrong / count,
        "ms_a_picture": 1000 * busy / count,
        "pictures": count,
    }


#: A picture and the people labelled in it: left, top, width, height.
Labelled = tuple[np.ndarray, np.ndarray]


def _street(frames: dict[int, np.ndarray]) -> list[Labelled]:
    truth = tracking.read_truth(TRUTH).rows
    return [(frame, truth[truth[:, 0] == n, 2:6]) for n, frame in frames.items()]


def _indoors() -> list[Labelled]:
    """Return frames of the indoor clips with their people."""
    labels: dict[str, dict[int, list[list[float]]]] = {}
    with INDOORS.open(newline="") as stream:
        for row in csv.DictReader(stream):
            boxes = labels.setdefault(row["clip"], {}).setdefault(int(row["frame"]), [])
            if row["x"]:
                boxes.append([float(row[side]) for side in "xywh"])
    result = []
    for clip, wanted in labels.items():
        with av.open(str(MEDIA / clip)) as file:
            for number, frame in enumerate(file.decode(video=0), 1):
                if number in wanted:
                    boxes = np.array(wanted[number], float).reshape(-1, 4)
                    result.append((frame.to_ndarray(format="bgr24"), boxes))
    return result


def _persons(detect: PersonDetector, pictures: list[Labelled]) -> dict[str, Any]:
    """Return what a person network finds of the people labelled, by windows."""
    result = {}
    for name, among in (
        ("all windows", None),
        ("first look", FIRST_LOOK),
        ("tiles", TILES),
        ("whole frame", np.arange(7) == 0),
    ):
        if name == "first look" and detect.windows < len(QUICK_RANK):
            continue  # its first look is the whole frame
        hits = found = labelled = 0
        busy = 0.0
        for frame, rows in pictures:
            begun = time.process_time()
            seen = detect(frame, among=among)
            busy += time.process_time() - begun
            boxes = seen.boxes[seen.scores >= NEED_SCORE]
            hits += _matched(sv.box_iou_batch(_boxed(rows), _boxed(boxes)))
            found += len(boxes)
            labelled += len(rows)
        result[name] = {
            "recall": hits / labelled,
            "precision": hits / max(found, 1),
            "boxes": labelled,
            "frames": len(pictures),
            "ms_a_frame": 1000 * busy / len(pictures),
        }
    return result


def _boxed(ltwh: np.ndarray) -> np.ndarray:
    return np.concatenate([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:4]], axis=1)


def _matched(overlap: np.ndarray) -> int:
    """Return how many of the people have a box of their own."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-overlap)
    return int((overlap[rows, columns] >= PERSON_IOU).sum())
