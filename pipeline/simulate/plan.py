"""What to simulate, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.errors import StoreError
from pipeline.store import layout

#: The city's days begin at midnight here.
ZONE = ZoneInfo("Asia/Seoul")
#: A Monday morning: an hour of simulation already shows people.
DEFAULT_START = datetime(2025, 11, 3, 7, tzinfo=ZONE)
#: Numbers in an appearance descriptor, where the caller gives none.
APPEARANCE_WIDTH = 304


@dataclass(frozen=True)
class Plan:
    """What to simulate; the same plan gives the same city."""

    residents: int
    hours: int
    seed: int
    start: str  #: ISO 8601, UTC, a full hour
    mask_share: float = 0.5
    density: float = 1.0
    patients: int = 200
    appearance_width: int = APPEARANCE_WIDTH
    face_model: str = "mobilefacenet"
    appearance_model: str = "parts-colour-texture-1"
    cameras: int = 0
    clock_skew_s: int = 0  #: most that a wrong camera clock is off, seconds
    duplicated: float = 0.0  #: share of camera hours stored twice


@dataclass
class Summary:
    """What was done, in numbers."""

    hours: int = 0
    hours_found: int = 0
    passes: int = 0
    tracklets: int = 0
    detections: int = 0
    faces: int = 0
    contacts: int = 0
    visits: int = 0
    cameras: int = 0
    clock_skew_s: int = 0  #: most that a wrong camera clock is off, seconds
    duplicated: float = 0.0  #: share of camera hours stored twice
    residents: int = 0
    seconds: float = 0.0
    hours_seconds: float = 0.0  #: of `seconds`, once people and network were drawn
    bytes: int = 0


def make_plan(
    residents: int, hours: int, seed: int, start: datetime | None = None, **more: object
) -> Plan:
    """Check the arguments of a simulation.

    Raises
    ------
    StoreError
        If one of them is out of range, in one sentence.
    """
    start = DEFAULT_START if start is None else start
    plan = Plan(residents, hours, seed, "", **more)  # type: ignore[arg-type]
    end = start + timedelta(hours=max(hours, 0))
    checks = (
        (1 <= residents <= 20_000_000, "--residents must lie between 1 and 20,000,000"),
        (1 <= hours <= 24 * 60, "--hours must lie between 1 and 1,440"),
        (0 <= seed < 2**31, "--seed must lie between 0 and 2,147,483,647"),
        (0 <= plan.mask_share <= 1, "--mask-share must lie between 0 and 1"),
        (0 < plan.density <= 1, "--density must lie above 0 and at most 1"),
        (0 <= plan.clock_skew_s <= 600, "--clock-skew must lie between 0 and 600"),
        (0 <= plan.duplicated <= 1, "--duplicated must lie between 0 and 1"),
        (plan.patients >= 0, "--patients must not be negative"),
        (
            start.tzinfo is not None,
            "--start has no time zone; write it like 2025-11-03T07:00+09:00",
        ),
        (
            not (start.minute or start.second or start.microsecond),
            "--start must be a full hour, like 2025-11-03T07:00+09:00",
        ),
        (
            start.year >= 2020 and end.year < 2033,
            "--start must lie between 2020 and 2032",
        ),
    )
    for good, sentence in checks:
        if not good:
            raise StoreError(f"{sentence}.")
    return replace(plan, start=start.astimezone(UTC).isoformat())


def claim(out: Path, plan: Plan) -> None:
    """Make the folder this plan's, or refuse."""
    path = out / "truth" / "plan.json"
    text = json.dumps(asdict(plan), indent=1)
    if path.is_file():
        if {**asdict(Plan(0, 0, 0, "")), **_read(path)} != asdict(plan):
            raise StoreError(
                f"{out} holds another simulated city ({path}); choose another --out, "
                "or give the same arguments to finish that one."
            )
        return
    if layout.hours(out / "observations", "footage"):
        raise StoreError(
            f"{out} holds observations that were not simulated; choose another --out."
        )
    layout.make_folder(path.parent)
    pending = path.with_name(".plan.json.pending")
    pending.write_text(text)
    pending.replace(path)


def _read(path: Path) -> dict:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise StoreError(
            f"{path} cannot be read ({error}); remove the folder and simulate again."
        ) from error
