"""Random orders: whichever way one asks, no row outside the order comes back."""

# ruff: noqa: F401, F811 (fixtures of another room)

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from pipeline.cameras import registry as registries
from pipeline.casebook import analysis, database, orders
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import CHECKOUT, Settings, get_settings
from pipeline.trace import results, tables
from pipeline.trace.observations import Scope
from tests.dashboard import installation
from tests.dashboard.installation import CASE, START, STOPS
from tests.pipeline.trace.conftest import World, authorise, world

TRACE_PAGE = CHECKOUT / "dashboard" / "pages" / "trace.py"
WEST, SOUTH, EAST, NORTH = 126.776, 37.481, 126.790, 37.494


@pytest.fixture
def traced(settings: Settings, tmp_path: Path, monkeypatch) -> Settings:
    """One case, traced under a wide order, that has exposure cells as well."""
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "registry.geojson"))
    monkeypatch.setenv("DONGSEON_LOGIN", "single")
    get_settings.cache_clear()
    own = get_settings()
    own.data_dir.mkdir(parents=True)
    installation.write_registry(own)
    order = installation.approve_order(own)
    permit = orders.authorise(CASE, "asker", "test", settings=own)
    made = installation.result_tables(order)
    rows = [
        {
            "cell": h3.latlng_to_cell(lat, lon, 10),
            "resolution": 10,
            "hour": START + timedelta(hours=hour),
            "person_seconds": 60.0,
            "dose_median": 0.1,
            "contacts": 9,
            "who": [f"K-{number:03d}" for number in range(1, 13)],
        }
        for lon, lat, _, _ in STOPS
        for hour in (-1, 0, 1)
    ]
    made["exposure"] = pa.Table.from_pylist(rows, schema=tables.EXPOSURE)
    results.write(permit, made, run=installation.RUN, settings=own)
    yield own
    database.dispose(own)


def random_order(chance: random.Random, book: Settings, user: str) -> orders.Order:
    """Have an order approved for some part of the walk's time and place."""
    begin = START + timedelta(seconds=chance.uniform(-900, 2000))
    end = begin + timedelta(seconds=chance.uniform(1, 2500))
    lon, lat = (
        sorted(chance.uniform(WEST, EAST) for _ in "ab"),
        sorted(chance.uniform(SOUTH, NORTH) for _ in "ab"),
    )
    if chance.random() < 0.5:
        area = shapely.box(lon[0], lat[0], lon[1] + 1e-4, lat[1] + 1e-4)
    else:
        area = shapely.Point(lon[0], lat[0]).buffer(chance.uniform(1e-4, 8e-3))
    order = orders.request_order(
        CASE,
        user,
        legal_basis="IDCPA Art. 76-2",
        purpose="test",
        window=(begin, end),
        area=area,
        settings=book,
    )
    return orders.approve(order.id, "approver", settings=book)


def check(order: orders.Order, name: str, rows: list[dict]) -> None:
    """Fail on any row whose time or place the order does not cover."""
    for row in rows:
        if name == "run":
            assert "tracklet" not in row["seed"]
            continue
        first, last = {
            "contact": ("first_at", "last_at"),
            "exposure": ("hour", "hour"),
        }.get(name, ("start_at", "end_at"))
        assert order.window_start <= row[first]
        whole = timedelta(hours=1) if name == "exposure" else timedelta()
        assert row[last] + whole <= order.window_end
        if name in ("sighting", "episode"):
            assert order.area.covers(shapely.Point(row["lon"], row["lat"]))
        if name == "exposure":
            ring = [(x, y) for y, x in h3.cell_to_boundary(row["cell"])]
            assert order.area.covers(shapely.Polygon(ring))


def test_results_of_a_wider_order(traced: Settings) -> None:
    """Every table, under sixty random orders of the same case, and nothing withheld."""
    chance = random.Random(76)
    wide = results.read(
        orders.authorise(CASE, "asker", "test", settings=traced, order_id=1),
        "sighting",
        settings=traced,
    ).to_pylist()
    seen, empty = 0, 0
    for _ in range(60):
        order = random_order(chance, traced, "asker")
        permit = orders.authorise(CASE, "asker", "test", settings=traced)
        assert permit.order_id == order.id
        known = results.read(permit, "contact", settings=traced)["contact"]
        for name in tables.TABLES:
            rows = results.read(permit, name, settings=traced).to_pylist()
            check(order, name, rows)
            if name == "exposure":  # it names only whom the order covers whole
                assert {one for row in rows for one in row["who"]} <= set(
                    known.to_pylist()
                )
            if name == "sighting":
                inside = [
                    row
                    for row in wide
                    if order.window_start <= row["start_at"]
                    and row["end_at"] <= order.window_end
                    and order.area.intersects(shapely.Point(row["lon"], row["lat"]))
                ]
                assert [r["sighting"] for r in rows] == [r["sighting"] for r in inside]
                seen += len(rows)
                empty += not rows
    assert seen > 20
    assert empty > 10


def test_the_pages_show_no_more(traced: Settings) -> None:
    """The newest order in force bounds the page, whoever made the result."""
    chance = random.Random(34)
    shown = 0
    for _ in range(6):
        order = random_order(chance, traced, "asker")
        permit = orders.authorise(CASE, traced.user, "test", settings=traced)
        inside = results.read(permit, "sighting", settings=traced).num_rows
        page = AppTest.from_file(str(TRACE_PAGE), default_timeout=60).run()
        assert not page.exception
        numbers = [one.value for one in page.metric]
        assert numbers[3] == str(inside)
        cards = [
            one.proto.body
            for one in page.get("html")
            if "data-sighting" in one.proto.body
        ]
        assert len(cards) == inside
        shown += inside
        orders.revoke(order.id, "approver", "test", settings=traced)
    orders.revoke(1, "approver", "test", settings=traced)
    page = AppTest.from_file(str(TRACE_PAGE), default_timeout=60).run()
    assert not page.metric
    assert shown


def test_sql_shows_nothing_of_an_order_that_ended(traced: Settings) -> None:
    """Codes and cells come from results whose own order is in force, cut to it."""
    chance = random.Random(5)

    def cells() -> list[dict]:
        return analysis.views(traced)["case_exposure"].to_pylist()

    assert cells()
    for _ in range(10):
        order = random_order(chance, traced, "asker")
        orders.revoke(order.id, "approver", "test", settings=traced)
    assert cells()  # the wide order's own result, under the wide order
    orders.revoke(1, "approver", "test", settings=traced)
    for _ in range(5):
        # Another order of the case does not bring the ended one's result back.
        random_order(chance, traced, "asker")
        assert all(not table.num_rows for table in analysis.views(traced).values())


def test_another_persons_permission_is_of_no_use(traced: Settings) -> None:
    """A permission names its user, case, order, window and area; none can be lent."""
    from dataclasses import replace

    chance = random.Random(7)
    permit = orders.authorise(CASE, "asker", "test", settings=traced)
    other = random_order(chance, traced, "asker")
    tries = 0
    for _ in range(200):
        field, value = chance.choice(
            [
                ("user", "eve"),
                ("purpose", "curiosity"),
                ("order_id", other.id),
                ("case", "P-OTHER"),
                ("window_start", START - timedelta(days=chance.uniform(1, 9))),
                ("window_end", START + timedelta(days=chance.uniform(1, 9))),
                ("area", shapely.box(126, 37, 127, 38)),
                ("expires_at", datetime.now(UTC) + timedelta(days=90)),
            ]
        )
        forged = replace(permit, **{field: value})
        name = chance.choice(list(tables.TABLES))
        with pytest.raises(NotAuthorisedError):
            results.read(forged, name, settings=traced)
        tries += 1
    assert tries == 200


def test_the_command_lists_no_more(world: World, authorise, tmp_path, monkeypatch):
    """`dongseon trace --list` under random orders, against the known truth."""
    from pipeline.cli import app, register

    if not app.registered_commands:
        register()
    people = [world.person() for _ in range(3)]
    for k in range(4):
        number = world.camera(400.0 * k, 150.0 * k)
        for turn in range(8):
            world.stand(people[turn % 3], number, 300 * turn + 31 * k, 20)
        world.film(number, 0, 3600)
    path = tmp_path / "registry.geojson"
    registries.save(world.publish().cameras, path)
    monkeypatch.setenv("DONGSEON_REGISTRY", str(path))
    get_settings.cache_clear()
    book = get_settings()
    chance = random.Random(11)
    listed = 0
    for _ in range(12):
        start = chance.uniform(-200, 2500)
        x, y = chance.uniform(-300, 900), chance.uniform(-300, 300)
        permit = authorise(
            start,
            start + chance.uniform(5, 2500),
            (x, y, x + chance.uniform(10, 900), y + chance.uniform(10, 600)),
        )
        words = ["trace", "P-001", "--list", "--limit", "10000", "--user", "kim"]
        out = CliRunner().invoke(app, words)
        assert out.exit_code == 0, out.output
        ids = {int(one) for one in re.findall(r"^ *(\d{6,})  ", out.output, re.M)}
        scope = Scope(permit, book)
        inside = set()
        for one in world.passes:
            at = one["at"] + datetime(2025, 11, 3, 5, tzinfo=UTC).timestamp()
            if (
                one["camera"] in scope.places
                and permit.window_start.timestamp() <= at[0]
                and at[-1] <= permit.window_end.timestamp()
                and scope.inside(np.round(one["points"][[0, -1]], 2)).all()
            ):
                inside.add(one["id"])
        assert ids == inside
        listed += len(ids)
    assert listed
    orders.revoke(permit.order_id, "lee", "test", settings=book)
    refused = CliRunner().invoke(app, [*words, "--purpose", ""])
    assert isinstance(refused.exception, DongseonError)
    database.dispose(book)
