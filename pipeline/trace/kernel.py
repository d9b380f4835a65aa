"""The scan: every stored embedding against every probe, exactly.

Embeddings are stored as int8 with one scale a row. The scan multiplies them with
the quantised probes in integers (numkong: AMX, VNNI, NEON or plain code, whatever
the machine has) and keeps each pair that could reach the threshold. "Could" is a
proven bound, not an estimate: with e the true row, e' its stored form, p the probe
and p' its quantised form (Cauchy-Schwarz),

    |e.p - e'.p'| <= |e - e'| |p| + |e'| |p - p'|,  |e - e'| <= sqrt(d)/2 * scale

so that no pair at or above the threshold is lost. The survivors, few, are scored
again in float32 by the callable given. The result does not depend on the number
of threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numkong
import numpy as np
import pyarrow as pa

#: Rows multiplied at a time: the integers of 50 probes then fit the second cache.
CHUNK_ROWS = 2048
#: Rows handed to a thread at a time.
BLOCK_ROWS = 128 * CHUNK_ROWS
#: Largest integer a product of two int8 vectors is compared with.
_NEVER = 1 << 30
#: Probes that numkong multiplies together; a rest of fewer takes longer.
_TOGETHER = 4
#: Slack for rounding of float16 storage and of float32 sums.
_ROUNDING = 2e-3
_LOCAL = threading.local()
T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class Hits(NamedTuple):
    """Pairs of a row and a probe, ordered by row, then probe."""

    rows: np.ndarray  #: int64 [k], row of the embeddings
    probe: np.ndarray  #: int32 [k], row of the probes
    score: np.ndarray  #: float32 [k], inner product


def scan(
    e8: np.ndarray | Sequence[np.ndarray],
    scale: np.ndarray,
    probes: np.ndarray,
    threshold: float | np.ndarray,
    rerank: Callable[[np.ndarray], np.ndarray] | None = None,
    threads: int = 2,
    progress: Callable[[int], object] | None = None,
    least: np.ndarray | None = None,
) -> Hits:
    """Find every (row, probe) whose inner product reaches the threshold.

    Parameters
    ----------
    e8 : int8 [n, d], or matrices that follow one another to make it; rows of unit
        length before quantising, each contiguous. May be views of a memory map or
        of an Arrow buffer (see `arrow_rows` and `pages.plain_column`), not copied.
    scale : float32 [n]; the row is e8 * scale. Rounded to nearest when stored.
    probes : float32 [p, d], unit length.
    threshold : float, or float [p], least inner product of a hit.
    rerank : called with rows (int64 [k], ascending, unique), returns their float
        vectors [k, d]; hits are then exact. Without it the score is that of the
        stored integers, and only pairs reaching the threshold by it are hits.
    threads : number of threads; the result is the same for any.
    progress : called with the number of rows finished since the last call, from
        the calling thread; raise in it to cancel.
    least : float32 [n], least inner product of each row, whatever the probe; infinite:
        no hit.

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """
    parts, scale, probes, limits = _checked(e8, scale, probes, threshold)
    if not len(scale) or not len(probes):
        return _no_hits()
    first = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=first[1:])
    packed, step, loss = _quantised(probes)
    width, levels = probes.shape[1], _levels(limits, len(scale), least)

    def work(task: list[tuple[int, int, int]]) -> tuple[int, np.ndarray, np.ndarray]:
        rows, probe, done = [], [], 0
        for number, start, stop in task:
            at = int(first[number]) + start
            some = scale[at : at + stop - start]
            lowest = levels[at : at + stop - start]
            floors = _floors(some, width, lowest, step, loss, rerank is None)
            r, p = _survivors(
                parts[number][start:stop], packed, len(probes), floors, at
            )
            rows.append(r)
            probe.append(p)
            done += stop - start
        return done, np.concatenate(rows), np.concatenate(probe)

    rows, probe = [], []
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        try:
            for done, r, p in pool.map(work, _tasks(parts)):
                rows.append(r)
                probe.append(p)
                if progress is not None:
                    progress(done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    found = np.concatenate(rows), np.concatenate(probe)
    if rerank is None:
        rerank = _stored(parts, first, scale)
    return _scored(*found, probes, limits, levels, rerank)


def abreast(
    items: Iterable[T],
    fetch: Callable[[T], U],
    work: Callable[[T, U], V],
    threads: int,
) -> Generator[V, None, None]:
    """Yield `work(item, fetch(item))` of each item, in order.

    As many threads work as asked for, and as many again fetch meanwhile, so that disk
    and processor are busy at the same time. An exception, or closing the generator,
    ends it all.
    """
    room = threading.Semaphore(max(1, threads))

    def one(item: T) -> V:
        fetched = fetch(item)
        with room:
            return work(item, fetched)

    with ThreadPoolExecutor(2 * max(1, threads)) as pool:
        try:
            yield from pool.map(one, items)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def arrow_rows(column: pa.Array, width: int) -> tuple[np.ndarray, np.ndarray]:
    """View a binary column of equally long values as a matrix, without a copy.

    Parameters
    ----------
    column : binary, large or fixed-size binary array; nulls are left out.
    width : bytes of each value that is not null.

    Returns
    -------
    (int8 [m, width], int64 [m]) : the values and their rows in the column.

    Raises
    ------
    ValueError
        If a value has another length.
    """
    rows = np.arange(len(column), dtype=np.int64)
    if column.null_count:
        valid = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
        rows = rows[valid]
    if pa.types.is_fixed_size_binary(column.type):
        return _fixed_rows(column, width, rows)
    kind = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    offsets = np.frombuffer(column.buffers()[1], dtype=kind)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(offsets)[rows]
    if (lengths != width).any():
        odd = int(lengths[lengths != width][0])
        raise ValueError(f"an embedding has {odd} bytes where {width} were expected")
    if not len(rows):
        return np.empty((0, width), np.int8), rows
    span = int(offsets[-1] - offsets[0])
    if span != len(rows) * width:  # nulls that take room: pack them out
        column = column.drop_null()
        return arrow_rows(column, width)[0], rows
    data = np.frombuffer(column.buffers()[2], np.int8, count=span, offset=offsets[0])
    return data.reshape(-1, width), rows


def quantise(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round float rows to int8 with one scale a row.

    Parameters
    ----------
    vectors : float [n, d].

    Returns
    -------
    (int8 [n, d], float32 [n]) : value = int8 * scale, to nearest.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    peak = np.abs(vectors).max(axis=1) if vectors.shape[1] else np.zeros(len(vectors))
    scale = (peak / 127.0).astype(np.float32)
    safe = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scale


def _checked(
    e8: np.ndarray | Sequence[np.ndarray],
    scale: np.ndarray,
    probes: np.ndarray,
    threshold: Any,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    parts = [e8] if isinstance(e8, np.ndarray) else list(e8)
    probes = np.ascontiguousarray(probes, dtype=np.float32)
    scale = np.asarray(scale)
    if probes.ndim != 2:
        raise ValueError(f"probes must be [p, d], got {probes.shape}")
    for part in parts:
        if part.ndim != 2 or part.dtype != np.int8:
            raise ValueError(f"e8 must be int8 [n, d], got {part.dtype} {part.shape}")
        if part.shape[1] != probes.shape[1]:
            raise ValueError(f"probes must be [p, {part.shape[1]}], got {probes.shape}")
    count = sum(len(part) for part in parts)
    if scale.shape != (count,):
        raise ValueError(f"scale must have {count} values, got {scale.shape}")
    limits = np.broadcast_to(np.asarray(threshold, np.float32), (len(probes),))
    return parts, scale, probes, limits


def _tasks(parts: list[np.ndarray]) -> list[list[tuple[int, int, int]]]:
    """Cut the rows into tasks of about `BLOCK_ROWS`: [(part, start, stop), ...]."""
    tasks: list[list[tuple[int, int, int]]] = [[]]
    room = BLOCK_ROWS
    for number, part in enumerate(parts):
        start = 0
        while start < len(part):
            stop = min(start + room, len(part))
            tasks[-1].append((number, start, stop))
            room -= stop - start
            start = stop
            if not room:
                tasks.append([])
                room = BLOCK_ROWS
    return [task for task in tasks if task]


def _stored(
    parts: list[np.ndarray], first: np.ndarray, scale: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Rows as the stored integers tell them, for a scan without a re-rank."""

    def rows_of(rows: np.ndarray) -> np.ndarray:
        part = np.searchsorted(first, rows, side="right") - 1
        result = np.empty((len(rows), parts[0].shape[1]), dtype=np.float32)
        for number in np.unique(part):
            here = part == number
            result[here] = parts[number][rows[here] - first[number]]
        return result * scale[rows, None]

    return rows_of


def _quantised(probes: np.ndarray) -> tuple[Any, float, float]:
    """Probes packed as integers of one step, the step, and the greatest loss.

    Zeros fill the last `_TOGETHER`: multiplying 52 takes less time than 50.
    """
    step = max(float(np.abs(probes).max()) / 127.0, 1e-12)
    p8 = np.rint(probes / step).astype(np.int8)
    loss = np.linalg.norm(probes - p8.astype(np.float32) * step, axis=1).max()
    p8 = np.pad(p8, ((0, -len(p8) % _TOGETHER), (0, 0)))
    return numkong.dots_pack(p8, dtype="int8"), step, float(loss)


def _levels(limits: np.ndarray, rows: int, least: np.ndarray | None) -> np.ndarray:
    """Least inner product of a hit, row by row: float32 [n]."""
    lowest = np.float32(limits.min())
    if least is None:
        return np.broadcast_to(lowest, (rows,))
    if least.shape != (rows,):
        raise ValueError(f"least must have {rows} values, got {least.shape}")
    return np.maximum(least, lowest, dtype=np.float32)


def _floors(
    scale: np.ndarray,
    width: int,
    lowest: np.ndarray,
    step: float,
    loss: float,
    plain: bool,
) -> np.ndarray:
    """Integer products (int32 [n]) below which a row cannot be a hit."""
    half = 0.5 * math.sqrt(width)  # |e - e'| is at most this times scale
    # Without a re-rank the stored integers are the truth.
    lost = half * loss if plain else half * (1 + loss)
    nothing = scale <= 0
    floors = np.where(nothing, np.float32(1), scale)
    need = (lowest - np.float32(loss + _ROUNDING)) / np.float32(step)
    np.divide(need, floors, out=floors)
    floors -= np.float32(lost / step)
    np.clip(np.floor(floors, out=floors), -_NEVER, _NEVER, out=floors)
    result = floors.astype(np.int32)
    result[nothing] = _NEVER
    return result


def _survivors(
    e8: np.ndarray, packed: Any, count: int, floors: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """(rows int64, probes int32) of one block whose product passes its floor.

    `count` of the packed probes are not filling.
    """
    width = packed.width
    product, seen, passed = _scratch(width)
    rows, probe = [], []
    for start in range(0, len(e8), CHUNK_ROWS):
        part = e8[start : start + CHUNK_ROWS]
        if len(part) < CHUNK_ROWS:
            product = numkong.empty((len(part), width), dtype="int32")
            seen, passed = np.asarray(product), passed[: len(part)]
        numkong.dots_packed(part, packed, out=product)
        limit = floors[start : start + len(part), None]
        np.greater_equal(seen, limit, out=passed)
        flat = np.flatnonzero(passed)
        if len(flat):
            row, which = np.divmod(flat, width)
            true = which < count
            rows.append(row[true] + (first + start))
            probe.append(which[true])
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    return np.concatenate(rows), np.concatenate(probe).astype(np.int32)


def _scratch(probes: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """This thread's room for the products of one chunk, kept for the next."""
    kept = getattr(_LOCAL, "room", None)
    if kept is None or kept[1].shape[1] != probes:
        product = numkong.empty((CHUNK_ROWS, probes), dtype="int32")
        passed = np.empty((CHUNK_ROWS, probes), dtype=bool)
        kept = _LOCAL.room = (product, np.asarray(product), passed)
    return kept


def _scored(
    rows: np.ndarray,
    probe: np.ndarray,
    probes: np.ndarray,
    limits: np.ndarray,
    levels: np.ndarray,
    rerank: Callable[[np.ndarray], np.ndarray],
) -> Hits:
    """Score the survivors again and keep those that reach the threshold."""
    kept = []
    for start in range(0, len(rows), BLOCK_ROWS):
        r, p = rows[start : start + BLOCK_ROWS], probe[start : start + BLOCK_ROWS]
        unique, where = np.unique(r, return_inverse=True)
        vectors = np.asarray(rerank(unique), dtype=np.float32)
        score = np.einsum("ij,ij->i", vectors[where], probes[p])
        hit = score >= np.maximum(limits[p], levels[r])
        kept.append((r[hit], p[hit], score[hit].astype(np.float32)))
    if not kept:
        return _no_hits()
    return Hits(*(np.concatenate(part) for part in zip(*kept, strict=True)))


def _fixed_rows(
    column: pa.Array, width: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if column.type.byte_width != width:
        raise ValueError(
            f"an embedding has {column.type.byte_width} bytes where {width} "
            "were expected"
        )
    if not len(column):
        return np.empty((0, width), np.int8), rows
    data = np.frombuffer(column.buffers()[1], np.int8).reshape(-1, width)
    data = data[column.offset : column.offset + len(column)]
    return (data if len(rows) == len(column) else data[rows]), rows


def _no_hits() -> Hits:
    return Hits(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
