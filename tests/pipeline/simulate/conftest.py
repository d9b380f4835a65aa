"""A small network near the city hall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.cameras.registry import Camera, save
from pipeline.simulate import run


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    cameras = [
        Camera(
            id=f"BC-{i:05d}",
            number=i,
            name=f"camera {i}",
            lon=float(126.7660 + dx),
            lat=float(37.5035 + dy),
            usage="생활방범",
            gu="원미구",
            dong="중동",
            height_m=4.5,
            heading_deg=float(rng.uniform(0, 360)),
            tilt_deg=25.0,
            fov_deg=80.0,
            resolution="1920x1080",
            synthetic=True,
        )
        for i, (dx, dy) in enumerate(rng.uniform(-0.006, 0.006, (300, 2)))
    ]
    path = tmp_path_factory.mktemp("network") / "camera_registry.geojson"
    save(cameras, path)
    return path


@pytest.fixture(scope="session")
def city(network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two morning hours of 500 people."""
    out = tmp_path_factory.mktemp("city")
    run.simulate(out, run.make_plan(500, 2, 3, patients=60), network_file, threads=2)
    return out
