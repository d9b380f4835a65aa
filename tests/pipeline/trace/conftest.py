"""A small city with known truth, written with the store's own writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from shapely.geometry import box

from pipeline.cameras.registry import Camera, Registry
from pipeline.casebook import cases, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import Settings, get_settings
from pipeline.store import ids, vectors, writer
from pipeline.store.schema import DETECTION, FOOTAGE, TRACKLET

START = datetime(2025, 11, 3, 5, 0, tzinfo=UTC)
#: South-west corner of the small city, metres of the local frame.
CORNER = np.array([9_000.0, 8_000.0])
FACE_MODEL, LOOKS_MODEL = "mobilefacenet", "colour-parts"


@pytest.fixture
def book(settings: Settings, tmp_path, monkeypatch) -> Settings:
    """Settings of an installation with a registry of its own and no case yet."""
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    get_settings.cache_clear()
    found = get_settings()
    found.data_dir.mkdir(parents=True)
    return found


@dataclass
class Person:
    """Somebody with a face and, per day, clothing."""

    face: np.ndarray
    looks: np.ndarray


@dataclass
class World:
    """Cameras, people and what was seen of them."""

    settings: Settings
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    cameras: list[Camera] = field(default_factory=list)
    passes: list[dict] = field(default_factory=list)
    footage: list[tuple[int, float, float]] = field(default_factory=list)
    _ids: set[int] = field(default_factory=set)

    def camera(self, x: float, y: float, *, indoors: bool = False) -> int:
        """Put a camera at x, y metres from the corner; return its number."""
        number = len(self.cameras) + 1
        lon, lat = ids.to_lonlat(*((CORNER + np.array([x, y])) * 100))
        self.cameras.append(
            Camera(
                id=f"BC-{number:05d}",
                number=number,
                name=f"camera {number}",
                lon=float(lon),
                lat=float(lat),
                usage="생활방범",
                gu="원미구",
                dong="심곡동",
                indoors=indoors,
                synthetic=True,
            )
        )
        return number

    def place(self, camera: int) -> np.ndarray:
        """Place of a camera, metres from the corner."""
        one = self.cameras[camera - 1]
        east, north = ids.to_local_cm(np.array([one.lon]), np.array([one.lat]))
        return np.array([east[0], north[0]]) / 100 - CORNER

    def person(self) -> Person:
        """Make up a person."""
        return Person(self._unit(192), self._unit(64))

    def film(self, camera: int, start_s: float, seconds: float) -> None:
        """Let a camera record."""
        end_s = start_s + seconds
        while start_s < end_s:  # parts of an hour at most
            stop = min(end_s, start_s + 3600)
            self.footage.append((camera, start_s, stop))
            start_s = stop

    def walk(
        self,
        person: Person,
        camera: int,
        start_s: float,
        points: np.ndarray,
        *,
        step_s: float = 1.0,
        face: bool = True,
        mask: str = "none",
        masks: list[str] | None = None,
        width: float = 60.0,
        face_cos: float = 0.88,
        looks_cos: float = 0.95,
        boxes: np.ndarray | None = None,
    ) -> int:
        """Let a person pass points [n, 2] (metres from the corner), one each step.

        `face_cos` is the cosine of each view with the person's ideal.
        """
        points = np.asarray(points, float)
        at = start_s + step_s * np.arange(len(points))
        ordinal = 0
        while True:
            one = int(
                ids.tracklet_ids(
                    np.array([camera]),
                    np.array([START.timestamp() + start_s]),
                    np.array([ordinal]),
                )[0]
            )
            if one not in self._ids:
                break
            ordinal += 1
        self._ids.add(one)
        self.passes.append(
            {
                "id": one,
                "camera": camera,
                "at": at,
                "points": points + CORNER,
                "face": self._view(person.face, face_cos) if face else None,
                "looks": self._view(person.looks, looks_cos),
                "mask": mask,
                "masks": masks,
                "width": width,
                "boxes": boxes,
            }
        )
        return one

    def stand(self, person: Person, camera: int, start_s: float, seconds: int, **more):
        """Let a person stand at a camera."""
        points = np.repeat(self.place(camera)[None], seconds + 1, axis=0)
        offset = more.pop("offset", (0.0, 0.0))
        return self.walk(person, camera, start_s, points + offset, **more)

    def publish(self) -> Registry:
        """Write everything to the store; return the registry."""
        for number, (camera, start, end) in enumerate(self.footage):
            mine = [
                p for p in self.passes
                if p["camera"] == camera and start <= p["at"][0] < end
            ]  # fmt: skip
            writer.publish(
                self.settings,
                self._footage_row(number, camera, start, end),
                self._tracklets(mine),
                self._detections(mine),
            )
        return Registry(cameras=self.cameras)

    def _footage_row(self, number: int, camera: int, start: float, end: float):
        row = dict.fromkeys(FOOTAGE.names)
        row |= {
            "footage_id": f"clip-{number}", "part": 0,
            "camera_id": self.cameras[camera - 1].id, "camera_no": camera,
            "start_at": _moment(start), "end_at": _moment(end),
            "source": f"clip-{number}.mp4", "synthetic": True,
        }  # fmt: skip
        return pa.Table.from_pylist([row], schema=FOOTAGE)

    def _tracklets(self, mine: list[dict]) -> pa.Table:
        rows = []
        for one in mine:
            first, last = one["points"][0] * 100, one["points"][-1] * 100
            row = dict.fromkeys(TRACKLET.names)
            row |= {
                "tracklet_id": one["id"], "camera_no": one["camera"],
                "camera_id": self.cameras[one["camera"] - 1].id,
                "start_at": _moment(one["at"][0]), "end_at": _moment(one["at"][-1]),
                "detections": len(one["at"]), "ground_error_cm": 10,
                "first_east_cm": round(first[0]), "first_north_cm": round(first[1]),
                "last_east_cm": round(last[0]), "last_north_cm": round(last[1]),
                "mask_state": one["mask"], "mask_probability": 0.9,
                "best_at": _moment(one["at"][0]),
            }  # fmt: skip
            row |= _embedding("appearance", LOOKS_MODEL, one["looks"])
            if one["face"] is not None:
                row |= _embedding("face", FACE_MODEL, one["face"])
                row |= {"faces": 3, "face_quality": 0.8, "face_width_px": one["width"]}
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=TRACKLET)

    def _detections(self, mine: list[dict]) -> pa.Table:
        rows = []
        for one in mine:
            for k, (at, point) in enumerate(zip(one["at"], one["points"], strict=True)):
                row = dict.fromkeys(DETECTION.names)
                left = one["boxes"] if one["boxes"] is not None else None
                box_ = left[k] if left is not None else (one["id"] % 977, k, 1.0, 1.0)
                row |= {
                    "tracklet_id": one["id"], "camera_no": one["camera"],
                    "second": int(np.floor(START.timestamp() + at)), "at": _moment(at),
                    "frame": k, "score": 0.9, "ground_error_cm": 10,
                    "east_cm": round(point[0] * 100),
                    "north_cm": round(point[1] * 100),
                    "x": box_[0], "y": box_[1], "w": box_[2], "h": box_[3],
                    "mask_state": one["masks"][k] if one["masks"] else one["mask"],
                }  # fmt: skip
                rows.append(row)
        return pa.Table.from_pylist(rows, schema=DETECTION)

    def _unit(self, width: int) -> np.ndarray:
        vector = self.rng.normal(size=width)
        return vector / np.linalg.norm(vector)

    def _view(self, ideal: np.ndarray, cosine: float) -> np.ndarray:
        noise = self.rng.normal(size=len(ideal))
        noise -= (noise @ ideal) * ideal
        noise /= np.linalg.norm(noise)
        return cosine * ideal + np.sqrt(1 - cosine**2) * noise


@pytest.fixture
def world(settings: Settings) -> World:
    """Return an empty city in an empty installation."""
    return World(settings)


@pytest.fixture
def road(world: World) -> World:
    """Return a street of six cameras, 80 m apart, with some passers-by."""
    world.numbers = [world.camera(80.0 * k, 0) for k in range(6)]
    for number in world.numbers:
        world.film(number, 0, 1800)
        for n in range(4):
            world.stand(world.person(), number, 30.0 + 400 * n, 8, offset=(0, 9))
    return world


Authorise = Callable[..., Authorisation]


@pytest.fixture
def authorise(settings: Settings) -> Authorise:
    """Return a function that gets an approved order by two people."""

    def _authorise(
        start_s: float = -3600.0,
        end_s: float = 86_400.0,
        area: tuple[float, float, float, float] = (-500, -500, 20_000, 20_000),
        case: str = "P-001",
        expires_at: datetime | None = None,
    ) -> Authorisation:
        west, south, east, north = area
        corners = np.array([[west, south], [east, north]]) + CORNER
        (x1, x2), (y1, y2) = ids.to_lonlat(*(corners.T * 100))
        known = {c.pseudonym for c in cases.list_cases("kim", settings=settings)}
        if case not in known:
            cases.open_case(
                "kim",
                test="synthetic",
                confirmed_at=START + timedelta(days=2),
                onset_at=START + timedelta(days=2),
                pseudonym=case,
                settings=settings,
            )
        order = orders.request_order(
            case,
            "kim",
            legal_basis="IDCPA Art. 76-2 (2)",
            purpose="test",
            window=(_moment(start_s), _moment(end_s)),
            area=box(x1, y1, x2, y2),
            expires_at=expires_at,
            settings=settings,
        )
        orders.approve(order.id, "lee", settings=settings)
        return orders.authorise(
            case, "kim", "test", settings=settings, order_id=order.id
        )

    return _authorise


def _embedding(kind: str, model: str, vector: np.ndarray) -> dict:
    values, scale = vectors.quantise(vector[None])
    return {
        f"{kind}_model": model,
        f"{kind}_i8": values[0].tobytes(),
        f"{kind}_scale": float(scale[0]),
        f"{kind}_f16": vector.astype("<f2").tobytes(),
    }


def _moment(seconds: float) -> datetime:
    return START + timedelta(seconds=float(seconds))
