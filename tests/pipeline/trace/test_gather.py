"""Passes of segments that overlap, are unsorted or hold rows twice, against a sort."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store import groups, ids
from pipeline.store.reader import Segment
from pipeline.store.schema import MASK_STATES, TRACKLET
from pipeline.trace import gather, sieve
from pipeline.trace.columns import floats, seconds
from pipeline.trace.passes import PLAIN, Passes

OPENS = datetime(2025, 11, 3, 5, tzinfo=UTC)
#: East of this line nothing is inside the area, metres.
EDGE_M = 1000.0
#: Of cameras 0 to 3 and the unknown fourth, metres.
CAMERAS = np.array([[100.0, 50.0], [700.25, 0.0], [990.0, 10.0], [0.0, 0.0], [0, 0]])


def scope(hours: float, threads: int = 2) -> SimpleNamespace:
    """An order over some hours before the cameras 0, 1, 2 and 4."""
    reach = np.where(CAMERAS[:, 0] < EDGE_M - 160, 150.0, -1.0)
    known = np.array([True, True, True, False, True])
    return SimpleNamespace(
        settings=SimpleNamespace(threads=threads),
        window=(OPENS, OPENS + timedelta(hours=hours)),
        ground=lambda numbers: sieve.Ground(known, CAMERAS, reach),
        inside=lambda places: places[:, 0] < EDGE_M,
    )


def segment(rng: np.random.Generator, rows: int, begin: float, span: float, tick: int):
    """Rows from some second on, whose starts are whole multiples of microseconds."""
    start = begin + rng.integers(0, int(span * 1e6 / tick) + 1, rows) * (tick / 1e6)
    camera = rng.integers(0, 5, rows)
    camera[rng.random(rows) < 0.02] = 9
    begins = OPENS.timestamp() + start
    number = ids.tracklet_ids(camera, begins, rng.integers(0, 3, rows))
    micros = np.rint(begins * 1e6).astype(np.int64)
    end = micros + rng.integers(0, 60_000_000, rows)
    where = np.clip(camera, 0, 4)
    columns = {
        "tracklet_id": pa.array(number),
        "camera_no": pa.array(camera, pa.uint16()),
        "start_at": pa.array(micros, pa.timestamp("us", tz="UTC")),
        "end_at": pa.array(end, pa.timestamp("us", tz="UTC")),
    }
    for name in ("first", "last"):
        for k, way in enumerate(("east", "north")):
            place = (CAMERAS[where, k] * 100).astype(int) + rng.integers(
                -200_00, 200_00
            )
            place = place + rng.integers(-3000, 3000, rows)
            columns[f"{name}_{way}_cm"] = _nulls(rng, place, pa.int32())
    columns["ground_error_cm"] = _nulls(rng, rng.integers(1, 500, rows), pa.int32())
    columns["face_width_px"] = _nulls(rng, rng.random(rows) * 99, pa.float32())
    columns["face_scale"] = _nulls(rng, rng.random(rows), pa.float32())
    for name, texts in (
        ("mask_state", MASK_STATES),
        ("face_model", ("b", "a", "c")),
        ("appearance_model", ("z", "y")),
    ):
        of = int(rng.integers(1, len(texts) + 1))
        chosen = _nulls(rng, np.array(texts)[rng.integers(0, of, rows)], pa.string())
        columns[name] = chosen.dictionary_encode().cast(TRACKLET.field(name).type)
    table = pa.table({name: columns[name] for name in PLAIN})
    if rows > 3 and rng.random() < 0.5:  # row groups: texts are numbered anew in each
        table = pa.concat_tables([table[: rows // 3], table[rows // 3 :]])
    return table, rng.random(rows) > 0.1


def _nulls(rng: np.random.Generator, values: np.ndarray, kind: pa.DataType) -> pa.Array:
    gone = rng.random(len(values)) < rng.choice([0.0, 0.3])
    return pa.array(values.tolist(), kind, mask=gone)


def plain(scope: SimpleNamespace, parts: list) -> dict[str, np.ndarray]:
    """The same by whole columns and one sort."""
    opens, closes = (moment.timestamp() for moment in scope.window)
    known = scope.ground(None).known
    found, stored = [], 0
    codes: dict[str, list] = {"face": [], "appearance": []}
    scales = []
    for table, counted in parts:
        number = table["camera_no"].to_numpy().astype(int)
        start, end = seconds(table["start_at"]), seconds(table["end_at"])
        keep = counted & (number < 5) & (start >= opens) & (end <= closes)
        keep &= (start < closes) & known[np.clip(number, 0, 4)]
        ground = {}
        for name in ("first", "last"):
            cm = [floats(table[f"{name}_{way}_cm"]) / 100 for way in ("east", "north")]
            place = np.column_stack(cm)
            camera = CAMERAS[np.clip(number, 0, 4)]
            ground[name] = np.where(np.isnan(place), camera, place)
            keep &= scope.inside(ground[name])
        if not keep.any():
            continue
        error = floats(table["ground_error_cm"]) / 100
        mask = table["mask_state"].cast(pa.string()).to_pylist()
        values = {
            "ids": table["tracklet_id"].to_numpy(),
            "camera_no": number,
            "start": start,
            "end": end,
            **ground,
            "error_m": np.where(np.isnan(error), gather.UNCALIBRATED_ERROR_M, error),
            "face_width_px": floats(table["face_width_px"]).astype(np.float32),
            "mask_code": np.array(
                [MASK_STATES.index(m) if m else 0 for m in mask], np.int8
            ),
            "at": np.arange(stored, stored + len(keep), dtype=np.int32),
        }
        found.append({name: value[keep] for name, value in values.items()})
        scale = floats(table["face_scale"]).astype(np.float32)
        for kind in codes:
            names = table[f"{kind}_model"].cast(pa.string()).to_pylist()
            if kind == "face":
                names = np.where(np.isnan(scale), None, names).tolist()
            codes[kind] += names
        scales.append(scale)
        stored += len(keep)
    if not found:
        return {}
    whole = {name: np.concatenate([f[name] for f in found]) for name in found[0]}
    order = np.lexsort((whole["ids"], whole["start"]))
    whole = {name: value[order] for name, value in whole.items()}
    place = np.full(stored, -1, np.int32)
    place[whole["at"]] = np.arange(len(order))
    scale = np.concatenate(scales)
    return {**whole, "place": place, "scale": scale, **codes}


def gathered(scope: SimpleNamespace, parts: list, hours: list[datetime]) -> Passes:
    """By the gathering, from tables in memory."""
    wanted = [
        groups.Wanted(
            Segment(Path(str(k)), hour, k, np.empty(0, np.int64)),
            "tracklet",
            (0,),
            (part[0].num_rows,),
            None,
        )
        for k, (part, hour) in enumerate(zip(parts, hours, strict=True))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "wanted", lambda *given: wanted)
        patch.setattr(groups, "read", lambda one, columns: parts[one.segment.unit])
        return gather.passes(scope, [0, 1, 2, 4])


@settings(deadline=None)  # compiled at the first
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=9),
    span=st.sampled_from([0.0, 900.0, 3600.0, 9000.0]),
    tick=st.sampled_from([1, 100_000, 1_000_000, 600_000_000]),
    days=st.sampled_from([0.1, 0.2, 60.0]),
    apart=st.sampled_from([0.0, 1800.0, 3600.0, 20 * 86_400.0]),
)
def test_segments_in_any_order_give_what_one_sort_gives(
    seed, sizes, span, tick, days, apart
):
    """Whether hours overlap or not, lie apart, or hold the same rows again."""
    rng = np.random.default_rng(seed)
    order = scope(24 * days, threads=1 + seed % 2)
    hour = np.sort(rng.integers(0, 4, len(sizes)))
    parts = [
        segment(rng, rows, float(h) * apart - 300.0, span, tick)
        for rows, h in zip(sizes, hour, strict=True)
    ]
    if len(parts) > 2:
        parts[2] = parts[0]
    found = gathered(order, parts, [OPENS + timedelta(hours=int(h)) for h in hour])
    expected = plain(order, parts)
    assert len(found) == len(expected.get("ids", []))
    if not expected:
        return
    vault = found.vault
    for kind in ("face", "appearance"):
        names = np.array([*vault.models, None], dtype=object)
        assert names[vault.codes[kind]].tolist() == expected.pop(kind)
    assert list(vault.models) == sorted(vault.models)
    for name in ("place", "scale"):
        np.testing.assert_array_equal(getattr(vault, name), expected.pop(name))
        assert len(getattr(vault, name)) == vault.first[-1]
    for name, values in expected.items():
        column = getattr(found, name)
        np.testing.assert_array_equal(column, values, err_msg=name)
        assert column.dtype == values.dtype
        assert column.base is None  # nothing is held that is not used


@settings(deadline=None)
@given(
    key=st.lists(
        st.one_of(
            st.integers(0, 50),
            st.integers(0, 2**62),
            st.just(int(sieve.NONE)),
            st.just(7),
        ),
        max_size=300,
    )
)
def test_numbers_are_ranked_as_by_a_stable_sort(key):
    key = np.array(key, dtype=np.int64)
    rows = np.flatnonzero(key != sieve.NONE)
    expected = rows[np.argsort(key[rows], kind="stable")]
    assert sieve.ranked(key).tolist() == expected.tolist()
