"""Ten people on one server at once: each is answered, and with their own only."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.visitor import Answer, Visitor
from dashboard import gate
from pipeline.casebook import accounts, sessions
from tests.dashboard import tour
from tests.dashboard.conftest import started

NAMES = [f"person-{number}" for number in range(10)]
#: End of the range that each chooses, seconds after the trace's start, and its clock.
ENDS = {
    name: (240.0 + 120 * number, f"14:{4 + 2 * number:02d}:00")
    for number, name in enumerate(NAMES)
}


@pytest.fixture
def tokens(tmp_path: Path):
    with tour.installed(tmp_path) as settings:
        found = {}
        for name in NAMES:
            accounts.add(
                name, "investigator", accounts.FIRST, local=False, settings=settings
            )
            found[name] = sessions.begin(name, "test", settings=settings)
        yield found, settings


def test_ten_are_answered_with_their_own(tokens, tmp_path: Path) -> None:
    given, settings = tokens
    with started(tmp_path) as url, ThreadPoolExecutor(len(NAMES)) as pool:

        def arrive(name: str) -> tuple[Visitor, Answer]:
            one = Visitor(url, "trace", f"{gate.COOKIE}={given[name]}")
            return one, one.open()

        arrived = dict(zip(NAMES, pool.map(arrive, NAMES), strict=True))
        for name, (_, answer) in arrived.items():
            assert acting(answer) == {name}

        def narrow(name: str) -> Answer:
            one = arrived[name][0]
            return one.change("map-trace", {"range": [0.0, ENDS[name][0]]})

        for _ in range(3):  # all at the same moment
            for name, answer in zip(NAMES, pool.map(narrow, NAMES), strict=True):
                shown = re.search(r"14:00:00–(14:\d\d:\d\d)", answer.text)
                assert shown, answer.text[:2000]
                assert shown[1] == ENDS[name][1]
                assert not acting(answer) - {name}

        # One leaves: the others stay.
        sessions.log_out(given["person-3"], settings=settings)
        again = dict(
            zip(NAMES, pool.map(lambda n: arrived[n][0].open(), NAMES), strict=True)
        )
        assert "CROWD-00" not in again["person-3"].text
        for name in set(NAMES) - {"person-3"}:
            assert acting(again[name]) == {name}
            assert "CROWD-00" in again[name].text
        for one, _ in arrived.values():
            one.close()


def acting(answer: Answer) -> set[str]:
    return set(re.findall(r"person-\d+", answer.text))
