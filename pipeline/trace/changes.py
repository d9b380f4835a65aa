"""What one trace of a case says otherwise than an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Changes:
    """Differences between two runs of one case."""

    joined: list[dict[str, Any]]  #: sightings on the later path only, in time order
    left: list[dict[str, Any]]  #: sightings on the earlier path only, in time order
    contacts_before: int
    contacts_after: int

    def __bool__(self) -> bool:
        return bool(
            self.joined or self.left or self.contacts_before != self.contacts_after
        )


def between(
    sightings_before: pa.Table,
    sightings_after: pa.Table,
    contacts_before: pa.Table,
    contacts_after: pa.Table,
) -> Changes:
    """Compare the paths and the numbers of contacts of two runs.

    Parameters
    ----------
    sightings_before, sightings_after, contacts_before, contacts_after : tables
        `sighting` and `contact` of `trace.tables`. A sighting is known by its
        tracklet; only those on the path count.
    """
    before, after = _on_path(sightings_before), _on_path(sightings_after)
    return Changes(
        joined=[row for key, row in after.items() if key not in before],
        left=[row for key, row in before.items() if key not in after],
        contacts_before=contacts_before.num_rows,
        contacts_after=contacts_after.num_rows,
    )


def _on_path(sightings: pa.Table) -> dict[int, dict[str, Any]]:
    rows = [row for row in sightings.to_pylist() if row["on_path"]]
    return {
        int(row["tracklet_id"]): row
        for row in sorted(rows, key=lambda row: row["start_at"])
    }
