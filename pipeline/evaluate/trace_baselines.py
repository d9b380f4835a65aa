"""Two plain ways to trace, on the very observations of the trace.

Every face above a threshold (nearest neighbour), and the same with passes dropped
that could not be reached in time, the surest kept first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.cameras import travel_time
from pipeline.evaluate.trace_figures import Tally, figures_of
from pipeline.evaluate.trace_truth import Known
from pipeline.trace import assembly
from pipeline.trace.contacts import Rule
from pipeline.trace.observations import Passes, Scope
from pipeline.trace.stays import stays

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
        """Read the faces that reach the lowest threshold.

        A photo has `.embedding` and `.model`.
        """
        passes, threads = scope.passes(), scope.settings.threads
        best = np.full(len(passes), -1.0)
        for model in sorted({str(photo.model) for photo in photos}):
            probes = np.stack([p.embedding for p in photos if p.model == model])
            least = np.full(len(probes), THRESHOLDS[0], dtype=np.float32)
            rows, _, cosine = passes.vault.scan(model, probes, least, threads)
            np.maximum.at(best, rows, cosine)
        rows = np.flatnonzero(best >= THRESHOLDS[0])
        few = passes.take(rows)
        return Faces(scope, few.ids, best[rows], few)

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
        named = _named(face.scope, face.passes.take(rows))
        tallies.append(_tally(known, resident, face, rows, named))
    return tallies, threshold


def with_known_path(known: Known, resident: int, scope: Scope) -> Tally:
    """Tally of what visits and contacts would be if every pass were known."""
    passes = scope.passes()
    mine = passes.take(passes.rows(known.passes(resident).tolist()))
    stayed = stays(mine.start, mine.end, mine.first, mine.last)
    sure = (mine.ids, np.ones(len(mine)))
    return known.tally(resident, mine.ids, sure, _named(scope, mine), stayed)


def _named(scope: Scope, mine: Passes) -> list[tuple[list[int], float]]:
    people = assembly.contacts_of(scope, mine, Rule())
    return [(list(one.tracklets), float(one.seconds_24h)) for one in people]


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
