"""Public lists of places, within the bounds of the law.

Infectious Disease Control and Prevention Act, Art. 34-2, and the guideline on the
disclosure of movements.

A list names places, not persons: no name, sex, age, pseudonym or nationality, and
nothing more exact than the neighbourhood (dong). A place whose contacts have all
been reached is left out. The list ends fourteen days after the last contact.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select

from pipeline.casebook import cases, clock, followups, orders, tables
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.clock import utc
from pipeline.errors import DongseonError
from pipeline.settings import Settings

#: Korea Disease Control and Prevention Agency, guideline on disclosure of the
#: movement of confirmed patients: until 14 days after the last contact.
VALID = timedelta(days=14)
#: Times are widened to full steps, so that no single pass can be told apart.
STEP = timedelta(minutes=10)
#: Stays at the same place closer together than this are one entry.
GAP = timedelta(hours=1)

_WORDS = {
    "ko": {
        "title": "확진자 이동장소 공개",
        "place": "장소 유형",
        "gu": "구",
        "dong": "동",
        "start": "시작",
        "end": "종료",
        "until": "게시 종료",
        "note": "모든 접촉자가 확인된 장소는 공개하지 않습니다.",
        "none": "공개할 장소가 없습니다.",
        "ended": "게시 기간이 끝난 목록입니다. 모든 사본을 내려 주십시오.",
    },
    "en": {
        "title": "Places a confirmed patient visited",
        "place": "Kind of place",
        "gu": "District",
        "dong": "Neighbourhood",
        "start": "From",
        "end": "To",
        "until": "To be taken down",
        "note": "Places whose contacts have all been reached are not listed.",
        "none": "There is no place to be listed.",
        "ended": "This list has ended. Take down every copy.",
    },
}


@dataclass(frozen=True)
class Visit:
    """A stay or pass of the patient that two persons have confirmed."""

    place: str  #: kind of place, e.g. the registry's usage; no name, no address
    gu: str
    dong: str
    start_at: datetime  #: aware
    end_at: datetime  #: aware
    contacts: frozenset[str] = frozenset()  #: pseudonyms within the case


@dataclass(frozen=True)
class Place:
    """One line of a list."""

    place: str
    gu: str
    dong: str
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True)
class Disclosure:
    """A list made public; times are UTC."""

    id: int
    made_at: datetime
    expires_at: datetime
    places: tuple[Place, ...]


def disclose(
    authorisation: Authorisation,
    visits: Iterable[Visit],
    *,
    tracklets: Mapping[str, Iterable[int]] | None = None,
    settings: Settings,
) -> Disclosure:
    """Make the list of places of a case and keep it until it ends.

    Parameters
    ----------
    tracklets : contact -> its tracklets, by which its follow-up is found; without,
        by its name.

    Raises
    ------
    DongseonError
        If there is no confirmed visit with contacts, or its time is over.
    """
    given = sorted(visits, key=lambda visit: visit.start_at)
    with orders.acting_under(authorisation, "disclose", settings) as (connection, note):
        entered = followups.of_case(connection, authorisation.case)
        known = tracklets or {}
        reached = {
            contact
            for contact in set().union(*(visit.contacts for visit in given))
            if (one := followups.of(entered, contact, known.get(contact, ())))
            and one.state in followups.REACHED
        }
        meeting = [visit for visit in given if visit.contacts]
        if not meeting:
            raise DongseonError(
                f"Case {authorisation.case} has no confirmed visit with contacts; "
                "there is nothing to make public."
            )
        now = clock.now()
        expires = max(utc(visit.end_at, "A visit's end") for visit in meeting) + VALID
        if expires <= now:
            raise DongseonError(
                f"The last contact of case {authorisation.case} is more than "
                f"{VALID.days} days ago; its places may no longer be made public."
            )
        places = _merged(visit for visit in meeting if visit.contacts - reached)
        made = connection.execute(
            insert(tables.disclosures)
            .values(
                case_id=cases.case_id(connection, authorisation.case),
                made_by=authorisation.user,
                made_at=now,
                expires_at=expires,
                places=json.dumps([asdict(one) for one in places], default=str),
            )
            .returning(tables.disclosures.c.id)
        ).scalar_one()
        note(
            "disclose",
            authorisation.case,
            authorisation.purpose,
            disclosure=made,
            places=len(places),
            expires_at=expires,
        )
    return Disclosure(int(made), now, expires, places)


def load(
    authorisation: Authorisation, disclosure_id: int, *, settings: Settings
) -> Disclosure:
    """Return a list made earlier under the authorised case."""
    table = tables.disclosures
    with orders.acting_under(authorisation, "disclose", settings) as (connection, note):
        row = connection.execute(
            select(table).where(
                table.c.id == disclosure_id,
                table.c.case_id == cases.case_id(connection, authorisation.case),
            )
        ).first()
        if row is None:
            raise DongseonError(
                f"Case {authorisation.case} has no list {disclosure_id}."
            )
        note("disclose.read", authorisation.case, disclosure=disclosure_id)
    places = tuple(
        Place(
            **{
                **one,
                "start_at": datetime.fromisoformat(one["start_at"]),
                "end_at": datetime.fromisoformat(one["end_at"]),
            }
        )
        for one in json.loads(row.places)
    )
    return Disclosure(row.id, row.made_at, row.expires_at, places)


def to_csv(
    disclosure: Disclosure, language: str = "ko", zone: str = "Asia/Seoul"
) -> str:
    """Return the list as CSV; an ended one is refused."""
    words = _current(disclosure, language)
    target = io.StringIO()
    writer = csv.writer(target)
    names = ("place", "gu", "dong", "start", "end", "until")
    writer.writerow([words[name] for name in names])
    until = _shown(disclosure.expires_at, zone)
    for one in disclosure.places:
        times = (_shown(one.start_at, zone), _shown(one.end_at, zone))
        writer.writerow([one.place, one.gu, one.dong, *times, until])
    return target.getvalue()


def to_html(
    disclosure: Disclosure, language: str = "ko", zone: str = "Asia/Seoul"
) -> str:
    """Return the list as a page to be printed; an ended one is refused."""
    words = _current(disclosure, language)
    head = "".join(
        f"<th>{words[name]}</th>" for name in ("place", "gu", "dong", "start", "end")
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (
                one.place,
                one.gu,
                one.dong,
                _shown(one.start_at, zone),
                _shown(one.end_at, zone),
            )
        )
        + "</tr>"
        for one in disclosure.places
    )
    table = (
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else f"<p>{words['none']}</p>"
    )
    ends = int(disclosure.expires_at.timestamp() * 1000)
    # A copy that was saved or printed to be shown later closes itself at its end.
    closing = (
        f"<script>const end=()=>{{if(Date.now()>={ends})"
        f"document.body.textContent={json.dumps(words['ended'])}}};"
        "end();addEventListener('beforeprint',end);setInterval(end,60000)</script>"
    )
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f"<title>{words['title']}</title><style>"
        "body{font:16px/1.5 sans-serif;margin:2cm}table{border-collapse:collapse;"
        "width:100%}th,td{border:1px solid #999;padding:.4em;text-align:left}"
        f"</style><body><h1>{words['title']}</h1>{table}<p>{words['note']}</p>"
        f"<p><b>{words['until']}: {_shown(disclosure.expires_at, zone)}</b></p>"
        f"{closing}</body></html>"
    )


def _merged(visits: Iterable[Visit]) -> tuple[Place, ...]:
    open_: dict[tuple[str, str, str], Place] = {}
    done: list[Place] = []
    for visit in visits:
        key = (visit.place, visit.gu, visit.dong)
        start, end = _widened(visit)
        last = open_.get(key)
        if last is not None and start - last.end_at <= GAP:
            start, end = last.start_at, max(end, last.end_at)
        elif last is not None:
            done.append(last)
        open_[key] = Place(*key, start, end)
    return tuple(sorted([*done, *open_.values()], key=lambda one: one.start_at))


def _widened(visit: Visit) -> tuple[datetime, datetime]:
    start, end = utc(visit.start_at, "A visit's start"), utc(visit.end_at, "Its end")
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    return start - (start - epoch) % STEP, end + (epoch - end) % STEP


def _current(disclosure: Disclosure, language: str) -> dict[str, str]:
    if clock.now() >= disclosure.expires_at:
        raise DongseonError(
            f"List {disclosure.id} ended at {disclosure.expires_at:%Y-%m-%d %H:%M} UTC "
            "and may no longer be shown; take down every copy."
        )
    if language not in _WORDS:
        raise DongseonError(f"The language {language!r} must be ko or en.")
    return _WORDS[language]


def _shown(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
