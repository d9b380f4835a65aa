"""The clock of a clip: when its first frame was taken, and how that is known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from pipeline.errors import FootageError
from pipeline.store.ids import EPOCH

_EXAMPLE = "2025-11-03T14:00:00+09:00"
#: CAMERA_20251103T140000+0900.mp4, ..._20251103T050000Z.mp4; fractions allowed.
_NAME = re.compile(
    r"(?<!\d)(?P<date>\d{8})[T_-](?P<time>\d{6})(?P<fraction>\.\d{1,6})?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?(?![\d])"
)


class HasClips(Protocol):
    """The part of a camera that this module needs."""

    @property
    def id(self) -> str:
        """Camera id, e.g. BC-00001."""

    @property
    def clips(self) -> object:
        """List of {"file": name, "start": ISO-8601} bound to the camera."""


@dataclass(frozen=True)
class Clock:
    """When a clip starts."""

    start_at: datetime  #: UTC
    origin: str  #: argument, name or registry


def of_clip(path: Path, camera: HasClips, start: str | datetime | None) -> Clock:
    """Find a clip's start: argument, then file name, then the camera's registry entry.

    Parameters
    ----------
    path : Path
        The clip; a name such as `BC-00001_20251103T140000+0900.mp4` tells its start.
    camera : Camera
        Its `clips` list {"file", "start"} binds file names to times.
    start : str, datetime or None
        ISO-8601 time with a zone.

    Returns
    -------
    Clock in UTC.

    Raises
    ------
    FootageError
        If no clock is known, or the one found has no time zone or cannot be read.
    """
    if start is not None:
        return Clock(parse(start, "The start"), "argument")
    named = _from_name(path)
    if named is not None:
        return Clock(named, "name")
    for entry in camera.clips or ():  # type: ignore[attr-defined]
        if str(entry.get("file", "")).casefold() == path.name.casefold():
            where = f"The registry's start of {path.name} at camera {camera.id}"
            return Clock(parse(entry.get("start", ""), where), "registry")
    raise FootageError(
        f"The clip {path.name} has no clock: give --start {_EXAMPLE}, name it like "
        f"{camera.id}_20251103T140000+0900{path.suffix}, or enter it under clips of "
        f"camera {camera.id} in the registry."
    )


def parse(text: str | datetime, what: str = "The time") -> datetime:
    """Read an ISO-8601 time that has a zone; return it in UTC.

    Raises
    ------
    FootageError
        If it is no such time, or has no zone: a clip without one could belong to
        either side of a midnight.
    """
    if isinstance(text, datetime):
        moment = text
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except (ValueError, AttributeError):
            raise FootageError(
                f"{what} {text!r} is no ISO-8601 time; write it like {_EXAMPLE}."
            ) from None
    if moment.utcoffset() is None:
        shown = moment.isoformat() if len(str(text)) > 10 else f"{moment:%Y-%m-%dT%X}"
        raise FootageError(
            f"{what} {text} has no time zone; write {shown}+09:00 for Korean time "
            f"or {shown}Z for UTC."
        )
    return moment.astimezone(UTC)


def shown(moment: datetime, time_zone: str = "Asia/Seoul") -> str:
    """Return a time as people of that zone read it, with the zone."""
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M:%S %Z}"


def check(
    clock: Clock,
    duration_s: float,
    path: Path,
    now: datetime | None = None,
    time_zone: str = "Asia/Seoul",
) -> datetime:
    """Return the end of a clip, refusing one that lies outside possible time.

    Raises
    ------
    FootageError
        If the clip starts or ends in the future, or before 2020.
    """
    now = now or datetime.now(UTC)
    end = clock.start_at + timedelta(seconds=duration_s)
    source = {
        "argument": "--start",
        "name": "the clock in the file name",
        "registry": "the registry entry",
    }[clock.origin]
    if clock.start_at > now:
        raise FootageError(
            f"The clip {path.name} would start at "
            f"{shown(clock.start_at, time_zone)}, which is in the future; "
            f"correct {source}."
        )
    if end > now:
        raise FootageError(
            f"The clip {path.name} would end at {shown(end, time_zone)}, which "
            f"is in the future; correct {source}."
        )
    if clock.start_at < EPOCH:
        raise FootageError(
            f"The clip {path.name} would start at "
            f"{shown(clock.start_at, time_zone)}, before {EPOCH:%Y}, "
            f"which the store does not hold; correct {source}."
        )
    return end


def _from_name(path: Path) -> datetime | None:
    match = _NAME.search(path.stem)
    if match is None:
        return None
    digits = match["date"] + match["time"]
    fraction = (match["fraction"] or ".0")[1:].ljust(6, "0")
    try:
        naive = datetime.strptime(digits + fraction, "%Y%m%d%H%M%S%f")
    except ValueError:
        return None  # fourteen digits that are no time, such as a serial number
    if match["zone"] is None:
        raise FootageError(
            f"The name of {path.name} gives {naive:%Y-%m-%d %H:%M:%S} without a time "
            f"zone; give --start {naive.isoformat()}+09:00 or add +0900 to the name."
        )
    return parse(naive.isoformat() + match["zone"], f"The clock in {path.name},")
