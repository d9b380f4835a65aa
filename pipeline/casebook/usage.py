"""Use of power, in figures: how often people were searched for, refused, deleted."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from pipeline.casebook import database, roles, tables
from pipeline.settings import Settings

#: figure -> acts of the audit log that count for it.
FIGURES = {
    "cases opened": ("case.open",),
    "cases closed": ("case.close",),
    "orders requested": ("order.request",),
    "orders approved": ("order.approve",),
    "orders refused": ("order.refuse",),
    "orders revoked": ("order.revoke",),
    "searches": ("trace", "search"),
    "stills": ("still",),
    "exports": ("export",),
    "place lists": ("disclose",),
    "refused acts": ("refused",),
    "deletions": ("purge", "case.purge"),
}


def figures(
    user: str, *, since: datetime | None = None, settings: Settings
) -> list[dict[str, object]]:
    """Return counts by month (in the settings' zone) for everybody to see.

    Returns
    -------
    Rows {"month": "2025-11", "figure": one of FIGURES or "sightings accepted" or
    "sightings rejected", "count": int}, by month; no case, no person.
    """
    zone = ZoneInfo(settings.time_zone)
    figure_of = {act: name for name, acts in FIGURES.items() for act in acts}
    counted: Counter[tuple[str, str]] = Counter()
    with roles.acting_as(settings, user, "usage.read", "*") as (_, note):
        note("usage.read", "*", what="use of power")
    with database.reading(settings) as connection:
        table = tables.audit
        rows = connection.execute(
            select(table.c.at, table.c.act, table.c.detail).where(
                table.c.act.in_([*figure_of, "review"])
            )
        )
        for row in rows:
            at = datetime.fromisoformat(row.at)
            if since is not None and at < since:
                continue
            name = figure_of.get(row.act)
            if name is None:
                verdict = json.loads(row.detail).get("verdict")
                if verdict not in ("accept", "reject"):
                    continue
                name = f"sightings {verdict}ed"
            counted[f"{at.astimezone(zone):%Y-%m}", name] += 1
    return [
        {"month": month, "figure": name, "count": count}
        for (month, name), count in sorted(counted.items())
    ]


def mismatch_rate(rows: list[dict[str, object]]) -> float | None:
    """Return the share of people's verdicts that rejected a sighting; None if none."""
    count = {"sightings accepted": 0, "sightings rejected": 0}
    for row in rows:
        if row["figure"] in count:
            count[str(row["figure"])] += int(str(row["count"]))
    total = sum(count.values())
    return count["sightings rejected"] / total if total else None
