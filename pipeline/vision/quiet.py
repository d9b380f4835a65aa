"""Keeps what native libraries write to the terminal away from people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_stderr_closed() -> Iterator[None]:
    """Send the process's error stream (descriptor 2) to nowhere for a while.

    Native libraries log there without asking; exceptions of Python are not touched.
    Writes of other threads in the meantime are lost as well, so keep it short.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
