"""Where observations lie: a folder, or an address of an object store.

S3-compatible stores are reached by Arrow's own client, every other address by the
`fsspec` file system of its scheme.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.store.objects import ObjectPath, ObjectStore, UnreachableError, short

T = TypeVar("T")

#: A folder or file of this machine, or of an object store.
Place = Path | ObjectPath


def root_of(settings_or_root: Settings | Place) -> Place:
    """Return where the observations lie.

    Raises
    ------
    StoreError
        If the address of the settings cannot be used, or the store there is of another
        version's layout.
    """
    if not isinstance(settings_or_root, Settings):
        return settings_or_root
    from pipeline.store import version

    root = raw_root_of(settings_or_root)
    version.demand(root)
    return root


def raw_root_of(settings: Settings) -> Place:
    """Return where the observations lie, whatever their layout.

    Raises
    ------
    StoreError
        If the address of the settings cannot be used.
    """
    if "://" not in settings.observations:
        return settings.observations_dir
    return at(
        settings.observations,
        endpoint=settings.observations_endpoint,
        patience_s=settings.observations_patience_s,
    )


def at(address: str, *, endpoint: str = "", patience_s: float = 60.0) -> Place:
    """Return the place of an address: a folder's path, or `scheme://bucket/prefix`.

    Raises
    ------
    StoreError
        If the scheme is not known, the address names no bucket or one that does not
        exist, or the object store refuses.
    """
    if "://" not in address:
        return Path(address)
    parts = urlsplit(address)
    if parts.scheme in ("file", "local"):
        return Path(parts.path)
    if not (parts.netloc + parts.path).strip("/"):
        raise StoreError(
            f"the address {address!r} names no bucket; write it like s3://bucket/city."
        )
    store, key = _store(address.rstrip("/"), endpoint, patience_s)
    return ObjectPath(key, store)


def arrow(path: Place) -> tuple[str, pafs.FileSystem | None]:
    """Return the path and file system by which Arrow reads a file."""
    if isinstance(path, ObjectPath):
        return path.key, path.store.arrow
    return str(path), None


def patiently(path: Place, act: Callable[[], T]) -> T:
    """Return `act()`, which reads a file; tried again where a network lies between.

    What comes over a network and cannot be decoded is read once more before it is
    called damaged.
    """
    if not isinstance(path, ObjectPath):
        return act()
    what = f"reading {path.name}"
    try:
        return path.store.patiently(act, what)
    except UnreachableError:
        raise
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        return path.store.patiently(act, what)


def register(connection: Any, root: Place) -> None:
    """Let a DuckDB connection of this process read the object store."""
    if isinstance(root, ObjectPath):
        connection.register_filesystem(_for_duckdb(root.store))


#: Whether the system can be told what of a mapped file is wanted.
_ADVISED = hasattr(mmap, "MADV_RANDOM") and hasattr(os, "posix_fadvise")
#: Places by which it is told whether a file lies in memory, and seconds for which that
#: is believed: asking costs as much as reading a few values.
_LOOKED_AT, _BELIEVED_S = 6, 0.5


class Spans:
    """The bytes of a file: mapped where they lie on this machine, else fetched.

    Only what is asked for is fetched from an object store.
    """

    def __init__(self, path: Place) -> None:
        self._path = path
        #: The whole file, uint8, where it lies on this machine.
        self.mapped: np.ndarray | None = None
        self._in_core: Callable[[int], bool] | None = None
        #: Until when values of a length are believed to lie in memory: those of a
        #: column, which is read as a whole or not at all.
        self._believed: dict[int, float] = {}
        self.size = path.stat().st_size
        if not self.size or isinstance(path, ObjectPath):
            return
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.mapped = np.frombuffer(self._map, dtype=np.uint8)
        if _ADVISED:  # else the disk reads megabytes around each byte looked at
            self._map.madvise(mmap.MADV_RANDOM)
            if os.access(path, os.W_OK):  # else everything is told to be in memory
                self._in_core = _core_of(self.mapped)

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer of a Parquet file."""
        where, filesystem = arrow(self._path)
        return patiently(
            self._path, lambda: pq.read_metadata(where, filesystem=filesystem)
        )

    def ahead(self, begin: np.ndarray, count: int) -> None:
        """Have `count` bytes from each of some places (int [k]) read meanwhile.

        Nothing is done where they cannot be mapped.
        """
        if self.mapped is None or not _ADVISED or not len(begin):
            return
        now = time.monotonic()
        if now < self._believed.get(count, 0.0):
            return
        first = np.sort(np.asarray(begin, dtype=np.int64))
        if self._seems_in_memory(first):
            self._believed[count] = now + _BELIEVED_S
            return
        last = np.maximum.accumulate(first + count - 1) // mmap.PAGESIZE
        first //= mmap.PAGESIZE
        new = np.append(True, first[1:] > last[:-1] + 1)
        ends = last[np.append(new[1:], True)]
        assert isinstance(self._path, Path)
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:  # merged away meanwhile; what is mapped stays
            return
        try:  # unlike madvise, this lets other threads go on
            for low, high in zip(first[new].tolist(), ends.tolist(), strict=True):
                at, size = low * mmap.PAGESIZE, (high - low + 1) * mmap.PAGESIZE
                os.posix_fadvise(file, at, size, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)

    def _seems_in_memory(self, begin: np.ndarray) -> bool:
        """Tell by a few of some places whether the system holds them already.

        Asking for each of them costs more than reading them from its memory.
        """
        if self._in_core is None:
            return False
        for at in begin[:: max(1, len(begin) // _LOOKED_AT)].tolist():
            if not self._in_core(at):
                return False
        return True

    def read(self, begin: int, count: int) -> np.ndarray:
        """Return `count` bytes from `begin`, uint8."""
        if self.mapped is not None:
            return self.mapped[begin : begin + count]
        path = self._path
        assert isinstance(path, ObjectPath)

        def fetch() -> pa.Buffer:
            with path.store.arrow.open_input_file(path.key) as file:
                return file.read_at(count, begin)

        found = path.store.patiently(fetch, f"reading {path.name}")
        return np.frombuffer(found, dtype=np.uint8)


def _core_of(mapped: np.ndarray) -> Callable[[int], bool] | None:
    """Tell of a byte of a mapped file whether it lies in memory (mincore(2))."""
    mincore = getattr(ctypes.CDLL(None), "mincore", None)
    if mincore is None:
        return None
    start, answer = int(mapped.ctypes.data), ctypes.c_ubyte()
    told = ctypes.byref(answer)

    def in_core(at: int) -> bool:
        page = start + at - at % mmap.PAGESIZE
        # What cannot be told counts as not in memory: it is then asked for ahead.
        failed = mincore(ctypes.c_void_p(page), ctypes.c_size_t(1), told)
        return not failed and bool(answer.value & 1)

    return in_core


@lru_cache(maxsize=16)
def _store(address: str, endpoint: str, patience_s: float) -> tuple[ObjectStore, str]:
    """Return the way to an object store, and the key of the address."""
    scheme, _, key = address.partition("://")
    if scheme not in ("s3", "s3a"):
        return _other(address, patience_s)
    store = ObjectStore(address, scheme, _s3(endpoint), patience_s)
    bucket = key.partition("/")[0]
    info = store.patiently(
        lambda: store.arrow.get_file_info(bucket), f"looking at bucket {bucket}"
    )
    if info.type == pafs.FileType.NotFound:
        raise StoreError(
            f"there is no bucket {bucket!r} at {address}; make it first, or correct "
            "DONGSEON_OBSERVATIONS."
        )
    return store, key


def _other(address: str, patience_s: float) -> tuple[ObjectStore, str]:
    import fsspec

    try:
        client, key = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError, OSError) as error:
        raise StoreError(
            f"observations at {address} cannot be reached: {short(str(error))}.",
            code="store_away",
        ) from error
    scheme = address.partition("://")[0]
    handler = pafs.PyFileSystem(pafs.FSSpecHandler(client))
    return ObjectStore(address, scheme, handler, patience_s), key.rstrip("/")


def _s3(endpoint: str) -> pafs.S3FileSystem:
    """Return Arrow's client; keys come from AWS's variables and files."""
    options: dict[str, Any] = {}
    if endpoint:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        options = {"endpoint_override": parts.netloc, "scheme": parts.scheme}
        options["region"] = "us-east-1"  # what servers other than AWS's expect
    return pafs.S3FileSystem(
        **options,
        connect_timeout=5,
        # An object that fits one request is then written by one.
        allow_delayed_open=True,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=2),
    )


def _for_duckdb(store: ObjectStore) -> Any:
    """Return the store as fsspec's, under the scheme of the views."""
    if isinstance(store.arrow, pafs.PyFileSystem):
        return store.arrow.handler.fs
    from fsspec.implementations.arrow import ArrowFSWrapper

    class Wrapped(ArrowFSWrapper):
        protocol = store.scheme

    return Wrapped(store.arrow)
