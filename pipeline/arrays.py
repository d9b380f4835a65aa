"""Arrays of one length, side by side in a dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

_Columns = TypeVar("_Columns")


def joined(parts: Sequence[_Columns]) -> _Columns:
    """Put dataclasses of arrays, one or more of one kind, one after the other."""
    kind: Any = type(parts[0])
    return kind(
        **{
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(kind)
        }
    )
