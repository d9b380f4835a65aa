"""Small people who stand still from the first picture on: when triage sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import supervision as sv

from pipeline.evaluate import tracking
from pipeline.footage.decode import MOTION_WIDTH
from pipeline.footage.triage import LOOK_IDLE_S, LOOK_S, Triage
from pipeline.vision.observer import Observer

#: Heights of the people, pixels of a frame of 576 lines.
HEIGHTS = (40, 50, 60, 80)
#: For so long they stand there, seconds.
STAY_S = 60.0
#: A pixel belongs to a person where it differs so much from the empty street, of 255.
APART = 22
#: Standard deviation of the sensor's noise, grey values.
NOISE = 2.0
#: Every so many frames of the clip show the empty street, by their median.
EVERY = 40
#: A silhouette may reach so far beyond its box, pixels.
EDGE = 3
#: Least share of its box that a silhouette fills, and most overlap with others.
FILLED, ALONE = 0.3, 0.02


def measure(
    weights: Path, clip: Path, truth: tracking.Truth, rows: int, seed: int = 1
) -> dict[str, Any]:
    """Return by height which share of `rows` people is seen, and when, seconds.

    Walkers of the clip are cut out and stood into its empty street, one in a picture
    which nothing else disturbs but noise. Looked at is by triage's own rules.
    """
    street, people = _cut_out(clip, truth)
    random = np.random.default_rng(seed)
    chosen = [people[k] for k in random.permutation(len(people))[:rows]]
    result: dict[str, Any] = {}
    for height in HEIGHTS:
        seen = np.array(
            [_first_seen(weights, street, one, height, random) for one in chosen]
        )
        within = {
            f"within_{int(limit)}_s": float((seen <= limit).mean())
            for limit in (0, LOOK_IDLE_S, STAY_S)
        }
        result[f"{height}px"] = {"people": len(seen), **within}
    return result


def _cut_out(
    clip: Path, truth: tracking.Truth
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the empty street, and people cut out with their silhouettes, 0..1."""
    empty, labelled = [], {}
    wanted = set(truth.frames[::15].tolist())
    with av.open(str(clip)) as file:
        for number, frame in enumerate(file.decode(video=0), 1):
            if number % EVERY == 0 or number in wanted:
                image = frame.to_ndarray(format="bgr24")
                labelled[number] = image
                empty += [image] * (number % EVERY == 0)
    street = np.median(np.stack(empty), axis=0).astype(np.uint8)
    people = []
    for number in sorted(wanted):
        boxes = truth.rows[truth.rows[:, 0] == number, 2:6]
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        overlap = sv.box_iou_batch(corners, corners) - np.eye(len(corners))
        for corner in corners[(overlap <= ALONE).all(axis=1)].astype(int):
            left, top = np.maximum(corner[:2] - EDGE, 0)
            right, bottom = corner[2:] + EDGE
            part = labelled[number][top:bottom, left:right]
            apart = cv2.absdiff(part, street[top:bottom, left:right]).max(axis=2)
            mask = (apart > APART).astype(np.uint8)
            mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8))
            if mask.mean() >= FILLED:
                soft = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)
                people.append((part.copy(), soft))
    return street, people


def _first_seen(
    weights: Path,
    street: np.ndarray,
    person: tuple[np.ndarray, np.ndarray],
    height: int,
    random: np.random.Generator,
) -> float:
    """Return after how many seconds somebody is seen, infinity if not at all."""
    part, mask = person
    size = (max(4, round(part.shape[1] * height / part.shape[0])), height)
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[..., None]
    high, wide = street.shape[:2]
    left = int(random.integers(wide - size[0]))
    top = int(random.integers(high // 4, high - height))
    scene = street.copy()
    place = scene[top : top + height, left : left + size[0]]
    place[:] = (small * alpha + place * (1 - alpha)).astype(np.uint8)
    box = np.array([[left, top, left + size[0], top + height]])
    observer = Observer(
        weights, frame_size=(wide, high), sample_fps=1 / LOOK_S, threads=1, quick=True
    )
    triage = Triage(LOOK_IDLE_S)
    thumb = (MOTION_WIDTH, round(MOTION_WIDTH * high / wide))
    for number, at in enumerate(np.arange(0, STAY_S + LOOK_S, LOOK_S)):
        noisy = np.clip(scene + random.normal(0, NOISE, (high, wide, 1)), 0, 255)
        image = noisy.astype(np.uint8)
        luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        luma = cv2.resize(luma, thumb, interpolation=cv2.INTER_AREA)
        if not triage.due(luma, float(at)):
            continue
        before = observer.counts["persons"]
        observer.see(image, number, float(at), triage.moved)
        found = observer.counts["persons"] - before
        triage.analysed(luma, float(at), found)
        boxes = observer.latest.boxes
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        if found and len(boxes) and (sv.box_iou_batch(box, corners) >= 0.3).any():
            return float(at)
    return float("inf")
