from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import StoreError
from pipeline.store import vectors

FLOATS = st.floats(-1e6, 1e6, width=32)
ROWS = st.tuples(st.integers(0, 6), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=FLOATS)
)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_quantised_rows_are_within_half_a_step(rows: np.ndarray) -> None:
    values, scale = vectors.quantise(rows)
    assert values.dtype == np.int8
    error = np.abs(vectors.dequantise(values, scale) - rows)
    assert (error <= scale[:, None] * 0.5001 + 1e-30).all()


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_binary_columns_keep_rows_and_nulls(rows: np.ndarray, random) -> None:
    present = np.array([random.random() < 0.6 for _ in rows], dtype=bool)
    column = vectors.to_binary(rows, present)
    column.validate(full=True)
    assert column.to_pylist() == [
        row.tobytes() if keep else None for row, keep in zip(rows, present, strict=True)
    ]
    for cut in (column, column[1:], pa.chunked_array([column[:2], column[2:]])):
        back, found = vectors.from_binary(cut, "<f4")
        skip = len(rows) - len(cut)
        assert (found == present[skip:]).all()
        if found.any():
            np.testing.assert_array_equal(back[found], rows[skip:][found])


def test_float16_is_close_and_nulls_are_nan() -> None:
    rows = np.random.default_rng(1).normal(size=(4, 8))
    column = vectors.to_f16_bytes(rows, np.array([True, False, True, True]))
    back = vectors.from_f16_bytes(column)
    assert np.isnan(back[1]).all()
    np.testing.assert_allclose(back[[0, 2, 3]], rows[[0, 2, 3]], rtol=1e-3, atol=1e-6)


def test_a_whole_column_is_viewed_not_copied() -> None:
    rows = np.arange(12, dtype=np.int8).reshape(3, 4)
    column = vectors.to_binary(rows)
    back, _ = vectors.from_binary(column)
    assert np.shares_memory(back, rows)


def test_embeddings_of_two_models_never_mix() -> None:
    with pytest.raises(StoreError, match="different models"):
        vectors.from_binary(pa.array([b"1234", b"12"]))


def test_infinite_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        vectors.quantise(np.array([[np.inf, 1.0]]))
