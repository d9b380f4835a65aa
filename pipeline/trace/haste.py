"""Footage that was looked at in haste: seconds of contact there are counted short."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from pipeline.store import reader
from pipeline.trace.observations import Passes, Scope

#: What the options of a part analysed at triage quality say (`footage.triage`).
_TRIAGE = r'"quality":\s*"triage"'


def passes_at_triage(scope: Scope, passes: Passes, mine: Passes) -> int:
    """How many of the patient's passes are of footage analysed at triage quality."""

    def parts() -> np.ndarray:
        table = reader.footage(
            scope.settings, window=scope.window, columns=["part_key", "options"]
        )
        hasty = pc.match_substring_regex(table["options"], _TRIAGE)
        return table.filter(hasty)["part_key"].to_numpy()

    hasty = passes.kept("triage", parts)
    if not len(hasty) or not len(mine):
        return 0
    return int(np.isin(mine.stored(["part_key"])["part_key"].to_numpy(), hasty).sum())


def remark(hasty: int, all_of: int) -> list[str]:
    """Say so, in one sentence or none."""
    if not hasty:
        return []
    return [
        f"{hasty} of the {all_of} sightings on the path come from footage analysed at "
        "triage quality: seconds of contact there are counted short; analyse it again "
        "with --quality full before minutes decide."
    ]
