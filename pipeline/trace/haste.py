"""Footage that was looked at in haste: seconds of contact there are counted short."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.trace.passes import Footage, Passes

#: What the options of a part analysed at triage quality say (`footage.triage`).
_TRIAGE = r'"quality":\s*"triage"'


def at_triage(options: pa.ChunkedArray) -> np.ndarray:
    """Tell of parts, by the options of their analysis, which were triaged, bool [m]."""
    few = pc.unique(options)  # many parts, hardly any options
    hasty = few.filter(pc.match_substring_regex(few, _TRIAGE))
    return np.asarray(pc.is_in(options, hasty).to_numpy())


def passes_at_triage(footage: Footage, mine: Passes) -> int:
    """How many of the patient's passes are of footage analysed at triage quality."""
    hasty = footage.part_key[footage.hasty]
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
