"""From frames to tracks: the one door through which footage is analysed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.vision import (
    appearance,
    faces,
    linking,
    masks,
    nanodet,
    own_models,
    own_networks,
    recognisers,
    tracking,
)
from pipeline.vision import persons as persons_module
from pipeline.vision.faces import FaceDetector
from pipeline.vision.models import find
from pipeline.vision.persons import PersonDetector
from pipeline.vision.tracking import PersonTracker
from pipeline.vision.types import NO_FACE, UNKNOWN, Persons, Provenance, Track

#: A track of fewer detections is dropped: mostly a false alarm.
LEAST_DETECTIONS = 2
#: Below this many frames a second one detection is a track: who crosses the view
#: between two looks is seen once.
ONCE_FPS = 1.0
#: So many best faces of a track are embedded.
BEST_FACES = 5
#: The same while the track grows: it may yet be cut in two.
KEPT_FACES = 12
#: So many best sights of a track are embedded by a network of the city's own.
BEST_BODIES = 5
#: After so many looks in a row without a face, a head is looked at again after
#: FACE_REST_S: people seen from behind cost half as much.
FACELESS, FACE_REST_S = 2, 0.4
#: A person's box this much overlapped tells nothing of the clothes.
HIDDEN = 0.6


class Observer:
    """Analyses the frames of one clip in order and returns its tracks.

    Parameters
    ----------
    weights_dir
        Folder of verified weights.
    frame_size
        Width and height of the frames, pixels.
    sample_fps
        Analysed frames a second; 5 is the least at which crossing walkers keep
        their tracks, 2 finds the same people in about twice as many pieces.
    threads
        Threads of the inference engine.
    tiles
        Search small persons too (at up to five times the cost of the whole frame).
    quick
        For triage: small persons now and then only, faces in fewer pixels.

    Raises
    ------
    ModelError
        A weight file is missing or not the registered one.
    """

    def __init__(
        self,
        weights_dir: Path,
        *,
        frame_size: tuple[int, int],
        sample_fps: float,
        threads: int = 2,
        tiles: bool = True,
        quick: bool = False,
    ) -> None:
        self._frame_size = frame_size
        self._sample_fps = sample_fps
        self._quick = quick
        self._find_persons = PersonDetector(weights_dir, threads, tiles, quick)
        self._find_faces = FaceDetector(weights_dir, threads)
        recogniser = recognisers.chosen(weights_dir)
        self._embed = recognisers.load(recogniser, weights_dir, threads)
        self._face_map = masks.FaceMap(weights_dir, threads)
        self._masks = masks.MaskClassifier.load(weights_dir=weights_dir)
        self._bodies = _bodies(weights_dir, threads)
        self.provenance = _provenance(
            sample_fps, tiles, quick, self._masks, weights_dir
        )
        self.provenance.models["face_embedding"] = {
            "name": recogniser,
            "sha256": recognisers.sha256(recogniser, weights_dir),
        }
        self._reset()

    def _reset(self) -> None:
        self._track = PersonTracker(self._sample_fps)
        self._attention = persons_module.Attention(
            self._find_persons.rank, self._sample_fps, self._quick
        )
        self._passes: dict[int, list[_Sight]] = {}
        #: By track: how often in a row no face was found, and when last.
        self._faceless: dict[int, tuple[int, float]] = {}
        #: What was seen since the last finish: frames, persons, faces.
        self.counts: Counter[str] = Counter(frames=0, persons=0, faces=0)
        #: Persons found in the last frame, followed or not.
        self.latest = Persons(np.empty((0, 4), np.float32), np.empty(0, np.float32))

    def see(
        self,
        frame: np.ndarray,
        frame_number: int,
        offset_s: float,
        moved: np.ndarray | None = None,
    ) -> None:
        """Analyse the next frame.

        Parameters
        ----------
        frame
            uint8 [h, w, 3], BGR.
        frame_number
            Number of the frame within the clip.
        offset_s
            Seconds since the clip's start; later than that of the frame before.
        moved
            bool [rows, columns] over the whole frame, of any size: what moved since
            the frame before; None where that is not known.
        """
        among = self._attention.due(offset_s, moved)
        persons = self.latest = self._find_persons(frame, among=among)
        self._attention.note(among, self._find_persons.needed, offset_s)
        clothes = appearance.describe(frame, persons.boxes)
        clear = persons.scores * (1 - _hidden(persons.boxes))
        numbers = self._track(persons, clothes, clear, offset_s)
        self.counts["frames"] += 1
        rows = np.flatnonzero(numbers >= 0)
        boxes, scores = persons.boxes[rows], persons.scores[rows]
        clothes, clear = clothes[rows], clear[rows]
        sights = [
            _Sight(frame_number, offset_s, *row)
            for row in zip(boxes, scores, clothes, clear, strict=True)
        ]
        heads = self._heads(numbers[rows], offset_s)
        found, owners = self._find_faces.in_heads(
            frame, boxes[heads], quick=self._quick
        )
        for face, owner in enumerate(owners):
            sight = sights[heads[owner]]
            marks = found.landmarks[face]
            sight.face_box = found.boxes[face]
            sight.face_score = float(found.scores[face])
            sight.aligned = faces.align(frame, marks)
            width = float(sight.face_box[2])
            sight.face_quality = faces.quality(
                sight.aligned, width, marks, sight.face_score
            )
            if self._masks.can_tell(width, sight.face_quality):
                sight.mask = self._masks(self._face_map(masks.face_of(frame, marks)))
        self._looked(numbers[rows][heads], owners, offset_s)
        if self._bodies is not None:
            for sight in sights:
                sight.body = own_networks.body(frame, sight.box)
        self.counts["persons"] += len(sights)
        self.counts["faces"] += len(owners)
        for number, sight in zip(numbers[rows], sights, strict=True):
            one = self._passes.setdefault(int(number), [])
            one.append(sight)
            if sight.aligned is not None:
                _forget_worst(one)
            if sight.body is not None:
                _forget_least_seen(one)

    def _heads(self, numbers: np.ndarray, offset_s: float) -> np.ndarray:
        """Return the rows of those in whose heads a face is looked for now."""
        due = []
        for row, number in enumerate(numbers.tolist()):
            times, last_s = self._faceless.get(number, (0, 0.0))
            if times < FACELESS or offset_s - last_s >= FACE_REST_S - 1e-6:
                due.append(row)
        return np.array(due, np.int64)

    def _looked(self, numbers: np.ndarray, owners: np.ndarray, offset_s: float) -> None:
        """Note in whose heads a face was looked for, and where one was found."""
        found = set(owners.tolist())
        for row, number in enumerate(numbers.tolist()):
            times = 0 if row in found else self._faceless.get(number, (0, 0.0))[0] + 1
            self._faceless[number] = (times, offset_s)

    def finish(self) -> list[Track]:
        """Close every track, return them in order of their first frame, and reset."""
        least = LEAST_DETECTIONS if self._sample_fps >= ONCE_FPS else 1
        pieces = [
            piece
            for one in self._passes.values()
            for piece in _cut(one)
            if len(piece) >= least
        ]
        groups: dict[int, list[_Sight]] = {}
        for group, piece in zip(
            linking.joins([_fragment(piece) for piece in pieces]), pieces, strict=True
        ):
            groups.setdefault(group, []).extend(piece)
        tracks = [
            self._close(sorted(one, key=lambda sight: sight.offset_s))
            for one in groups.values()
        ]
        self._reset()
        return sorted(tracks, key=lambda track: float(track.offsets_s[0]))

    def _close(self, one: list[_Sight]) -> Track:
        boxes = np.array([sight.box for sight in one], np.float32)
        scores = np.array([sight.score for sight in one], np.float32)
        clear = np.array([sight.clear for sight in one], np.float32)
        foot = np.column_stack(
            [boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]]
        )
        no_face = np.full(4, np.nan, np.float32)
        seen = np.array([sight.face_box is not None for sight in one])
        over_time = masks.over_time(
            [sight.mask if sight.face_box is not None else None for sight in one]
        )
        embedding, quality, width = self._best_faces(one)
        return Track(
            frames=np.array([sight.frame for sight in one], np.int32),
            offsets_s=np.array([sight.offset_s for sight in one], np.float64),
            boxes=boxes,
            scores=scores,
            foot_px=foot.astype(np.float32),
            face_boxes=np.array(
                [no_face if s.face_box is None else s.face_box for s in one], np.float32
            ),
            face_scores=np.array([sight.face_score for sight in one], np.float32),
            mask_states=np.where(seen, over_time.states, NO_FACE).astype(np.int8),
            mask_probabilities=over_time.probabilities.astype(np.float32),
            mask_state=over_time.state if seen.any() else UNKNOWN,
            mask_probability=over_time.probability,
            best=int(np.argmax(clear * np.sqrt(boxes[:, 2] * boxes[:, 3]))),
            face_embedding=embedding,
            face_quality=quality,
            face_width_px=width,
            appearance=self._looks(one, clear),
        )

    def _looks(self, one: list[_Sight], clear: np.ndarray) -> np.ndarray | None:
        """Return the embedding of a track's appearance that is stored.

        Tracks are followed by the descriptor that ships, whatever is stored.
        """
        if self._bodies is None:
            return appearance.pool(np.array([sight.clothes for sight in one]), clear)
        seen = [sight for sight in one if sight.body is not None and sight.clear > 0]
        best = sorted(seen, key=lambda sight: -sight.in_view)[:BEST_BODIES]
        if not best:
            return None
        vectors = self._bodies([s.body for s in best if s.body is not None])
        return appearance.pool(vectors, np.array([sight.clear for sight in best]))

    def _best_faces(self, one: list[_Sight]) -> tuple[np.ndarray | None, float, float]:
        """Return embedding, quality and width of a track's best faces."""
        with_face = [sight for sight in one if sight.face_box is not None]
        if not with_face:
            return None, float("nan"), float("nan")
        top = max(with_face, key=lambda sight: sight.face_quality)
        assert top.face_box is not None
        quality, width = top.face_quality, float(top.face_box[2])
        best = sorted(
            (
                sight
                for sight in with_face
                if sight.aligned is not None
                and sight.face_box is not None
                and sight.face_box[2] >= faces.EMBED_WIDTH
            ),
            key=lambda sight: -sight.face_quality,
        )[:BEST_FACES]
        if not best:
            return None, quality, width
        vectors = self._embed(np.array([sight.aligned for sight in best]))
        weights = np.array([max(sight.face_quality, 1e-3) for sight in best])
        return faces.pool(vectors, weights), quality, width


@dataclass
class _Sight:
    """One person in one frame."""

    frame: int
    offset_s: float
    box: np.ndarray
    score: float
    clothes: np.ndarray
    clear: float  #: how clearly the clothes are seen, 0..1
    face_box: np.ndarray | None = None
    face_score: float = float("nan")
    face_quality: float = 0.0
    aligned: np.ndarray | None = None
    mask: np.ndarray | None = None  #: probability of none, incorrect, worn
    body: np.ndarray | None = None  #: the person's picture, if it is to be embedded

    @property
    def in_view(self) -> float:
        """How much of the person is seen: clear pixels of height and width."""
        return self.clear * float(np.sqrt(self.box[2] * self.box[3]))


def _hidden(boxes: np.ndarray) -> np.ndarray:
    """Return how much of each box is hidden by persons nearer to the camera, 0..1."""
    hidden = np.zeros(len(boxes), np.float32)
    left, top, width, height = boxes.T
    for i in range(len(boxes)):
        nearer = (top + height > top[i] + height[i]) & (np.arange(len(boxes)) != i)
        across = np.minimum(left + width, left[i] + width[i]) - np.maximum(
            left, left[i]
        )
        down = np.minimum(top + height, top[i] + height[i]) - np.maximum(top, top[i])
        shared = np.clip(across, 0, None) * np.clip(down, 0, None)
        share = shared / max(1.0, float(width[i] * height[i]))
        most = float(np.max(share, initial=0.0, where=nearer))
        hidden[i] = min(1.0, most / HIDDEN)
    return hidden


def _forget_worst(one: list[_Sight]) -> None:
    """Keep the pictures of the best faces only."""
    kept = [sight for sight in one if sight.aligned is not None]
    if len(kept) > KEPT_FACES:
        min(kept, key=lambda sight: sight.face_quality).aligned = None


def _forget_least_seen(one: list[_Sight]) -> None:
    """Keep the pictures of the best sights only."""
    kept = [sight for sight in one if sight.body is not None]
    if len(kept) > KEPT_FACES:
        min(kept, key=lambda sight: sight.in_view).body = None


def _bodies(weights_dir: Path, threads: int) -> own_networks.Bodies | None:
    own = own_models.used(own_models.APPEARANCE, weights_dir)
    if own is None:
        return None
    return own_networks.Bodies(own_models.path_of(own, weights_dir), threads)


def _cut(one: list[_Sight]) -> list[list[_Sight]]:
    clothes = np.array([sight.clothes for sight in one])
    weights = np.array([sight.clear for sight in one])
    places = [0, *linking.cuts(clothes, weights), len(one)]
    return [one[a:b] for a, b in pairwise(places)]


def _fragment(piece: list[_Sight]) -> linking.Fragment:
    last = piece[-5:]
    seconds = last[-1].offset_s - last[0].offset_s
    moved = last[-1].box[:2] - last[0].box[:2]
    return linking.Fragment(
        start_s=piece[0].offset_s,
        end_s=piece[-1].offset_s,
        first_box=piece[0].box,
        last_box=piece[-1].box,
        velocity=moved / seconds if seconds > 0 else np.zeros(2),
        clothes=appearance.pool(
            np.array([sight.clothes for sight in piece]),
            np.array([sight.clear for sight in piece]),
        ),
    )


def _name(name: str, sha256: str) -> dict[str, str]:
    return {"name": name, "sha256": sha256}


def _provenance(
    sample_fps: float,
    tiles: bool,
    quick: bool,
    classifier: masks.MaskClassifier,
    weights_dir: Path,
) -> Provenance:
    models = {
        "person": _name(nanodet.MODEL, nanodet.sha256()),
        "face": _name(faces.DETECTOR, find(faces.DETECTOR).sha256),
        "mask": _name(classifier.name, classifier.sha256),
        "appearance": _name(appearance.NAME, appearance.sha256()),
    }
    for role, task in (
        ("person", own_models.PERSONS),
        ("face", own_models.FACES),
        ("appearance", own_models.APPEARANCE),
    ):
        own = own_models.used(task, weights_dir)
        if own is not None:
            models[role] = _name(own.name, own.sha256)
    return Provenance(
        models=models,
        options={
            "sample_fps": sample_fps,
            "tiles": tiles,
            "quick": quick,
            "person_score": persons_module.LOW_SCORE,
            "person_rest_s": persons_module.REST_S,
            "person_still_rest_s": persons_module.STILL_REST_S,
            "face_score": faces.SCORE,
            "face_embed_width_px": faces.EMBED_WIDTH,
            "face_rest_s": FACE_REST_S,
            "best_faces": BEST_FACES,
            "tracker": tracking.NAME,
            "track_start_score": tracking.START_SCORE,
            "track_lost_s": tracking.LOST_S,
            "track_cut_below": linking.CUT_BELOW,
            "track_join_from": linking.JOIN_FROM,
        },
    )
