"""Sessions: pages opened and left again and again; what the server keeps of them."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import budgets
from benchmarks.dashboard import installed
from benchmarks.memory import about
from benchmarks.visitors import PAGES, open_page
from tests.dashboard.conftest import serving

#: Cameras of the network.
CAMERAS = 10_820
#: Looks at the server's memory.
LOOKS = 40
#: Streamlit keeps up to 128 sessions that were left, for two minutes: memory counts
#: once so many more were opened.
KEPT = 128
#: Growth of memory that counts as flat, MB in a hundred sessions.
FLAT_MB = 1.0


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Open `rows` sessions one after the other, each on the next page."""
    looks: list[tuple[int, float]] = []
    faults: list[str] = []
    with (
        installed(folder, CAMERAS),
        serving(folder, DONGSEON_LOGIN="single", DONGSEON_USER="asker") as url,
    ):
        server = _process(url)
        begun = time.perf_counter()
        for number in range(rows):
            if number % max(1, rows // LOOKS) == 0:
                looks.append((number, _megabytes(server)))
            faults += open_page(url, PAGES[number % len(PAGES)])
        seconds = time.perf_counter() - begun
        looks.append((rows, _megabytes(server)))
    at, own = np.array(looks).T
    late = at >= max(KEPT * 1.5, rows / 2)
    grown = None
    if np.count_nonzero(late) > 4:  # as the soak: the slope with its interval of 95 %
        found = stats.theilslopes(own[late], at[late] / 100, 0.95)
        grown = [float(found.slope), float(found.low_slope), float(found.high_slope)]
    return {
        "seconds": seconds / rows,
        "own_mb": {int(number): round(size, 1) for number, size in looks},
        "mb_in_a_hundred_sessions": grown,
        "faults_shown": faults,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    grown = found["mb_in_a_hundred_sessions"]
    return [
        budgets.Budget("faults shown by pages", len(found["faults_shown"]), 0),
        budgets.Budget(
            "memory of the dashboard, MB in a hundred sessions at least",
            grown and grown[1],
            FLAT_MB,
        ),
    ]


def _process(url: str) -> int:
    """Return the process that serves an address."""
    told = ["pgrep", "-f", f"server.port={url.rpartition(':')[2]}"]
    return int(subprocess.run(told, capture_output=True, check=True).stdout.split()[0])


def _megabytes(process: int) -> float:
    figures = about(process)
    assert figures is not None, "the dashboard fell"
    return figures["own_mb"]
