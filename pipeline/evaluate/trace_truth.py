"""The truth of a simulated city, arranged for questions about traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evaluate.trace_figures import Tally, match_stays
from pipeline.simulate import truth
from pipeline.store.ids import to_local_cm
from pipeline.trace.constants import CUMULATION_SECONDS
from pipeline.trace.stays import LEAST_SECONDS


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
        met = met.filter(met["recorded"]).sort_by("first_at")
        been = truth.read(city, "visits")
        been = been.filter(pc.is_valid(been["leave_at"]))
        self._guest = been["resident"].to_numpy()
        self._arrive = been["arrive_at"].cast(pa.int64()).to_numpy() / 1e6
        # Who stands before the door is there already.
        self._arrive -= been["outdoors_s"].to_numpy()
        self._leave = been["leave_at"].cast(pa.int64()).to_numpy() / 1e6
        east, north = to_local_cm(been["lon"].to_numpy(), been["lat"].to_numpy())
        self._at = np.column_stack([east, north]) / 100
        self.met = _met(met, "seconds")
        self.shown = _met(met, "shown")

    def passes(self, resident: int) -> np.ndarray:
        """Tracklets of a resident."""
        return self.ids[self.owner == resident]

    def longest_contact(self, resident: int) -> int:
        """Seconds within 2 m of the person met longest; 0 for nobody."""
        return max(self.met.get(resident, {}).values(), default=0)

    def owner_of(self, tracklets: np.ndarray) -> np.ndarray:
        """Residents of tracklets, -1 unknown."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return np.where(self.ids[at] == tracklets, self.owner[at], -1)

    def seconds_of(self, tracklets: np.ndarray) -> float:
        """Seconds of tracklets together."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return float(self.length[at][self.ids[at] == tracklets].sum())

    def tally(
        self,
        resident: int,
        tracklets: np.ndarray,
        candidates: tuple[np.ndarray, np.ndarray],
        people: list[tuple[list[int], float]],
        stayed: np.ndarray,
    ) -> Tally:
        """Count what was said of one patient against the truth.

        Parameters
        ----------
        tracklets : int64, passes said to be the patient's.
        candidates : (int64, float64), passes and the probability given to each.
        people : (tracklets, seconds within 2 m) of each contact named.
        stayed : float64 [k, 4], as of `stays`.
        """
        mine = self.passes(resident)
        right = tracklets[np.isin(tracklets, mine)]
        visits, errors = match_stays(stayed, self.stays(resident))
        return Tally(
            passes=(len(right), len(tracklets), len(mine)),
            seconds=(
                self.seconds_of(right),
                self.seconds_of(tracklets),
                self.seconds_of(mine),
            ),
            probability=candidates[1],
            right=self.owner_of(candidates[0]) == resident,
            said=self.by_resident(people)[0],
            truly=self.met.get(resident, {}),
            shown=self.shown.get(resident, {}),
            visits=visits,
            time_errors=errors,
        )

    def stays(self, resident: int) -> np.ndarray:
        """True visits of at least ten minutes, in the open or inside: as of `stays`."""
        rows = np.flatnonzero(self._guest == resident)
        long = self._leave[rows] - self._arrive[rows] >= LEAST_SECONDS
        rows = rows[long]
        return np.column_stack([self._at[rows], self._arrive[rows], self._leave[rows]])

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


def _met(met: pa.Table, column: str) -> dict[int, dict[int, int]]:
    """Resident -> the others and the most seconds near each in any 24 hours."""
    moments = met["first_at"].cast(pa.int64()).to_numpy() / 1e6
    spans = pc.fill_null(met[column], 0).to_numpy()
    pairs: dict[tuple[int, int], list[int]] = {}
    for row, pair in enumerate(
        zip(met["patient"].to_pylist(), met["other"].to_pylist(), strict=True)
    ):
        pairs.setdefault(pair, []).append(row)
    found: dict[int, dict[int, int]] = {}
    for (patient, other), rows in pairs.items():
        at, upto = moments[rows], np.cumsum(spans[rows])
        # Rows are in order of time: those of the 24 hours that end with each.
        before = np.searchsorted(at, at - CUMULATION_SECONDS, side="right")
        most = upto - np.where(before > 0, upto[before - 1], 0)
        found.setdefault(patient, {})[other] = int(most.max())
    return found
