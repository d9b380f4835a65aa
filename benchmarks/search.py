"""Search: ten patients, five embeddings each, over stored tracklets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import budgets, machine
from pipeline.simulate import recogniser
from pipeline.store import layout, vectors
from pipeline.trace import kernel, pages

PATIENTS, EMBEDDINGS = 10, 5
#: Views of each patient hidden among the strangers.
VIEWS = 40
#: Cosine reached by one stranger in 100,000 (FINDINGS of the recogniser).
THRESHOLD = 0.598
SEGMENT_ROWS = 250_000
#: Peers see this many float32 rows at a time, so that they fit any memory.
PEER_ROWS = 250_000
HOUR = datetime(2025, 11, 3, tzinfo=UTC)
#: Tracklets of a city-day, for which the budgets are given.
FULL = 10_000_000
#: Rows of the block that stays in the processor's cache, for the ceiling.
CEILING_ROWS = 4096


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1, days: int = 1
) -> dict[str, Any]:
    """Ten patients by five embeddings against all tracklets, files to hits.

    Parameters
    ----------
    rows : tracklets of a day.
    days : the day's segments are searched under so many dates. They are links to one
        set of files, so that the disk need not hold them: a warm search is what it
        would be, and a cold one reads the disk only once.
    """
    probes = write(folder, rows, seed)
    _repeat(folder, days)
    paths = segments(folder)
    find_all(paths, probes, threads)  # warm
    with machine.PeakMemory() as memory:
        seconds, busy, found = machine.best_of(
            3, lambda: find_all(paths, probes, threads)
        )
    machine.forget(folder)
    cold, _, _ = machine.best_of(1, lambda: find_all(paths, probes, threads))
    machine.forget(folder)
    scanned = rows * probes.shape[1]
    one_day = paths[: len(paths) // days]
    disk = machine.read_rate(one_day, scanned)
    stages = stage_seconds(one_day, probes, threads)
    peers, truth = peer_seconds(one_day, probes, threads)
    peers = {name: one and one * days for name, one in peers.items()}
    ceiling = int8_ceiling(probes, threads)
    first = found.rows < rows
    hits = set(
        zip(found.rows[first].tolist(), found.probe[first].tolist(), strict=True)
    )
    flat, sgemm = peers["faiss_flat"], peers["numpy_sgemm"] or 0.0
    return {
        "seconds": seconds,
        "seconds_cold": cold,
        "processor_seconds": busy,
        "times_faster_than_faiss_flat": flat / seconds if flat else None,
        "times_faster_than_sgemm": sgemm / seconds,
        "recall": len(hits & truth) / len(truth) if truth else 1.0,
        "precision": len(hits & truth) / len(hits) if hits else 1.0,
        "hits": len(found.rows),
        "same_hits_every_day": len(found.rows) == days * len(hits),
        "days": days,
        "tracklets": rows * days,
        "peak_memory_bytes": memory.bytes,
        "rows_per_second": rows * days / seconds,
        "scanned_bytes": scanned,
        "disk_read_bytes_per_second": disk,
        "share_of_disk_when_cold": scanned / disk / cold,
        "share_of_int8_ceiling": rows * days / seconds / ceiling,
        "int8_ceiling_rows_per_second": ceiling,
        "dimensions": int(probes.shape[1]),
        "probes": len(probes),
        "file_bytes": sum(path.stat().st_size for path in one_day),
        "stages_seconds": stages,
        "baselines_seconds": peers,
        "note": "ours reads Parquet files; the baselines have float32 in memory"
        + ("" if days == 1 else "; days are one day's files under other dates, and")
        + ("" if days == 1 else " the baselines' seconds are those of a day times so"),
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    flat, sgemm = "times_faster_than_faiss_flat", "times_faster_than_sgemm"
    rows = found["tracklets"]
    most = 1.0 if found["days"] == 1 else 10 / 14
    cold = budgets.seconds("search, files cold", found["seconds_cold"], 2.5, rows, FULL)
    if found["days"] > 1:  # the same files again: nothing is cold after the first day
        cold = budgets.Budget("search, files cold, seconds", None, cold.limit)
    if found["scanned_bytes"] > found["disk_read_bytes_per_second"] * cold.limit:
        # The disk alone takes longer: what counts is that nothing else does.
        share = found["share_of_disk_when_cold"]
        cold = budgets.ratio("share of the disk's reading rate", share, 0.7, rows)
    return [
        budgets.seconds("search, files warm", found["seconds"], most, rows, FULL),
        cold,
        budgets.Budget("recall of the float32 hits", found["recall"], 1.0, least=True),
        budgets.ratio("times faster than faiss IndexFlatIP", found[flat], 10, rows),
        budgets.ratio("times faster than sgemm", found[sgemm], 2.5, rows),
        budgets.Budget("peak memory, bytes", found["peak_memory_bytes"], 8 * 2**30),
    ]


def int8_ceiling(probes: np.ndarray, threads: int) -> float:
    """Rows a second that int8 products alone reach, from the processor's cache."""
    e8, scale = vectors.quantise(np.resize(probes, (CEILING_ROWS, probes.shape[1])))
    parts, times = [e8] * 64 * threads, 3
    every = np.tile(scale, len(parts))
    nobody = 2.0  # no cosine reaches it: nothing is kept or looked at again
    wall, _, _ = machine.best_of(
        times, lambda: kernel.scan(parts, every, probes, nobody, threads=threads)
    )
    return len(every) / wall


def write(folder: Path, rows: int, seed: int) -> np.ndarray:
    """Write tracklet segments with planted patients; return probes [50, d]."""
    law = recogniser.load()
    rng = np.random.default_rng(seed)
    z, rest = law.people(rng, PATIENTS), law.people(rng, PATIENTS)
    probes = _views(law, z, rest, EMBEDDINGS, rng)
    planted = _views(law, z, rest, VIEWS, rng)
    for number, start in enumerate(range(0, rows, SEGMENT_ROWS)):
        count = min(SEGMENT_ROWS, rows - start)
        faces = law.faces(
            law.people(rng, count),
            law.people(rng, count),
            np.clip(rng.lognormal(3.4, 0.4, count), 16, 112),
            rng.random(count) < 0.3,
            rng,
        )
        place = np.arange(len(planted)) * max(1, rows // len(planted))
        here = (place >= start) & (place < start + count)
        faces[place[here] - start] = planted[here]
        _write_segment(folder, number, start, faces)
    return probes


def segments(folder: Path) -> list[Path]:
    """Paths of the segments, in order."""
    return sorted((folder / "tracklet").rglob("*.parquet"))


def _repeat(folder: Path, days: int) -> None:
    """Put the day's segments under the dates that follow, too."""
    paths = segments(folder)
    dates = [datetime.strptime(p.parts[-3], "date=%Y-%m-%d") for p in paths]
    span = max(dates) - min(dates) + timedelta(days=1)
    for path, date in zip(paths, dates, strict=True):
        for later in range(1, days):
            day = date + later * span
            again = path.parent.parent.parent / f"date={day:%Y-%m-%d}"
            target = again / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(path)


def find_all(paths: list[Path], probes: np.ndarray, threads: int) -> kernel.Hits:
    """Search the files side by side: rows count on from file to file."""

    def fetch(path: Path) -> _Faces:
        return _open(path, probes.shape[1])

    def one(_: Path, faces: _Faces) -> tuple[int, kernel.Hits]:
        return len(faces.scale), _find(faces, probes, threads=1)

    found, first = [], 0
    for count, hits in kernel.abreast(paths, fetch, one, threads):
        found.append((hits.rows + first, hits.probe, hits.score))
        first += count
    return kernel.Hits(*(np.concatenate(part) for part in zip(*found, strict=True)))


def stage_seconds(
    paths: list[Path], probes: np.ndarray, threads: int
) -> dict[str, float]:
    """Seconds of opening, of the scan and of the re-rank; and of decoding instead."""
    opened = scan = again = decoded = 0.0
    for path in paths:
        begin = time.perf_counter()
        faces = _open(path, probes.shape[1])
        opened += time.perf_counter() - begin
        begin = time.perf_counter()
        kernel.scan(faces.i8.matrices, faces.scale, probes, THRESHOLD, threads=threads)
        scan += time.perf_counter() - begin
        begin = time.perf_counter()
        _find(faces, probes, threads)
        again += time.perf_counter() - begin
        begin = time.perf_counter()
        _read(path, ["face_i8", "face_f16"])
        decoded += time.perf_counter() - begin
    return {
        "open": opened,
        "scan": scan,
        "rerank": max(0.0, again - scan),
        "decoding_by_pyarrow_instead": decoded,
    }


def peer_seconds(
    paths: list[Path], probes: np.ndarray, threads: int
) -> tuple[dict[str, float | None], set[tuple[int, int]]]:
    """Seconds of each baseline on the same rows, and the true float32 hits."""
    flat = _faiss(threads)
    total: dict[str, float | None] = {"faiss_flat": 0.0 if flat else None}
    total |= {"numpy_sgemm": 0.0, "numpy_int8": 0.0}
    truth: set[tuple[int, int]] = set()
    first = 0
    for block, e8, scale in _floats(paths, probes.shape[1]):
        begin = time.perf_counter()
        row, probe = np.nonzero(block @ probes.T >= THRESHOLD)
        total["numpy_sgemm"] += time.perf_counter() - begin  # type: ignore[operator]
        truth |= set(zip((row + first).tolist(), probe.tolist(), strict=True))
        begin = time.perf_counter()
        np.nonzero((e8.astype(np.float32) @ probes.T) * scale[:, None] >= THRESHOLD)
        total["numpy_int8"] += time.perf_counter() - begin  # type: ignore[operator]
        if flat:
            total["faiss_flat"] += flat(block, probes)  # type: ignore[operator]
        first += len(block)
    return total, truth


def _faiss(threads: int) -> Callable[[np.ndarray, np.ndarray], float] | None:
    """Seconds of faiss IndexFlatIP for the best 100 a probe; None without faiss."""
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(threads)

    def seconds(block: np.ndarray, probes: np.ndarray) -> float:
        index = faiss.IndexFlatIP(block.shape[1])
        index.add(block)
        begin = time.perf_counter()
        index.search(probes, 100)
        return time.perf_counter() - begin

    return seconds


def _views(
    law: recogniser.Recogniser,
    z: np.ndarray,
    rest: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Several full bare faces of each person, float32 [people * count, d]."""
    total = len(z) * count
    return law.faces(
        np.repeat(z, count, axis=0),
        np.repeat(rest, count, axis=0),
        np.full(total, 112.0),
        np.zeros(total, dtype=bool),
        rng,
    )


def _write_segment(folder: Path, number: int, first: int, faces: np.ndarray) -> None:
    i8, scale = vectors.quantise(faces)
    table = pa.table(
        {
            "tracklet_id": pa.array(np.arange(first, first + len(faces))),
            "face_i8": vectors.to_binary(i8),
            "face_scale": pa.array(scale),
            "face_f16": vectors.to_f16_bytes(faces),
        }
    )
    hour = HOUR + timedelta(hours=number)
    layout.write(layout.segment(folder, "tracklet", hour, number), table, "tracklet")


def _read(path: Path, columns: list[str]) -> pa.Table:
    return pq.read_table(path, columns=columns, partitioning=None)


def _matrix(table: pa.Table, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    column = table["face_i8"].combine_chunks()
    e8, rows = kernel.arrow_rows(column, width)
    scale = table["face_scale"].to_numpy()
    return e8, rows, scale if len(rows) == len(scale) else scale[rows]


@dataclass(frozen=True)
class _Faces:
    """Embeddings of one segment, where they lie in the file."""

    i8: pages.PlainColumn
    f16: pages.PlainColumn
    scale: np.ndarray


def _open(path: Path, width: int) -> _Faces:
    i8 = pages.plain_column(path, "face_i8", width)
    f16 = pages.plain_column(path, "face_f16", 2 * width, check=False)
    if i8 is None or f16 is None:
        raise SystemExit(f"{path} does not store its embeddings plainly")
    return _Faces(i8, f16, _read(path, ["face_scale"])["face_scale"].to_numpy())


def _find(faces: _Faces, probes: np.ndarray, threads: int) -> kernel.Hits:
    def rerank(rows: np.ndarray) -> np.ndarray:
        return faces.f16.take(rows).view("<f2").astype(np.float32)

    return kernel.scan(
        faces.i8.matrices, faces.scale, probes, THRESHOLD, rerank, threads
    )


def _floats(
    paths: list[Path], width: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of (float32 rows, int8 rows, scales) for the baselines."""
    for path in paths:
        table = _read(path, ["face_i8", "face_scale", "face_f16"])
        e8, _, scale = _matrix(table, width)
        values = vectors.from_f16_bytes(table["face_f16"].combine_chunks())
        for start in range(0, len(values), PEER_ROWS):
            part = slice(start, start + PEER_ROWS)
            yield np.ascontiguousarray(values[part]), e8[part], scale[part]
