"""Whether somebody has the views open: an analyst's DuckDB shell, a script."""

from __future__ import annotations

import fcntl
import os
import struct
import sys

from pipeline.settings import Settings

#: `struct flock` of Linux on 64 bits: type, whence, start, length, process.
_FLOCK = "hhqqi"


def are_open(settings: Settings) -> bool:
    """Tell whether another process has `data/dongseon.duckdb` open.

    DuckDB holds the kernel's lock on a database for as long as it is open, a shared
    one when it only reads. The kernel is asked who would be in the way of an
    exclusive lock (`fcntl`, F_GETLK); none is taken. Elsewhere than on Linux, and
    from machine to machine, nobody is seen.
    """
    if sys.platform != "linux":
        return False
    wish = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        file = os.open(settings.database, os.O_RDONLY)
    except OSError:
        return False  # no views yet
    try:
        found = fcntl.fcntl(file, fcntl.F_GETLK, wish)
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(file)
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)
