"""Stills: one person cut from the footage on demand, everybody else made unknown.

Nothing is stored: the frame is decoded anew from the clip under an order, and the
picture fails closed: without the unchanged clip, the detectors and the stored
tracks of everybody near that moment there is no picture.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.compute as pc
from shapely import points

from pipeline.cameras import registry
from pipeline.casebook.authorisation import Authorisation, require
from pipeline.errors import DongseonError, FootageError, NotAuthorisedError
from pipeline.footage import sources
from pipeline.footage.decode import fitted, good_frames, upright
from pipeline.footage.sources import Clip
from pipeline.settings import Settings
from pipeline.store import reader
from pipeline.store.ids import camera_no_of, to_lonlat
from pipeline.vision.faces import FaceDetector
from pipeline.vision.mosaic import head_boxes, mosaic
from pipeline.vision.persons import PersonDetector

#: Others are covered along their tracks from so long before to so long after the
#: still: two idle samples of the analysis, seconds.
NEAR_S = 4.0
#: Score from which something might be a face: lower than in analysis, because one
#: missed is worse here than ten hidden in vain.
FACE_SCORE = 0.35
#: Heads of persons, a third of them, need less margin than boxes of faces do.
HEAD_MARGIN = 0.08
#: A person found anew is the one pointed at if the boxes overlap at least so much.
SAME_IOU = 0.45
#: Height to which the person is enlarged for the second look, pixels.
CLOSE_UP = 480
#: What is shown around the person, as a share of the box's width and height.
AROUND = (0.9, 0.2)
#: Around the person the picture keeps cells of this share of the person's height:
#: about one cell for a head.
SURROUNDINGS = 1 / 14
#: Height of the picture, pixels.
HEIGHT = 320
#: A frame this close to the stored moment is the one, seconds.
_SAME_FRAME_S = 0.02


def still(
    authorisation: Authorisation,
    tracklet_id: int,
    *,
    settings: Settings,
    others: str = "mosaic",
) -> bytes:
    """Return a picture of a tracklet's person, with everybody else unrecognisable.

    Heads of others are mosaicked where their stored tracks, before, at and after
    that moment, or a fresh look at the frame say they are or may be; what lies
    around the person is coarse altogether. Recorded in the audit log, refusals too.

    Parameters
    ----------
    authorisation : issued by the casebook; the tracklet must lie wholly inside
        its window and area.
    tracklet_id : a stored tracklet.
    settings : Settings
    others : "mosaic", the only way.

    Returns
    -------
    JPEG.

    Raises
    ------
    NotAuthorisedError
        If the order does not cover the tracklet.
    FootageError
        If the clip is gone, was changed, or has no whole frame at that moment.
    ModelError
        If the weights of the detectors are missing.
    """
    from pipeline.casebook import audit, orders

    require(authorisation)
    if others != "mosaic":
        raise FootageError(
            f"others={others!r} is no way to treat other people; it must be 'mosaic'."
        )
    detail = {"tracklet": int(tracklet_id), "order": authorisation.order_id}
    actor, purpose = authorisation.user, authorisation.purpose
    try:
        orders.demand_valid(authorisation, settings)
        row = _covered(authorisation, int(tracklet_id), settings)
        picture = _picture(row, settings)
    except DongseonError as error:
        detail["reason"] = str(error)  # type: ignore[assignment]
        audit.record(settings, actor, "refused", authorisation.case, purpose, detail)
        raise
    audit.record(settings, actor, "still", authorisation.case, purpose, detail)
    return picture


def _covered(
    authorisation: Authorisation, tracklet_id: int, settings: Settings
) -> dict[str, Any]:
    """Return the tracklet's row if the order covers it.

    One sentence for "not there" and "not yours", so that nobody can probe.
    """
    refusal = NotAuthorisedError(
        f"Tracklet {tracklet_id} does not lie in the window and area of order "
        f"{authorisation.order_id}; ask for an order that covers it.",
        code="still_outside",
        order=authorisation.order_id,
    )
    found = reader.tracklets_by_id(settings, [tracklet_id]).to_pylist()
    if not found:
        raise refusal
    row = found[0]
    inside = authorisation.window_start <= row["start_at"]
    if not inside or row["end_at"] > authorisation.window_end:
        raise refusal
    camera = registry.load(settings.registry).by_number(camera_no_of(tracklet_id))
    places = [(camera.lon, camera.lat)]
    for end in ("first", "last"):
        if row[f"{end}_east_cm"] is not None:
            lon, lat = to_lonlat(row[f"{end}_east_cm"], row[f"{end}_north_cm"])
            places.append((float(lon), float(lat)))
    if not authorisation.area.intersects(points(places)).all():
        raise refusal
    return row


def _picture(row: dict[str, Any], settings: Settings) -> bytes:
    best_at, number = row["best_at"], row["camera_no"]
    near = timedelta(seconds=NEAR_S)
    parts = reader.footage(
        settings, (best_at, best_at + timedelta(microseconds=1)), [number]
    )
    parts = parts.filter(pc.equal(parts["part_key"], row["part_key"]))
    if not parts.num_rows:
        raise FootageError(
            f"The footage of tracklet {row['tracklet_id']} is no longer in the log; "
            f"there is no still of it.",
            code="still_no_footage",
        )
    part = parts.to_pylist()[0]
    frame = _frame(part, (best_at - part["start_at"]).total_seconds())
    window = (best_at - near, best_at + near)
    rows = reader.detections(settings, window, [number]).to_pylist()
    target = np.array([row[f"best_{side}"] for side in "xywh"], np.float64)
    face = _stored_face(rows, row)
    heads, faces = _stored_others(rows, row)
    new_heads, new_faces = _found_others(frame, target, face, settings)
    hidden = np.array(heads + new_heads, np.float64).reshape(-1, 4)
    masked = mosaic(frame, hidden, margin=HEAD_MARGIN)
    hidden = np.array(faces + new_faces, np.float64).reshape(-1, 4)
    return _cut(mosaic(masked, hidden), target)


def _frame(part: dict[str, Any], offset_s: float) -> np.ndarray:
    """Decode the frame of a moment from the unchanged clip."""
    path = Path(part["source"])
    try:
        state = path.stat()
    except OSError as error:
        raise FootageError(
            f"The clip {path} is gone, so there is no still; put it back.",
            code="still_gone",
        ) from error
    clip, digest = _known(path, state.st_size, state.st_mtime_ns)
    if digest != part["source_sha256"]:
        raise FootageError(
            f"The clip {path} was changed since it was analysed, so there is no still; "
            f"put the original back.",
            code="still_changed",
        )
    moment = part["source_offset_s"] + offset_s
    for at, frame in good_frames(clip, max(0.0, moment - _SAME_FRAME_S)):
        if at > moment + _SAME_FRAME_S:
            break
        return fitted(upright(frame), clip)
    raise FootageError(
        f"The clip {path} has no whole frame at {moment:.2f} s, so there is no still.",
        code="still_damaged",
    )


@lru_cache(maxsize=64)
def _known(path: Path, size: int, modified_ns: int) -> tuple[Clip, str]:
    """Open and digest a clip; kept while its size and time of change stay."""
    return sources.open_clip(path), sources.sha256_of(path)


def _stored_face(
    rows: list[dict[str, Any]], target: dict[str, Any]
) -> np.ndarray | None:
    """Return the face box of the person pointed at in that frame, if it had one."""
    for row in rows:
        same = row["tracklet_id"] == target["tracklet_id"]
        if same and row["at"] == target["best_at"] and row["face_x"] is not None:
            return np.array([row[f"face_{side}"] for side in "xywh"], np.float64)
    return None


def _stored_others(
    rows: list[dict[str, Any]], target: dict[str, Any]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the heads and the faces of others, where stored tracks say they may be.

    A track seen in this very frame gives its box there. One that was not (missed
    for a moment, or about to appear) is covered all the way from its box before
    to its box after.
    """
    tracks: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if row["tracklet_id"] != target["tracklet_id"]:
            tracks.setdefault(row["tracklet_id"], []).append(row)
    boxes: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for track in tracks.values():
        now = [row for row in track if row["at"] == target["best_at"]]
        before = [row for row in track if row["at"] < target["best_at"]]
        after = [row for row in track if row["at"] > target["best_at"]]
        shown = now or [
            *sorted(before, key=lambda row: row["at"])[-1:],
            *sorted(after, key=lambda row: row["at"])[:1],
        ]
        heads = head_boxes(
            np.array([[row[side] for side in "xywh"] for row in shown], np.float64)
        )
        boxes.extend(heads)
        if not now and len(heads) == 2:
            boxes.append(_around(heads))
        for row in shown:
            if row["face_x"] is not None:
                faces.append(
                    np.array([row[f"face_{side}"] for side in "xywh"], np.float64)
                )
    return boxes, faces


def _found_others(
    frame: np.ndarray,
    target: np.ndarray,
    target_face: np.ndarray | None,
    settings: Settings,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Look at the frame anew: heads of other persons, faces that are not the one."""
    find_persons, find_faces = _detectors(settings.weights_dir, settings.threads)
    persons = np.concatenate(
        [
            np.asarray(find_persons(frame).boxes, np.float64).reshape(-1, 4),
            _close_up(frame, target, find_persons),
        ]
    )
    overlap = _iou(persons, target)
    if len(persons) and overlap.max() >= SAME_IOU:
        own = persons[int(overlap.argmax())]
        persons = persons[_iou(persons, own) < SAME_IOU]
    heads = list(head_boxes(persons))
    longest = max(1280, max(frame.shape[:2]))
    faces = np.asarray(
        find_faces(frame, score=FACE_SCORE, longest=longest).boxes, np.float64
    )
    own = _own_face(faces, target, target_face)
    return heads, [face for index, face in enumerate(faces) if index != own]


def _close_up(
    frame: np.ndarray, target: np.ndarray, find_persons: PersonDetector
) -> np.ndarray:
    """Return persons [n, 4] found in an enlarged view around the person.

    Two people who walk together may have been stored as one box; from nearer they
    come apart, and the one behind is hidden as well.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = _clipped(target, 0.6, 0.15, width, height)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.empty((0, 4))
    scale = max(1.0, CLOSE_UP / (y1 - y0))
    view = cv2.resize(frame[y0:y1, x0:x1], None, fx=scale, fy=scale)
    boxes = np.asarray(find_persons(view).boxes, np.float64).reshape(-1, 4) / scale
    return boxes + np.array([x0, y0, 0, 0])


def _own_face(
    faces: np.ndarray, target: np.ndarray, target_face: np.ndarray | None
) -> int | None:
    """Return which face is the person's: at most one; None leaves none shown."""
    if not len(faces):
        return None
    if target_face is not None:
        overlap = _iou(faces, target_face)
        return int(overlap.argmax()) if overlap.max() > 0.2 else None
    head = head_boxes(target[None])[0]
    centres = faces[:, :2] + faces[:, 2:] / 2
    inside = ((centres >= head[:2]) & (centres <= head[:2] + head[2:])).all(axis=1)
    # Two faces in one head's place: which is whose is not known, so none is shown.
    return int(inside.argmax()) if inside.sum() == 1 else None


@lru_cache(maxsize=1)
def _detectors(weights_dir: Path, threads: int) -> tuple[PersonDetector, FaceDetector]:
    return PersonDetector(weights_dir, threads), FaceDetector(weights_dir, threads)


def _cut(frame: np.ndarray, box: np.ndarray) -> bytes:
    """Cut the person out, with coarse surroundings, as JPEG."""
    height, width = frame.shape[:2]
    cell = max(6, round(box[3] * SURROUNDINGS))
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    coarse = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    x0, y0, x1, y1 = _clipped(box, 0.06, 0.04, width, height)
    picture[y0:y1, x0:x1] = frame[y0:y1, x0:x1]
    x0, y0, x1, y1 = _clipped(box, *AROUND, width, height)
    if x1 <= x0 or y1 <= y0:
        raise FootageError(
            "The person's box lies outside the frame; no still.", code="still_damaged"
        )
    picture = picture[y0:y1, x0:x1]
    scale = HEIGHT / picture.shape[0]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    shape = (max(1, round(picture.shape[1] * scale)), HEIGHT)
    picture = cv2.resize(picture, shape, interpolation=kind)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise FootageError("The still could not be written as JPEG.")
    return data.tobytes()


def _clipped(
    box: np.ndarray, across: float, down: float, width: int, height: int
) -> tuple[int, int, int, int]:
    left, top, wide, high = box
    return (
        int(np.clip(left - across * wide, 0, width)),
        int(np.clip(top - down * high, 0, height)),
        int(np.clip(np.ceil(left + wide * (1 + across)), 0, width)),
        int(np.clip(np.ceil(top + high * (1 + down)), 0, height)),
    )


def _around(boxes: np.ndarray) -> np.ndarray:
    """Return the box around boxes: the way between two positions."""
    low = boxes[:, :2].min(axis=0)
    high = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    return np.concatenate([low, high - low])


def _iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return intersection over union of boxes [n, 4] with one box, float64 [n]."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    whole = boxes[:, 2:].prod(axis=1) + box[2:].prod() - shared
    return shared / np.maximum(whole, 1e-9)
