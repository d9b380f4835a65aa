"""Embeddings straight from a segment's pages, without decoding or copying them.

Segments keep embeddings uncompressed and plainly encoded, so that a value lies in
the file as its length (four bytes) and its bytes. Mapped into memory, a page is
then a matrix with a stride, which the scan reads where it lies, and single rows
can be picked without reading their neighbours. Written after the Apache Parquet
format 2.11 (page headers in Thrift's compact protocol). A column stored in any
other way is not taken: the caller reads it by pyarrow instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.store import vectors
from pipeline.store.place import Place, Spans
from pipeline.trace.halves import LENGTH_BYTES, widened

_DATA_PAGE, _PLAIN = 0, 0
#: Bytes of a page in which its header is likely to end.
_HEADER_BYTES = 1024
#: Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY = range(1, 9)
_LIST, _SET, _STRUCT = 9, 10, 12


@dataclass(frozen=True)
class PlainColumn:
    """The values of a column that are not null, in order, where they lie."""

    blocks: list[np.ndarray]  #: uint8 [m, 4 + width] views of the file, one a page
    first: np.ndarray  #: int64 [pages + 1], number of each block's first value
    whole: np.ndarray | None = None  #: uint8, the file the blocks are views of
    spans: Spans | None = None  #: the same file

    @cached_property
    def offset(self) -> np.ndarray:
        """Bytes from the beginning of `whole` to each block, int64 [pages]."""
        assert self.whole is not None
        start = _address(self.whole)
        return np.array([_address(one) - start for one in self.blocks], np.int64)

    @cached_property
    def _every(self) -> np.ndarray:
        """`whole` as rows of the blocks' width that begin at any byte, a view."""
        assert self.whole is not None
        return sliding_window_view(self.whole, self.blocks[0].shape[1])

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def matrices(self) -> list[np.ndarray]:
        """The values as int8 [m, width] views, one a page, for `kernel.scan`."""
        return [block[:, LENGTH_BYTES:].view(np.int8) for block in self.blocks]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Copy some values: uint8 [k, width], of ascending numbers int64 [k].

        Raises
        ------
        ValueError
            If one of them is not `width` long (see `check` of `plain_column`).
        """
        stride = self.blocks[0].shape[1] if self.blocks else LENGTH_BYTES
        result = np.empty((len(rows), stride), dtype=np.uint8)
        if not len(rows):
            return result[:, LENGTH_BYTES:]
        block = np.searchsorted(self.first, rows, side="right") - 1
        if self.whole is not None:
            result = self._every[self._ahead(rows, block)]
        else:
            edge = np.flatnonzero(np.diff(block, prepend=-1))
            for begin, end in zip(edge, np.append(edge[1:], len(rows)), strict=True):
                number = block[begin]
                inside = rows[begin:end] - self.first[number]
                result[begin:end] = self.blocks[number][inside]
        if not _have_length(result):
            raise ValueError("a stored value has another length than its neighbours")
        return np.ascontiguousarray(result[:, LENGTH_BYTES:])

    def floats(self, rows: np.ndarray, result: np.ndarray, into: np.ndarray) -> None:
        """Put values of 16-bit floats, as of `take`, into rows of float32 [n, d]."""
        if self.whole is None:
            result[into] = self.take(rows).view("<f2")
            return
        block = np.searchsorted(self.first, rows, side="right") - 1
        if not widened(self.whole, self._ahead(rows, block), result, into):
            raise ValueError("a stored value has another length than its neighbours")

    def _ahead(self, rows: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Where values begin in `whole`, int64 [k]; they are read meanwhile."""
        stride = self.blocks[0].shape[1]
        at = self.offset[block] + (rows - self.first[block]) * stride
        if self.spans is not None:
            self.spans.ahead(at, stride)
        return at

    @property
    def width(self) -> int:
        """Bytes of a value."""
        return self.blocks[0].shape[1] - LENGTH_BYTES if self.blocks else 0


def plain_column(
    path: Place | Spans,
    name: str,
    width: int | None = None,
    *,
    groups: Sequence[int] | None = None,
    check: bool = True,
) -> PlainColumn | None:
    """View a binary column of equally long values in a Parquet file.

    Parameters
    ----------
    path : segment, or its bytes; it must not change while the result is in use
        (segments never do; removing one is harmless).
    name : top-level column, binary.
    width : bytes of each value that is not null; default: of the first value.
    groups : row groups to view, ascending; default: all.
    check : look at every value's length; without, nothing but the page headers is
        read now, and `take` checks the values it copies.

    Returns
    -------
    None where the column is stored in another way, or a value has another length.
    """
    spans = path if isinstance(path, Spans) else Spans(path)
    if not spans.size:
        return None
    metadata = spans.metadata
    names = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    if name not in names:
        return None
    number = names.index(name)
    column = metadata.schema.column(number)
    if column.max_repetition_level or column.max_definition_level > 1:
        return None
    blocks: list[np.ndarray] = []
    chosen = range(metadata.num_row_groups) if groups is None else groups
    for group in chosen:  # the whole column will be looked at, or its page headers
        chunk = metadata.row_group(group).column(number)
        begins = np.array([chunk.data_page_offset])
        spans.ahead(begins, chunk.total_compressed_size if check else _HEADER_BYTES)
    for group in chosen:
        chunk = metadata.row_group(group).column(number)
        if (
            chunk.physical_type != "BYTE_ARRAY"
            or chunk.compression != "UNCOMPRESSED"
            or chunk.has_dictionary_page
        ):
            return None
        data = spans.read(chunk.data_page_offset, chunk.total_compressed_size)
        begin, left = 0, chunk.num_values
        while left > 0:
            header, begin = _struct(data, begin)
            values = header.get(5)
            if header.get(1) != _DATA_PAGE or not isinstance(values, dict):
                return None
            end = begin + int(header[3])  # type: ignore[arg-type]
            nullable = bool(column.max_definition_level)
            if width is None:
                width = _first_width(data[begin:end], nullable)
            block = _block(data[begin:end], values, width, nullable)
            if block is None or (check and not _have_length(block)):
                return None
            if len(block):
                blocks.append(block)
            left -= int(values[1])
            if left == chunk.num_values - int(values[1]) and not check:
                # The pages that follow are about as long.
                at = chunk.data_page_offset + np.arange(end, len(data), end)
                spans.ahead(at, _HEADER_BYTES)
            begin = end
    first = np.zeros(len(blocks) + 1, dtype=np.int64)
    np.cumsum([len(block) for block in blocks], out=first[1:])
    return PlainColumn(blocks, first, spans.mapped, spans)


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def decoded(column: pa.Array) -> PlainColumn:
    """Put values that were decoded (binary, no null, one length) into the same form.

    Raises
    ------
    ValueError
        If the values differ in length.
    """
    rows = vectors.from_binary(column, "uint8")[0]
    length = np.frombuffer(
        rows.shape[1].to_bytes(LENGTH_BYTES, "little"), dtype=np.uint8
    )
    block = np.hstack([np.broadcast_to(length, (len(rows), LENGTH_BYTES)), rows])
    return PlainColumn([block], np.array([0, len(block)], dtype=np.int64))


def _values_at(page: np.ndarray, nullable: bool) -> int:
    """Where the values of a page begin."""
    if not nullable:
        return 0
    # Definition levels come first, told by their length.
    return LENGTH_BYTES + int(page[:LENGTH_BYTES].view("<u4")[0])


def _first_width(page: np.ndarray, nullable: bool) -> int | None:
    """Length of a page's first value, None if it has none."""
    begin = _values_at(page, nullable)
    if begin + LENGTH_BYTES > len(page):
        return None
    return int(page[begin : begin + LENGTH_BYTES].view("<u4")[0])


def _block(
    page: np.ndarray, header: dict, width: int | None, nullable: bool
) -> np.ndarray | None:
    """The values of one page, lengths before them; None if they are not plain."""
    if header.get(2) != _PLAIN:
        return None
    begin = _values_at(page, nullable)
    stride = LENGTH_BYTES + (width or 0)
    count, rest = divmod(len(page) - begin, stride)
    if rest:
        return None
    return page[begin:].reshape(count, stride)


def _have_length(rows: np.ndarray) -> bool:
    """Whether each row of [m, 4 + width] begins with the length `width`."""
    width = rows.shape[1] - LENGTH_BYTES
    return bool((rows[:, :LENGTH_BYTES].view("<u4") == width).all())


def _struct(data: np.ndarray, at: int) -> tuple[dict[int, int | dict], int]:
    """Read a Thrift struct: its integers and structs by field number, and its end."""
    fields: dict[int, int | dict] = {}
    number = 0
    while True:
        head = int(data[at])
        at += 1
        if head == 0:
            return fields, at
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(data, at)
        value, at = _value(data, at, kind)
        if value is not None:
            fields[number] = value


def _value(data: np.ndarray, at: int, kind: int) -> tuple[int | dict | None, int]:
    if kind in (_TRUE, _FALSE):
        return None, at
    if kind == _BYTE:
        return None, at + 1
    if kind in (_I16, _I32, _I64):
        return _integer(data, at)
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _varint(data, at)
        return None, at + length
    if kind == _STRUCT:
        return _struct(data, at)
    if kind in (_LIST, _SET):
        head = int(data[at])
        count, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(data, at + 1)
        for _ in range(count):
            # A boolean in a list takes a byte, unlike one in a struct.
            element = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
            _, at = _value(data, at, element)
        return None, at
    raise ValueError(f"unknown type {kind} in a page header at byte {at}")


def _varint(data: np.ndarray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = int(data[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _integer(data: np.ndarray, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
