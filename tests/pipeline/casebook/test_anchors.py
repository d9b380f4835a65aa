"""What a patient remembers: encrypted, bounded by the order, gone with the case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.casebook import anchors, audit, cases, rotation
from pipeline.errors import DongseonError, NotAuthorisedError
from tests.pipeline.casebook.conftest import ONSET

CLINIC = {"at": ONSET, "lon": 126.78, "lat": 37.50, "place": "the clinic in Sang-dong"}


def test_an_anchor_comes_back_as_entered_and_twice_is_once(book, authorisation):
    number = anchors.add(authorisation, **CLINIC, seconds=300, metres=80, settings=book)
    again = anchors.add(authorisation, **CLINIC, seconds=300, metres=80, settings=book)
    (found,) = anchors.listed(authorisation, settings=book)
    assert again == number == found.id
    assert (found.at, found.lon, found.lat) == (ONSET, 126.78, 37.50)
    assert (found.seconds, found.metres, found.place) == (300, 80, CLINIC["place"])
    acts = [entry["act"] for entry in audit.entries(book)]
    assert acts.count("anchor.add") == 1
    assert "anchor.read" in acts


def test_it_is_not_legible_on_disk_survives_a_new_key_and_dies_with_the_case(
    book, authorisation, case
):
    anchors.add(authorisation, **CLINIC, settings=book)
    for path in book.data_dir.glob("casebook.sqlite*"):
        assert b"clinic" not in path.read_bytes()
    assert rotation.rotate(book, "ana") == 2
    assert anchors.listed(authorisation, settings=book)[0].place == CLINIC["place"]
    cases.close_case(case, "ana", settings=book)
    with pytest.raises(NotAuthorisedError):
        anchors.listed(authorisation, settings=book)


def test_one_can_be_destroyed(book, authorisation):
    number = anchors.add(authorisation, **CLINIC, settings=book)
    anchors.remove(authorisation, number, settings=book)
    assert anchors.listed(authorisation, settings=book) == []
    with pytest.raises(DongseonError, match="no anchor"):
        anchors.remove(authorisation, number, settings=book)


@pytest.mark.parametrize(
    "change", [{"at": ONSET + timedelta(days=9)}, {"lon": 127.9}, {"lat": 37.1}]
)
def test_what_the_order_does_not_cover_is_refused_and_recorded(
    book, authorisation, change
):
    with pytest.raises(NotAuthorisedError, match="window or area"):
        anchors.add(authorisation, **(CLINIC | change), settings=book)
    acts = [entry["act"] for entry in audit.entries(book)]
    assert "refused" in acts


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"at": ONSET.replace(tzinfo=None)}, "time zone"),
        ({"lon": 999.0}, "no place on Earth"),
        ({"lat": float("nan")}, "no place on Earth"),
        ({"seconds": 1.0}, "seconds must lie"),
        ({"metres": 9e9}, "metres must lie"),
        ({"place": "x" * 201}, "200 characters"),
    ],
)
def test_nonsense_is_told(book, authorisation, change, told):
    with pytest.raises(DongseonError, match=told):
        anchors.add(authorisation, **(CLINIC | change), settings=book)
