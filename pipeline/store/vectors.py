"""Embeddings as stored: per-row-scaled int8 for the scan, float16 for re-ranking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.errors import StoreError

#: Largest magnitude of a stored int8; -128 is not used, so that signs mirror.
_LEVELS = 127.0


def quantise(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each row to int8 with a scale of its own.

    Parameters
    ----------
    vectors : float array [n, d], finite.

    Returns
    -------
    values : int8 [n, d], in -127..127.
    scale : float32 [n], `max|v| / 127` of the row; a row of zeros has scale 0.
        `values * scale` differs from the row by at most half a scale.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or holds NaN or infinity.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"vectors must be [n, d], got shape {rows.shape}")
    work = np.abs(rows)
    largest = work.max(axis=1, initial=0.0)  # NaN and infinity come through
    if not np.isfinite(largest).all():
        raise ValueError("vectors must be finite, got NaN or infinity")
    scale = (largest / _LEVELS).astype(np.float32)
    # A subnormal scale would overflow the division: such a row is stored as zeros.
    scale[scale < np.finfo(np.float32).tiny] = 0.0
    np.divide(rows, np.where(scale > 0, scale, np.float32(1))[:, None], out=work)
    np.rint(work, out=work)
    values = work.astype(np.int8)
    values[scale == 0] = 0
    return values, scale


def dequantise(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return float32 [n, d] from int8 [n, d] and the rows' scales [n]."""
    rows = np.asarray(values, dtype=np.float32)
    return rows * np.asarray(scale, dtype=np.float32)[:, None]


def to_f16_bytes(vectors: np.ndarray, present: np.ndarray | None = None) -> pa.Array:
    """Return float [n, d] as a binary column of little-endian float16 rows."""
    return to_binary(np.asarray(vectors).astype("<f2"), present)


def from_f16_bytes(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return float32 [n, d] from a binary column; null rows become NaN."""
    rows, present = from_binary(column, "<f2")
    result = rows.astype(np.float32)
    result[~present] = np.nan
    return result


def to_binary(rows: np.ndarray, present: np.ndarray | None = None) -> pa.Array:
    """Return an array [n, d] as a binary column, one value per row, without a loop.

    Parameters
    ----------
    rows : array [n, d] of any fixed-width dtype.
    present : bool [n], rows to keep; the others become null. Default: all.
    """
    rows = np.ascontiguousarray(rows)
    if rows.ndim != 2:
        raise ValueError(f"rows must be [n, d], got shape {rows.shape}")
    kept = (
        np.ones(len(rows), dtype=bool)
        if present is None
        else np.asarray(present, dtype=bool)
    )
    if kept.shape != (len(rows),):
        raise ValueError(f"present must be [{len(rows)}], got shape {kept.shape}")
    width = rows.shape[1] * rows.itemsize
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(kept * width, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise ValueError("a binary column holds less than 2 GiB; pass fewer rows")
    data = rows if kept.all() else np.ascontiguousarray(rows[kept])
    mask = np.packbits(kept, bitorder="little")
    return pa.Array.from_buffers(
        pa.binary(),
        len(rows),
        [
            None if kept.all() else pa.py_buffer(mask),
            pa.py_buffer(offsets.astype(np.int32)),
            pa.py_buffer(data.reshape(-1).view(np.uint8)),
        ],
    )


def from_binary(
    column: pa.Array | pa.ChunkedArray, dtype: str = "int8"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows [n, d], present bool [n]) of a binary column.

    A chunk without nulls is viewed, not copied (and is then read-only); null rows
    come back as zeros. Where no row is present, d is 0.

    Raises
    ------
    StoreError
        If the rows differ in width: embeddings of different models never mix.
    """
    chunks = list(blocks(column, dtype))
    width = max((rows.shape[1] for rows, _ in chunks), default=0)
    if len(chunks) == 1:
        return chunks[0]
    parts = []
    for rows, present in chunks:
        if rows.shape[1] == width:
            parts.append(rows)
        elif present.any():
            raise _mixed_widths(width, rows.shape[1])
        else:
            parts.append(np.zeros((len(rows), width), dtype=dtype))
    if not parts:
        return np.zeros((0, 0), dtype=dtype), np.zeros(0, dtype=bool)
    return np.concatenate(parts), np.concatenate([present for _, present in chunks])


def blocks(
    column: pa.Array | pa.ChunkedArray, dtype: str = "int8"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (rows [n, d], present bool [n]) per chunk, zero-copy where it can be."""
    chunked = isinstance(column, pa.ChunkedArray)
    for chunk in column.chunks if chunked else [column]:
        yield _view(chunk, np.dtype(dtype))


def _view(chunk: pa.Array, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, present) of one binary array."""
    count = len(chunk)
    kind = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
    _, offset_buffer, data_buffer = chunk.buffers()
    if count == 0 or chunk.null_count == count:
        return np.zeros((count, 0), dtype=dtype), np.zeros(count, dtype=bool)
    offsets = np.frombuffer(offset_buffer, dtype=kind)
    offsets = offsets[chunk.offset : chunk.offset + count + 1]
    present = (
        np.ones(count, dtype=bool)
        if chunk.null_count == 0
        else np.asarray(chunk.is_valid().to_numpy(zero_copy_only=False))
    )
    lengths = np.diff(offsets)
    width = int(lengths[present][0])
    if (lengths[present] != width).any():
        raise _mixed_widths(width, int(lengths[lengths != width][0]))
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    data = data[int(offsets[0]) : int(offsets[-1])]
    if chunk.null_count == 0:
        return data.view(dtype).reshape(count, -1), present
    if (lengths[~present] != 0).any():  # nulls with bytes behind them: take each row
        starts = offsets[:-1][present] - offsets[0]
        data = data[starts[:, None] + np.arange(width)].reshape(-1)
    rows = np.zeros((count, width // dtype.itemsize), dtype=dtype)
    rows[present] = data.view(dtype).reshape(int(present.sum()), -1)
    return rows, present


def _mixed_widths(one: int, other: int) -> StoreError:
    return StoreError(
        f"embeddings of {one} and {other} bytes lie in one column: they come from "
        "different models; search the rows of one model at a time."
    )
