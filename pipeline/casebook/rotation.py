"""A new key: everything sealed is sealed anew, and the old key forgotten."""

from __future__ import annotations

from sqlalchemy import select, update

from pipeline.casebook import anchors, crypto, galleries, purge, roles, tables
from pipeline.settings import Settings


def rotate(settings: Settings, user: str) -> int:
    """Replace the casebook's key.

    Killed in between, both keys are in the file and all can be read; run it again.

    Returns
    -------
    Number of entries sealed anew.
    """
    roles.check(settings, user, "key.rotate", "key")
    crypto.add_key(settings)
    cases, gallery = tables.cases, tables.galleries
    with roles.acting_as(settings, user, "key.rotate", "key") as (connection, note):
        tests = connection.execute(
            select(cases.c.id, cases.c.pseudonym, cases.c.test_sealed).where(
                cases.c.test_sealed.is_not(None)
            )
        ).all()
        for test in tests:
            fresh = _anew(settings, test.test_sealed, f"test of {test.pseudonym}")
            connection.execute(
                update(cases).where(cases.c.id == test.id).values(test_sealed=fresh)
            )
        templates = connection.execute(
            select(gallery.c.id, gallery.c.kind, gallery.c.sealed, cases.c.pseudonym)
            .join(cases, cases.c.id == gallery.c.case_id)
            .order_by(gallery.c.id)
        ).all()
        for one in templates:
            context = galleries.context_of(one.pseudonym, one.kind)
            fresh = _anew(settings, one.sealed, context)
            connection.execute(
                update(gallery).where(gallery.c.id == one.id).values(sealed=fresh)
            )
        said = connection.execute(
            select(tables.anchors.c.id, tables.anchors.c.sealed, cases.c.pseudonym)
            .join(cases, cases.c.id == tables.anchors.c.case_id)
            .order_by(tables.anchors.c.id)
        ).all()
        for row in said:
            fresh = _anew(settings, row.sealed, anchors.context_of(row.pseudonym))
            connection.execute(
                update(tables.anchors)
                .where(tables.anchors.c.id == row.id)
                .values(sealed=fresh)
            )
        done = len(tests) + len(templates) + len(said)
        note("key.rotate", "key", entries=done, key=crypto.current_key_id(settings))
    crypto.drop_old_keys(settings)
    purge.compact(settings)
    return done


def _anew(settings: Settings, sealed: bytes, context: str) -> bytes:
    return crypto.seal(settings, crypto.unseal(settings, sealed, context), context)
