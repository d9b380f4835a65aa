"""Several patients whose walks cross: cases under their own orders, one result each."""

from __future__ import annotations

import numpy as np

from pipeline.casebook import orders
from pipeline.settings import Settings
from pipeline.trace import results
from tests.dashboard import installation

START = installation.START
#: West, south, east, north of their orders' areas.
AROUND = (126.70, 37.43, 126.88, 37.60)
#: Degrees of latitude that are one metre.
METRE = 1 / 111_320


def build(settings: Settings, number: int = 3) -> list[str]:
    """Add patients beside the installation's own; return all pseudonyms.

    Each meets the first one at one stop, a metre away, and walks elsewhere otherwise.
    """
    places = [(one.lon, one.lat) for one in installation.cameras()]
    names = []
    for index in range(1, number + 1):
        name = f"TEST-{index + 1:03d}"
        order = installation.approve_order(settings, name, hours=6, frame=AROUND)
        stops, watching = _walk(index, places)
        permission = orders.authorise(name, "asker", "test", settings=settings)
        found = installation.result_tables(order, stops, watching, ordinal=index)
        run = f"20251103T15{index:02d}00Z-0123abcd"
        row = found["run"].to_pylist()[0] | {"run": run}
        found["run"] = found["run"].from_pylist([row], schema=found["run"].schema)
        results.write(permission, found, run=run, settings=settings)
        names.append(name)
    return [installation.CASE, *names]


def _walk(
    index: int, places: list[tuple[float, float]]
) -> tuple[list[tuple[float, float, int, int]], list[int]]:
    """Return stops and cameras: near ones first, with a meeting in between."""
    generator = np.random.default_rng(index)
    meeting = index % len(installation.STOPS)
    lon, lat, met_after, stay = installation.STOPS[meeting]
    chosen = generator.choice(np.arange(6, len(places)), size=7, replace=False)
    moment = int(generator.integers(0, 200)) - 1500
    stops, watching = [], []
    for camera in sorted(chosen, key=lambda one: places[one]):
        stops.append((*places[camera], moment, int(generator.integers(30, 240))))
        watching.append(int(camera))
        moment += int(generator.integers(500, 800))
    middle = [at for at, stop in enumerate(stops) if stop[2] < met_after - 300]
    cut = len(middle)
    late = met_after + 600 - stops[cut][2] if cut < len(stops) else 0
    after = [(x, y, at + max(late, 0), length) for x, y, at, length in stops[cut:]]
    stops = [*stops[:cut], (lon, lat + METRE, met_after, stay), *after]
    return stops, [*watching[:cut], meeting, *watching[cut:]]
