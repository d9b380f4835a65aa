"""Operating report: how often people rejected what was proposed, by condition.

Of the newest results of cases whose order is in force. It shows where the search
errs more (masks, weak similarity), not who was searched for.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from pipeline.casebook import analysis, database, roles, tables
from pipeline.settings import Settings

#: Groups of fewer verdicts are left out (the same limit as for cells).
SMALLEST = analysis.SMALLEST_CELL
_BAND = 0.1


def by_condition(user: str, *, settings: Settings) -> list[dict[str, Any]]:
    """Return the share of rejected sightings by mask, evidence and similarity.

    Returns
    -------
    Rows {"condition": mask, evidence or similarity, "group": str, "verdicts": int,
    "rejected": int, "share": 0..1}; a sighting counts once per reviewer's last
    verdict, `unsure` not at all.
    """
    with roles.acting_as(settings, user, "usage.read", "*") as (_, note):
        note("usage.read", "*", what="fairness")
    given: Counter[tuple[str, str]] = Counter()
    rejected: Counter[tuple[str, str]] = Counter()
    for run in analysis.runs_in_force(settings):
        verdicts = _last_verdicts(settings, run.case_id)
        for sighting in run.rows("sighting"):
            for verdict in verdicts.get(sighting["tracklet_id"], {}).values():
                if verdict == "unsure":
                    continue
                for key in _groups(sighting):
                    given[key] += 1
                    rejected[key] += verdict == "reject"
    return [
        {
            "condition": condition,
            "group": group,
            "verdicts": number,
            "rejected": rejected[condition, group],
            "share": rejected[condition, group] / number,
        }
        for (condition, group), number in sorted(given.items())
        if number >= SMALLEST
    ]


def _groups(sighting: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        ("mask", str(sighting["mask_state"])),
        ("evidence", str(sighting["evidence"])),
    ]
    if sighting["similarity"] is not None:
        low = int(sighting["similarity"] / _BAND + 1e-9) * _BAND
        found.append(("similarity", f"{low:.1f}-{low + _BAND:.1f}"))
    return found


def _last_verdicts(settings: Settings, case_id: int) -> dict[int, dict[str, str]]:
    table = tables.reviews
    query = select(table).where(table.c.case_id == case_id).order_by(table.c.id)
    found: dict[int, dict[str, str]] = {}
    with database.reading(settings) as connection:
        for row in connection.execute(query):
            found.setdefault(int(row.tracklet_id), {})[row.reviewer] = row.verdict
    return found
