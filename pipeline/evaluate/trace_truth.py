"""The truth of a simulated city, arranged for questions about traces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulate import truth
from pipeline.trace.run import TraceResult


@dataclass
class Answer:
    """What one method said of one patient."""

    tracklets: np.ndarray  #: int64, passes said to be the patient's
    seconds: dict[int, int]  #: resident -> seconds within 2 m, any 24 hours
    probability: np.ndarray  #: float64, of each pass it named, on the path or not
    right: np.ndarray  #: bool, whether each of those is the patient's
    spent: float = 0.0
    strangers: int = 0  #: contacts beyond the first named for one resident


class Known:
    """The truth, arranged for questions."""

    def __init__(self, city: Path) -> None:
        path = truth.read(city, "path")
        path = path.filter(pc.is_valid(path["tracklet_id"]))
        ids = path["tracklet_id"].to_numpy()
        order = np.argsort(ids)
        self.ids = ids[order]
        self.owner = path["resident"].to_numpy()[order]
        start = path["start_at"].cast(pa.int64()).to_numpy()[order]
        end = path["end_at"].cast(pa.int64()).to_numpy()[order]
        self.length = (end - start) / 1e6 + 1
        people = truth.read(city, "residents")
        self.recorded = people["resident"].to_numpy()[
            people["patient"].to_numpy(zero_copy_only=False)
        ]
        met = truth.read(city, "contacts")
        met = met.filter(met["recorded"])
        self.met: dict[int, dict[int, int]] = {}
        for patient, other, span in zip(
            met["patient"].to_pylist(),
            met["other"].to_pylist(),
            met["seconds"].to_pylist(),
            strict=True,
        ):
            near = self.met.setdefault(patient, {})
            near[other] = near.get(other, 0) + span

    def passes(self, resident: int) -> np.ndarray:
        """Tracklets of a resident."""
        return self.ids[self.owner == resident]

    def owner_of(self, tracklets: np.ndarray) -> np.ndarray:
        """Residents of tracklets, -1 unknown."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return np.where(self.ids[at] == tracklets, self.owner[at], -1)

    def seconds_of(self, tracklets: np.ndarray) -> float:
        """Seconds of tracklets together."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return float(self.length[at][self.ids[at] == tracklets].sum())

    def answer(self, resident: int, result: TraceResult) -> Answer:
        """Arrange what a trace said."""
        table = result.sightings
        ids = table["tracklet_id"].to_numpy()
        on_path = table["on_path"].to_numpy(zero_copy_only=False)
        pairs = [
            (row["tracklet_ids"], row["seconds_24h"])
            for row in result.contacts.to_pylist()
        ]
        seconds, more = self.by_resident(pairs)
        return Answer(
            tracklets=ids[on_path],
            seconds=seconds,
            probability=table["posterior"].to_numpy(),
            right=self.owner_of(ids) == resident,
            spent=result.seconds,
            strangers=more,
        )

    def by_resident(
        self, people: list[tuple[list[int], float]]
    ) -> tuple[dict[int, int], int]:
        """Name each contact by the resident most of its passes are."""
        seconds: dict[int, int] = {}
        more = 0
        for tracklets, span in people:
            owners = self.owner_of(np.asarray(tracklets, dtype=np.int64))
            names, counts = np.unique(owners, return_counts=True)
            who = int(names[np.argmax(counts)])
            more += who in seconds
            seconds[who] = max(seconds.get(who, 0), int(span))
        return seconds, more
