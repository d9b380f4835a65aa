"""What is stored of passes, left where it lies until somebody asks for it.

A trace looks at a few thousand of a day's millions of embeddings. So the segments
stay on disk: the scan reads their int8 columns where they lie, single vectors and
single rows are picked out of the row groups concerned.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.store.groups import open_segment
from pipeline.store.place import ObjectPath, Place, Spans
from pipeline.trace import kernel, pages

#: Segments held open at most; each takes two descriptors. Of an object store the
#: columns that are open lie in memory.
_OPEN, _FETCHED = 300, 4
KINDS = ("face", "appearance")
T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """Row groups of one segment that may hold something an order covers."""

    path: Place
    groups: tuple[int, ...]  #: their numbers in the file
    counts: tuple[int, ...]  #: rows of each

    @property
    def rows(self) -> int:
        """Rows of all of them."""
        return sum(self.counts)


class Vault:
    """Chunks after one another, their rows numbered through.

    Parameters
    ----------
    chunks : where the rows lie.
    codes : kind -> int8 [rows], the model of each embedding, an index of `models`;
        -1 where there is none.
    models : registry names, in order.
    scale : float32 [rows], of the int8 faces; NaN where there is none.
    place : int32 [rows], row of the passes that the row is; -1 where the order does
        not cover it. Nothing is found or returned of such a row.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        codes: dict[str, np.ndarray],
        models: tuple[str, ...],
        scale: np.ndarray,
        place: np.ndarray,
    ) -> None:
        self.chunks, self.codes, self.models = list(chunks), codes, models
        self.scale, self.place = scale, place
        self.first = np.zeros(len(self.chunks) + 1, dtype=np.int64)
        np.cumsum([chunk.rows for chunk in self.chunks], out=self.first[1:])
        self._kept: OrderedDict[int, dict[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._rank: dict[tuple[int, str, int], np.ndarray] = {}

    def code(self, model: str) -> int:
        """Number of a model, -2 if no embedding is its."""
        return self.models.index(model) if model in self.models else -2

    def vectors(self, kind: str, at: np.ndarray, model: str) -> np.ndarray:
        """Pick embeddings.

        Parameters
        ----------
        kind : face or appearance.
        at : int64 [k], numbers of rows.
        model : only its embeddings are returned.

        Returns
        -------
        float32 [k, d] as stored (float16), NaN where there is none of this model.
        """
        at, code = np.asarray(at, dtype=np.int64), self.code(model)
        wanted = np.flatnonzero(self.codes[kind][at] == code)
        result: np.ndarray | None = None
        for number, some in self._by_chunk(at[wanted]):
            rows = at[wanted[some]] - self.first[number]
            values = self._values(number, kind, code)[rows]
            column = self._column(number, kind, "f16", code)
            if result is None:
                result = np.empty((len(at), column.width // 2), dtype=np.float32)
                result[self.codes[kind][at] != code] = np.nan
            column.floats(values, result, wanted[some])
        return np.full((len(at), 1), np.nan, np.float32) if result is None else result

    def scan(
        self,
        model: str,
        probes: np.ndarray,
        least: np.ndarray,
        threads: int,
        progress: Callable[[float], object] | None = None,
        least_of: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the faces that reach a cosine, exactly (see `kernel.scan`).

        Parameters
        ----------
        probes : float32 [p, d], unit length.
        least : float32 [p].
        progress : told the share done, 0..1; raise in it to cancel.
        least_of : rows of the passes int64 [k] -> least cosine float32 [k] of each,
            whatever the probe.

        Returns
        -------
        (rows of the passes int64 [k], probes int64 [k], cosines float32 [k]), in the
        order of chunks; the same for any number of threads.
        """
        code = self.code(model)
        mine = [n for n in range(len(self.chunks)) if self._has(n, code)]
        side_by_side = len(mine) >= 2 * threads
        inner = 1 if side_by_side else threads

        def fetch(number: int) -> tuple[pages.PlainColumn, pages.PlainColumn]:
            return (
                self._column(number, "face", "i8", code),
                self._column(number, "face", "f16", code),
            )

        def one(
            number: int, columns: tuple[pages.PlainColumn, pages.PlainColumn]
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return self._scan_chunk(
                number, code, columns, probes, least, inner, least_of
            )

        found = []
        outer = threads if side_by_side else 1
        with closing(kernel.abreast(mine, fetch, one, outer)) as parts:
            for done, part in enumerate(parts, start=1):
                found.append(part)
                if progress is not None:
                    progress(done / len(mine))
        if not found:
            none = np.empty(0, np.int64)
            return none, none, np.empty(0, np.float32)
        rows, probe, score = (np.concatenate(part) for part in zip(*found, strict=True))
        return rows, probe, score

    def open(self, threads: int) -> None:
        """Open what every search looks at, where it lies on this machine."""

        def one(number: int) -> None:
            span = slice(int(self.first[number]), int(self.first[number + 1]))
            for kind, parts in (("face", ("i8", "f16")), ("appearance", ("f16",))):
                codes = self.codes[kind][span][self.place[span] >= 0]
                for code in np.unique(codes[codes >= 0]).tolist():
                    self._values(number, kind, code)
                    for part in parts:
                        self._column(number, kind, part, code)

        here = [
            number
            for number, chunk in enumerate(self.chunks)
            if not isinstance(chunk.path, ObjectPath)
        ]
        with ThreadPoolExecutor(max(1, threads)) as pool:
            list(pool.map(one, here[:_OPEN]))

    def table(self, at: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Read further columns of a few rows int64 [k], in the order asked."""
        at = np.asarray(at, dtype=np.int64)
        parts, order = [], []
        for number, some in self._by_chunk(at):
            chunk = self.chunks[number]
            row = at[some] - self.first[number]
            edge = np.cumsum(chunk.counts)
            group = np.searchsorted(edge, row, side="right")
            for one in np.unique(group):
                here = group == one
                begin = edge[one] - chunk.counts[one]
                whole = self._group(number, chunk.groups[one], tuple(columns))
                parts.append(whole.take(pa.array(row[here] - begin)))
                order.append(some[here])
        if not parts:
            from pipeline.store.schema import TRACKLET

            return TRACKLET.empty_table().select(list(columns))
        back = np.argsort(np.concatenate(order), kind="stable")
        whole = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        return whole.take(pa.array(back))

    def _scan_chunk(
        self,
        number: int,
        code: int,
        columns: tuple[pages.PlainColumn, pages.PlainColumn],
        probes: np.ndarray,
        least: np.ndarray,
        threads: int,
        least_of: Callable[[np.ndarray], np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        column, exact = columns
        span = slice(int(self.first[number]), int(self.first[number + 1]))
        has = self.codes["face"][span] == code
        place, scale = self.place[span][has], self.scale[span][has]
        # Pages that hold nothing the order covers are not looked at.
        covered = np.concatenate([[0], np.cumsum(place >= 0)])
        seen = np.diff(covered[column.first]) > 0
        parts = [m for m, some in zip(column.matrices, seen, strict=True) if some]
        width = np.diff(column.first)
        value = np.flatnonzero(np.repeat(seen, width))

        def rerank(rows: np.ndarray) -> np.ndarray:
            taken = exact.take(value[rows]).view("<f2").astype(np.float32)
            norm = np.linalg.norm(taken, axis=1, keepdims=True)
            return taken / np.where(norm > 0, norm, 1)

        # A row not covered scales to nothing: it is never a survivor.
        where = place[value]
        visible = np.where(where >= 0, scale[value], np.float32(0))
        by_row = None if least_of is None else least_of(np.maximum(where, 0))
        hits = kernel.scan(
            parts, visible, probes, least, rerank, threads=threads, least=by_row
        )
        return place[value[hits.rows]].astype(np.int64), hits.probe, hits.score

    def _has(self, number: int, code: int) -> bool:
        span = slice(int(self.first[number]), int(self.first[number + 1]))
        mine = self.codes["face"][span] == code
        return bool((mine & (self.place[span] >= 0)).any())

    def _by_chunk(self, at: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each chunk concerned and which of the rows are its, ascending."""
        if not len(at):
            return
        order = np.argsort(at, kind="stable")
        chunk = np.searchsorted(self.first, at[order], side="right") - 1
        edge = np.flatnonzero(np.diff(chunk, prepend=-1))
        for begin, end in zip(edge, np.append(edge[1:], len(order)), strict=True):
            yield int(chunk[begin]), order[begin:end]

    def _values(self, number: int, kind: str, code: int) -> np.ndarray:
        """For each row of a chunk, which of the model's values is its."""
        key = (number, kind, code)
        if key not in self._rank:
            span = slice(int(self.first[number]), int(self.first[number + 1]))
            mine = self.codes[kind][span] == code
            self._rank[key] = np.cumsum(mine, dtype=np.int32) - 1
        return self._rank[key]

    def _column(
        self, number: int, kind: str, part: str, code: int
    ) -> pages.PlainColumn:
        """The embeddings of one model in a chunk, in order."""
        chunk = self.chunks[number]

        def make() -> pages.PlainColumn:
            span = slice(int(self.first[number]), int(self.first[number + 1]))
            codes = self.codes[kind][span]
            count = int((codes == code).sum())
            name = f"{kind}_{part}"
            column = None
            if not ((codes >= 0) & (codes != code)).any():
                column = pages.plain_column(
                    self._spans(number), name, groups=chunk.groups, check=part == "i8"
                )
            if column is None or len(column) != count:
                column = self._decoded(chunk, name, codes == code)
            return column

        return self._open(number, (kind, part, code), make)

    def _decoded(self, chunk: Chunk, name: str, mine: np.ndarray) -> pages.PlainColumn:
        """Embeddings stored in another way, or of several models: by pyarrow."""
        with open_segment(chunk.path) as file:
            table = file.read_row_groups(list(chunk.groups), columns=[name])
        column = table[name].combine_chunks()
        some = column.filter(pa.array(mine))
        if some.null_count:
            raise StoreError(
                f"{chunk.path} names models of embeddings that it does not hold "
                f"({name}); run `dongseon store repair`."
            )
        return pages.decoded(some)

    def _group(self, number: int, group: int, columns: tuple[str, ...]) -> pa.Table:
        chunk = self.chunks[number]

        def make() -> pq.ParquetFile:
            return open_segment(chunk.path)

        file = self._open(number, "file", make)
        with self._lock:  # a file is read by one thread at a time
            return self._told(
                chunk, lambda: file.read_row_group(group, columns=list(columns))
            )

    def _open(self, number: int, name: Any, make: Callable[[], T]) -> T:
        """Return what was opened of a chunk before, or open it now.

        The chunk that was not used for longest is let go.
        """
        with self._lock:
            held = self._kept.setdefault(number, {})
            self._kept.move_to_end(number)
            if name in held:
                found: T = held[name]
                return found
        chunk = self.chunks[number]
        made = self._told(chunk, make)
        with self._lock:
            held[name] = made
            most = _FETCHED if isinstance(chunk.path, ObjectPath) else _OPEN
            while len(self._kept) > most:
                self._kept.popitem(last=False)
        return made

    def _spans(self, number: int) -> Spans:
        return self._open(number, "spans", lambda: Spans(self.chunks[number].path))

    @staticmethod
    def _told(chunk: Chunk, make: Callable[[], T]) -> T:
        try:
            return make()
        except FileNotFoundError as error:
            raise StoreError(
                f"The segment {chunk.path} was rewritten while it was read; "
                "trace the case again.",
                code="segment_rewritten",
            ) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(
                f"The segment {chunk.path} is damaged or cannot be read ({error}); "
                "run `dongseon store repair`, which keeps what is whole.",
                code="segment_damaged",
            ) from error


def coded(column: pa.ChunkedArray, names: list[str]) -> np.ndarray:
    """Return texts as numbers int8 [n], an index of `names`; -1 where null.

    Names that are not in the list yet are added to it.
    """
    whole = column.cast(pa.string()) if not _is_coded(column) else column
    result = []
    for chunk in whole.chunks:
        part = chunk if _is_coded(chunk) else chunk.dictionary_encode()
        lut = np.empty(len(part.dictionary) + 1, dtype=np.int8)
        for k, text in enumerate(part.dictionary.to_pylist()):
            if text not in names:
                names.append(text)
            lut[k] = names.index(text)
        lut[-1] = -1
        index = pc.fill_null(part.indices, len(part.dictionary))
        result.append(lut[index.to_numpy(zero_copy_only=False)])
    return np.concatenate(result) if result else np.empty(0, np.int8)


def _is_coded(column: pa.ChunkedArray | pa.Array) -> bool:
    return bool(pa.types.is_dictionary(column.type))
