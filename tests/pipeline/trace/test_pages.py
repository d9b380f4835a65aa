"""Pages are viewed where they lie, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store import layout, vectors
from pipeline.trace import kernel, pages


def segment(path: Path, values: np.ndarray, present: np.ndarray) -> pa.Table:
    table = pa.table(
        {
            "camera_no": pa.array(np.arange(len(values)), pa.int64()),
            "face_i8": vectors.to_binary(values, present),
        }
    )
    layout.write(path, table, "tracklet")
    return table


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    n=st.sampled_from([0, 1, 5, 16_384, 40_000]),
    width=st.sampled_from([16, 192, 384]),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 5),
)
def test_agrees_with_pyarrow(
    tmp_path: Path, n: int, width: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-127, 128, (n, width), dtype=np.int8)
    present = rng.random(n) < share
    path = tmp_path / f"{n}-{width}-{share}-{seed}.parquet"
    segment(path, values, present)
    column = pages.plain_column(path, "face_i8", width)
    assert column is not None
    expected = values[present]
    assert len(column) == len(expected)
    if len(expected):
        np.testing.assert_array_equal(np.concatenate(column.matrices), expected)
        rows = np.flatnonzero(rng.random(len(expected)) < 0.2)
        np.testing.assert_array_equal(column.take(rows).view(np.int8), expected[rows])


def test_scan_over_pages_equals_scan_over_a_matrix(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30_000, 192)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    e8, scale = kernel.quantise(x)
    path = tmp_path / "segment.parquet"
    segment(path, e8, np.ones(len(e8), dtype=bool))
    column = pages.plain_column(path, "face_i8", 192)
    assert column is not None
    assert len(column.blocks) > 1
    probes = x[[3, 29_999]]
    whole = kernel.scan(e8, scale, probes, 0.2)
    paged = kernel.scan(column.matrices, scale, probes, 0.2, threads=3)
    for a, b in zip(whole, paged, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {3, 29_999} <= set(whole.rows.tolist())


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "ZSTD", "use_dictionary": False},
        {"compression": "NONE", "use_dictionary": True},
        {"compression": "NONE", "use_dictionary": False, "data_page_version": "2.0"},
    ],
)
def test_other_storage_is_not_taken(tmp_path: Path, options: dict) -> None:
    path = tmp_path / "other.parquet"
    column = vectors.to_binary(np.ones((500, 16), np.int8))
    pq.write_table(pa.table({"face_i8": column}), path, **options)
    assert pages.plain_column(path, "face_i8", 16) is None


def test_other_lengths_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "lengths.parquet"
    # The same total length as two values of 16 bytes.
    table = pa.table({"face_i8": pa.array([b"x" * 12, b"y" * 20], pa.binary())})
    pq.write_table(table, path, compression="NONE", use_dictionary=False)
    assert pages.plain_column(path, "face_i8", 16) is None
    assert pages.plain_column(path, "face_i8", 12) is None
    assert pages.plain_column(path, "absent", 16) is None
    lazy = pages.plain_column(path, "face_i8", 16, check=False)
    assert lazy is not None
    with pytest.raises(ValueError, match="another length"):
        lazy.take(np.array([0, 1]))


def test_statistics_in_headers_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "statistics.parquet"
    values = np.arange(320, dtype=np.int16).astype(np.int8).reshape(20, 16)
    table = pa.table({"face_i8": vectors.to_binary(values)})
    pq.write_table(
        table, path, compression="NONE", use_dictionary=False, write_statistics=True
    )
    column = pages.plain_column(path, "face_i8", 16)
    assert column is not None
    np.testing.assert_array_equal(np.concatenate(column.matrices), values)
