from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.casebook import audit, cases, galleries, orders, reviews
from pipeline.errors import DongseonError, NotAuthorisedError
from tests.pipeline.casebook.conftest import open_case, request


@dataclass
class Photo:
    embedding: np.ndarray
    quality: float = 0.9
    face_width_px: float = 120.0
    model: str = "mobilefacenet"


@pytest.fixture
def photo():
    vector = np.random.default_rng(1).normal(size=192).astype(np.float32)
    return Photo(vector / np.linalg.norm(vector))


def test_templates_come_back_as_enrolled(book, authorisation, photo):
    galleries.enrol_photo(authorisation, photo, settings=book)
    galleries.enrol_tracklet(authorisation, 2**52 + 1, settings=book)
    first, second = galleries.templates(authorisation, settings=book)
    assert first.kind == "photo"
    assert first.embedding.dtype == np.float32
    np.testing.assert_array_equal(first.embedding, photo.embedding)
    assert (first.model, first.quality) == ("mobilefacenet", 0.9)
    assert (second.kind, second.tracklet_id) == ("tracklet", 2**52 + 1)
    assert second.embedding is None


def test_a_template_for_masked_faces_comes_back(book, authorisation, photo):
    photo.masked_embedding = photo.embedding[::-1].copy()
    galleries.enrol_photo(authorisation, photo, settings=book)
    (only,) = galleries.templates(authorisation, settings=book)
    np.testing.assert_array_equal(only.masked_embedding, photo.masked_embedding)


def test_enrolling_twice_changes_nothing(book, authorisation, photo):
    once = galleries.enrol_photo(authorisation, photo, settings=book)
    assert galleries.enrol_photo(authorisation, photo, settings=book) == once
    assert len(galleries.templates(authorisation, settings=book)) == 1


def test_one_template_can_be_removed(book, authorisation):
    made = galleries.enrol_tracklet(authorisation, 7, settings=book)
    galleries.remove(authorisation, made, settings=book)
    assert galleries.templates(authorisation, settings=book) == []
    with pytest.raises(DongseonError, match="no template"):
        galleries.remove(authorisation, made, settings=book)


def test_nothing_legible_on_disk_and_nothing_left_after_closing(
    book, authorisation, photo
):
    galleries.enrol_photo(authorisation, photo, settings=book)
    for path in book.data_dir.glob("casebook.sqlite*"):
        content = path.read_bytes()
        assert photo.embedding.tobytes()[:32] not in content
        assert b"embedding" not in content
        assert b"RT-PCR" not in content
    assert cases.close_case(authorisation.case, "ana", settings=book) == 1
    with pytest.raises(NotAuthorisedError):
        galleries.templates(authorisation, settings=book)


def test_refused_access_is_recorded(book, authorisation):
    forged = replace(authorisation, case="P-OTHER", user="eve")
    with pytest.raises(NotAuthorisedError):
        galleries.templates(forged, settings=book)
    last = audit.entries(book)[-1]
    assert (last["actor"], last["act"], last["subject"]) == (
        "eve",
        "refused",
        "P-OTHER",
    )


def test_galleries_of_cases_are_apart(book, authorisation):
    galleries.enrol_tracklet(authorisation, 7, settings=book)
    other = open_case(book, "P-OTHER")
    orders.approve(request(book, other).id, "bora", settings=book)
    theirs = orders.authorise(other, "ana", "test", settings=book)
    assert galleries.templates(theirs, settings=book) == []


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.array([]), np.array([np.nan])])
def test_unusable_template(book, authorisation, bad):
    with pytest.raises(DongseonError, match="template"):
        galleries.enrol_photo(authorisation, Photo(bad), settings=book)


def test_two_persons_confirm_a_sighting(book, authorisation):
    second = orders.authorise("P-TEST", "bora", "second review", settings=book)
    assert reviews.review(authorisation, 7, "accept", settings=book) == "proposed"
    assert reviews.review(authorisation, 7, "accept", settings=book) == "proposed"
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    assert reviews.count_since(authorisation, begun, settings=book) == 2
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert reviews.count_since(authorisation, later, settings=book) == 0
    assert reviews.notifiable(authorisation, settings=book) == set()
    assert reviews.review(second, 7, "accept", settings=book) == "confirmed"
    assert reviews.notifiable(authorisation, settings=book) == {7}
    assert reviews.review(second, 7, "reject", settings=book) == "unsure"
    assert reviews.review(authorisation, 8, "reject", settings=book) == "rejected"
    assert reviews.states(second, settings=book) == {7: "unsure", 8: "rejected"}
    with pytest.raises(DongseonError, match="must be one of"):
        reviews.review(second, 7, "maybe", settings=book)
