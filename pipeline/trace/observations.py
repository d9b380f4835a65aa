"""What an order lets a trace see: rows inside its window and area, no others.

Every read of observations by this room goes through `Scope`. A pass before a
camera is visible when it lies wholly inside the window and its first and last
ground points, and its camera, lie inside the area.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from pipeline.casebook.authorisation import Authorisation, require
from pipeline.settings import Settings
from pipeline.store import reader
from pipeline.store.ids import to_local_cm
from pipeline.store.place import root_of
from pipeline.trace.columns import floats, lonlat, seconds, texts
from pipeline.trace.passes import COLUMNS, PLAIN, Footage, Passes, empty_passes

if TYPE_CHECKING:
    from pipeline.cameras.registry import Camera, Registry

_FOOTAGE_COLUMNS = [
    "part_key", "camera_no", "start_at", "end_at", "footage_id", "source",
]  # fmt: skip
#: Error of a place where a camera is not calibrated, metres (its own position
#: stands for all that it sees).
UNCALIBRATED_ERROR_M = 20.0
#: Half the side of the square around a camera that is asked about as one, metres.
_DEEP_M = 150.0
#: Passes of the last scope, in memory up to so many rows (about 1.5 KB each).
_KEPT_ROWS = 1_000_000
_LAST: dict[tuple[Any, ...], Passes] = {}
_LOCK = threading.Lock()
_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


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
        everything = list(registry.cameras)
        inside = shapely.intersects_xy(
            authorisation.area,
            np.array([camera.lon for camera in everything], dtype=float),
            np.array([camera.lat for camera in everything], dtype=float),
        )
        #: Cameras inside the area, by number.
        self.cameras: dict[int, Camera] = {
            camera.number: camera
            for camera, within in zip(everything, inside, strict=True)
            if within
        }
        numbers = sorted(self.cameras)
        east, north = to_local_cm(
            np.array([self.cameras[n].lon for n in numbers], dtype=float),
            np.array([self.cameras[n].lat for n in numbers], dtype=float),
        )
        #: Their places, metres of the local frame.
        self.places: dict[int, tuple[float, float]] = {
            n: (float(x) / 100, float(y) / 100)
            for n, x, y in zip(numbers, np.ravel(east), np.ravel(north), strict=True)
        }

        self._deep: dict[int, bool] = {}

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Start (inclusive) and end of what may be seen, UTC."""
        return self.authorisation.window_start, self.authorisation.window_end

    def passes(self) -> Passes:
        """Read the visible tracklets.

        Those of the last scope are kept in memory (unless they are very many): what
        the same order opens is read anew only when the observations have changed.
        """
        require(self.authorisation)
        if not self.cameras:
            return empty_passes()
        numbers = sorted(self.cameras)
        key = self._state(numbers)
        with _LOCK:
            if key in _LAST:
                return _LAST[key]
        table = reader.tracklets(
            self.settings, window=self.window, camera_numbers=numbers, columns=COLUMNS
        )
        found = self.admit(table)
        with _LOCK:
            _LAST.clear()
            if len(found) <= _KEPT_ROWS:
                _LAST[key] = found
        return found

    def _state(self, numbers: list[int]) -> tuple[Any, ...]:
        """Tell apart what is stored and what of it may be seen."""
        parts = reader.segments(self.settings, "tracklet", self.window, numbers)
        return (
            str(root_of(self.settings)),
            self.window,
            shapely.to_wkb(self.authorisation.area),
            hash(tuple((n, *self.places[n]) for n in numbers)),
            tuple((one.path.name, one.hour, one.hidden.tobytes()) for one in parts),
        )

    def stream(
        self,
        columns: Sequence[str] = (),
        window: tuple[datetime, datetime] | None = None,
        camera_numbers: Iterable[int] | None = None,
    ) -> Iterator[Passes]:
        """Read the visible tracklets segment by segment, in bounded memory.

        Parameters
        ----------
        columns : embeddings wanted beside the plain columns (`FACE`, ...).
        window, camera_numbers : narrower than the order's; what lies outside the
            order is never read, whatever is asked.
        """
        require(self.authorisation)
        opens, closes = self.window
        if window is not None:
            opens, closes = max(opens, window[0]), min(closes, window[1])
        numbers = set(self.cameras)
        if camera_numbers is not None:
            numbers &= {int(number) for number in camera_numbers}
        if not numbers or opens >= closes:
            return
        for table in reader.scan(
            self.settings,
            "tracklet",
            (opens, closes),
            sorted(numbers),
            [*PLAIN, *columns],
        ):
            yield self.admit(table)

    def admit(self, table: pa.Table) -> Passes:
        """Keep the rows of a tracklet table that the order covers."""
        numbers = table["camera_no"].to_numpy().astype(np.int64)
        known = np.isin(numbers, np.array(sorted(self.cameras), dtype=np.int64))
        table, numbers = table.filter(pa.array(known)), numbers[known]
        start, end = seconds(table["start_at"]), seconds(table["end_at"])
        first, last, error = self._ground(table, numbers)
        opens, closes = (moment.timestamp() for moment in self.window)
        keep = (start >= opens) & (end <= closes)
        keep &= self._around(first, numbers) & self._around(last, numbers)
        ids = table["tracklet_id"].to_numpy()
        rows = np.flatnonzero(keep)
        rows = rows[np.lexsort((ids[rows], start[rows]))]
        return Passes(
            table=table.take(pa.array(rows, pa.int64())),
            ids=ids[rows],
            camera_no=numbers[rows],
            start=start[rows],
            end=end[rows],
            first=first[rows],
            last=last[rows],
            error_m=error[rows],
            face_width_px=floats(table["face_width_px"])[rows],
            mask_state=texts(table["mask_state"])[rows],
        )

    def detections(
        self, camera_numbers: Iterable[int], start: datetime, end: datetime
    ) -> pa.Table:
        """Read detections of some cameras, cut to the window and the area.

        Returns the stored columns, ordered by tracklet and time; rows without a
        ground point are kept (their camera lies inside).
        """
        require(self.authorisation)
        opens, closes = self.window
        start, end = max(start, opens), min(end, closes)
        numbers = sorted({int(n) for n in camera_numbers} & set(self.cameras))
        if not numbers or start > end:
            from pipeline.store.schema import DETECTION

            return DETECTION.empty_table()
        # The reader's windows are half open; ours ends with the order's last moment.
        table = reader.detections(
            self.settings,
            window=(start, min(end + timedelta(microseconds=1), closes)),
            camera_numbers=numbers,
        )
        at = seconds(table["at"])
        keep = (at >= start.timestamp()) & (at <= end.timestamp())
        keep &= np.isin(table["camera_no"].to_numpy().astype(np.int64), numbers)
        ground = np.column_stack(
            [floats(table["east_cm"]) / 100, floats(table["north_cm"]) / 100]
        )
        keep &= self.inside(ground) | np.isnan(ground[:, 0])
        table = table.filter(pa.array(keep))
        return table.sort_by([("tracklet_id", "ascending"), ("at", "ascending")])

    def footage(self) -> Footage:
        """Read what was analysed inside the window, of cameras inside the area."""
        require(self.authorisation)
        opens, closes = self.window
        table = reader.footage(
            self.settings,
            window=self.window,
            camera_numbers=sorted(self.cameras),
            columns=_FOOTAGE_COLUMNS,
        )
        start = np.maximum(seconds(table["start_at"]), opens.timestamp())
        end = np.minimum(seconds(table["end_at"]), closes.timestamp())
        numbers = table["camera_no"].to_numpy().astype(np.int64)
        keep = np.flatnonzero((end > start) & np.isin(numbers, sorted(self.cameras)))
        names, sources = table["footage_id"].to_pylist(), table["source"].to_pylist()
        return Footage(
            part_key=table["part_key"].to_numpy()[keep],
            camera_no=numbers[keep],
            start=start[keep],
            end=end[keep],
            footage_id=[names[i] for i in keep],
            source=[sources[i] for i in keep],
        )

    def inside(self, places: np.ndarray) -> np.ndarray:
        """Tell which places (float [n, 2], local metres) lie inside the area."""
        if not len(places):
            return np.zeros(0, dtype=bool)
        lon, lat = lonlat(places)
        found: Any = shapely.intersects_xy(self.authorisation.area, lon, lat)
        return np.asarray(found, dtype=bool)

    def _around(self, places: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """As `inside`, for places before cameras int64 [n]: most need no transform."""
        if not len(places):
            return np.zeros(0, dtype=bool)
        unique, where = np.unique(numbers, return_inverse=True)
        camera = np.array([self.places[int(n)] for n in unique]).reshape(-1, 2)
        deep = np.array([self._is_deep(int(n)) for n in unique])
        offset = np.abs(places - camera[where]).max(axis=1)
        result = deep[where] & (offset <= _DEEP_M)
        rest = np.flatnonzero(~result)
        result[rest] = self.inside(places[rest])
        return result

    def _is_deep(self, number: int) -> bool:
        """Whether everything within `_DEEP_M` of a camera lies inside the area."""
        if number not in self._deep:
            x, y = self.places[number]
            corners = np.array(
                [[x + i * _DEEP_M, y + j * _DEEP_M] for i, j in _SQUARE], dtype=float
            )
            # Wider by a hundredth: straight lines of one frame bend in the other.
            corners += 0.01 * (corners - [x, y])
            ring = shapely.Polygon(np.column_stack(lonlat(corners)))
            self._deep[number] = bool(self.authorisation.area.covers(ring))
        return self._deep[number]

    def _ground(
        self, table: pa.Table, numbers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First and last places [n, 2] and error [n]; the camera's where unknown."""
        unique, where = np.unique(numbers, return_inverse=True)
        places = np.array([self.places[int(n)] for n in unique]).reshape(-1, 2)
        camera = places[where] if len(numbers) else np.empty((0, 2))
        result = []
        for name in ("first", "last"):
            ground = np.column_stack(
                [
                    floats(table[f"{name}_east_cm"]) / 100,
                    floats(table[f"{name}_north_cm"]) / 100,
                ]
            )
            result.append(np.where(np.isnan(ground), camera, ground))
        error = floats(table["ground_error_cm"]) / 100
        error = np.where(np.isnan(error), UNCALIBRATED_ERROR_M, error)
        return result[0], result[1], error


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
