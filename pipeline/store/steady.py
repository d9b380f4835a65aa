"""Did the machine's clock leap ahead? What deletes by the clock asks first."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.settings import Settings

#: A clock that gained more than this on the time since the machine started has
#: leapt; what NTP puts right is less than a second a minute.
MOST_S = 3600.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Mark:
    """The clock at one moment."""

    boot: str  #: which start of the machine; empty where unknown
    wall: float  #: Unix seconds
    up: float  #: seconds since that start, sleep included


def demand(settings: Settings, *, trust: bool = False) -> None:
    """Refuse if the clock leapt ahead since this was asked last.

    A leap of a month would let everything expire at once. A clock that was set back
    deletes nothing early and is let pass, but what it loses is not taken for a leap
    when it is put right. Across a restart of the machine nothing can be told.

    Parameters
    ----------
    trust : somebody looked at the clock: it is right, whatever it did.

    Raises
    ------
    StoreError
    """
    now = _now()
    gain = 0.0 if trust else _gain(now, _read(settings))
    if gain > MOST_S:
        said = datetime.fromtimestamp(now.wall, UTC)
        raise StoreError(
            f"the machine's clock says {said:%Y-%m-%d %H:%M} UTC, {gain / 3600:,.1f} "
            "hours more than have passed since it was looked at: nothing is deleted by "
            "it. Put it right; if it is right now, run `dongseon store expire "
            "--clock-is-right`."
        )
    if gain >= 0:
        _write(settings, now)


def gained(settings: Settings) -> float:
    """Return the seconds the clock leapt ahead since it was looked at; at least 0."""
    return max(0.0, _gain(_now(), _read(settings)))


def _gain(now: Mark, before: Mark | None) -> float:
    if before is None or not now.boot or before.boot != now.boot:
        return 0.0
    return (now.wall - now.up) - (before.wall - before.up)


def _now() -> Mark:
    boot = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text().strip()
    up = time.clock_gettime(time.CLOCK_BOOTTIME) if boot else 0.0
    return Mark(boot, time.time(), up)


def _place(settings: Settings) -> Path:
    return settings.data_dir / ".clock.json"


def _read(settings: Settings) -> Mark | None:
    try:
        return Mark(**json.loads(_place(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(settings: Settings, mark: Mark) -> None:
    place = _place(settings)
    place.parent.mkdir(parents=True, exist_ok=True)
    pending = place.with_name(f"{place.name}.{os.getpid()}-{secrets.token_hex(4)}")
    pending.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    os.rename(pending, place)
