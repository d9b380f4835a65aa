"""Objects of an object store, with the part of `pathlib.Path` that the store needs.

What the network breaks off is tried again with growing pauses; then one sentence says
so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

import pyarrow.fs as pafs

from pipeline.errors import StoreError

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
                        f"({short(text)}); check its address, endpoint and keys."
                    ) from error
                if time.monotonic() + pause > limit:
                    raise UnreachableError(
                        f"the object store {self.address} could not be reached for "
                        f"{what} in {self.patience_s:g} s ({short(text)}); nothing "
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


def _about(info: pafs.FileInfo) -> About:
    moment = info.mtime_ns / 1e9 if info.mtime_ns is not None else time.time()
    return About(info.size or 0, moment)


def short(text: str) -> str:
    """Return the first line of an error, at most 200 characters."""
    line = (text.strip().splitlines() or [""])[0].rstrip(".")
    return line if len(line) <= 200 else f"{line[:200]}..."
