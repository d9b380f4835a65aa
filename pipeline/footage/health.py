"""Health of the camera network: what was recorded, what is late, what nobody sees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import pyarrow as pa
import shapely

from pipeline.cameras import basemap, coverage, frame
from pipeline.cameras import registry as registries
from pipeline.cameras.registry import Camera
from pipeline.casebook import roles
from pipeline.settings import Settings, get_settings
from pipeline.store import layout, reader
from pipeline.store.place import root_of

#: States of a camera: out of order by the registry; with footage, but `LATE` older
#: than the newest of the network; with footage up to then; with none in the last
#: `HOURS`; taken down.
STATES = ("outage", "late", "recording", "silent", "removed")
LATE = timedelta(hours=1)
#: Hours shown, up to the newest footage.
HOURS = 24
_COLUMNS = [
    "camera_id",
    "start_at",
    "end_at",
    "frames_read",
    "frames_corrupt",
    "tracklets",
]


@dataclass(frozen=True)
class Recorded:
    """Footage of one camera within the last `HOURS`."""

    camera_id: str
    seconds: float
    first_at: datetime
    last_at: datetime
    frames_read: int
    frames_corrupt: int
    tracklets: int


@dataclass(frozen=True)
class Dong:
    """A neighbourhood: its cameras, and how much of its ground they cover."""

    gu: str
    dong: str
    cameras: int
    outages: int
    calibrated: int
    error_m: float | None  #: median error of their calibrations, metres
    covered: float  #: share of the ground, 0 to 1, by cameras in order


@dataclass(frozen=True)
class Health:
    """The network as of now."""

    made_at: datetime
    newest: datetime | None  #: end of the newest footage
    states: dict[str, str]  #: camera id -> one of STATES
    counts: dict[str, int]  #: state -> cameras
    recorded: dict[str, Recorded]
    hours: tuple[datetime, ...]  #: UTC, the last HOURS up to the newest footage
    minutes: dict[str, tuple[float, ...]]  #: camera id -> minutes in each of `hours`

    @property
    def lag(self) -> timedelta | None:
        """How old the newest footage is."""
        return None if self.newest is None else self.made_at - self.newest


def health(user: str, *, settings: Settings | None = None) -> Health:
    """Return the health of all cameras of the registry.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not look at the network.
    """
    settings = settings or get_settings()
    roles.check(settings, user, "network.read", "*")
    cameras = _cameras(settings.registry, _changed(settings.registry))
    newest = _newest(settings)
    hours = _hours(newest)
    window = (hours[0], hours[-1] + timedelta(hours=1)) if hours else None
    log = reader.footage(settings, window, columns=_COLUMNS)
    recorded = _recorded(log)
    states = {camera.id: _state(camera, recorded, newest) for camera in cameras}
    counted = Counter(states.values())
    return Health(
        made_at=datetime.now(UTC),
        newest=newest,
        states=states,
        counts={state: counted[state] for state in STATES},
        recorded=recorded,
        hours=hours,
        minutes=_minutes(log, hours),
    )


def by_dong(user: str, *, settings: Settings | None = None) -> tuple[Dong, ...]:
    """Return the neighbourhoods, the least covered first.

    Some seconds for ten thousand cameras; kept until the registry changes.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not look at the network.
    """
    settings = settings or get_settings()
    roles.check(settings, user, "network.read", "*")
    path = settings.registry
    return _by_dong(path, _changed(path))


def shares(rows: Iterable[Dong]) -> float | None:
    """Return the mean share of covered ground over neighbourhoods; None if none."""
    found = [row.covered for row in rows]
    return sum(found) / len(found) if found else None


@lru_cache(maxsize=2)
def _by_dong(path: Path, _changed: int) -> tuple[Dong, ...]:
    cameras = registries.load(path, check=False).cameras
    groups: dict[tuple[str, str], list[Camera]] = defaultdict(list)
    for camera in cameras:
        if camera.status != "removed":
            groups[camera.gu, camera.dong].append(camera)
    ground = shapely.union_all(
        [coverage.metric_polygon(one) for one in cameras if one.status == "active"]
    )
    found = []
    for row in basemap.layer("dong").itertuples():
        area = shapely.transform(row.geometry, _metric)
        mine = groups[row.gu, row.dong]
        found.append(
            Dong(
                gu=row.gu,
                dong=row.dong,
                cameras=len(mine),
                outages=sum(one.status == "outage" for one in mine),
                calibrated=sum(one.calibration is not None for one in mine),
                error_m=_error(mine),
                covered=float(shapely.area(shapely.intersection(area, ground)))
                / float(shapely.area(area)),
            )
        )
    return tuple(sorted(found, key=lambda one: one.covered))


def _error(cameras: list[Camera]) -> float | None:
    """Return the median of the calibrations' stated errors, metres; None if none."""
    stated = [
        float(one.calibration["error_m"])
        for one in cameras
        if one.calibration and one.calibration.get("error_m") is not None
    ]
    return median(stated) if stated else None


def _metric(points: np.ndarray) -> np.ndarray:
    return np.column_stack(frame.to_metric(points[:, 0], points[:, 1]))


def _newest(settings: Settings) -> datetime | None:
    """Return the end of the newest footage; only its last hours are read."""
    known = layout.hours(root_of(settings), "footage")
    for hour in reversed(known):
        window = (hour, hour + timedelta(hours=1))
        ends = reader.footage(settings, window, columns=["end_at"])["end_at"]
        if len(ends):
            return max(ends.to_pylist())
    return None


def _recorded(log: pa.Table) -> dict[str, Recorded]:
    """Sum the log up by camera."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("log", log)
        rows = connection.execute(
            "SELECT camera_id, sum(epoch(end_at) - epoch(start_at)), min(start_at), "
            "max(end_at), coalesce(sum(frames_read), 0), "
            "coalesce(sum(frames_corrupt), 0), coalesce(sum(tracklets), 0) "
            "FROM log GROUP BY camera_id"
        ).fetchall()
    return {row[0]: Recorded(*row) for row in rows}


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=1)
def _cameras(registry: Path, _stamp: int) -> Sequence[Camera]:
    """Return the cameras, read once: tens of megabytes pass by for ten thousand."""
    return registries.load(registry, check=False).cameras


def _state(
    camera: Camera, recorded: dict[str, Recorded], newest: datetime | None
) -> str:
    if camera.status in ("outage", "removed"):
        return camera.status
    one = recorded.get(camera.id)
    if one is None or newest is None:
        return "silent"
    return "late" if newest - one.last_at > LATE else "recording"


def _hours(newest: datetime | None) -> tuple[datetime, ...]:
    if newest is None:
        return ()
    last = newest.replace(minute=0, second=0, microsecond=0)
    return tuple(last - timedelta(hours=ago) for ago in range(HOURS - 1, -1, -1))


def _minutes(
    log: pa.Table, hours: tuple[datetime, ...]
) -> dict[str, tuple[float, ...]]:
    """Return camera -> minutes of footage in each hour; a part may touch several."""
    if not hours:
        return {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("log", log)
        rows = connection.execute(
            "SELECT camera_id, epoch(hour), sum(epoch(least(end_at, hour + INTERVAL 1 "
            "HOUR)) - epoch(greatest(start_at, hour))) / 60 FROM (SELECT *, "
            "unnest(generate_series(date_trunc('hour', start_at), end_at, "
            "INTERVAL 1 HOUR)) AS hour FROM log) GROUP BY camera_id, hour"
        ).fetchall()
    number = {hour.timestamp(): index for index, hour in enumerate(hours)}
    found: dict[str, list[float]] = {}
    for camera, hour, minutes in rows:
        if hour in number:
            mine = found.setdefault(camera, [0.0] * len(hours))
            mine[number[hour]] = float(minutes)
    return {camera: tuple(mine) for camera, mine in found.items()}
