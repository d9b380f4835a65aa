"""Reviews as hard evidence: what people decided, the next trace obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"


@dataclass(frozen=True)
class Decisions:
    """What reviewers decided on tracklets of one case."""

    certain: frozenset[int] = frozenset()  #: accepted: on every path
    rejected: frozenset[int] = frozenset()  #: another person: on none
    unsure: frozenset[int] = frozenset()
    confirmed: frozenset[int] = frozenset()  #: accepted by two people

    def state(self, tracklet: int) -> str:
        """Return proposed, confirmed, rejected or unsure."""
        if tracklet in self.rejected:
            return "rejected"
        if tracklet in self.confirmed:
            return "confirmed"
        return "unsure" if tracklet in self.unsure else "proposed"


def apply(reviews: Mapping[int, Mapping[str, str]]) -> Decisions:
    """Turn verdicts into evidence.

    Parameters
    ----------
    reviews : tracklet -> {reviewer: accept, reject or unsure}, as
        `casebook.reviews.verdicts` returns.

    Returns
    -------
    One who accepts makes a sighting certain for the trace (a notification still
    needs two); one who rejects takes it out, unless another accepted: then it is
    left to the evidence and marked unsure.
    """
    certain, rejected, unsure, confirmed = set(), set(), set(), set()
    for tracklet, given in reviews.items():
        verdicts = list(given.values())
        accepts, rejects = verdicts.count(ACCEPT), verdicts.count(REJECT)
        if accepts and rejects:
            unsure.add(int(tracklet))
        elif rejects:
            rejected.add(int(tracklet))
        elif accepts:
            certain.add(int(tracklet))
            if accepts >= 2:
                confirmed.add(int(tracklet))
        elif UNSURE in verdicts:
            unsure.add(int(tracklet))
    return Decisions(*map(frozenset, (certain, rejected, unsure, confirmed)))
