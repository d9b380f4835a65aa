from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.casebook import disclosure, followups
from pipeline.casebook.disclosure import Visit
from pipeline.errors import DongseonError, NotAuthorisedError
from tests.pipeline.casebook.test_followups import accept

MINUTE = timedelta(minutes=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FIRST = Visit(
    "생활방범",
    "원미구",
    "심곡동",
    NOW - timedelta(days=2, minutes=3),
    NOW - timedelta(days=2),
    frozenset({"K-001", "K-002"}),
)
SECOND = replace(
    FIRST,
    dong="중동",
    start_at=NOW - timedelta(days=1, minutes=-12),
    end_at=NOW - timedelta(days=1, minutes=-17),
    contacts=frozenset({"K-003"}),
)
ALONE = replace(FIRST, dong="상동", contacts=frozenset())


def test_list_names_places_and_nothing_else(book, authorisation):
    made = disclosure.disclose(authorisation, [SECOND, FIRST, ALONE], settings=book)
    assert [one.dong for one in made.places] == ["심곡동", "중동"]
    assert made.expires_at == SECOND.end_at + timedelta(days=14)
    for language in ("ko", "en"):
        page = disclosure.to_html(made, language)
        table = disclosure.to_csv(made, language)
        for text in (page, table):
            assert "심곡동" in text
            for never in ("P-TEST", "K-00", "ana", "상동", "BC-"):
                assert never not in text
    assert disclosure.load(authorisation, made.id, settings=book) == made


def test_times_are_widened_to_ten_minutes(book, authorisation):
    made = disclosure.disclose(authorisation, [SECOND], settings=book)
    (place,) = made.places
    assert place.start_at == NOW - timedelta(days=1) + 10 * MINUTE
    assert place.end_at == NOW - timedelta(days=1) + 20 * MINUTE


def test_neighbouring_stays_are_one(book, authorisation):
    near = replace(
        FIRST,
        start_at=FIRST.end_at + 30 * MINUTE,
        end_at=FIRST.end_at + 40 * MINUTE,
        contacts=frozenset({"K-009"}),
    )
    far = replace(
        near, start_at=near.end_at + 200 * MINUTE, end_at=near.end_at + 210 * MINUTE
    )
    made = disclosure.disclose(authorisation, [far, near, FIRST], settings=book)
    assert [(p.start_at, p.end_at) for p in made.places] == [
        (FIRST.end_at - 10 * MINUTE, near.end_at),
        (far.start_at, far.end_at),
    ]


def test_place_drops_out_once_all_its_contacts_are_reached(book, authorisation):
    def places():
        made = disclosure.disclose(authorisation, [FIRST, SECOND], settings=book)
        return [one.dong for one in made.places]

    def enter(contact, state):
        followups.enter(
            authorisation, contact, state, tracklets=(), met_at=[7], settings=book
        )

    accept(book, authorisation, 7)
    enter("K-001", "reached")
    assert places() == ["심곡동", "중동"]
    enter("K-002", "reached")
    assert places() == ["중동"]
    enter("K-002", "unreachable")
    assert places() == ["심곡동", "중동"]


def test_follow_up_holds_for_the_person_not_the_name(book, authorisation):
    accept(book, authorisation, 7)
    followups.enter(
        authorisation, "K-009", "reached", tracklets=[31], met_at=[7], settings=book
    )
    made = disclosure.disclose(
        authorisation, [SECOND], tracklets={"K-003": [30, 31]}, settings=book
    )
    assert made.places == ()
    made = disclosure.disclose(
        authorisation,
        [replace(SECOND, contacts=frozenset({"K-009"}))],
        tracklets={"K-009": [32]},
        settings=book,
    )
    assert len(made.places) == 1


def test_ended_list_refuses_to_be_shown(book, authorisation, later):
    made = disclosure.disclose(authorisation, [FIRST], settings=book)
    later(timedelta(days=12, hours=2))
    for show in (disclosure.to_csv, disclosure.to_html):
        with pytest.raises(DongseonError, match="take down every copy"):
            show(made)


@pytest.mark.parametrize(
    ("visits", "said"),
    [
        ([], "nothing to make public"),
        ([ALONE], "nothing to make public"),
        (
            [
                replace(
                    FIRST,
                    start_at=NOW - timedelta(days=20),
                    end_at=NOW - timedelta(days=19),
                )
            ],
            "more than 14 days ago",
        ),
    ],
)
def test_lists_that_may_not_be_made(book, authorisation, visits, said):
    with pytest.raises(DongseonError, match=said):
        disclosure.disclose(authorisation, visits, settings=book)


def test_markup_in_a_place_is_harmless_and_permission_is_needed(book, authorisation):
    made = disclosure.disclose(
        authorisation, [replace(FIRST, place="<script>x")], settings=book
    )
    page = disclosure.to_html(made)
    assert page.count("<script>") == 1  # its own
    assert "&lt;script&gt;x" in page
    with pytest.raises(NotAuthorisedError):
        disclosure.disclose(replace(authorisation, user="x"), [FIRST], settings=book)
    with pytest.raises(DongseonError, match="ko or en"):
        disclosure.to_csv(made, "fr")
    with pytest.raises(DongseonError, match="no list 99"):
        disclosure.load(authorisation, 99, settings=book)


@pytest.mark.browser
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_saved_page_closes_itself_at_its_end(tmp_path, language):
    """In Chromium: readable before, empty after, whatever copy was kept."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    now = datetime.now(UTC)
    place = disclosure.Place("</script>도서관", "원미구", "심곡동", now, now)
    made = disclosure.Disclosure(1, now, now + timedelta(days=1), (place,))
    path = tmp_path / "list.html"
    path.write_text(disclosure.to_html(made, language), encoding="utf-8")
    words = disclosure._WORDS[language]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.clock.install(time=now)
        page.goto(path.as_uri())
        shown = page.inner_text("body")
        assert "심곡동" in shown
        assert words["title"] in shown
        page.clock.set_system_time(now + timedelta(days=2))
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.inner_text("body") == words["ended"]
        page.reload()
        assert page.inner_text("body") == words["ended"]
        browser.close()
