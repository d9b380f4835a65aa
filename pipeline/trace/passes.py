"""Passes before cameras and analysed footage, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.store import ids as numbers
from pipeline.store.schema import MASK_STATES
from pipeline.trace.columns import ranges
from pipeline.trace.halves import to_unit
from pipeline.trace.vault import KINDS, Vault

#: What is read of every pass: no embeddings.
PLAIN = [
    "tracklet_id", "camera_no", "start_at", "end_at",
    "first_east_cm", "first_north_cm", "last_east_cm", "last_north_cm",
    "ground_error_cm", "face_width_px", "mask_state",
    "face_model", "face_scale", "appearance_model",
]  # fmt: skip

T = TypeVar("T")
_STATES = np.array(MASK_STATES, dtype=object)
#: Seconds by which a tracklet's id may tell another start than its row.
_ID_SLACK = 0.2


@dataclass(frozen=True)
class Passes:
    """Visible tracklets as arrays, ordered by start, then id; n rows."""

    ids: np.ndarray  #: int64 [n]
    camera_no: np.ndarray  #: int64 [n]
    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres of the local frame
    last: np.ndarray  #: float64 [n, 2], metres of the local frame
    error_m: np.ndarray  #: float64 [n], 1 sd
    face_width_px: np.ndarray  #: float32 [n], NaN without a face
    mask_code: np.ndarray  #: int8 [n], index of `MASK_STATES`
    at: np.ndarray  #: int32 [n], number of the row in the vault
    vault: Vault  #: everything else that is stored of them

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Passes:
        """Return the given rows (indices or mask), in the given order."""
        rows = np.asarray(rows)
        values = {
            name: getattr(self, name)[rows]
            for name in self.__dataclass_fields__
            if name != "vault"
        }
        return Passes(vault=self.vault, **values)

    def stored(self, columns: Sequence[str]) -> pa.Table:
        """Read further columns, as stored; meant for a few rows."""
        return self.vault.table(self.at, columns)

    def mask_state(self, rows: np.ndarray) -> np.ndarray:
        """Return the mask states of some rows, str [k]."""
        return np.asarray(_STATES[self.mask_code[rows]])

    def models(self, kind: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return of each embedding its model: int8 [n], -1 none, and the names."""
        return self.vault.codes[kind][self.at], self.vault.models

    def model(self, kind: str, row: int) -> str | None:
        """Return the model of a pass's embedding, None if it has none."""
        code = int(self.vault.codes[kind][self.at[row]])
        return None if code < 0 else self.vault.models[code]

    def has(self, kind: str, rows: np.ndarray) -> np.ndarray:
        """Tell which of some rows have an embedding, bool [k]."""
        return np.asarray(self.vault.codes[kind][self.at[rows]] >= 0)

    def embeddings(self, kind: str, rows: np.ndarray, model: str) -> np.ndarray:
        """Return embeddings of one model float32 [k, d], unit length.

        kind is face or appearance; NaN where a row has none of this model.
        """
        found = self.vault.vectors(kind, self.at[rows], model)
        to_unit(found)
        return found

    def kept(self, name: Any, make: Callable[[], T]) -> T:
        """Return what was made of these passes before, or make it now."""
        store: dict[Any, Any] = self.__dict__.setdefault("_kept", {})
        if name not in store:
            store[name] = make()
        found: T = store[name]
        return found

    def row(self, tracklet_id: int) -> int | None:
        """Return the row of a tracklet, None if it is not visible."""
        found = self.rows([tracklet_id])
        return int(found[0]) if len(found) else None

    def rows(self, tracklets: Iterable[int]) -> np.ndarray:
        """Return the rows of some tracklets int64 [k], ascending; absent left out.

        Their ids tell when they begin, so that nothing is searched through.
        """
        wanted = np.unique(np.fromiter(tracklets, dtype=np.int64))
        about = numbers.starts_of(wanted)
        low = np.searchsorted(self.start, about - _ID_SLACK)
        high = np.searchsorted(self.start, about + _ID_SLACK, side="right")
        at, count = ranges(low, high)
        same = self.ids[at] == np.repeat(wanted, count)
        return np.sort(at[same])


@dataclass(frozen=True)
class Footage:
    """Analysed footage inside the window and area; one row per part."""

    part_key: np.ndarray  #: int64 [m]
    camera_no: np.ndarray  #: int64 [m]
    start: np.ndarray  #: float64 [m], Unix seconds, cut to the window
    end: np.ndarray  #: float64 [m]
    hasty: np.ndarray  #: bool [m], analysed at triage quality
    names: pa.Table  #: footage_id and source, m rows

    @cached_property
    def cameras(self) -> np.ndarray:
        """Numbers of its cameras int64 [c], ascending."""
        return np.asarray(np.unique(self.camera_no))

    @cached_property
    def _by_camera(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.camera_no, kind="stable")
        return order, self.camera_no[order]

    @cached_property
    def _by_part(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.part_key, kind="stable")
        return order, self.part_key[order]

    def index(self) -> None:
        """Put it in order by camera and by part, which else the first look does."""
        _ = self.cameras, self._by_camera, self._by_part

    def of_cameras(self, numbers: np.ndarray) -> np.ndarray:
        """Rows int64 [k] of some cameras, camera by camera, in order."""
        order, known = self._by_camera
        low = np.searchsorted(known, numbers)
        high = np.searchsorted(known, numbers, side="right")
        return np.asarray(order[ranges(low, high)[0]])

    def of_parts(self, keys: Sequence[int]) -> list[int | None]:
        """Row of each of some parts; None where it is not here."""
        order, known = self._by_part
        wanted = np.asarray(keys, dtype=np.int64)
        at = np.searchsorted(known, wanted, side="right") - 1
        return [
            int(order[k]) if k >= 0 and known[k] == key else None
            for k, key in zip(at.tolist(), wanted.tolist(), strict=True)
        ]

    def seconds_by_camera(self) -> dict[int, float]:
        """Seconds of analysed footage of each camera number."""
        numbers, where = np.unique(self.camera_no, return_inverse=True)
        totals = np.bincount(where, weights=self.end - self.start)
        return dict(zip(numbers.tolist(), totals.tolist(), strict=False))


def empty_passes() -> Passes:
    """Return no passes."""
    none = np.empty(0)
    no_code = none.astype(np.int8)
    vault = Vault(
        [], {kind: no_code for kind in KINDS}, (), none.astype("f4"), none.astype("i4")
    )
    return Passes(
        ids=none.astype(np.int64),
        camera_no=none.astype(np.int64),
        start=none,
        end=none,
        first=np.empty((0, 2)),
        last=np.empty((0, 2)),
        error_m=none,
        face_width_px=none.astype(np.float32),
        mask_code=no_code,
        at=none.astype(np.int32),
        vault=vault,
    )
