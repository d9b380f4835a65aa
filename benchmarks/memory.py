"""Memory and open files of running programs over time, and whether they grow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

#: Share of the time that counts as warming up: caches fill, models are loaded.
WARM_UP = 0.5
#: Samples are told as medians of this long, seconds: neighbours resemble each other,
#: and an interval that took them for independent would be too narrow.
BLOCK_S = 60.0
#: Processes that are there only to help another one.
_HELPERS = ("resource_tracker", "forkserver")


@dataclass(frozen=True)
class Slope:
    """Growth of a series: Theil-Sen's median slope with its interval of 95 %."""

    per_hour: float
    low: float
    high: float
    blocks: int  #: medians it was found from


def slope(seconds: np.ndarray, values: np.ndarray) -> Slope | None:
    """Return the growth per hour after warming up; None of less than five blocks."""
    seconds, values = np.asarray(seconds, float), np.asarray(values, float)
    if not len(seconds):
        return None
    begin = seconds[0] + WARM_UP * (seconds[-1] - seconds[0])
    block = np.floor((seconds - begin) / BLOCK_S).astype(int)
    places = [b for b in np.unique(block) if b >= 0]
    if len(places) < 5:
        return None
    at = np.array([seconds[block == b].mean() for b in places]) / 3600
    middle = np.array([np.median(values[block == b]) for b in places])
    found = stats.theilslopes(middle, at, 0.95)
    return Slope(found.slope, found.low_slope, found.high_slope, len(places))


class Sampler(threading.Thread):
    """Looks at programs, and all processes they start, every few seconds (Linux).

    Parameters
    ----------
    programs : name -> process id.
    every_s : seconds between two looks.
    more : returns further figures of the moment.
    """

    def __init__(
        self,
        programs: dict[str, int],
        every_s: float,
        more: Callable[[], dict[str, float]] = dict,
    ) -> None:
        super().__init__(name="sampler", daemon=True)
        self._programs, self._every_s, self._more = programs, every_s, more
        self.rows: list[dict[str, Any]] = []
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def run(self) -> None:
        """Look until stopped."""
        begin = time.monotonic()
        while not self._stopping.wait(self._every_s):
            row: dict[str, Any] = {"second": time.monotonic() - begin}
            for name, process in self._programs.items():
                for label, figures in _family(name, process):
                    row[label] = figures
            row.update(self._more())
            self.rows.append(row)

    def series(self, label: str, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return (seconds, values) of a process's figure where it was seen."""
        seen = [row for row in self.rows if label in row]
        return (
            np.array([row["second"] for row in seen]),
            np.array([row[label][key] for row in seen]),
        )

    def labels(self) -> list[str]:
        """Return the labels of the processes seen."""
        return sorted(
            {k for row in self.rows for k, v in row.items() if type(v) is dict}
        )


def _family(name: str, process: int) -> list[tuple[str, dict[str, float]]]:
    """Return a process as `name`, and what it started as one sum `name children`."""
    own = about(process)
    found = [(name, own)] if own else []
    below = [about(child) for child in _children(process)]
    figures = [one for one in below if one]
    if figures:
        total = {key: sum(one[key] for one in figures) for key in figures[0]}
        total["processes"] = len(figures)
        found.append((f"{name} children", total))
    return found


def about(process: int) -> dict[str, float] | None:
    """Return a process's memory (MB) and open files; None when it is gone."""
    folder = Path(f"/proc/{process}")
    try:
        text = (folder / "status").read_text()
        if any(helper in (folder / "cmdline").read_text() for helper in _HELPERS):
            return None
        files = len(os.listdir(folder / "fd"))
    except (OSError, UnicodeDecodeError):
        return None
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if "VmRSS" not in lines:
        return None
    return {
        "rss_mb": int(lines["VmRSS"].split()[0]) / 1024,
        "own_mb": int(lines["RssAnon"].split()[0]) / 1024,
        "files": files,
        "threads": int(lines["Threads"]),
    }


def _children(process: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            mine = [int(one) for one in path.read_text().split()]
        except OSError:
            continue
        for child in mine:
            found += [child, *_children(child)]
    return found
