"""Galleries: a case's templates, encrypted; they are destroyed with the case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from sqlalchemy import Connection, Row, insert, select

from pipeline.casebook import cases, clock, crypto, orders, removal, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings


class Photo(Protocol):
    """What `vision.enrol.embed_photo` returns.

    It may have `masked_embedding` as well: float32 [d], unit length, the template for
    masked faces.
    """

    @property
    def embedding(self) -> np.ndarray:
        """float32 [d], unit length."""

    @property
    def quality(self) -> float:
        """0..1."""

    @property
    def face_width_px(self) -> float:
        """Width of the face in the photo."""

    @property
    def model(self) -> str:
        """Registry name of the recogniser."""


@dataclass(frozen=True)
class Template:
    """One entry of a gallery: a photo's face or a person pointed at in footage."""

    id: int
    kind: str  #: photo or tracklet
    tracklet_id: int | None
    embedding: np.ndarray | None  #: float32 [d], unit length; None for a tracklet
    model: str | None  #: of the embedding
    quality: float | None  #: 0..1
    face_width_px: float | None
    masked_embedding: np.ndarray | None  #: as embedding, for masked faces
    added_by: str
    added_at: datetime  #: UTC


def enrol_photo(
    authorisation: Authorisation, template: Photo, *, settings: Settings | None = None
) -> int:
    """Add a photo's face template; the photo itself is never stored.

    Returns
    -------
    Number of the template; enrolling the same one again changes nothing.
    """
    values = np.asarray(template.embedding, dtype=np.float32)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise DongseonError(
            f"The photo's template has shape {values.shape} or values that are no "
            "numbers; make it with embed_photo."
        )
    content = {
        "embedding": values.tolist(),
        "model": str(template.model),
        "quality": float(template.quality),
        "face_width_px": float(template.face_width_px),
    }
    masked = getattr(template, "masked_embedding", None)
    if masked is not None:
        content["masked_embedding"] = np.asarray(masked, np.float32).tolist()
    return _enrol(authorisation, "photo", content, settings or get_settings())


def enrol_tracklet(
    authorisation: Authorisation,
    tracklet_id: int,
    *,
    settings: Settings | None = None,
) -> int:
    """Add a person pointed at in footage, by tracklet.

    Returns
    -------
    Number of the template; enrolling the same one again changes nothing.
    """
    content = {"tracklet_id": int(tracklet_id)}
    return _enrol(authorisation, "tracklet", content, settings or get_settings())


def templates(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> list[Template]:
    """Return the gallery of the authorised case, oldest first (recorded)."""
    settings = settings or get_settings()
    with orders.acting_under(authorisation, "gallery.read", settings) as (
        connection,
        note,
    ):
        case = authorisation.case
        rows = _rows(connection, case)
        note("gallery.read", case, authorisation.purpose, templates=len(rows))
    return [_template(row, json.loads(_opened(settings, row, case))) for row in rows]


def remove(
    authorisation: Authorisation, template_id: int, *, settings: Settings | None = None
) -> None:
    """Destroy one template of the authorised case."""
    settings = settings or get_settings()
    action = "gallery.remove"
    removal.remove(
        authorisation, tables.galleries, template_id, "template", action, settings
    )


def _enrol(
    authorisation: Authorisation,
    kind: str,
    content: Mapping[str, object],
    settings: Settings,
) -> int:
    plain = json.dumps(content, sort_keys=True).encode()
    with orders.acting_under(authorisation, "gallery.enrol", settings) as (
        connection,
        note,
    ):
        case = authorisation.case
        for row in _rows(connection, case):
            if row.kind == kind and _opened(settings, row, case) == plain:
                return int(row.id)
        made = connection.execute(
            insert(tables.galleries)
            .values(
                case_id=cases.case_id(connection, case),
                kind=kind,
                sealed=crypto.seal(settings, plain, context_of(case, kind)),
                order_id=authorisation.order_id,
                added_by=authorisation.user,
                added_at=clock.now(),
            )
            .returning(tables.galleries.c.id)
        ).scalar_one()
        note("gallery.enrol", case, authorisation.purpose, kind=kind, template=made)
    return int(made)


def _template(row: Row, content: dict[str, Any]) -> Template:
    vector, masked = content.get("embedding"), content.get("masked_embedding")
    return Template(
        id=row.id,
        kind=row.kind,
        tracklet_id=content.get("tracklet_id"),
        embedding=None if vector is None else np.asarray(vector, np.float32),
        model=content.get("model"),
        quality=content.get("quality"),
        face_width_px=content.get("face_width_px"),
        masked_embedding=None if masked is None else np.asarray(masked, np.float32),
        added_by=row.added_by,
        added_at=row.added_at,
    )


def context_of(case: str, kind: str) -> str:
    """Return the encryption context of a case's templates."""
    return f"{kind} template of {case}"


def _rows(connection: Connection, case: str) -> Sequence[Row]:
    return connection.execute(
        select(tables.galleries)
        .where(tables.galleries.c.case_id == cases.case_id(connection, case))
        .order_by(tables.galleries.c.id)
    ).all()


def _opened(settings: Settings, row: Row, case: str) -> bytes:
    return crypto.unseal(settings, row.sealed, context_of(case, row.kind))
