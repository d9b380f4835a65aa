"""A small registry, clips made on the spot, and an observer that needs no weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.settings import Settings, get_settings
from pipeline.vision.types import NO_FACE, UNKNOWN, Provenance, Track

CAMERA = "BC-00001"
START = "2025-11-03T14:00:00+09:00"


def feature(number: int, **changes: object) -> dict:
    """Return a camera of the registry near Bucheon station."""
    properties = {
        "id": f"BC-{number:05d}",
        "number": number,
        "name": f"camera {number}",
        "usage": "생활방범",
        "gu": "원미구",
        "dong": "심곡동",
        "height_m": 6.0,
        "heading_deg": 90.0,
        "tilt_deg": 30.0,
        "fov_deg": 70.0,
        "resolution": "320x240",
        "installed": "2020-01",
        "retention_days": 30,
        "source": "synthetic",
        "status": "active",
        "calibration": None,
        "clips": [],
        "indoors": False,
    }
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [126.7831, 37.4845]},
        "properties": properties | changes,
    }


@pytest.fixture
def site(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings of an installation with three cameras and parts of 5 s."""
    path = tmp_path / "registry.geojson"
    clips = [{"file": "bound.avi", "start": START}]
    features = [feature(1, clips=clips), feature(2), feature(3)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    monkeypatch.setenv("DONGSEON_REGISTRY", str(path))
    monkeypatch.setenv("DONGSEON_PART_SECONDS", "5")
    get_settings.cache_clear()
    return get_settings()


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a clip with one bright walker."""

    def make(
        name: str = "bound.avi", seconds: float = 12, fps: int = 10, still: bool = False
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "MJPG" if path.suffix == ".avi" else "mp4v"
        writer = cv2.VideoWriter(
            str(path), cv2.VideoWriter.fourcc(*kind), fps, (320, 240)
        )
        assert writer.isOpened()
        for index in range(round(seconds * fps)):
            frame = np.full((240, 320, 3), 60, np.uint8)
            if not still:
                left = 10 + index * 2 % 280
                cv2.rectangle(frame, (left, 100), (left + 20, 160), (200,) * 3, -1)
            writer.write(frame)
        writer.release()
        return path

    return make


class FakeObserver:
    """Follows the one bright shape of `make_clip`; for tests of ingest alone."""

    def __init__(self, weights_dir: Path, **options: object) -> None:
        self.options = options
        self.provenance = Provenance(
            {"person": {"name": "bright", "sha256": "0" * 64}}, {"person_score": 0.5}
        )
        self._reset()

    def _reset(self) -> None:
        self.counts: Counter[str] = Counter(frames=0, persons=0, faces=0)
        self.seen: list[tuple[int, float, tuple[int, int, int, int]]] = []

    def see(
        self,
        frame: np.ndarray,
        frame_number: int,
        offset_s: float,
        moved: np.ndarray | None = None,
    ) -> None:
        self.counts["frames"] += 1
        mask = (frame[:, :, 0] > 130).astype(np.uint8)
        box = cv2.boundingRect(mask)
        if box[2]:
            self.counts["persons"] += 1
            self.seen.append((frame_number, offset_s, box))

    def finish(self) -> list[Track]:
        seen = self.seen
        self._reset()
        if len(seen) < 2:
            return []
        count = len(seen)
        boxes = np.array([box for *_, box in seen], np.float32)
        foot = np.column_stack(
            [boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]]
        )
        vector = np.linspace(-1, 1, 16, dtype=np.float32)
        return [
            Track(
                frames=np.array([number for number, *_ in seen], np.int32),
                offsets_s=np.array([at for _, at, _ in seen]),
                boxes=boxes,
                scores=np.ones(count, np.float32),
                foot_px=foot.astype(np.float32),
                face_boxes=np.full((count, 4), np.nan, np.float32),
                face_scores=np.full(count, np.nan, np.float32),
                mask_states=np.full(count, NO_FACE, np.int8),
                mask_probabilities=np.full(count, np.nan, np.float32),
                mask_state=UNKNOWN,
                mask_probability=float("nan"),
                best=count // 2,
                appearance=vector / np.linalg.norm(vector),
            )
        ]


@pytest.fixture
def fake_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fake observer in the place of the real one."""
    monkeypatch.setattr("pipeline.footage.parts.Observer", FakeObserver)
