"""Arrays as columns of the store's types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.store.schema import UTC


def label(
    codes: np.ndarray, names: Sequence[str], absent: np.ndarray | None = None
) -> pa.Array:
    """Return codes as a dictionary column, null where absent."""
    indices = pa.array(codes.astype(np.int16), mask=absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def moments(seconds: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Return Unix seconds as UTC times, null where absent."""
    micros = np.rint(np.asarray(seconds, np.float64) * 1e6).astype(np.int64)
    return pa.array(micros, mask=absent).cast(UTC)
