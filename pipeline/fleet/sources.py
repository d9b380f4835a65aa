"""What is watched: folders that fill with clips, and streams."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pipeline.cameras.registry import Registry
from pipeline.errors import CameraError, FootageError

_KEYS = {
    "camera",
    "folder",
    "rtsp",
    "clock_offset_s",
    "clock_offsets_s",
    "user",
    "password_env",
    "settle_s",
}
#: BC-00001_20251103T140000+0900.mp4 in a folder of several cameras.
_CAMERA_OF = re.compile(r"^([A-Za-z]+-\d+)[_.]")


@dataclass(frozen=True)
class Source:
    """One source of footage."""

    camera: str | None  #: camera id; None: clips' names begin with it
    folder: Path  #: where its clips appear; of a stream, where they are recorded
    rtsp: str | None = None  #: address without user and password
    user: str | None = None
    password_env: str | None = None  #: environment variable that holds the password
    #: seconds the source's clock is ahead of UTC; subtracted from the clips' start
    clock_offset_s: float = 0.0
    settle_s: float = 5.0  #: a clip is whole when it has not grown for so long
    #: the same by camera, in a folder of several whose clocks differ
    clock_offsets_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The source in messages; never with a password."""
        return self.rtsp or str(self.folder)

    def offset_s(self, camera: str) -> float:
        """Return the seconds a camera's clock is ahead of UTC."""
        return self.clock_offsets_s.get(camera, self.clock_offset_s)

    def address(self) -> str:
        """Return the stream's address with user and password.

        Raises
        ------
        FootageError
            If the variable of the password is not set.
        """
        parts = urlsplit(self.rtsp or "")
        if self.user is None:
            return urlunsplit(parts)
        password = os.environ.get(self.password_env or "", "")
        if self.password_env and not password:
            raise FootageError(
                f"{self.rtsp} needs a password and {self.password_env} is not set; "
                "set it in the environment of the watch."
            )
        who = f"{quote(self.user, safe='')}:{quote(password, safe='')}@"
        return urlunsplit(parts._replace(netloc=who + parts.netloc.rpartition("@")[2]))

    def camera_of(self, clip: Path) -> str:
        """Return the id of the camera a clip is of.

        Raises
        ------
        FootageError
            If the folder is of several cameras and the name does not tell.
        """
        if self.camera is not None:
            return self.camera
        found = _CAMERA_OF.match(clip.name)
        if found is None:
            raise FootageError(
                f"The name of {clip.name} does not begin with a camera's id; name it "
                f"like BC-00001_20251103T140000+0900{clip.suffix}."
            )
        return found[1]


def load(path: Path, registry: Registry, spool: Path) -> list[Source]:
    """Read a file of sources (TOML, a table [[source]] each).

    Parameters
    ----------
    spool : folder below which streams are recorded, one sub-folder a camera.

    Raises
    ------
    FootageError
        If the file or an entry cannot be used.
    CameraError
        If a camera is not in the registry.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FootageError(
            f"There is no {path}; write one entry [[source]] per camera with camera "
            'and folder, or rtsp, for instance camera = "BC-00001", folder = "/clips".'
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FootageError(f"{path} is no readable TOML file ({error}).") from error
    entries = document.get("source")
    if not isinstance(entries, list) or not entries:
        raise FootageError(f"{path} holds no entry [[source]]; add one per camera.")
    found = []
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, source {number}"
        found.append(_source(entry, where, path.parent, registry, spool))
    cameras = [s.camera for s in found if s.rtsp]
    for camera in cameras:
        if cameras.count(camera) > 1:
            raise FootageError(f"{path}: camera {camera} has two streams; keep one.")
    return found


def _source(
    entry: dict, where: str, home: Path, registry: Registry, spool: Path
) -> Source:
    unknown = set(entry) - _KEYS
    if unknown:
        raise FootageError(
            f"{where}: {min(unknown)!r} is no field; the fields are "
            f"{', '.join(sorted(_KEYS))}."
        )
    if ("folder" in entry) == ("rtsp" in entry):
        raise FootageError(f"{where}: give either folder or rtsp.")
    camera = entry.get("camera")
    if camera is not None:
        try:
            registry.get(camera)
        except CameraError as error:
            raise CameraError(f"{where}: {error}") from error
    numbers = {}
    for name, least in (("clock_offset_s", -86_400.0), ("settle_s", 0.0)):
        if name in entry:
            try:
                numbers[name] = float(entry[name])
            except (TypeError, ValueError):
                raise FootageError(f"{where}: {name} must be seconds.") from None
            if numbers[name] < least:
                raise FootageError(f"{where}: {name} must be at least {least:g}.")
    offsets = _offsets(entry.get("clock_offsets_s", {}), where, registry)
    if "rtsp" not in entry:
        folder = (home / entry["folder"]).absolute()
        return Source(
            camera,
            folder,
            clock_offset_s=numbers.get("clock_offset_s", 0.0),
            settle_s=numbers.get("settle_s", 5.0),
            clock_offsets_s=offsets,
        )
    if offsets:
        raise FootageError(f"{where}: a stream is of one camera; give clock_offset_s.")
    parts = urlsplit(str(entry["rtsp"]))
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname:
        raise FootageError(f"{where}: {entry['rtsp']!r} is no rtsp:// address.")
    if parts.username or parts.password:
        raise FootageError(
            f"{where}: write no password into the address; give user and the name of "
            "an environment variable, password_env."
        )
    if camera is None:
        raise FootageError(f"{where}: a stream needs its camera.")
    return Source(
        camera,
        spool / camera,
        rtsp=str(entry["rtsp"]),
        user=entry.get("user"),
        password_env=entry.get("password_env"),
        clock_offset_s=numbers.get("clock_offset_s", 0.0),
        settle_s=0.0,
    )


def _offsets(entry: object, where: str, registry: Registry) -> dict[str, float]:
    """Read the table of cameras and seconds."""
    if not isinstance(entry, dict):
        raise FootageError(
            f"{where}: clock_offsets_s is a table of cameras, for instance "
            '{ "BC-00001" = 12.5 }.'
        )
    found = {}
    for camera, seconds in entry.items():
        registry.get(camera)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise FootageError(f"{where}: the offset of {camera} must be seconds.")
        found[camera] = float(seconds)
    return found
