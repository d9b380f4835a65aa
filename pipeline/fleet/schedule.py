"""Whose turn it is: fair shares of the work, more where an order lies."""

from __future__ import annotations

from collections.abc import Mapping

import shapely

from pipeline.cameras.registry import Registry
from pipeline.casebook import database, tables
from pipeline.casebook.clock import now
from pipeline.errors import DongseonError
from pipeline.fleet.state import Clip
from pipeline.settings import Settings

#: A camera in the area of an order in force gets so many times another's share.
ORDER_WEIGHT = 4.0
#: A camera's weight by how busy it is: people a minute, as a share of the mean of all
#: cameras, within these bounds. The least busy with an order goes before the busiest
#: without; one before which nobody passes still gets its turn.
LEAST_BUSY, MOST_BUSY = 0.5, 1.5


def choose(
    clips: list[Clip], shares: dict[str, float], urgent: frozenset[str]
) -> Clip | None:
    """Return the clip to analyse next: of the camera with the smallest share.

    Start-time fair queuing: a camera's share is its seconds of work divided by its
    weight, so that over time each camera gets work in proportion to its weight, and
    one with many clips cannot starve the others. Ties go to the urgent, then to the
    older clip.
    """
    if not clips:
        return None
    return min(
        clips,
        key=lambda c: (shares.get(c.camera, 0.0), c.camera not in urgent, c.path.name),
    )


def weight(
    camera: str, urgent: frozenset[str], busy: Mapping[str, float] | None = None
) -> float:
    """Return a camera's weight: by the orders in force, then by its activity.

    Parameters
    ----------
    busy : people a minute of the cameras seen so far; others count as average.
    """
    base = ORDER_WEIGHT if camera in urgent else 1.0
    known = busy or {}
    mean = sum(known.values()) / len(known) if known else 0.0
    if not mean or camera not in known:
        return base
    return base * min(MOST_BUSY, max(LEAST_BUSY, known[camera] / mean))


def urgent_cameras(settings: Settings, registry: Registry) -> frozenset[str]:
    """Return the cameras in the areas of orders in force.

    Only areas are read: neither case nor person.
    """
    url = settings.casebook_database_url
    if url.startswith("sqlite:///") and not _is_there(url):
        return frozenset()
    table = tables.orders
    query = (
        table.select()
        .with_only_columns(table.c.area)
        .where(table.c.state == "approved", table.c.expires_at > now())
    )
    try:
        with database.reading(settings) as connection:
            areas = [shapely.from_wkt(row.area) for row in connection.execute(query)]
    except DongseonError:
        return frozenset()  # the casebook is away; every camera is alike then
    if not areas:
        return frozenset()
    union = shapely.union_all(areas)
    shapely.prepare(union)
    cameras = list(registry.cameras)
    inside = shapely.intersects_xy(
        union, [c.lon for c in cameras], [c.lat for c in cameras]
    )
    return frozenset(c.id for c, is_in in zip(cameras, inside, strict=True) if is_in)


def _is_there(url: str) -> bool:
    from pathlib import Path

    return Path(url.removeprefix("sqlite:///")).exists()
