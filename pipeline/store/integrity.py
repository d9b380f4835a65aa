"""A digest of every byte of a segment, kept in the segment itself.

Parquet has a checksum per page but none for its footer, and readers other than ours
do not look at it. So the last entry of the footer holds the XXH3-128 of the whole
file, computed as if that entry were zeros: any flipped bit and any cut is found, and
a segment can be checked alone, wherever it was copied to.
"""

from __future__ import annotations

import mmap
import re
import struct
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.store.place import ObjectPath, Place

_KEY = "dongseon.digest"
_TAG = b"dongseon-xxh3:"
_ZEROS = b"0" * 32
_ENTRY = re.compile(re.escape(_TAG) + rb"([0-9a-f]{32})")
_MAGIC = b"PAR1"
#: Footer length (4 bytes, little-endian) and magic: Apache Parquet format 2.11.
_TAIL = 8
#: The entry lies after the row groups' entries, near the end; bytes searched.
_ENTRY_WITHIN = 1 << 20


class TornError(ValueError):
    """A file that is no whole Parquet file."""


def write_parquet(
    file: IO[bytes], table: pa.Table, *, row_group_size: int, **options: Any
) -> None:
    """Write a table with its digest into a new file, open for reading and writing.

    Options are those of `pyarrow.parquet.ParquetWriter`.
    """
    sink = _Hashing(file)
    with pq.ParquetWriter(
        sink, table.schema, write_page_checksum=True, **options
    ) as writer:
        writer.write_table(table, row_group_size=row_group_size)
        writer.add_key_value_metadata({_KEY: (_TAG + _ZEROS).decode()})
    end = file.tell()
    begin = file.seek(max(0, end - _ENTRY_WITHIN))
    place = file.read().rfind(_TAG + _ZEROS)
    if place < 0:
        raise AssertionError("the footer does not hold the entry just written")
    file.seek(begin + place + len(_TAG))
    file.write(sink.digest.hexdigest().encode())
    file.seek(end)


def whole(path: Place) -> bool | None:
    """Tell whether a segment holds exactly the bytes that were written.

    Returns
    -------
    False when a bit differs; None when the segment carries no digest (written by an
    earlier version).

    Raises
    ------
    TornError
        If it is cut off, empty or no Parquet file.
    FileNotFoundError, PermissionError
    """
    if isinstance(path, ObjectPath):
        data = path.read_bytes()
        return _whole(data, len(data))
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if not size:
            raise TornError("it has 0 bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _whole(mapped, size)


def _whole(data: bytes | mmap.mmap, size: int) -> bool | None:
    if size < 2 * len(_MAGIC) + 4:
        raise TornError(f"it has {size} bytes")
    if data[-4:] != _MAGIC or data[:4] != _MAGIC:
        raise TornError("its end or its beginning is missing")
    (length,) = struct.unpack("<I", data[-_TAIL:-4])
    if length > size - _TAIL - 4:
        raise TornError("its footer is longer than the file")
    begin = size - _TAIL - length
    found = list(_ENTRY.finditer(data, begin))
    if not found:
        torn = data.find(_KEY.encode(), begin) >= 0
        return False if torn else None
    digest = xxhash.xxh3_128()
    start, end = found[-1].span(1)
    view = memoryview(data)
    try:
        digest.update(view[:start])
        digest.update(_ZEROS)
        digest.update(view[end:])
    finally:
        view.release()
    return digest.hexdigest().encode() == found[-1][1]


class _Hashing:
    """A file that takes a digest of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = xxhash.xxh3_128()
        self.closed = False

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        pass

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
