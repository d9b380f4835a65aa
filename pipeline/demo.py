"""The demonstration: real clips, twelve bound cameras, one traced person.

It uses the public functions that an operator uses; nothing here is a short cut
around the casebook.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.cameras.registry import Camera, Registry
from pipeline.casebook import demo_order
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import FootageError
from pipeline.settings import CHECKOUT, Settings
from pipeline.store import reader

CASE = "DEMO-001"
APPROVER = "demo-approver"
STREET_CLIP = "vtest.avi"
#: Debian's package that carries the street clip, and its path inside.
DEBIAN_PACKAGE = "opencv-doc"
INSTALLED = Path("/usr/share/doc/opencv-doc/examples/data") / STREET_CLIP


@dataclass(frozen=True)
class Binding:
    """One clip that stands for what one camera recorded."""

    camera: Camera
    clip: Path


def bindings(registry: Registry, folders: list[Path]) -> list[Binding]:
    """Return the registry's bound clips that exist in one of the folders.

    A clip found in an earlier folder wins. Order is that of the clips' starts.
    """
    found = []
    for camera in registry.cameras:
        for entry in camera.clips:
            for folder in folders:
                clip = folder / entry["file"]
                if clip.is_file():
                    start = datetime.fromisoformat(entry["start"])
                    found.append((start, Binding(camera, clip)))
                    break
    return [binding for _, binding in sorted(found, key=lambda pair: pair[0])]


def footage_folders(settings: Settings, own: Path | None) -> list[Path]:
    """Return the folders in which clips are looked for, the user's own first.

    Raises
    ------
    FootageError
        If the user's folder does not exist.
    """
    if own is not None and not own.is_dir():
        raise FootageError(
            f"The footage folder {own} does not exist; give an existing folder "
            "with --footage."
        )
    shared = CHECKOUT.parent / "shared" / "media" / "video"
    folders = [own, shared, settings.data_dir / "footage"]
    return [folder for folder in folders if folder is not None and folder.is_dir()]


def bring_street_clip(settings: Settings, say: Callable[[str], None]) -> Path:
    """Return the street clip, unpacked from Debian's package if need be.

    Raises
    ------
    FootageError
        If the package cannot be had.
    """
    target = settings.data_dir / "footage" / STREET_CLIP
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    if INSTALLED.is_file():
        shutil.copyfile(INSTALLED, target)
        return target
    say(f"fetching {STREET_CLIP} out of Debian's package {DEBIAN_PACKAGE} (96 MB)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for command in (
            ["apt-get", "download", "-qq", DEBIAN_PACKAGE],
            ["sh", "-c", "dpkg-deb --extract *.deb tree"],
        ):
            result = _attempt(command, folder)
            if result and command[0] == "apt-get":
                _attempt(_as_root(["apt-get", "update", "-qq"]), folder)
                result = _attempt(command, folder)
            if result:
                raise FootageError(
                    f"The demo's street clip could not be fetched ({result}); "
                    f"install the package {DEBIAN_PACKAGE}, or give your own clips "
                    "with --footage DIR."
                )
        _take_clip(folder / "tree", target)
    return target


def suspect(settings: Settings, bound: list[Binding]) -> int:
    """Return the tracklet the demo points at: who walked farthest past one camera.

    Taken from the first bound camera before which anybody was seen; the distance is
    that between the first and the last ground point. A sign or a parked bicycle
    taken for a person stays where it is and is not chosen; nor is a group that
    stands and talks.

    Raises
    ------
    FootageError
        If no person was seen before any of the bound cameras.
    """
    for binding in bound:
        table = reader.tracklets(settings, camera_numbers=[binding.camera.number])
        if table.num_rows:
            return int(table["tracklet_id"][_farthest(table)].as_py())
    raise FootageError(
        "No person was found in the demo's clips, so there is nobody to trace; "
        "look at the figures above, or give other footage with --footage DIR."
    )


def same_pass(settings: Settings, bound: list[Binding], tracklet: int) -> list[int]:
    """Return the tracklets of the same seconds of the same clip before other cameras.

    A clip that stands for several cameras shows the person pointed at before each of
    them, so that a reviewer may accept these without a doubt. Empty where every clip
    stands for one camera.
    """
    passes = []
    for binding in bound:
        table = reader.tracklets(settings, camera_numbers=[binding.camera.number])
        began = _start(binding)
        passes += [
            (binding, row["tracklet_id"], (row["start_at"] - began, row["best_x"]))
            for row in table.select(["tracklet_id", "start_at", "best_x"]).to_pylist()
        ]
    chosen = [one for one in passes if one[1] == tracklet]
    return [
        number
        for binding, number, look in passes
        for first, _, known in chosen
        if number != tracklet and look == known and binding.clip == first.clip
    ]


def _start(binding: Binding) -> datetime:
    """When the binding's clip begins, UTC."""
    entries = {entry["file"]: entry["start"] for entry in binding.camera.clips}
    return datetime.fromisoformat(entries[binding.clip.name]).astimezone(UTC)


def _farthest(table: pa.Table) -> int:
    """Return the row with the longest way; without ground points, the longest pass."""
    way = np.hypot(
        *(
            np.array(table[f"last_{axis}"], dtype=float)
            - np.array(table[f"first_{axis}"], dtype=float)
            for axis in ("east_cm", "north_cm")
        )
    )
    seen = np.array(table["detections"])
    identity = np.array(table["tracklet_id"])
    return int(np.lexsort((identity, -seen, -np.nan_to_num(way, nan=-1.0)))[0])


def order_for_demo(settings: Settings, bound: list[Binding]) -> Authorisation:
    """Open the demo's case and have its order requested and approved by two people."""
    starts = [_start(binding) for binding in bound]
    window = (min(starts) - timedelta(hours=1), max(starts) + timedelta(hours=2))
    return demo_order(
        settings, case=CASE, window=window, requester=settings.user, approver=APPROVER
    )


def _take_clip(tree: Path, target: Path) -> None:
    for path in _clips(tree):
        temporary = target.with_suffix(".part")
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as source, open(temporary, "wb") as out:
            shutil.copyfileobj(source, out)
        os.replace(temporary, target)
        return
    raise FootageError(
        f"Debian's package {DEBIAN_PACKAGE} holds no {STREET_CLIP}; give your own "
        "clips with --footage DIR."
    )


def _clips(tree: Path) -> Iterator[Path]:
    yield from sorted(tree.rglob(STREET_CLIP + "*"))


def _attempt(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return f"{command[0]} is not on this machine"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1]


def _as_root(command: list[str]) -> list[str]:
    return command if os.geteuid() == 0 else ["sudo", *command]
