"""Columns as arrays: times, numbers, texts and places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pipeline.store.ids import to_lonlat


def seconds(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Timestamps (UTC) as float64 Unix seconds."""
    micros = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(micros, dtype=np.float64) / 1e6


def moment(unix_seconds: float) -> datetime:
    """Unix seconds as an aware moment, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=round(float(unix_seconds) * 1e6)
    )


def floats(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A numeric column as float64, null as NaN."""
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def texts(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A text column (plain or dictionary) as str objects, null as "unknown"."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if not len(column):
        return np.empty(0, dtype=object)
    coded = column.cast(pa.string()).fill_null("unknown").dictionary_encode()
    coded = coded.unify_dictionaries().combine_chunks()
    whole = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    names = np.asarray(whole.dictionary.to_pylist(), dtype=object)
    return names[whole.indices.to_numpy()]


def lonlat(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (float [n, 2], metres of the local frame) as WGS84 degrees."""
    return to_lonlat(places[:, 0] * 100, places[:, 1] * 100)


def ranges(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers of ranges [low, high), and how many each range has."""
    count = np.maximum(high - low, 0)
    end = np.cumsum(count)
    at = np.arange(int(end[-1]) if len(end) else 0)
    at += np.repeat(low - end + count, count)
    return at, count


def of_day(dates: np.ndarray, date: int) -> tuple[int, int]:
    """Range [low, high) of a date among dates in order, int [n]."""
    # Numbers of another size would have all dates copied.
    edges = np.array([date, date + 1], dtype=dates.dtype)
    low, high = np.searchsorted(dates, edges).tolist()
    return low, high


def pairs(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different pairs of two columns int [n]: [k, 2] in order, and which each is."""
    first, a = np.unique(one, return_inverse=True)
    second, b = np.unique(other, return_inverse=True)
    found, which = np.unique(a * len(second) + b, return_inverse=True)
    a, b = np.divmod(found, max(len(second), 1))
    return np.column_stack([first[a], second[b]]), which
