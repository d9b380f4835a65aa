"""A trace made ready for the page: tables turned into records with relative times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from dashboard.i18n import Texts
from pipeline.trace.tables import AIRSPACE

#: Around the path on the map, degrees (some 60 m).
MARGIN = 0.0006


@dataclass
class Trace:
    """One run's tables; times of records are seconds after `start`."""

    run: dict[str, Any]
    sighting: pa.Table
    leg: pa.Table
    contact: pa.Table
    episode: pa.Table
    zone: ZoneInfo
    #: Who was indoors with the patient, beyond the contact distance.
    airspace: pa.Table = field(default_factory=AIRSPACE.empty_table)
    #: Unix times of the first and last moment shown; None: the trace's own.
    span: tuple[float, float] | None = None

    @cached_property
    def start(self) -> float:
        """Unix time of the trace's first moment, whole seconds."""
        return float(int(self._span[0]))

    @cached_property
    def seconds(self) -> float:
        """Length of the trace, seconds."""
        return max(1.0, self._span[1] - self.start)

    @cached_property
    def _span(self) -> tuple[float, float]:
        if self.span is not None:
            return self.span
        moments = [
            moment.timestamp()
            for table in (self.sighting, self.leg)
            for name in ("start_at", "end_at")
            for moment in table[name].to_pylist()
        ]
        if not moments:
            moments = [
                self.run["window_start"].timestamp(),
                self.run["window_end"].timestamp(),
            ]
        return min(moments), max(moments)

    @cached_property
    def sightings(self) -> list[dict[str, Any]]:
        """Sightings in time order: 1, 2, 3 on the path, a, b, c beside it."""
        rows = sorted(self.sighting.to_pylist(), key=lambda row: row["start_at"])
        on, aside = 0, 0
        for row in rows:
            if row["on_path"]:
                on += 1
                row["number"] = str(on)
            else:
                row["number"] = letters(aside)
                aside += 1
            row["t0"] = row["start_at"].timestamp() - self.start
            row["t1"] = row["end_at"].timestamp() - self.start
        return rows

    @cached_property
    def number_of(self) -> dict[int, str]:
        """Sighting -> its number on the page."""
        return {row["sighting"]: row["number"] for row in self.sightings}

    @cached_property
    def leg_to(self) -> dict[int, dict[str, Any]]:
        """Sighting -> the inferred leg that ends there."""
        return {leg["to_sighting"]: leg for leg in self._inferred}

    @cached_property
    def leg_from(self) -> dict[int, dict[str, Any]]:
        """Sighting -> the inferred leg that begins there."""
        return {leg["from_sighting"]: leg for leg in self._inferred}

    @cached_property
    def _inferred(self) -> list[dict[str, Any]]:
        return [leg for leg in self.leg.to_pylist() if leg["kind"] == "inferred"]

    def place_at(self, moment: datetime) -> tuple[float, float, str] | None:
        """Return lon, lat (WGS84) on the path at a moment, and how that is known.

        None before and after the path, and where nothing was inferred between.
        """
        at = moment.timestamp()
        for leg in self.leg.to_pylist():
            seconds = leg["second"]
            if len(seconds) and seconds[0] <= at <= seconds[-1]:
                lon, lat = (
                    float(np.interp(at, seconds, leg[name])) for name in ("lon", "lat")
                )
                return lon, lat, leg["kind"]
        return None

    @cached_property
    def cameras_seen(self) -> Counter[str]:
        """Camera id -> sightings on the path."""
        return Counter(row["camera_id"] for row in self.sightings if row["on_path"])

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the path with a margin, WGS84 degrees."""
        points = [
            (lon, lat)
            for lons, lats in zip(
                self.leg["lon"].to_pylist(), self.leg["lat"].to_pylist(), strict=True
            )
            for lon, lat in zip(lons, lats, strict=True)
        ]
        points += [
            (row["lon"], row["lat"])
            for row in self.sightings
            if row["lon"] is not None and row["on_path"]
        ]
        if not points:
            return (126.74, 37.46, 126.83, 37.55)
        lon, lat = [p[0] for p in points], [p[1] for p in points]
        return (
            min(lon) - MARGIN,
            min(lat) - MARGIN,
            max(lon) + MARGIN,
            max(lat) + MARGIN,
        )

    def legs(self, texts: Texts) -> list[dict[str, Any]]:
        """Return the legs with vertices, relative times and their description."""
        camera = {row["sighting"]: row["camera_id"] for row in self.sightings}
        found = []
        for row in sorted(self.leg.to_pylist(), key=lambda row: row["start_at"]):
            points = [
                [round(lon, 7), round(lat, 7)]
                for lon, lat in zip(row["lon"], row["lat"], strict=True)
            ]
            if not points:
                continue
            label = texts(
                f"leg_{row['kind']}",
                camera=camera.get(row["from_sighting"], "?"),
                metres=row["metres"] or 0.0,
                speed=row["speed_m_s"] or 0.0,
                mode=texts.of("mode", row["mode"]),
                probability=row["probability"] or 0.0,
            )
            times = [round(second - self.start, 3) for second in row["second"]]
            tip = [label, f"{self.clock(times[0])}–{self.clock(times[-1])}"]
            if (missed := unseen(row, texts)) is not None:
                tip.append(missed)
            found.append(
                {
                    "kind": row["kind"],
                    "p": points,
                    "t": times,
                    "label": label,
                    "sure": row["probability"],
                    "tip": tip,
                }
            )
        return found

    def clock(self, seconds: float) -> str:
        """Return the local wall clock of a relative time, HH:MM:SS."""
        return f"{self.local(seconds):%H:%M:%S}"

    def local(self, seconds: float) -> datetime:
        """Return the local time of a relative time."""
        return datetime.fromtimestamp(self.start + seconds, UTC).astimezone(self.zone)

    def share_seen(self) -> tuple[float, float]:
        """Return the seconds that the path covers, and the share of them seen."""
        seen = inferred = 0.0
        for row in self.leg.to_pylist():
            length = (row["end_at"] - row["start_at"]).total_seconds()
            if row["kind"] == "seen":
                seen += length
            else:
                inferred += length
        total = seen + inferred
        return total, seen / total if total else 0.0

    def airspace_within(self, low: float, high: float) -> list[dict[str, Any]]:
        """Return who shared the patient's air in the range, the longest first."""
        rows = [
            row
            for row in self.airspace.to_pylist()
            if row["end_at"].timestamp() - self.start >= low
            and row["start_at"].timestamp() - self.start <= high
        ]
        return sorted(rows, key=lambda row: -row["seconds_24h"])

    def contacts_within(self, low: float, high: float) -> list[dict[str, Any]]:
        """Return contacts with an episode in the range, most exposed first.

        Each has `at`: the numbers of the sightings at which it was near.
        """
        number = self.number_of
        near: dict[str, list[str]] = {}
        for contact, sighting, t0, t1 in self._meetings:
            if t1 >= low and t0 <= high:
                at = near.setdefault(contact, [])
                if sighting in number and number[sighting] not in at:
                    at.append(number[sighting])
        return [
            {**row, "at": near[row["contact"]]}
            for row in self._contacts
            if row["contact"] in near
        ]

    @cached_property
    def _contacts(self) -> list[dict[str, Any]]:
        """The contacts, most exposed first."""
        return sorted(
            self.contact.to_pylist(),
            key=lambda row: (row["class"] != "close", -(row["dose_median"] or 0.0)),
        )

    @cached_property
    def _meetings(self) -> list[tuple[str, int, float, float]]:
        """The episodes: contact, sighting, begin and end in seconds after start."""
        return [
            (
                row["contact"],
                row["sighting"],
                row["start_at"].timestamp() - self.start,
                row["end_at"].timestamp() - self.start,
            )
            for row in self.episode.to_pylist()
        ]


def unseen(leg: dict[str, Any], texts: Texts) -> str | None:
    """Return how likely nothing was seen on an inferred way, in words.

    None for what was seen, and for results that were made before this was stored.
    """
    if leg["kind"] != "inferred" or leg["miss_probability"] is None:
        return None
    if not leg["cameras"]:
        return texts("gap_blind")
    return texts("gap", cameras=leg["cameras"], share=leg["miss_probability"])


def letters(index: int) -> str:
    """Return a, b ... z, aa, ab ... for 0, 1 ... 25, 26, 27 ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("a") + rest) + text
    return text
