"""Contacts of a result as files: tables, map points, line lists of other systems.

A file names contacts by pseudonym only and each one written is recorded. Whoever
imports it into Go.Data or SORMAS fills in the persons there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.casebook import orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings
from pipeline.trace import followup, results

#: Fields of the import of contacts into Go.Data (WHO), by the names of its data
#: model, so that its mapping finds them; the first five with a value are required.
GODATA = (
    "firstName",
    "dateOfReporting",
    "relationship.persons[].id",
    "relationship.contactDate",
    "relationship.certaintyLevelId",
    "visualId",
    "dateOfLastContact",
    "riskLevel",
    "riskReason",
    "relationship.comment",
)
_GODATA_LEVEL = "LNG_REFERENCE_DATA_CATEGORY_{}_LEVEL_{}"
#: Columns of the import of contacts into SORMAS (contact list; dates DD.MM.YYYY).
SORMAS = (
    "caseIdExternalSystem",
    "disease",
    "reportDateTime",
    "firstContactDate",
    "lastContactDate",
    "contactProximity",
    "contactClassification",
    "contactStatus",
    "followUpStatus",
    "description",
    "externalID",
    "person.firstName",
    "person.lastName",
    "person.sex",
)
_SORMAS_FOLLOWUP = {"unreachable": "LOST", "closed": "COMPLETED"}
_CONTACTS = (
    "contact",
    "class",
    "followup",
    "may_be_notified",
    "listed_at",
    "reached_at",
    "minutes_24h",
    "minutes",
    "episodes",
    "least_metres",
    "patient_mask",
    "contact_mask",
    "dose_low",
    "dose_median",
    "dose_high",
    "first_at",
    "last_at",
    "cameras",
    "reason",
)


@dataclass(frozen=True)
class Export:
    """A file to be handed over."""

    name: str
    content: bytes
    media_type: str
    rows: int


@dataclass(frozen=True)
class _Material:
    case: str
    contacts: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    standings: dict[str, followup.Standing]
    zone: ZoneInfo

    def local(self, moment: datetime | None) -> str:
        """Return ISO 8601 with the zone's offset, whole seconds."""
        if moment is None:
            return ""
        return moment.astimezone(self.zone).isoformat(timespec="seconds")

    def day(self, moment: datetime, form: str = "%Y-%m-%d") -> str:
        return f"{moment.astimezone(self.zone):{form}}"


def make(
    authorisation: Authorisation,
    form: str,
    run: str | None = None,
    *,
    disease: str = "CORONAVIRUS",
    settings: Settings | None = None,
) -> Export:
    """Make a file of the contacts of a stored result, and record it.

    Parameters
    ----------
    form : csv (one row a contact), geojson (one point an episode, WGS84), godata
        or sormas (CSV for the import of contacts there).
    run : default: the newest.
    disease : as SORMAS names it.

    Raises
    ------
    NotAuthorisedError
        If the role may not export.
    DongseonError
        If there is no such form.
    """
    settings = settings or get_settings()
    if form not in _FORMS:
        raise DongseonError(f"The form {form!r} must be one of {', '.join(_FORMS)}.")
    with orders.acting_under(authorisation, "export", settings):
        pass  # the role first: nothing is read for somebody who may not export
    material = _Material(
        case=authorisation.case,
        contacts=results.read(
            authorisation, "contact", run, settings=settings
        ).to_pylist(),
        episodes=results.read(
            authorisation, "episode", run, settings=settings
        ).to_pylist(),
        standings=followup.standings(authorisation, run, settings=settings),
        zone=ZoneInfo(settings.time_zone),
    )
    write = _FORMS[form][0]
    text = write(material) if form != "sormas" else _sormas(material, disease)
    # Spreadsheets take UTF-8 for another encoding unless it begins with its mark.
    content = text.encode("utf-8-sig" if form == "csv" else "utf-8")
    with orders.acting_under(authorisation, "export", settings) as (_, note):
        note(
            "export",
            authorisation.case,
            authorisation.purpose,
            form=form,
            contacts=len(material.contacts),
            sha256=hashlib.sha256(content).hexdigest(),
        )
    name = file_name(authorisation, form)
    return Export(name, content, media_type(form), len(material.contacts))


def file_name(authorisation: Authorisation, form: str) -> str:
    """Return the name of a file."""
    return f"{authorisation.case}-contacts-{form}.{_FORMS[form][1]}"


def media_type(form: str) -> str:
    """Return the type of a file."""
    return _FORMS[form][2]


def _csv(material: _Material) -> str:
    cameras: dict[str, list[str]] = {}
    for row in material.episodes:
        seen = cameras.setdefault(row["contact"], [])
        if row["camera_id"] not in seen:
            seen.append(row["camera_id"])
    rows = []
    for row in material.contacts:
        standing = material.standings[row["contact"]]
        rows.append(
            {
                **row,
                "followup": standing.state,
                "may_be_notified": "yes" if standing.notifiable else "no",
                "listed_at": material.local(standing.listed_at),
                "reached_at": material.local(standing.reached_at),
                "minutes_24h": f"{_day_seconds(row) / 60:.2f}",
                "minutes": f"{row['seconds'] / 60:.2f}",
                "first_at": material.local(row["first_at"]),
                "last_at": material.local(row["last_at"]),
                "least_metres": f"{row['least_metres']:.2f}",
                "cameras": " ".join(cameras.get(row["contact"], ())),
            }
        )
    return _table(_CONTACTS, rows)


def _geojson(material: _Material) -> str:
    kind = {row["contact"]: row["class"] for row in material.contacts}
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Point",
                "coordinates": [round(row["lon"], 7), round(row["lat"], 7)],
            },
            "properties": {
                "contact": row["contact"],
                "class": kind[row["contact"]],
                "camera": row["camera_id"],
                "start_at": material.local(row["start_at"]),
                "end_at": material.local(row["end_at"]),
                "seconds": row["seconds"],
                "least_metres": round(row["least_metres"], 2),
                "patient_mask": row["patient_mask"],
                "contact_mask": row["contact_mask"],
            },
        }
        for row in material.episodes
        if row["contact"] in kind and row["lon"] is not None
    ]
    document = {"type": "FeatureCollection", "features": features}
    return json.dumps(document, ensure_ascii=False, indent=1)


def _godata(material: _Material) -> str:
    rows = []
    for row in material.contacts:
        standing = material.standings[row["contact"]]
        close = row["class"] == "close"
        confirmed = standing.notifiable
        rows.append(
            {
                "firstName": row["contact"],
                "dateOfReporting": material.day(standing.listed_at),
                "relationship.persons[].id": material.case,
                "relationship.contactDate": material.day(row["last_at"]),
                "relationship.certaintyLevelId": _GODATA_LEVEL.format(
                    "CERTAINTY", "3_HIGH" if confirmed else "1_LOW"
                ),
                "visualId": f"{material.case}-{row['contact']}",
                "dateOfLastContact": material.day(row["last_at"]),
                "riskLevel": _GODATA_LEVEL.format(
                    "RISK", "3_HIGH" if close else "1_LOW"
                ),
                "riskReason": row["reason"],
                "relationship.comment": _remark(row),
            }
        )
    return _table(GODATA, rows)


def _sormas(material: _Material, disease: str = "CORONAVIRUS") -> str:
    form = "%d.%m.%Y"
    rows = []
    for row in material.contacts:
        standing = material.standings[row["contact"]]
        rows.append(
            {
                "caseIdExternalSystem": material.case,
                "disease": disease,
                "reportDateTime": material.day(standing.listed_at, form),
                "firstContactDate": material.day(row["first_at"], form),
                "lastContactDate": material.day(row["last_at"], form),
                "contactProximity": (
                    "CLOSE_CONTACT" if row["class"] == "close" else "SAME_ROOM"
                ),
                "contactClassification": (
                    "CONFIRMED" if standing.notifiable else "UNCONFIRMED"
                ),
                "contactStatus": "ACTIVE",
                "followUpStatus": _SORMAS_FOLLOWUP.get(standing.state, "FOLLOW_UP"),
                "description": _remark(row),
                "externalID": f"{material.case}-{row['contact']}",
                "person.firstName": "Contact",
                "person.lastName": row["contact"],
                "person.sex": "UNKNOWN",
            }
        )
    return _table(SORMAS, rows)


def _day_seconds(row: dict[str, Any]) -> float:
    """Seconds near in the worst 24 hours; results of old have no such column."""
    return float(row["seconds"] if row["seconds_24h"] is None else row["seconds_24h"])


def _remark(row: dict[str, Any]) -> str:
    return (
        f"{row['reason']}; {_day_seconds(row) / 60:.1f} min in the worst 24 hours; "
        f"masks: patient {row['patient_mask']}, contact {row['contact_mask']}"
    )


def _table(names: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(
        target, names, extrasaction="ignore", lineterminator="\r\n", restval=""
    )
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


_FORMS: dict[str, tuple[Callable[[_Material], str], str, str]] = {
    "csv": (_csv, "csv", "text/csv"),
    "geojson": (_geojson, "geojson", "application/geo+json"),
    "godata": (_godata, "csv", "text/csv"),
    "sormas": (_sormas, "csv", "text/csv"),
}
FORMS = tuple(_FORMS)
