from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from pipeline.casebook import audit, database, followups, orders, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings


def accept(book: Settings, authorisation: Authorisation, tracklet: int) -> None:
    """Let two persons accept a sighting."""
    second = orders.authorise(authorisation.case, "bora", "second look", settings=book)
    for one in (authorisation, second):
        reviews.review(one, tracklet, "accept", settings=book)


def enter(book, authorisation, state, name="K-001", tracklets=(30,), met_at=(7,)):
    return followups.enter(
        authorisation,
        name,
        state,
        tracklets=tracklets,
        met_at=met_at,
        settings=book,
    )


def test_nobody_is_notified_on_one_persons_word(book, authorisation):
    reviews.review(authorisation, 7, "accept", settings=book)
    with pytest.raises(NotAuthorisedError, match="two persons"):
        enter(book, authorisation, "reached")
    refused = audit.entries(book)[-1]
    assert (refused["act"], refused["subject"]) == ("refused", "P-TEST")
    assert followups.load(authorisation, settings=book) == []
    accept(book, authorisation, 8)  # a sighting at which it was not near
    with pytest.raises(NotAuthorisedError):
        enter(book, authorisation, "reached")
    accept(book, authorisation, 7)
    assert enter(book, authorisation, "reached").reached_at is not None


def test_states_follow_each_other(book, authorisation, later):
    accept(book, authorisation, 7)
    for state in ("tested", "closed"):
        with pytest.raises(DongseonError, match="only after"):
            enter(book, authorisation, state)
    with pytest.raises(DongseonError, match="must be one of"):
        enter(book, authorisation, "gone")
    reached = enter(book, authorisation, "reached").reached_at
    later(timedelta(hours=3))
    assert enter(book, authorisation, "tested").reached_at == reached
    assert enter(book, authorisation, "closed").state == "closed"
    (one,) = followups.load(authorisation, settings=book)
    assert (one.state, one.reached_at, one.by) == ("closed", reached, "ana")
    assert enter(book, authorisation, "to_notify").reached_at is None
    assert [
        entry["act"] for entry in audit.entries(book) if entry["subject"] == "P-TEST"
    ].count("contact.followup") == 4


def test_an_entry_is_the_persons_whatever_it_is_called(book, authorisation):
    accept(book, authorisation, 7)
    first = datetime.now(UTC) - timedelta(days=2)
    followups.enter(
        authorisation,
        "K-003",
        "reached",
        tracklets=[30, 31],
        met_at=[7],
        listed_at=first,
        settings=book,
    )
    known = followups.load(authorisation, settings=book)
    assert followups.of(known, "K-001", [31, 40]).contact == "K-003"
    assert followups.of(known, "K-003", [50]) is None
    made = enter(book, authorisation, "tested", "K-001", (31, 40))
    assert made.tracklets == {30, 31, 40}
    assert made.listed_at == first
    assert len(followups.load(authorisation, settings=book)) == 1


def test_what_was_entered_before_is_kept(book, authorisation):
    with database.writing(book) as connection:
        connection.execute(text("DROP TABLE anchors"))
        connection.execute(text("DROP TABLE followups"))
        connection.execute(
            text(
                "CREATE TABLE followups (case_id INTEGER, contact VARCHAR(32), state "
                "VARCHAR(16), by VARCHAR(128), at DATETIME, "
                "CONSTRAINT pk_followups PRIMARY KEY (case_id, contact))"
            )
        )
        connection.execute(
            text(
                "INSERT INTO followups VALUES (1, 'K-001', 'open', 'ana', "
                "'2025-11-05 00:00:00'), (1, 'K-002', 'reached', 'ana', "
                "'2025-11-05 00:00:00')"
            )
        )
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    database.dispose(book)
    known = followups.load(authorisation, settings=book)
    assert {one.contact: one.state for one in known} == {
        "K-001": "to_notify",
        "K-002": "reached",
    }
    assert followups.of(known, "K-002", [1, 2]).state == "reached"
