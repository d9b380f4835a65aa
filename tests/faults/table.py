"""What was struck, row by row, and the table of it at the end of a run.

Rows travel with the tests' reports, so that the table is the same whether one process
ran the tests or several.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pytest

#: Where the table is left, below the checkout; not committed.
REPORT = "build/faults.md"
_PROPERTY = "fault"
_COUNTS = ("tries", "lost", "doubled", "torn", "reads", "errors")


@dataclass
class Row:
    """One row of the table."""

    fault: str
    tries: int = 0
    lost: int = 0  #: acknowledged rows that are not visible
    doubled: int = 0  #: rows visible more than once
    torn: int = 0  #: parts visible in part
    reads: int = 0  #: made by the reader beside
    errors: int = 0  #: it saw


def keep(item: pytest.Item, row: Row) -> None:
    """Send a row with the report of the test that made it."""
    item.user_properties.append((_PROPERTY, asdict(row)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = list(_rows(terminalreporter))
    if not rows:
        return
    place = terminalreporter.config.rootpath / REPORT
    with contextlib.suppress(OSError):  # a checkout that may not be written
        place.parent.mkdir(exist_ok=True)
        place.write_text(markdown([*rows, _sum(rows)]), encoding="utf-8")
    terminalreporter.section("faults")
    form = "{:<44} {:>6} {:>6} {:>8} {:>6} {:>7} {:>14}"
    terminalreporter.write_line(
        form.format(
            "fault", "tries", "lost", "doubled", "torn", "reads", "reader errors"
        )
    )
    for r in [*rows, _sum(rows)]:
        terminalreporter.write_line(
            form.format(r.fault, r.tries, r.lost, r.doubled, r.torn, r.reads, r.errors)
        )


def markdown(rows: list[Row]) -> str:
    """Return the table as it stands in docs/operations.md."""
    lines = [
        "| fault | tries | rows lost | doubled | parts torn | reads beside "
        "| reader errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        reads = (r.reads, r.errors) if r.reads else ("-", "-")
        cells = (r.fault, r.tries, r.lost, r.doubled, r.torn, *reads)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _rows(terminalreporter: pytest.TerminalReporter) -> Iterable[Row]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, counts in report.user_properties:
                    if name == _PROPERTY:
                        yield Row(**counts)


def _sum(rows: list[Row]) -> Row:
    total = Row("all")
    for row in rows:
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return total
