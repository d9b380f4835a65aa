"""Layers and records of the map."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from dashboard.maps import layers, network, playback
from dashboard.maps.heat_cells import heat_records
from dashboard.trace_view import letters
from pipeline.settings import Settings
from pipeline.trace.tables import EPISODE
from tests.dashboard.installation import START


def episodes(rows: list[tuple[float, float, float, float, float]]) -> pa.Table:
    """(seconds after START, length, seconds near, lon, lat) -> a table."""
    records = [
        {
            "contact": f"K-{index}",
            "sighting": 0,
            "start_at": START + timedelta(seconds=after),
            "end_at": START + timedelta(seconds=after + length),
            "seconds": near,
            "lon": lon,
            "lat": lat,
        }
        for index, (after, length, near, lon, lat) in enumerate(rows)
    ]
    return pa.Table.from_pylist(records, schema=EPISODE)


episode = st.tuples(
    st.floats(0, 7200),
    st.floats(0, 600),
    st.floats(0.1, 600),
    st.floats(126.7, 126.9),
    st.floats(37.4, 37.6),
)


@given(st.lists(episode, max_size=12))
@limits(max_examples=30, deadline=None)
def test_heat_keeps_the_sum_of_seconds(rows: list) -> None:
    records = heat_records(episodes(rows), START.timestamp())
    total = sum(row[2] for row in rows)
    assert sum(record["w"] for record in records) == pytest.approx(total, abs=0.5)
    assert all(record["t0"] < record["t1"] for record in records)
    cells = [record["k"] for record in records]
    told = [record["k"] for record in records if "outline" in record]
    assert sorted(told) == sorted(set(cells))


def test_heat_lies_where_and_when_the_contact_was() -> None:
    records = heat_records(
        episodes([(60.0, 30.0, 20.0, 126.78, 37.48)]), START.timestamp()
    )
    assert [record["k"] for record in records] == [0]
    lon, lat = np.mean(records[0]["outline"], axis=0)
    assert lon == pytest.approx(126.78, abs=1e-4)
    assert lat == pytest.approx(37.48, abs=1e-4)
    assert min(record["t0"] for record in records) == 60.0
    assert max(record["t1"] for record in records) == 90.0


def test_heat_grows_coarser_rather_than_larger() -> None:
    generator = np.random.default_rng(3)
    rows = [
        (float(t), 60.0, 60.0, float(lon), float(lat))
        for t, lon, lat in zip(
            generator.uniform(0, 3600, 400),
            generator.uniform(126.78, 126.79, 400),
            generator.uniform(37.48, 37.49, 400),
            strict=True,
        )
    ]
    table = episodes(rows)
    fine = heat_records(table, START.timestamp())
    coarse = heat_records(table, START.timestamp(), most=200)
    assert len(coarse) <= 200 < len(fine)
    assert sum(r["w"] for r in coarse) == pytest.approx(24_000, rel=1e-3)


def test_path_layers_tell_seen_from_inferred() -> None:
    legs = [
        {"kind": "seen", "p": [[1, 2], [1, 3]], "t": [0, 5], "tip": ["a"]},
        {"kind": "inferred", "p": [[1, 3], [2, 3]], "t": [5, 9], "tip": ["b"],
         "sure": 0.5},
        {"kind": "seen", "p": [[2, 3]], "t": [9], "tip": ["a single point"]},
    ]  # fmt: skip
    spec = json.loads(layers.to_json(layers.deck(layers.path(legs), (1, 2, 3, 4))))
    drawn = {layer["id"]: layer for layer in spec["layers"]}
    assert [row["tip"] for row in drawn["path-seen"]["data"]] == [["a"]]
    assert drawn["path-inferred"]["data"][0] | {"tip": 0} == {
        "path": [[1, 3], [2, 3]],
        "t0": 5,
        "t1": 9,
        "tip": 0,
        "c": [*layers.INFERRED, (layers.FAINT + layers.SOLID) // 2],
    }
    assert set(layers.DASHED) <= set(drawn)


def test_tags_of_sightings_at_one_place_are_stacked() -> None:
    rows = [
        {
            "sighting": index,
            "number": str(index + 1),
            "lon": 126.78,
            "lat": 37.48,
            "on_path": index != 1,
            "t0": 0.0,
            "t1": 1.0,
            "tip": [],
        }
        for index in range(4)
    ]
    found = {layer.id: layer.data for layer in layers.sightings(rows)}
    assert [row["label"] for row in found["candidate-labels"]] == ["2"]
    labels = found["sighting-labels"]
    assert [row["label"] for row in labels] == ["1", "3", "4"]
    assert len({row["o"][1] for row in labels}) == 3
    assert [row["p"] for row in labels] == [[126.78, 37.48]] * 3


def test_candidates_are_lettered() -> None:
    assert [letters(n) for n in (0, 1, 25, 26, 27, 701, 702)] == [
        "a",
        "b",
        "z",
        "aa",
        "ab",
        "zz",
        "aaa",
    ]


def test_the_map_asks_nothing_of_map_services(traced: Settings) -> None:
    spec = layers.to_json(layers.deck([layers.cameras("/local")], (1, 2, 3, 4)))
    document = json.loads(spec)
    assert document.get("mapStyle") is None
    assert document.get("mapProvider") is None
    assert "http" not in spec


def test_network_is_public_facts_only(traced: Settings) -> None:
    rows = json.loads(network.to_json(traced.registry))
    assert len(rows) == 400
    assert set(rows[0]) == {"p", "c", "id", "usage", "dong", "status"}
    facts = network.facts(traced.registry)
    assert facts.synthetic == facts.cameras == 400
    assert facts.shared_clips == {"street.avi": 6}
    assert facts.outages == 8


@pytest.mark.parametrize(
    ("seconds", "speed"), [(20, 1), (41, 2), (1960, 60), (86_400, 3_600)]
)
def test_playback_takes_a_pleasant_time(seconds: float, speed: int) -> None:
    assert playback.pleasant_speed(seconds) == speed
