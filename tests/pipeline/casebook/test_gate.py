"""Attempts to get round the gate: by machine, at random."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import shapely
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.casebook import audit, cases, clock, database, orders
from pipeline.casebook.authorisation import require
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings
from tests.pipeline.casebook.conftest import AREA, DAY, WINDOW, open_case, request

USERS = st.sampled_from(["ana", "bora", "chul"])


def test_ten_thousand_attempts_without_a_leak(book):
    """Only permissions exactly as issued, of orders in force, pass."""
    chance = random.Random(20251103)
    good, ended = [], []
    for number in range(12):
        case = open_case(book, f"P-{number:03}")
        order = request(book, case)
        orders.approve(order.id, "bora", settings=book)
        issued = orders.authorise(case, "ana", "test", settings=book)
        good.append(issued)
        if number % 3 == 0:
            orders.revoke(order.id, "bora", "test", settings=book)
            ended.append(good.pop())
        elif number % 3 == 1:
            cases.close_case(case, "ana", settings=book)
            ended.append(good.pop())
    changes = {
        "case": lambda: chance.choice(good + ended).case,
        "order_id": lambda: chance.randrange(1, 20),
        "user": lambda: chance.choice(["ana", "bora", "eve", ""]),
        "purpose": lambda: chance.choice(["test", "curiosity"]),
        "window_start": lambda: WINDOW[0] - chance.random() * 30 * DAY,
        "window_end": lambda: WINDOW[1] + chance.random() * 30 * DAY,
        "area": lambda: AREA.buffer(chance.random()),
        "expires_at": lambda: datetime.now(UTC) + chance.random() * 900 * DAY,
        "seal": lambda: chance.choice([b"", chance.randbytes(32), good[0].seal]),
    }
    passed = refused = 0
    for attempt in range(10_000):
        base = chance.choice(good + ended)
        fields = chance.sample(sorted(changes), chance.randrange(0, 4))
        forged = replace(base, **{field: changes[field]() for field in fields})
        may = base in good and _same(forged, base)
        sealed = _same(forged, base)
        try:
            require(forged)
            assert sealed
            valid = orders.still_valid(forged, book) if attempt % 4 == 0 else may
        except NotAuthorisedError:
            assert not sealed
            valid = False
        assert valid == may
        passed += valid
        refused += not valid
    assert passed > 300
    assert refused > 6000


def _same(one, other):
    return all(
        getattr(one, field) == getattr(other, field)
        for field in one.__dataclass_fields__
    )


class Gate(RuleBasedStateMachine):
    """Any sequence of acts: the gate opens exactly when the rules say so."""

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.book = Settings(data_dir=home / "data", key_file=home / "key" / "k")
        self.shift = timedelta()
        self.real = clock.now
        clock.now = lambda: datetime.now(UTC) + self.shift
        self.case = open_case(self.book, "P-TEST")
        self.open = True
        self.model: dict[int, dict] = {}
        self.issued: list = []

    def teardown(self):
        assert audit.verify(self.book).sound
        clock.now = self.real
        database.dispose(self.book)
        self.folder.cleanup()

    def order(self, number):
        return sorted(self.model)[number % len(self.model)]

    def in_force(self, number):
        order = self.model[number]
        return (
            self.open and order["state"] == "approved" and order["until"] > clock.now()
        )

    @precondition(lambda self: self.open)
    @rule(user=USERS, hours=st.integers(1, 48))
    def ask(self, user, hours):
        until = clock.now() + timedelta(hours=hours)
        order = orders.request_order(
            self.case,
            user,
            legal_basis="IDCPA Art. 76-2 (2)",
            purpose="test",
            window=WINDOW,
            area=shapely.box(126.75, 37.47, 126.80, 37.53),
            expires_at=until,
            settings=self.book,
        )
        self.model[order.id] = {"by": user, "state": "requested", "until": until}

    @precondition(lambda self: self.model)
    @rule(user=USERS, pick=st.integers(0, 99), yes=st.booleans())
    def decide(self, user, pick, yes):
        number = self.order(pick)
        order = self.model[number]
        allowed = (
            self.open
            and order["by"] != user
            and order["state"] == "requested"
            and order["until"] > clock.now()
        )
        try:
            if yes:
                orders.approve(number, user, settings=self.book)
            else:
                orders.refuse(number, user, "no", settings=self.book)
        except DongseonError:
            assert not allowed
        else:
            assert allowed
            order["state"] = "approved" if yes else "refused"

    @precondition(lambda self: self.model)
    @rule(user=USERS, pick=st.integers(0, 99))
    def revoke(self, user, pick):
        number = self.order(pick)
        order = self.model[number]
        try:
            orders.revoke(number, user, "end", settings=self.book)
        except DongseonError:
            assert order["state"] not in ("requested", "approved") or (
                order["until"] <= clock.now() or not self.open
            )
        else:
            order["state"] = "revoked"

    @rule(hours=st.integers(1, 30))
    def wait(self, hours):
        self.shift += timedelta(hours=hours)

    @precondition(lambda self: self.open and len(self.model) > 2)
    @rule()
    def close(self):
        cases.close_case(self.case, "ana", settings=self.book)
        self.open = False

    @rule(user=USERS)
    def use(self, user):
        expected = any(self.in_force(number) for number in self.model)
        try:
            issued = orders.authorise(self.case, user, "test", settings=self.book)
        except NotAuthorisedError:
            assert not expected
        else:
            assert expected
            assert self.in_force(issued.order_id)
            self.issued.append(issued)

    @invariant()
    def issued_permissions_live_as_long_as_their_orders(self):
        for issued in self.issued[-3:]:
            assert orders.still_valid(issued, self.book) == self.in_force(
                issued.order_id
            )


TestGate = Gate.TestCase
TestGate.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
