"""Columns of face and clothing: what was seen of each pass, as vectors."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pyarrow as pa

from pipeline.simulate import recogniser
from pipeline.simulate.columns import label, masked
from pipeline.simulate.faces import FACE_LEAST_PX, WORN, Faces
from pipeline.simulate.maker import Maker
from pipeline.simulate.passes import Passes
from pipeline.simulate.ways import Ways
from pipeline.store import vectors

#: Clothing: inner numbers, share that all clothes have in common, and share of the
#: rest that two views of the same clothes have; strangers then have a cosine of
#: 0.55 +- 0.15, the same clothes 0.85.
CLOTHES, CLOTHES_COMMON, CLOTHES_SAME = 9, 0.55, 0.67
#: Vectors drawn at a time.
BLOCK_ROWS = 512


def clothes_basis(width: int) -> np.ndarray:
    """Orthonormal rows, float32 [CLOTHES + 1, width]: what all share, then the rest."""
    if width <= CLOTHES:
        raise ValueError(f"appearance needs more than {CLOTHES} numbers, got {width}")
    drawn = np.random.default_rng(20_261_123).standard_normal((width, CLOTHES + 1))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def columns(
    maker: Maker,
    ways: Ways,
    passes: Passes,
    rows: np.ndarray,
    faces: Faces,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:
    """Columns of face and clothing."""
    resident = ways.resident[passes.way[rows]]
    has = (faces.seconds > 0) & (faces.width >= FACE_LEAST_PX)
    f = np.flatnonzero(has)
    people, law = maker.people, maker.law

    def face(part: slice) -> np.ndarray:
        some = f[part]
        who = resident[some]
        return law.faces(
            people.face[who].astype(np.float32),
            people.face_rest[who].astype(np.float32),
            faces.width[some],
            faces.true[some] == WORN,
            rng,
        )

    def body(part: slice) -> np.ndarray:
        worn = maker.clothes[resident[part]].astype(np.float32)
        worn *= np.float32(np.sqrt((1 - CLOTHES_COMMON) * CLOTHES_SAME))
        view = rng.standard_normal(worn.shape, dtype=np.float32)
        view *= np.float32(np.sqrt((1 - CLOTHES_COMMON) * (1 - CLOTHES_SAME) / CLOTHES))
        seen = (worn + view) @ maker.clothes_basis[1:]
        seen += np.float32(np.sqrt(CLOTHES_COMMON)) * maker.clothes_basis[0]
        return recogniser.unit(seen)

    quality = np.clip(faces.width / 80, 0.05, 1) * (0.7 + 0.3 * faces.sure)
    everyone = np.ones(len(rows), dtype=bool)
    width = maker.clothes_basis.shape[1]
    return {
        **_vector("face", face, law.dimensions, has, maker.face_model),
        "face_quality": masked(quality.astype(np.float32), ~has),
        "face_width_px": masked(faces.width, faces.seconds == 0),
        **_vector("appearance", body, width, everyone, maker.appearance_model),
    }


def _vector(
    name: str,
    draw: Callable[[slice], np.ndarray],
    width: int,
    has: np.ndarray,
    model: str,
) -> dict[str, pa.Array]:
    """Draw, quantise and halve vectors a block at a time, within the cache."""
    count = int(has.sum())
    i8 = np.empty((count, width), dtype=np.int8)
    f16 = np.empty((count, width), dtype="<f2")
    scale = np.empty(count, dtype=np.float32)
    for start in range(0, count, BLOCK_ROWS):
        part = slice(start, min(start + BLOCK_ROWS, count))
        found = draw(part)
        i8[part], scale[part] = vectors.quantise(found)
        # The same as astype, in a ninth of its time.
        cv2.convertFp16(found, f16[part].view(np.int16))
    scales = np.zeros(len(has), dtype=np.float32)
    scales[has] = scale
    return {
        f"{name}_model": label(np.zeros(len(has), np.int8), [model], absent=~has),
        f"{name}_i8": _binary(i8, has),
        f"{name}_scale": masked(scales, ~has),
        f"{name}_f16": _binary(f16, has),
    }


def _binary(present: np.ndarray, has: np.ndarray) -> pa.Array:
    """Rows of those that have one [m, d] as a binary column of all [n]."""
    width = present.shape[1] * present.itemsize
    offsets = np.zeros(len(has) + 1, dtype=np.int32)
    np.cumsum(has * np.int32(width), out=offsets[1:])
    valid = pa.py_buffer(np.packbits(has, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(),
        len(has),
        [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(present))],
    )
