"""The scan is exact, whatever the threads, sizes and thresholds."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import kernel


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d)).astype(np.float32)
    x[:, : d // 8] *= 4  # far from isotropic: many high similarities
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def brute(
    x: np.ndarray, probes: np.ndarray, limits: np.ndarray
) -> set[tuple[int, int]]:
    score = x @ probes.T
    return set(zip(*(i.tolist() for i in np.nonzero(score >= limits)), strict=True))


@settings(deadline=None, max_examples=25)
@given(
    n=st.sampled_from([1, 7, 4095, 4096, 4097, 9000]),
    p=st.integers(1, 9),
    d=st.sampled_from([16, 128, 192, 200]),
    limit=st.floats(-0.2, 0.95),
    seed=st.integers(0, 9),
)
def test_finds_all_and_only_hits(
    n: int, p: int, d: int, limit: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, probes = unit(rng, n, d), unit(rng, p, d)
    e8, scale = kernel.quantise(x)
    hits = kernel.scan(e8, scale, probes, limit, rerank=lambda rows: x[rows])
    found = set(zip(hits.rows.tolist(), hits.probe.tolist(), strict=True))
    surely = brute(x, probes, np.full(p, limit + 1e-5))
    maybe = brute(x, probes, np.full(p, limit - 1e-5))
    assert surely <= found <= maybe
    np.testing.assert_allclose(
        hits.score, (x[hits.rows] * probes[hits.probe]).sum(axis=1), atol=1e-5
    )


def test_same_result_for_any_threads_and_own_threshold_per_probe() -> None:
    rng = np.random.default_rng(1)
    x, probes = unit(rng, kernel.BLOCK_ROWS + 5000, 32), unit(rng, 6, 32)
    e8, scale = kernel.quantise(x)
    limits = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 2.0], np.float32)
    seen: list[int] = []
    one = kernel.scan(
        e8, scale, probes, limits, lambda r: x[r], threads=1, progress=seen.append
    )
    three = kernel.scan(e8, scale, probes, limits, lambda r: x[r], threads=3)
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(seen) == len(x)
    assert (one.score >= limits[one.probe]).all()
    assert (one.probe != 5).all()
    assert (np.diff(one.rows) >= 0).all()


def test_progress_may_cancel() -> None:
    rng = np.random.default_rng(2)
    e8, scale = kernel.quantise(unit(rng, 3 * kernel.BLOCK_ROWS, 16))

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kernel.scan(e8, scale, unit(rng, 1, 16), 0.9, progress=stop)


def test_abreast_fetches_the_next_while_one_is_worked_on() -> None:
    fetched = [threading.Event() for _ in range(3)]

    def fetch(item: int) -> int:
        fetched[item].set()
        return item * 10

    def work(item: int, ten: int) -> tuple[int, int, bool]:
        return item, ten, fetched[min(item + 1, 2)].wait(20)

    found = list(kernel.abreast(range(3), fetch, work, 1))
    assert found == [(0, 0, True), (1, 10, True), (2, 20, True)]
    with pytest.raises(IndexError):
        list(kernel.abreast(range(9), fetch, work, 2))


def test_zero_rows_never_hit_and_empty_input_is_empty() -> None:
    probes = unit(np.random.default_rng(3), 2, 16)
    e8, scale = kernel.quantise(np.zeros((5, 16), np.float32))
    assert len(kernel.scan(e8, scale, probes, -1.0).rows) == 0
    assert len(kernel.scan(e8[:0], scale[:0], probes, 0.1).rows) == 0
    assert len(kernel.scan(e8, scale, probes[:0], 0.1).rows) == 0


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(16)])
def test_arrow_rows_are_views_that_skip_nulls(kind: pa.DataType) -> None:
    e8 = np.arange(64, dtype=np.int8).reshape(4, 16)
    values = [e8[0].tobytes(), None, e8[1].tobytes(), e8[2].tobytes(), None]
    column = pa.array(values, kind)
    data, rows = kernel.arrow_rows(column, 16)
    np.testing.assert_array_equal(data, e8[:3])
    np.testing.assert_array_equal(rows, [0, 2, 3])
    data, rows = kernel.arrow_rows(column.slice(2, 2), 16)
    np.testing.assert_array_equal(data, e8[1:3])
    assert not data.flags.owndata
    assert len(kernel.arrow_rows(pa.array([None, None], kind), 16)[0]) == 0
    with pytest.raises(ValueError, match="bytes"):
        kernel.arrow_rows(column, 15)


def test_wrong_shapes_are_refused() -> None:
    e8, scale = np.zeros((3, 8), np.int8), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="probes"):
        kernel.scan(e8, scale, np.zeros((1, 9), np.float32), 0.5)
    with pytest.raises(ValueError, match="scale"):
        kernel.scan(e8, scale[:2], np.zeros((1, 8), np.float32), 0.5)
    with pytest.raises(ValueError, match="int8"):
        kernel.scan(e8.astype(np.int16), scale, np.zeros((1, 8), np.float32), 0.5)
