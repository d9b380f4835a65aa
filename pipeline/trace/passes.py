"""Passes before cameras and analysed footage, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.store import vectors
from pipeline.trace.columns import texts

#: What is read of every pass: no embeddings.
PLAIN = [
    "tracklet_id", "part_key", "camera_id", "camera_no", "start_at", "end_at",
    "first_east_cm", "first_north_cm", "last_east_cm", "last_north_cm",
    "ground_error_cm", "face_width_px", "mask_state", "mask_probability", "best_at",
]  # fmt: skip
#: What is read of a kind of embedding.
FACE = ["face_model", "face_i8", "face_scale", "face_f16"]
APPEARANCE = [
    "appearance_model", "appearance_i8", "appearance_scale", "appearance_f16",
]  # fmt: skip
COLUMNS = [*PLAIN, *FACE, *APPEARANCE]


T = TypeVar("T")


@dataclass(frozen=True)
class Passes:
    """Visible tracklets as arrays, ordered by start, then id; n rows."""

    table: pa.Table  #: the rows as stored, same order
    ids: np.ndarray  #: int64 [n]
    camera_no: np.ndarray  #: int64 [n]
    start: np.ndarray  #: float64 [n], Unix seconds
    end: np.ndarray  #: float64 [n], Unix seconds
    first: np.ndarray  #: float64 [n, 2], metres of the local frame
    last: np.ndarray  #: float64 [n, 2], metres of the local frame
    error_m: np.ndarray  #: float64 [n], 1 sd
    face_width_px: np.ndarray  #: float64 [n], NaN without a face
    mask_state: np.ndarray  #: str [n]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Passes:
        """Return the given rows (indices or mask), in the given order."""
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        values = {
            name: getattr(self, name)[rows]
            for name in self.__dataclass_fields__
            if name != "table"
        }
        return Passes(table=self.table.take(pa.array(rows, pa.int64())), **values)

    @staticmethod
    def concatenate(parts: Sequence[Passes]) -> Passes:
        """Put parts (of the same columns) one after the other, unsorted."""
        if not parts:
            return empty_passes()
        values = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Passes.__dataclass_fields__
            if name != "table"
        }
        table = pa.concat_tables([part.table for part in parts])
        return Passes(table=table.unify_dictionaries().combine_chunks(), **values)

    def texts(self, column: str) -> np.ndarray:
        """Return a text column as str [n], "unknown" where null."""
        return texts(self.table[column])

    def face(self, rows: np.ndarray, model: str) -> np.ndarray:
        """Return face embeddings float32 [k, d], unit length, NaN without one."""
        return self._vectors("face", rows, model)

    def appearance(self, rows: np.ndarray, model: str) -> np.ndarray:
        """Return clothing embeddings float32 [k, d], unit length, of one model."""
        return self._vectors("appearance", rows, model)

    def _vectors(self, kind: str, rows: np.ndarray, model: str) -> np.ndarray:
        whole, where = self._matrix(kind, model)
        at = where[rows]
        found = whole[np.maximum(at, 0)].astype(np.float32)
        found[at < 0] = np.nan
        norm = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(norm > 0, norm, 1))

    def kept(self, name: Any, make: Callable[[], T]) -> T:
        """Return what was made of these passes before, or make it now."""
        store: dict[Any, Any] = self.__dict__.setdefault("_kept", {})
        if name not in store:
            store[name] = make()
        found: T = store[name]
        return found

    def _matrix(self, kind: str, model: str) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of one model as stored [m, d], and each row's place or -1."""

        def make() -> tuple[np.ndarray, np.ndarray]:
            of_model = self.texts(f"{kind}_model") == model
            has = self.table[f"{kind}_f16"].is_valid().to_numpy(zero_copy_only=False)
            rows = np.flatnonzero(of_model & has)
            where = np.full(len(self), -1, dtype=np.int64)
            where[rows] = np.arange(len(rows))
            column = self.table[f"{kind}_f16"].take(pa.array(rows, pa.int64()))
            whole = np.full((1, 1), np.nan, dtype="<f2")
            if len(rows):
                whole = vectors.from_binary(column.combine_chunks(), "<f2")[0]
            return whole, where

        return self.kept((kind, model), make)

    def row(self, tracklet_id: int) -> int | None:
        """Return the row of a tracklet, None if it is not visible."""
        found = np.flatnonzero(self.ids == tracklet_id)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Footage:
    """Analysed footage inside the window and area; one row per part."""

    part_key: np.ndarray  #: int64 [m]
    camera_no: np.ndarray  #: int64 [m]
    start: np.ndarray  #: float64 [m], Unix seconds, cut to the window
    end: np.ndarray  #: float64 [m]
    footage_id: list[str]
    source: list[str]

    def seconds_by_camera(self) -> dict[int, float]:
        """Seconds of analysed footage of each camera number."""
        numbers, where = np.unique(self.camera_no, return_inverse=True)
        totals = np.bincount(where, weights=self.end - self.start)
        return dict(zip(numbers.tolist(), totals.tolist(), strict=False))


def empty_passes() -> Passes:
    """Return no passes, with the columns that are read."""
    from pipeline.store.schema import TRACKLET

    none = np.empty(0)
    return Passes(
        table=TRACKLET.empty_table().select(COLUMNS),
        ids=none.astype(np.int64),
        camera_no=none.astype(np.int64),
        start=none,
        end=none,
        first=np.empty((0, 2)),
        last=np.empty((0, 2)),
        error_m=none,
        face_width_px=none,
        mask_state=none.astype(object),
    )
