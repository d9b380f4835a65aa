"""Arrays as columns of the store's types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.store.schema import UTC


def masked(values: np.ndarray, absent: np.ndarray) -> pa.Array:
    """Return numbers as a column, null where absent; the values are not copied."""
    values = np.ascontiguousarray(values)
    valid = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(values)]
    )


def label(
    codes: np.ndarray, names: Sequence[str], absent: np.ndarray | None = None
) -> pa.Array:
    """Return codes as a dictionary column, null where absent."""
    numbers = codes.astype(np.int16)
    indices = pa.array(numbers) if absent is None else masked(numbers, absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def moments(seconds: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Return Unix seconds as UTC times, null where absent."""
    return micros(np.rint(np.asarray(seconds, np.float64) * 1e6), absent)


def micros(since: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Return Unix microseconds as UTC times, null where absent."""
    since = since.astype(np.int64, copy=False)
    column = pa.array(since) if absent is None else masked(since, absent)
    return column.view(UTC)
