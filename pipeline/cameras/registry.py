"""The camera registry: one GeoJSON Feature per camera."""

from __future__ import annotations

import contextlib
import difflib
import gc
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.cameras import frame
from pipeline.errors import CameraError

if TYPE_CHECKING:
    import geopandas as gpd
    import pyarrow as pa

CRS_NAME = "urn:ogc:def:crs:OGC:1.3:CRS84"


@dataclass(frozen=True)
class Camera:
    """A place, an optics, a calibration.

    Positions are WGS84 degrees, lengths metres, angles degrees: `heading_deg`
    clockwise from north in [0, 360), `tilt_deg` down from the horizontal,
    `fov_deg` the horizontal field of view. None means unknown.
    """

    id: str
    number: int
    name: str
    lon: float
    lat: float
    usage: str
    gu: str
    dong: str
    height_m: float | None = None
    heading_deg: float | None = None
    tilt_deg: float | None = None
    fov_deg: float | None = None
    resolution: str | None = None
    installed: str | None = None
    retention_days: int | None = None
    source: str = "operator"
    status: str = "active"
    calibration: dict[str, Any] | None = None
    clips: tuple[dict[str, Any], ...] = ()
    indoors: bool = False
    area: dict[str, Any] | None = None
    synthetic: bool = False

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the image in pixels, by the stated resolution."""
        width, _, height = (self.resolution or "").partition("x")
        if width.isdigit() and height.isdigit():
            return int(width), int(height)
        return None


@dataclass(frozen=True)
class Registry:
    """All cameras of the network, in file order."""

    cameras: list[Camera]
    path: Path | None = None
    header: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __contains__(self, camera_id: object) -> bool:
        return camera_id in self._by_id

    @cached_property
    def _by_id(self) -> dict[str, Camera]:
        return {camera.id: camera for camera in self.cameras}

    @cached_property
    def _by_number(self) -> dict[int, Camera]:
        return {camera.number: camera for camera in self.cameras}

    def get(self, camera_id: str) -> Camera:
        """Return the camera of that id.

        Raises
        ------
        CameraError
            When there is none; the text names the ids that look nearest.
        """
        camera = self._by_id.get(camera_id)
        if camera is not None:
            return camera
        near = self._near_ids(camera_id)
        hint = f"did you mean {', '.join(near)}?" if near else "no id looks like it."
        raise CameraError(
            f"Camera {camera_id!r} is not in {self.path or 'the registry'} "
            f"({len(self):,} cameras); {hint}"
        )

    def _near_ids(self, camera_id: str) -> list[str]:
        """Return up to three ids that look like the given one."""
        prefix, _, digits = camera_id.upper().rpartition("-")
        padded = f"{prefix or 'BC'}-{digits.zfill(5)}"
        if padded in self._by_id:
            return [padded]
        return difflib.get_close_matches(padded, self._by_id, n=3, cutoff=0.4)

    def by_number(self, number: int) -> Camera:
        """Return the camera of that number; CameraError when there is none."""
        camera = self._by_number.get(int(number))
        if camera is None:
            raise CameraError(
                f"No camera has the number {number} in {self.path or 'the registry'}; "
                "was the registry replaced after the footage was analysed?"
            )
        return camera

    def nearest(self, lon: float, lat: float, n: int = 5) -> list[tuple[Camera, float]]:
        """Return the n cameras nearest to a WGS84 point, with metres to each."""
        x, y = frame.to_metric(lon, lat)
        distance = np.hypot(self.metric[:, 0] - x, self.metric[:, 1] - y)
        order = np.argsort(distance, kind="stable")[:n]
        return [(self.cameras[i], float(distance[i])) for i in order]

    @cached_property
    def metric(self) -> np.ndarray:
        """Positions in EPSG:5186 metres, float64 [n, 2], in camera order."""
        lon = np.array([camera.lon for camera in self.cameras], dtype=float)
        lat = np.array([camera.lat for camera in self.cameras], dtype=float)
        return np.column_stack(frame.to_metric(lon, lat)).reshape(-1, 2)

    @cached_property
    def frame(self) -> gpd.GeoDataFrame:
        """The cameras as a GeoDataFrame (EPSG:4326), one row each."""
        import geopandas as gpd
        import pandas as pd

        table = pd.DataFrame(
            [asdict(camera) for camera in self.cameras],
            columns=[column.name for column in fields(Camera)],
        )
        points = gpd.points_from_xy(table["lon"], table["lat"])
        return gpd.GeoDataFrame(table, geometry=points, crs=frame.WGS84)


def load(path: Path | str, *, check: bool = True) -> Registry:
    """Read and validate a registry file.

    A file that has not changed since it was last read is not read again; the same
    `Registry` is returned, to be looked at and not to be changed.

    Parameters
    ----------
    path : GeoJSON FeatureCollection of Points, WGS84 lon/lat.
    check : validate the rows (every bad one is reported at once).

    Raises
    ------
    CameraError
        When the file is absent, no GeoJSON, or holds bad rows.
    """
    path = Path(path)
    try:
        found = path.stat()
    except OSError:
        return _read(path, check)  # which says what is wrong
    return _unchanged(path, check, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=4)
def _unchanged(path: Path, check: bool, stamp: tuple[int, ...]) -> Registry:
    return _read(path, check)


def _read(path: Path, check: bool) -> Registry:
    from pipeline.cameras.validate import require_valid

    with _uncollected():
        document = read_document(path)
        if check:
            require_valid(document, str(path))
        cameras = [_camera(feature) for feature in document["features"]]
    header = {k: v for k, v in document.items() if k not in ("type", "features")}
    return Registry(cameras, path, header)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: the many small things of a parsed file are none yet."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def read_document(path: Path) -> dict[str, Any]:
    """Return the parsed FeatureCollection; CameraError when it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CameraError(
            f"There is no camera registry at {path}; make one with "
            "`dongseon cameras generate` or `dongseon cameras import`.",
            code="registry_missing",
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CameraError(
            f"{path} is not a GeoJSON file: {error}.", code="registry_unreadable"
        ) from None
    if (
        not isinstance(document, dict)
        or document.get("type") != "FeatureCollection"
        or not isinstance(document.get("features"), list)
    ):
        raise CameraError(
            f"{path} is not a GeoJSON FeatureCollection.", code="registry_unreadable"
        )
    return document


def save(
    cameras: Iterable[Camera], path: Path | str, header: dict[str, Any] | None = None
) -> None:
    """Write a registry, one Feature a line, so that it appears whole or not at all.

    Parameters
    ----------
    cameras : in the order to be written.
    path : replaced atomically (temporary file, fsync, rename).
    header : members of the FeatureCollection beside `type` and `features`.
    """
    head = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": CRS_NAME}},
        **(header or {}),
    }
    lines = ",\n".join(dump(feature(camera)) for camera in cameras)
    text = f'{dump(head)[:-1]},"features":[\n{lines}\n]}}\n'
    write_atomically(Path(path), text)


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text so that readers see the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def feature(camera: Camera) -> dict[str, Any]:
    """Return the GeoJSON Feature of a camera (coordinates to 6 decimals)."""
    properties = asdict(camera)
    point = [round(properties.pop("lon"), 6), round(properties.pop("lat"), 6)]
    properties["clips"] = list(properties["clips"])
    if properties["area"] is None:
        del properties["area"]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": point},
        "properties": properties,
    }


def dump(value: object) -> str:
    """Return compact JSON with Korean letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_table(registry: Registry) -> pa.Table:
    """Return the registry as a flat Arrow table for the `cameras` view.

    Columns: the properties (calibration as its kind and error_m, clips as their
    count), lon, lat, h3_9, h3_10 (strings), east_cm, north_cm (int32, the local
    frame of the observation store).
    """
    import h3
    import pyarrow as pa

    cameras = registry.cameras
    centimetres = np.rint(
        (registry.metric - [frame.ORIGIN_EAST_M, frame.ORIGIN_NORTH_M]) * 100
    ).astype(np.int32)
    columns: dict[str, Any] = {}
    for name, kind in _TABLE_TYPES.items():
        values = [getattr(camera, name) for camera in cameras]
        columns[name] = pa.array(values, type=getattr(pa, kind)())
    calibrations = [camera.calibration or {} for camera in cameras]
    columns["calibration"] = pa.array(
        [calibration.get("kind") for calibration in calibrations], type=pa.string()
    )
    columns["calibration_error_m"] = pa.array(
        [calibration.get("error_m") for calibration in calibrations],
        type=pa.float64(),
    )
    columns["clips"] = pa.array([len(c.clips) for c in cameras], type=pa.int32())
    for resolution in (9, 10):
        columns[f"h3_{resolution}"] = pa.array(
            [h3.latlng_to_cell(c.lat, c.lon, resolution) for c in cameras],
            type=pa.string(),
        )
    columns["east_cm"] = pa.array(centimetres[:, 0], type=pa.int32())
    columns["north_cm"] = pa.array(centimetres[:, 1], type=pa.int32())
    return pa.table(columns)


_TABLE_TYPES = {
    "id": "string",
    "number": "uint16",
    "name": "string",
    "usage": "string",
    "gu": "string",
    "dong": "string",
    "lon": "float64",
    "lat": "float64",
    "height_m": "float64",
    "heading_deg": "float64",
    "tilt_deg": "float64",
    "fov_deg": "float64",
    "resolution": "string",
    "installed": "string",
    "retention_days": "int32",
    "source": "string",
    "status": "string",
    "indoors": "bool_",
    "synthetic": "bool_",
}
_FIELDS = {column.name for column in fields(Camera)} - {"lon", "lat", "clips"}


def _camera(feature: dict[str, Any]) -> Camera:
    """Make a camera of a Feature; members the registry does not know are left."""
    properties = feature.get("properties") or {}
    lon, lat = feature["geometry"]["coordinates"][:2]
    known = {key: value for key, value in properties.items() if key in _FIELDS}
    clips = tuple(properties.get("clips") or ())
    return Camera(lon=float(lon), lat=float(lat), clips=clips, **known)
