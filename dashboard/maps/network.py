"""The camera network as the map shows it: public facts only, sent once by URL."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shapely.geometry import mapping

from pipeline.cameras import coverage
from pipeline.cameras import registry as registries
from pipeline.cameras.registry import Registry

COLOURS = {
    "active": [120, 134, 156, 150],
    "outage": [217, 119, 6, 235],
    "removed": [170, 176, 186, 90],
}


@dataclass(frozen=True)
class Facts:
    """What the page must say about the network."""

    cameras: int
    outages: int
    synthetic: int  #: cameras that exist on paper only
    shared_clips: dict[str, int]  #: clip -> cameras it stands for, if several


def load(path: Path) -> Registry:
    """Return the registry, read again only when the file changed."""
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _load(path, changed)


def facts(path: Path) -> Facts:
    """Count what must be said on screen; counted again only when the file changed."""
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _facts(path, changed)


@lru_cache(maxsize=2)
def _facts(path: Path, changed: int) -> Facts:
    registry = _load(path, changed)
    clips = Counter(
        name
        for camera in registry.cameras
        for name in {Path(entry["file"]).name for entry in camera.clips}
    )
    return Facts(
        cameras=len(registry.cameras),
        outages=sum(camera.status == "outage" for camera in registry.cameras),
        synthetic=sum(
            camera.synthetic or camera.source == "synthetic"
            for camera in registry.cameras
        ),
        shared_clips={name: n for name, n in sorted(clips.items()) if n > 1},
    )


def to_json(path: Path) -> bytes:
    """Return the cameras as a JSON array of records for deck.gl.

    Each has `p` (WGS84 lon/lat), `c` (RGBA 0..255), id, usage, dong and status.
    """
    rows = [
        {
            "p": [round(camera.lon, 6), round(camera.lat, 6)],
            "c": COLOURS.get(camera.status, COLOURS["active"]),
            "id": camera.id,
            "usage": camera.usage,
            "dong": camera.dong,
            "status": camera.status,
        }
        for camera in load(path).cameras
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def coverage_json(path: Path) -> bytes:
    """Return the ground of the cameras in order: records with `polygon` (WGS84)."""
    rows = [
        {
            "polygon": [
                [[round(lon, 6), round(lat, 6)] for lon, lat in ring]
                for ring in mapping(coverage.polygon(camera))["coordinates"]
            ]
        }
        for camera in load(path).cameras
        if camera.status == "active"
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


@lru_cache(maxsize=2)
def _load(path: Path, _changed: int) -> Registry:
    return registries.load(path, check=False)
