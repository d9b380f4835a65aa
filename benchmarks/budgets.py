"""What each benchmark must reach, and the sentence that says where it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Budgets in seconds are for a whole city-day and shrink with the rows, but not
#: below this: what is shorter is the noise of the clock.
LEAST_SECONDS = 0.25
#: Ratios to a baseline are held to account from this many rows on; below, both
#: sides are mostly the cost of starting.
RATIO_ROWS = 1_000_000


@dataclass(frozen=True)
class Budget:
    """One figure and its limit."""

    what: str  #: the figure in words, with its unit
    value: float | None  #: None: not measured here, and not held to account
    limit: float
    least: bool = False  #: whether the limit is the least rather than the most

    @property
    def met(self) -> bool:
        """Whether the figure keeps to its limit."""
        if self.value is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit

    def entry(self) -> dict[str, Any]:
        """Return it as written into the result."""
        side = "at_least" if self.least else "at_most"
        return {
            "what": self.what,
            "value": self.value,
            side: self.limit,
            "met": self.met,
        }


def seconds(
    what: str, value: float | None, limit: float, rows: int, full: int
) -> Budget:
    """Return the budget of a time that is in proportion to the rows.

    Parameters
    ----------
    limit : seconds for `full` rows.
    """
    share = max(LEAST_SECONDS, limit * rows / full)
    return Budget(f"{what}, seconds", value, share)


def ratio(what: str, value: float | None, limit: float, rows: int) -> Budget:
    """Return the budget of a ratio to a baseline, from `RATIO_ROWS` rows on."""
    return Budget(what, value if rows >= RATIO_ROWS else None, limit, least=True)


def failures(name: str, entries: list[dict[str, Any]], load: float) -> list[str]:
    """Return one sentence for each budget of a result that was not met."""
    return [
        f"{name}: {entry['what']}: {entry['value']:,.4g}, but the budget is "
        + (
            f"at least {entry['at_least']:,.4g}"
            if "at_least" in entry
            else f"at most {entry['at_most']:,.4g}"
        )
        + f" (load of the machine {load:.1f})."
        for entry in entries
        if not entry["met"]
    ]
