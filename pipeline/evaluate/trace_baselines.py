"""Two plain ways to trace, on the very observations of the trace.

Every face above a threshold (nearest neighbour), and the same with passes dropped
that could not be reached in time, the surest kept first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.cameras import travel_time
from pipeline.evaluate.trace_figures import Tally, figures_of, stays
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings
from pipeline.store import vectors
from pipeline.trace import assembly
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Passes, Scope

#: Thresholds the baselines may choose from, on the very data they are judged by:
#: the best of them is reported, which flatters them.
THRESHOLDS = tuple(round(0.40 + 0.02 * k, 2) for k in range(21))


@dataclass
class Faces:
    """Faces worth a baseline's while, of one patient's order."""

    scope: Scope
    ids: np.ndarray  #: int64 [m]
    cosine: np.ndarray  #: float64 [m], best over the photos
    passes: Passes  #: the rows, same order, without embeddings

    @staticmethod
    def read(scope: Scope, photos: list[Any]) -> Faces:
        """Read the faces that reach the lowest threshold; a photo has `.embedding`."""
        probes = np.stack([photo.embedding for photo in photos])
        kept, cosines = [], []
        for part in scope.stream(("face_i8", "face_scale")):
            has = part.table["face_i8"].is_valid().to_numpy(zero_copy_only=False)
            some = part.take(has)
            e8, _ = vectors.from_binary(some.table["face_i8"].combine_chunks())
            scale = some.table["face_scale"].to_numpy()
            cosine = (e8 @ probes.T * scale[:, None]).max(axis=1, initial=-1)
            near = cosine >= THRESHOLDS[0]
            few = some.take(near)
            bare = few.table.drop_columns(["face_i8", "face_scale"])
            kept.append(replace(few, table=bare))
            cosines.append(cosine[near])
        passes = Passes.concatenate(kept)
        order = np.lexsort((passes.ids, passes.start))
        passes = passes.take(order)
        return Faces(scope, passes.ids, np.concatenate(cosines)[order], passes)

    def path(self, threshold: float, speed: bool) -> np.ndarray:
        """Rows a baseline holds to be the patient's."""
        rows = np.flatnonzero(self.cosine >= threshold)
        if not speed:
            return rows
        kept: list[int] = []  # the surest first, each reachable from all before
        for row in rows[np.lexsort((self.ids[rows], -self.cosine[rows]))]:
            if all(self._reachable(row, other) for other in kept):
                kept.append(int(row))
        return np.array(sorted(kept), dtype=np.int64)

    def _reachable(self, one: int, other: int) -> bool:
        these = self.passes
        a, b = (one, other) if these.start[one] <= these.start[other] else (other, one)
        metres = float(np.hypot(*(these.first[b] - these.last[a])))
        gap = float(these.start[b] - these.end[a])
        need = max(metres - travel_time.SLACK_M, 0) / travel_time.VEHICLE_MPS
        return gap >= need


def best(
    known: Known,
    chosen: list[int],
    faces: list[Faces],
    settings: Settings,
    speed: bool,
) -> tuple[list[Tally], float]:
    """Tallies of a baseline at the threshold that gives it the best path."""
    scored = []
    for threshold in THRESHOLDS:
        tallies = [
            _tally(known, resident, face, face.path(threshold, speed), [])
            for resident, face in zip(chosen, faces, strict=True)
        ]
        scored.append((figures_of(tallies)["path_idf1"], threshold))
    threshold = max(scored)[1]
    tallies = []
    for resident, face in zip(chosen, faces, strict=True):
        rows = face.path(threshold, speed)
        people = assembly.contacts_of(
            face.scope, face.passes.take(rows), Rule(), settings.threads
        )
        named = [(list(one.tracklets), float(one.seconds_24h)) for one in people]
        tallies.append(_tally(known, resident, face, rows, named))
    return tallies, threshold


def _tally(
    known: Known,
    resident: int,
    face: Faces,
    rows: np.ndarray,
    people: list[tuple[list[int], float]],
) -> Tally:
    these = face.passes
    ids = face.ids[rows]
    # The only certainty a threshold knows is its cosine.
    candidates = (ids, np.clip(face.cosine[rows], 0, 1))
    stayed = stays(
        these.start[rows], these.end[rows], these.first[rows], these.last[rows]
    )
    return known.tally(resident, ids, candidates, people, stayed)
