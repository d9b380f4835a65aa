"""What an order lets a trace see: rows inside its window and area, no others.

Every read of observations by this room goes through `Scope`. A pass before a
camera is visible when it lies wholly inside the window and its first and last
ground points, and its camera, lie inside the area.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from pipeline.casebook.authorisation import Authorisation, require
from pipeline.settings import Settings
from pipeline.store import reader
from pipeline.store.ids import to_local_cm
from pipeline.store.place import root_of
from pipeline.trace import gather, haste, sieve, spare
from pipeline.trace.columns import floats, lonlat, seconds
from pipeline.trace.passes import Footage, Passes, empty_passes

if TYPE_CHECKING:
    from pipeline.cameras.registry import Camera, Registry

_FOOTAGE_COLUMNS = [
    "part_key", "camera_no", "start_at", "end_at", "footage_id", "source", "options",
]  # fmt: skip
#: Half the sides of squares around a camera that are asked about as one, metres.
_REACHES_M = (150.0, 75.0, 40.0, 20.0, 10.0)
#: What the last scope opened, in memory (160 bytes a pass, with what is arranged).
_LAST: dict[tuple[Any, ...], tuple[Passes, Footage]] = {}
_LOCK = threading.RLock()
#: Cameras inside the areas that were last asked about.
_INSIDE: dict[tuple[int, bytes], _Inside] = {}
_AREAS = 8
_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


class _Inside(NamedTuple):
    """Cameras inside an area."""

    registry: Registry
    cameras: dict[int, Camera]  #: by number, ascending
    places: dict[int, tuple[float, float]]  #: metres of the local frame
    told: tuple[bytes, int]  #: tells the area and the places apart from others


class Scope:
    """The observations one authorisation opens.

    Parameters
    ----------
    authorisation : issued by the casebook; checked at every read.
    registry : camera registry; default: the one of the settings.

    Raises
    ------
    NotAuthorisedError
        If the authorisation is not the casebook's, or has expired.
    """

    def __init__(
        self,
        authorisation: Authorisation,
        settings: Settings,
        registry: Registry | None = None,
    ) -> None:
        self.authorisation = require(authorisation)
        self.settings = settings
        self.registry = registry = registry or _registry(settings.registry)
        shapely.prepare(authorisation.area)
        inside = _inside(registry, shapely.to_wkb(authorisation.area))
        #: Cameras inside the area, by number.
        self.cameras: dict[int, Camera] = inside.cameras
        #: Their places, metres of the local frame.
        self.places: dict[int, tuple[float, float]] = inside.places
        self._told = inside.told
        self._opened: tuple[Passes, Footage] | None = None

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Start (inclusive) and end of what may be seen, UTC."""
        return self.authorisation.window_start, self.authorisation.window_end

    def passes(self, progress: Callable[[float], object] | None = None) -> Passes:
        """Return the visible tracklets; embeddings stay where they are stored.

        Those of the last scope are kept in memory: what the same order opens, or
        another over the same window and area, is read anew only when the
        observations have changed. `progress` is told the share read, 0..1; raise in
        it to cancel.
        """
        require(self.authorisation)
        return self._last(progress)[0] if self.cameras else empty_passes()

    def _state(self) -> tuple[Any, ...]:
        """Tell apart what is stored and what of it may be seen."""
        return (
            str(root_of(self.settings)),
            self.window,
            self._told,
            reader.logged(self.settings, self.window),
        )

    def _last(
        self, progress: Callable[[float], object] | None = None
    ) -> tuple[Passes, Footage]:
        """What this scope opens, from memory if nothing has changed."""
        if self._opened is not None:
            return self._opened
        numbers = sorted(self.cameras)
        key = self._state()
        with _LOCK:
            if key not in _LAST:
                forget()  # before the next is read: never two in memory
                found = (
                    gather.passes(self, numbers, progress),
                    self._footage(numbers),
                )
                _LAST[key] = found
            self._opened = _LAST[key]
            return self._opened

    def detections(
        self,
        camera_numbers: Iterable[int],
        start: datetime,
        end: datetime,
        columns: list[str] | None = None,
        spans: Sequence[tuple[int, float, float]] | None = None,
    ) -> pa.Table:
        """Read detections of some cameras, cut to the window and the area.

        Returns the stored columns, or some that tell tracklet, camera, time and ground
        point at least, ordered by tracklet and time; rows without a ground point are
        kept (their camera lies inside).

        Parameters
        ----------
        spans : cut to these as well: camera number, first and last Unix second.
        """
        require(self.authorisation)
        opens, closes = self.window
        start, end = max(start, opens), min(end, closes)
        numbers = sorted({int(n) for n in camera_numbers} & set(self.cameras))
        if not numbers or start > end:
            from pipeline.store.schema import DETECTION

            return DETECTION.empty_table().select(columns or DETECTION.names)
        # The reader's windows are half open; ours ends with the order's last moment.
        table = reader.detections(
            self.settings,
            window=(start, min(end + timedelta(microseconds=1), closes)),
            camera_numbers=numbers,
            columns=columns,
        )
        at, camera = seconds(table["at"]), table["camera_no"].to_numpy()
        keep = (at >= start.timestamp()) & (at <= end.timestamp())
        keep &= np.isin(camera, numbers)
        if spans is not None:
            asked = np.zeros(len(at), dtype=bool)
            for number, first, last in spans:
                asked |= (camera == number) & (at >= first) & (at <= last)
            keep &= asked
        table = table.filter(pa.array(keep))
        ground = np.column_stack(
            [floats(table["east_cm"]) / 100, floats(table["north_cm"]) / 100]
        )
        inside = self.inside(ground) | np.isnan(ground[:, 0])
        if not inside.all():
            table = table.filter(pa.array(inside))
        order = np.lexsort((seconds(table["at"]), table["tracklet_id"].to_numpy()))
        return table.take(pa.array(order))

    def footage(self) -> Footage:
        """Read what was analysed inside the window, of cameras inside the area."""
        require(self.authorisation)
        return self._last()[1] if self.cameras else self._footage([])

    def _footage(self, numbers: list[int]) -> Footage:
        opens, closes = self.window
        table = reader.footage(
            self.settings,
            window=self.window,
            camera_numbers=numbers,
            columns=_FOOTAGE_COLUMNS,
        )
        start = np.maximum(seconds(table["start_at"]), opens.timestamp())
        end = np.minimum(seconds(table["end_at"]), closes.timestamp())
        keep = np.flatnonzero(end > start)
        return Footage(
            part_key=table["part_key"].to_numpy()[keep],
            camera_no=table["camera_no"].to_numpy().astype(np.int64)[keep],
            start=start[keep],
            end=end[keep],
            hasty=haste.at_triage(table["options"])[keep],
            names=table.select(["footage_id", "source"]).take(pa.array(keep)),
        )

    def inside(self, places: np.ndarray) -> np.ndarray:
        """Tell which places (float [n, 2], local metres) lie inside the area."""
        if not len(places):
            return np.zeros(0, dtype=bool)
        lon, lat = lonlat(places)
        found: Any = shapely.intersects_xy(self.authorisation.area, lon, lat)
        return np.asarray(found, dtype=bool)

    def ground(self, numbers: Sequence[int]) -> sieve.Ground:
        """Say where cameras are, and around which of them everything is inside."""
        place, reach = self._ground
        known = np.zeros(len(place), dtype=bool)
        known[list(numbers)] = True
        return sieve.Ground(known, place, reach)

    @cached_property
    def _ground(self) -> tuple[np.ndarray, np.ndarray]:
        """By camera number: its place [m, 2], NaN outside the area; its reach [m].

        Everything within its reach of a camera, to the sides, lies inside the area.
        """
        numbers = np.array(sorted(self.cameras), dtype=np.int64)
        size = int(numbers.max(initial=-1)) + 1
        place, reach = np.full((size, 2), np.nan), np.full(size, -1.0)
        place[numbers] = np.array([self.places[int(n)] for n in numbers]).reshape(-1, 2)
        for metres in _REACHES_M:
            corners = place[numbers][:, None, :] + metres * np.array(_SQUARE, float)
            # Wider by a hundredth: straight lines of one frame bend in the other.
            corners += 0.01 * (corners - place[numbers][:, None, :])
            lon, lat = lonlat(corners.reshape(-1, 2))
            rings = np.column_stack([lon, lat]).reshape(-1, 4, 2)
            deep = shapely.covers(self.authorisation.area, shapely.polygons(rings))
            reach[numbers[deep]] = metres
            numbers = numbers[~deep]
        return place, reach


def _inside(registry: Registry, area: bytes) -> _Inside:
    """Return the cameras inside an area (WKB, WGS 84); asked for at every look."""
    key = id(registry), area
    found = _INSIDE.get(key)
    if found is None:
        everything = list(registry.cameras)
        within = shapely.intersects_xy(
            shapely.from_wkb(area),
            np.array([camera.lon for camera in everything], dtype=float),
            np.array([camera.lat for camera in everything], dtype=float),
        )
        some = (one for one, inside in zip(everything, within, strict=True) if inside)
        cameras = {one.number: one for one in sorted(some, key=lambda one: one.number)}
        east, north = to_local_cm(
            np.array([one.lon for one in cameras.values()], dtype=float),
            np.array([one.lat for one in cameras.values()], dtype=float),
        )
        metres = np.column_stack([np.ravel(east), np.ravel(north)]) / 100
        places = {
            number: (x, y)
            for number, (x, y) in zip(cameras, metres.tolist(), strict=True)
        }
        told = area, hash(tuple((number, *place) for number, place in places.items()))
        while len(_INSIDE) >= _AREAS:
            _INSIDE.pop(next(iter(_INSIDE)), None)
        # With the registry, so that no other gets its id.
        found = _INSIDE[key] = _Inside(registry, cameras, places, told)
    return found


def is_open(authorisation: Authorisation, settings: Settings) -> bool:
    """Tell whether what an order opens is in memory as it is stored now."""
    scope = Scope(authorisation, settings)
    return scope._state() in _LAST


def opened() -> object:
    """Tell apart what is in memory at one time and at another."""
    return next(iter(_LAST), None)


def held() -> list[Passes]:
    """Return the passes in memory."""
    with _LOCK:
        return [passes for passes, _ in _LAST.values()]


def forget() -> None:
    """Let go of what the last scope opened (observations are to be deleted)."""
    with _LOCK:
        _LAST.clear()
        spare.wipe()


def _registry(file: Path) -> Registry:
    """The registry as it now stands; read anew when the file changes."""
    from pipeline.cameras import registry as registries

    if not file.is_file():
        return registries.load(file)  # tells what to do
    return _registry_at(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _registry_at(file: Path, changed_ns: int) -> Registry:
    from pipeline.cameras import registry as registries

    return registries.load(file)
