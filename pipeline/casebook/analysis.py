"""Analysts' questions: role asked, every query recorded, persons under codes.

Besides the observation views an analyst reads three tables on the results of cases
whose order is in force. They are made so that nobody can be followed through them
from one case to another:

- a case and its contacts have codes, keyed with the casebook's key and the number
  of the case: the same person has another code in every case, and all codes change
  with the key;
- rows on persons have no place, no moment, no camera and no tracklet; their minutes,
  metres and doses are rounded;
- rows on places have no person, are of one size of cell only, and are left out where
  fewer than `SMALLEST_CELL` contacts were;
- only the newest result of each case counts, so that two cannot be subtracted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select

from pipeline.casebook import audit, clock, crypto, database, roles, tables
from pipeline.errors import DongseonError, StoreError
from pipeline.settings import Settings
from pipeline.store import query

#: Cells with fewer contacts are left out (the same limit as for the briefing).
SMALLEST_CELL = 5
#: Minutes of a contact are given in steps of so many.
MINUTES = 5
#: Characters of a query that the log keeps; longer ones by digest as well.
_LOGGED = 4000

VIEWS: dict[str, pa.Schema] = {
    "case_summary": pa.schema(
        [
            ("case_code", pa.string()),
            ("sightings", pa.int64()),
            ("legs_seen", pa.int64()),
            ("legs_inferred", pa.int64()),
            ("path_metres", pa.int64()),  # rounded to 100 m
            ("contacts", pa.int64()),
            ("close_contacts", pa.int64()),
        ]
    ),
    "case_contacts": pa.schema(
        [
            ("case_code", pa.string()),
            ("contact_code", pa.string()),
            ("class", pa.string()),
            ("minutes", pa.int64()),  # of the worst 24 hours, rounded up to 5
            ("under_1_m", pa.bool_()),
            ("patient_mask", pa.string()),
            ("contact_mask", pa.string()),
            ("dose_median", pa.float64()),  # rounded to 0.1
        ]
    ),
    "case_exposure": pa.schema(
        [
            ("case_code", pa.string()),
            ("cell", pa.string()),  # H3
            ("hour", pa.timestamp("us", tz="UTC")),
            ("contacts", pa.int64()),  # SMALLEST_CELL or more
            ("person_minutes", pa.int64()),
        ]
    ),
}


#: What the tables are, and what their columns mean.
ABOUT = {
    "case_summary": "One row per case whose order is in force: what its newest trace "
    "found, in figures.",
    "case_contacts": "One row per contact of a case; no place, no moment.",
    "case_exposure": "Contacts by cell and hour; cells with fewer than "
    f"{SMALLEST_CELL} are left out.",
}
MEANINGS = {
    "case_code": "Code of the case; differs from installation to installation and "
    "changes with the key.",
    "sightings": "Sightings on the path.",
    "legs_seen": "Legs of the path before a camera.",
    "legs_inferred": "Legs of the path between cameras.",
    "path_metres": "Length of the path, rounded to 100 m.",
    "contacts": "Contacts; in case_exposure, of that cell and hour.",
    "close_contacts": "Of them close by the guideline.",
    "contact_code": "Code of the contact within the case.",
    "class": "Guideline class: close or casual.",
    "minutes": "Minutes within the distance in the worst 24 hours, seen and inferred, "
    "rounded up to 5.",
    "under_1_m": "Whether the least distance was under a metre.",
    "patient_mask": "Mask of the patient: worn, incorrect, none, unknown or mixed.",
    "contact_mask": "Mask of the contact.",
    "dose_median": "Relative dose index, rounded to 0.1; no probability of infection.",
    "cell": "H3 cell.",
    "hour": "Hour, UTC.",
    "person_minutes": "Minutes of others within the distance, summed.",
}


@dataclass(frozen=True)
class Run:
    """The newest result of a case under an order in force."""

    case_id: int
    folder: Path
    window: tuple[datetime, datetime]
    area: BaseGeometry

    def cells(self) -> list[dict[str, Any]]:
        """Return exposure by cell and hour within window and area, of one size.

        One size only: from a cell and its parts a small remainder could be told.
        """
        found = self.rows("exposure")
        size = min((row["resolution"] for row in found), default=0)
        hour = timedelta(hours=1)
        return [
            row
            for row in found
            if row["resolution"] == size
            and self.window[0] < row["hour"] + hour
            and row["hour"] <= self.window[1]
            and self.area.intersects(_outline(row["cell"]))
        ]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of one of its tables."""
        path = self.folder / f"{table}.parquet"
        try:
            return list(pq.read_table(path, partitioning=None).to_pylist())
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(
                f"A result cannot be read ({type(error).__name__}); have its case "
                "traced again.",
                code="result_unreadable",
            ) from error


def ask(
    settings: Settings,
    user: str,
    sql: str,
    *,
    purpose: str,
    limit: int = 1000,
    seconds: float = 60.0,
) -> query.Answer:
    """Answer one SELECT of an analyst; it is recorded before it is answered.

    Parameters
    ----------
    purpose : why; recorded with the query.
    limit, seconds : rows and time at most.

    Raises
    ------
    NotAuthorisedError
        If the user's role may not.
    StoreError
        If the query is refused (recorded too), fails or takes too long.
    """
    if not purpose.strip():
        raise DongseonError(
            "Say for what purpose you ask; it is recorded.", code="purpose_needed"
        )
    with roles.acting_as(settings, user, "sql", "views", purpose) as (_, note):
        note("sql", "views", purpose, **_logged(sql), limit=limit)
    try:
        tables_ = views(settings, mentioned_in=sql)
        return query.run(settings, sql, limit=limit, seconds=seconds, extra=tables_)
    except query.RefusedQueryError as error:
        detail = {"action": "sql", "because": str(error), **_logged(sql)}
        audit.record(settings, user, "refused", "views", purpose, detail)
        raise


def views(
    settings: Settings, *, mentioned_in: str | None = None
) -> dict[str, pa.Table]:
    """Return the tables on cases whose order is in force, under codes.

    Parameters
    ----------
    mentioned_in : a query; if it names none of them, they are left empty and no
        result is read.
    """
    rows: dict[str, list[dict]] = {name: [] for name in VIEWS}
    wanted = mentioned_in is None or any(n in mentioned_in.lower() for n in VIEWS)
    for run in runs_in_force(settings) if wanted else ():
        code = _code(settings, run.case_id, "S")
        contacts = [row for row in run.rows("contact") if _during(run, row)]
        rows["case_summary"].append(_summary(run, code, contacts))
        rows["case_contacts"] += [
            _contact(settings, run, code, row) for row in contacts
        ]
        rows["case_exposure"] += _cells(run, code)
    return {
        name: pa.Table.from_pylist(
            sorted(rows[name], key=lambda row: [str(value) for value in row.values()]),
            schema=schema,
        )
        for name, schema in VIEWS.items()
    }


def runs_in_force(settings: Settings) -> Iterator[Run]:
    """Yield the newest result of each case whose order is in force."""
    cases, orders = tables.cases, tables.orders
    with database.reading(settings) as connection:
        found = connection.execute(
            select(orders, cases.c.pseudonym)
            .join(cases, cases.c.id == orders.c.case_id)
            .where(
                cases.c.status == "open",
                orders.c.state == "approved",
                orders.c.expires_at > clock.now(),
            )
        ).all()
    in_force: dict[str, dict[int, Any]] = {}
    for row in found:
        in_force.setdefault(row.pseudonym, {})[row.id] = row
    for case, known in in_force.items():
        home = settings.results_dir / f"case={case}"
        for folder in sorted(home.glob("run=*"), reverse=True):
            try:
                made = pq.read_table(folder / "run.parquet", partitioning=None)
            except (OSError, pa.ArrowInvalid):
                continue
            order = known.get(made["order_id"][0].as_py()) if made.num_rows else None
            if order is not None:
                window = (order.window_start, order.window_end)
                area = shapely.from_wkt(order.area)
                yield Run(order.case_id, folder, window, area)
                break


def _during(
    run: Run, row: dict, first: str = "first_at", last: str = "last_at"
) -> bool:
    return bool(run.window[0] <= row[first] and row[last] <= run.window[1])


def _summary(run: Run, code: str, contacts: list[dict]) -> dict:
    sightings, legs = (
        [row for row in run.rows(table) if _during(run, row, "start_at", "end_at")]
        for table in ("sighting", "leg")
    )
    metres = sum(leg["metres"] or 0.0 for leg in legs)
    return {
        "case_code": code,
        "sightings": sum(bool(row["on_path"]) for row in sightings),
        "legs_seen": sum(leg["kind"] == "seen" for leg in legs),
        "legs_inferred": sum(leg["kind"] == "inferred" for leg in legs),
        "path_metres": round(metres / 100) * 100,
        "contacts": len(contacts),
        "close_contacts": sum(row["class"] == "close" for row in contacts),
    }


def _contact(settings: Settings, run: Run, code: str, row: dict) -> dict:
    minutes = (row.get("seconds_24h") or row["seconds"] or 0.0) / 60
    dose = row["dose_median"]
    return {
        "case_code": code,
        "contact_code": _code(settings, run.case_id, "C", row["contact"]),
        "class": row["class"],
        "minutes": math.ceil(minutes / MINUTES) * MINUTES,
        "under_1_m": row["least_metres"] is not None and row["least_metres"] < 1,
        "patient_mask": row["patient_mask"],
        "contact_mask": row["contact_mask"],
        "dose_median": None if dose is None else round(dose, 1),
    }


def _cells(run: Run, code: str) -> list[dict]:
    return [
        {
            "case_code": code,
            "cell": row["cell"],
            "hour": row["hour"],
            "contacts": row["contacts"],
            "person_minutes": round(row["person_seconds"] / 60),
        }
        for row in run.cells()
        if row["contacts"] >= SMALLEST_CELL
    ]


def _outline(cell: str) -> BaseGeometry:
    import h3

    return shapely.Polygon([(lon, lat) for lat, lon in h3.cell_to_boundary(cell)])


def _code(settings: Settings, case_id: int, kind: str, name: str = "") -> str:
    """Return a code: of this case only (its number is never used twice)."""
    content = f"analyst\0{case_id}\0{kind}\0{name}".encode()
    digest = hmac.new(crypto.keys(settings)[0], content, hashlib.sha256).digest()
    return f"{kind}-{base64.b32encode(digest[:5]).decode()}"


def _logged(sql: str) -> dict[str, str]:
    text = sql[:_LOGGED]
    if len(sql) <= _LOGGED:
        return {"query": text}
    return {"query": text, "query_sha256": hashlib.sha256(sql.encode()).hexdigest()}


def columns(name: str) -> list[tuple[str, str, str]]:
    """Return (column, type, meaning) of one of `VIEWS`."""
    return [(one.name, str(one.type), MEANINGS[one.name]) for one in VIEWS[name]]


def history(settings: Settings, user: str, last: int = 20) -> list[dict[str, Any]]:
    """Return one's own newest queries: when, query, purpose."""
    with roles.acting_as(settings, user, "sql", "log"):
        pass
    table = tables.audit
    query = (
        select(table.c.at, table.c.detail, table.c.purpose)
        .where(table.c.act == "sql", table.c.actor == user)
        .order_by(table.c.seq.desc())
        .limit(last)
    )
    with database.reading(settings) as connection:
        return [
            {
                "at": datetime.fromisoformat(row.at),
                "query": json.loads(row.detail).get("query", ""),
                "purpose": row.purpose,
            }
            for row in connection.execute(query)
        ]
