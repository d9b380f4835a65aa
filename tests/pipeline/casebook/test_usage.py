from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.casebook import cases, orders, reviews, usage
from pipeline.errors import NotAuthorisedError


def test_figures_count_acts_and_name_nobody(book, authorisation):
    for tracklet, verdict in ((1, "accept"), (2, "accept"), (3, "reject")):
        reviews.review(authorisation, tracklet, verdict, settings=book)
    reviews.review(authorisation, 4, "unsure", settings=book)
    with pytest.raises(NotAuthorisedError):
        orders.authorise("P-NONE", "eve", "curiosity", settings=book)
    cases.close_case("P-TEST", "ana", settings=book)
    rows = usage.figures("mayor", settings=book)
    count = {row["figure"]: row["count"] for row in rows}
    assert count == {
        "cases opened": 1,
        "cases closed": 1,
        "orders requested": 1,
        "orders approved": 1,
        "refused acts": 1,
        "sightings accepted": 2,
        "sightings rejected": 1,
    }
    assert usage.mismatch_rate(rows) == pytest.approx(1 / 3)
    assert "P-TEST" not in str(rows)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert usage.figures("mayor", since=later, settings=book) == []
    assert usage.mismatch_rate([]) is None
