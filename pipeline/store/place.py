"""Where observations lie: a folder, or an address of an object store.

`ObjectPath` stands for one object with the part of `pathlib.Path` that the store
needs. S3-compatible stores are reached by Arrow's own client, every other address by
the `fsspec` file system of its scheme. What the network breaks off is tried again
with growing pauses; then one sentence says so.
"""

from __future__ import annotations

import mmap
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.settings import Settings

T = TypeVar("T")

#: First and longest pause between tries, seconds.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
#: Schemes whose objects appear whole when their writing ends.
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"}
#: What the store's answer says when trying again is of no use.
_FINAL = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "NO_SUCH_BUCKET",
    "MISSING_AUTHENTICATION_TOKEN",
    "INVALID_CLIENT_TOKEN_ID",
    "UNRECOGNIZED_CLIENT",
)
#: Errors of the content, not of the way to it.
_OF_CONTENT = ("checksum", "Parquet", "Thrift", "thrift", "decompress", "Snappy")


class UnreachableError(StoreError):
    """The object store does not answer, or not as it should."""


@dataclass(frozen=True)
class ObjectStore:
    """The way to an object store."""

    address: str  #: as in the settings, without a slash at its end
    scheme: str
    arrow: pafs.FileSystem
    patience_s: float  #: seconds for which a broken call is tried again

    def patiently(self, act: Callable[[], T], what: str) -> T:
        """Return `act()`; try it again while the network breaks it.

        Raises
        ------
        FileNotFoundError
            If the object is not there.
        UnreachableError
            If the store refuses, or does not answer for `patience_s`.
        """
        limit, pause = time.monotonic() + self.patience_s, _FIRST_PAUSE_S
        while True:
            try:
                return act()
            except FileNotFoundError:
                raise
            except OSError as error:
                text = str(error)
                if any(word in text for word in _OF_CONTENT):
                    raise
                if any(word in text for word in _FINAL):
                    raise UnreachableError(
                        f"the object store {self.address} refuses {what} "
                        f"({_short(text)}); check its address, endpoint and keys."
                    ) from error
                if time.monotonic() + pause > limit:
                    raise UnreachableError(
                        f"the object store {self.address} could not be reached for "
                        f"{what} in {self.patience_s:g} s ({_short(text)}); nothing "
                        "stored is lost: mend the network or the store and run this "
                        "again."
                    ) from error
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_S)


@dataclass(frozen=True)
class About:
    """What `stat` tells."""

    st_size: int
    st_mtime: float  #: Unix seconds, by the object store's clock


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object or a prefix of an object store."""

    key: str  #: bucket and key, no slash at its end
    store: ObjectStore = field(compare=False, repr=False)
    about: About | None = field(default=None, compare=False, repr=False)  #: if listed

    def __str__(self) -> str:
        return f"{self.store.scheme}://{self.key}"

    def __truediv__(self, name: str | PurePosixPath) -> ObjectPath:
        return ObjectPath(f"{self.key}/{name}", self.store)

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.key).stem

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the key."""
        return PurePosixPath(self.key).parts

    @property
    def parent(self) -> ObjectPath:
        """The prefix it lies under."""
        return ObjectPath(self.key.rpartition("/")[0], self.store)

    def with_name(self, name: str) -> ObjectPath:
        """Return its neighbour of another name."""
        return self.parent / name

    def relative_to(self, root: ObjectPath) -> PurePosixPath:
        """Return the part of the key below a prefix."""
        return PurePosixPath(self.key).relative_to(root.key)

    def exists(self) -> bool:
        """Whether there is such an object or prefix."""
        return self._info().type != pafs.FileType.NotFound

    def is_file(self) -> bool:
        """Whether there is such an object."""
        return self.about is not None or self._info().type == pafs.FileType.File

    def is_dir(self) -> bool:
        """Whether it is a prefix of others."""
        return self.about is None and self._info().type == pafs.FileType.Directory

    def stat(self) -> About:
        """Return size and time of writing."""
        if self.about is not None:
            return self.about
        info = self._info()
        if info.type == pafs.FileType.NotFound:
            raise FileNotFoundError(f"there is no object {self}")
        return _about(info)

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yield what lies directly under a prefix; nothing if there is none."""
        yield from self._list(recursive=False)

    def rglob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield all objects below a prefix whose names match a pattern."""
        for path in self._list(recursive=True):
            if PurePosixPath(path.name).match(pattern):
                yield path

    def read_bytes(self) -> bytes:
        """Return the whole object."""

        def read() -> bytes:
            with self.store.arrow.open_input_file(self.key) as file:
                return bytes(file.read())

        return self.store.patiently(read, f"reading {self.name}")

    def write_bytes(self, data: bytes) -> None:
        """Write the object: it is there whole when this returns.

        On a scheme whose objects do not appear whole, a neighbour is written and
        renamed.
        """
        target = self.key
        if self.store.scheme not in _WHOLE:
            target = f"{self.parent.key}/.pending-{random.getrandbits(64):016x}"

        def write() -> None:
            # Not `with`: closing what broke off would complete a part of the object.
            stream = self.store.arrow.open_output_stream(target)
            stream.write(data)
            stream.close()
            stored = self.store.arrow.get_file_info(target)
            if stored.size != len(data):
                raise OSError(f"{stored.size} of {len(data)} bytes arrived")
            if target != self.key:
                self.store.arrow.move(target, self.key)

        self.store.patiently(write, f"writing {self.name}")

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""

        def remove() -> None:
            try:
                self.store.arrow.delete_file(self.key)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        self.store.patiently(remove, f"removing {self.name}")

    def rmdir(self) -> None:
        """Remove a prefix under which nothing lies any more."""
        if any(True for _ in self.iterdir()):
            raise OSError(f"{self} is not empty")
        self.store.patiently(
            lambda: self.store.arrow.delete_dir(self.key), f"removing {self.name}"
        )

    def rename(self, target: ObjectPath) -> None:
        """Move the object (copied, then removed, by the object store)."""
        self.store.patiently(
            lambda: self.store.arrow.move(self.key, target.key), f"moving {self.name}"
        )

    def _info(self) -> pafs.FileInfo:
        return self.store.patiently(
            lambda: self.store.arrow.get_file_info(self.key), f"looking at {self.name}"
        )

    def _list(self, recursive: bool) -> list[ObjectPath]:
        chosen = pafs.FileSelector(self.key, allow_not_found=True, recursive=recursive)
        infos = self.store.patiently(
            lambda: self.store.arrow.get_file_info(chosen), f"listing {self.name}"
        )
        found = []
        for info in infos:
            if recursive and info.type != pafs.FileType.File:
                continue
            about = _about(info) if info.type == pafs.FileType.File else None
            found.append(ObjectPath(info.path.rstrip("/"), self.store, about))
        return sorted(found)


#: A folder or file of this machine, or of an object store.
Place = Path | ObjectPath


def root_of(settings_or_root: Settings | Place) -> Place:
    """Return where the observations lie.

    Raises
    ------
    StoreError
        If the address of the settings cannot be used.
    """
    if not isinstance(settings_or_root, Settings):
        return settings_or_root
    if "://" not in settings_or_root.observations:
        return settings_or_root.observations_dir
    return at(
        settings_or_root.observations,
        endpoint=settings_or_root.observations_endpoint,
        patience_s=settings_or_root.observations_patience_s,
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


class Spans:
    """The bytes of a file: mapped where they lie on this machine, else fetched.

    Only what is asked for is fetched from an object store.
    """

    def __init__(self, path: Place) -> None:
        self._path = path
        self._mapped: np.ndarray | None = None
        self.size = path.stat().st_size
        if not self.size or isinstance(path, ObjectPath):
            return
        with open(path, "rb") as file:
            self._mapped = np.frombuffer(
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8
            )

    @property
    def metadata(self) -> pq.FileMetaData:
        """The footer of a Parquet file."""
        where, filesystem = arrow(self._path)
        return patiently(
            self._path, lambda: pq.read_metadata(where, filesystem=filesystem)
        )

    def read(self, begin: int, count: int) -> np.ndarray:
        """Return `count` bytes from `begin`, uint8."""
        if self._mapped is not None:
            return self._mapped[begin : begin + count]
        path = self._path
        assert isinstance(path, ObjectPath)

        def fetch() -> pa.Buffer:
            with path.store.arrow.open_input_file(path.key) as file:
                return file.read_at(count, begin)

        found = path.store.patiently(fetch, f"reading {path.name}")
        return np.frombuffer(found, dtype=np.uint8)


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
            f"observations at {address} cannot be reached: {_short(str(error))}."
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
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=3),
    )


def _for_duckdb(store: ObjectStore) -> Any:
    """Return the store as fsspec's, under the scheme of the views."""
    if isinstance(store.arrow, pafs.PyFileSystem):
        return store.arrow.handler.fs
    from fsspec.implementations.arrow import ArrowFSWrapper

    class Wrapped(ArrowFSWrapper):
        protocol = store.scheme

    return Wrapped(store.arrow)


def _about(info: pafs.FileInfo) -> About:
    moment = info.mtime_ns / 1e9 if info.mtime_ns is not None else time.time()
    return About(info.size or 0, moment)


def _short(text: str) -> str:
    """Return the first line of an error, at most 200 characters."""
    line = (text.strip().splitlines() or [""])[0].rstrip(".")
    return line if len(line) <= 200 else f"{line[:200]}..."
