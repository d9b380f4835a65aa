"""Results of traces: written whole, read under an authorisation only."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from pipeline.casebook import orders
from pipeline.casebook.authorisation import Authorisation, require
from pipeline.errors import DongseonError, NotAuthorisedError, StoreError
from pipeline.settings import Settings, get_settings
from pipeline.trace.tables import TABLES

_PSEUDONYM = re.compile(r"[\w][\w.-]{0,63}")
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
#: Tables that results of earlier versions lack.
_LATER = ("airspace", "anchor")
_TIMES = {
    "run": ("window_start", "window_end"),
    "sighting": ("start_at", "end_at"),
    "leg": ("start_at", "end_at"),
    "contact": ("first_at", "last_at"),
    "episode": ("start_at", "end_at"),
    "exposure": ("hour", "hour"),
    "airspace": ("start_at", "end_at"),
    "anchor": ("at", "at"),
}


def new_run() -> str:
    """Return a name for a run; later ones sort later, to the second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def write(
    authorisation: Authorisation,
    tables: Mapping[str, pa.Table],
    *,
    run: str | None = None,
    settings: Settings | None = None,
) -> Path:
    """Store one run's tables: after this returns they are there whole, or not.

    Parameters
    ----------
    tables : name -> table of `tables.TABLES`; all of them.
    run : name of the run; default: a new one.

    Returns
    -------
    Folder of the run.

    Raises
    ------
    NotAuthorisedError
        If the order is no longer in force.
    StoreError
        If a table is missing or has other columns.
    """
    settings = settings or get_settings()
    demand(authorisation, settings)
    missing = set(TABLES) - set(tables)
    if missing:
        raise StoreError(f"A run needs the table {sorted(missing)[0]}; it is missing.")
    home = _home(authorisation, settings)
    home.mkdir(parents=True, exist_ok=True)
    name = run or new_run()
    target, draft = home / f"run={name}", home / f".draft-{secrets.token_hex(8)}"
    written: list[int] = []
    draft.mkdir()
    try:
        with ExitStack() as files:
            for table, schema in TABLES.items():
                path = draft / f"{table}.parquet"
                file = files.enter_context(open(path, "xb"))
                _write_table(file, tables[table].cast(schema))
                written.append(file.fileno())
            # Once all are written: what is begun for one is done for the others.
            for number in written:
                os.fsync(number)
        _flush(draft)
        os.rename(draft, target)
        _flush(home)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def runs(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> list[str]:
    """Return the names of a case's runs, oldest first."""
    settings = settings or get_settings()
    demand(authorisation, settings)
    home = _home(authorisation, settings)
    if not home.is_dir():
        return []
    names = [
        path.name.removeprefix("run=")
        for path in home.glob("run=*")
        if _RUN.fullmatch(path.name.removeprefix("run="))
    ]
    return _by_age(names, home)


def read(
    authorisation: Authorisation,
    table: str,
    run: str | None = None,
    *,
    settings: Settings | None = None,
) -> pa.Table:
    """Read one table of a run, cut to the window and area of the authorisation.

    Each read, and each refusal, is recorded in the audit log.

    Parameters
    ----------
    table : a name of `tables.TABLES`.
    run : default: the newest.

    Returns
    -------
    Rows wholly inside the order's window and area. A run made under another order
    of the same case shows no more than this order allows: contacts, legs, cells and
    hours of which any part lies outside are left out.

    Raises
    ------
    NotAuthorisedError
        If the authorisation is not the casebook's, has expired or was revoked.
    DongseonError
        If the case has no run, or not this one.
    """
    settings = settings or get_settings()
    with orders.acting_under(authorisation, "result.read", settings) as (_, note):
        folder = _folder(authorisation, run, settings)
        found = _load(folder, table)
        note(
            "result.read",
            authorisation.case,
            authorisation.purpose,
            table=table,
            run=folder.name.removeprefix("run="),
        )
    made_under = _load(folder, "run")["order_id"].to_pylist()
    own = made_under == [authorisation.order_id]
    if table == "run":
        return found if own else _without_seed(found)
    return _covered(authorisation, table, found, folder, own)


def first_listed(
    authorisation: Authorisation, *, settings: Settings | None = None
) -> dict[int, datetime]:
    """Return tracklet of a contact -> when the first result that lists it was made.

    Names of contacts differ between the results of a case, tracklets do not.
    """
    settings = settings or get_settings()
    names = runs(authorisation, settings=settings)
    home = _home(authorisation, settings)
    with orders.acting_under(authorisation, "result.read", settings) as (_, note):
        note(
            "result.read",
            authorisation.case,
            authorisation.purpose,
            table="contact",
            runs=len(names),
        )
    found: dict[int, datetime] = {}
    for name in names:
        folder = home / f"run={name}"
        made = _load(folder, "run")["made_at"][0].as_py()
        for tracklets in _load(folder, "contact")["tracklet_ids"].to_pylist():
            for tracklet in tracklets:
                found.setdefault(tracklet, made)
    return found


def demand(authorisation: Authorisation, settings: Settings) -> Authorisation:
    """Return the authorisation if its order is in force at this moment."""
    require(authorisation)
    if not orders.still_valid(authorisation, settings):
        raise NotAuthorisedError(
            f"Order {authorisation.order_id} of case {authorisation.case} is no longer "
            "in force; request a new order.",
            code="order_over",
            order=authorisation.order_id,
            case=authorisation.case,
        )
    return authorisation


def _covered(
    authorisation: Authorisation,
    table: str,
    found: pa.Table,
    folder: Path,
    own: bool = False,
) -> pa.Table:
    """Rows the authorisation covers; `own`: the run was made under its order."""
    if own and table == "exposure":  # summed from covered rows only
        return found
    keep = _in_window(authorisation, table, found)
    area = authorisation.area
    if table in ("sighting", "episode", "airspace", "anchor"):
        keep &= shapely.intersects_xy(
            area, found["lon"].to_numpy(), found["lat"].to_numpy()
        )
    elif table == "leg":
        keep &= _ends_inside(authorisation, found, folder)
    elif table == "contact":
        keep &= _episodes_inside(authorisation, found, folder)
    elif table == "exposure":
        keep &= np.array(
            [_cell_inside(area, cell) for cell in found["cell"].to_pylist()], dtype=bool
        )
    rows = found.filter(pa.array(keep, pa.bool_()))
    return _naming_covered(authorisation, rows, folder) if table == "exposure" else rows


def _naming_covered(
    authorisation: Authorisation, rows: pa.Table, folder: Path
) -> pa.Table:
    """Cells that name no contact whom the order does not cover whole."""
    contacts = _covered(authorisation, "contact", _load(folder, "contact"), folder)
    known = set(contacts["contact"].to_pylist())
    named = [
        None if names is None else [one for one in names if one in known]
        for names in rows["who"].to_pylist()
    ]
    at = rows.schema.get_field_index("who")
    field = rows.schema.field(at)
    return rows.set_column(at, field, pa.array(named, field.type))


def _in_window(authorisation: Authorisation, table: str, found: pa.Table) -> np.ndarray:
    first, last = _TIMES[table]
    stamp = pa.timestamp("us", tz="UTC")
    opens = pa.scalar(authorisation.window_start.astimezone(UTC), stamp)
    closes = pa.scalar(authorisation.window_end.astimezone(UTC), stamp)
    ends = found[last]
    if table == "exposure":  # the whole hour must lie in the window
        ends = pc.add(ends, pa.scalar(3_600_000_000, pa.duration("us")))
    inside = pc.and_(pc.greater_equal(found[first], opens), pc.less_equal(ends, closes))
    return np.array(inside.to_numpy(zero_copy_only=False), dtype=bool)


def _ends_inside(
    authorisation: Authorisation, found: pa.Table, folder: Path
) -> np.ndarray:
    """Legs between two sightings that are both covered."""
    all_sightings = _load(folder, "sighting")
    covered = _covered(authorisation, "sighting", all_sightings, folder)
    known = covered["sighting"].to_numpy()
    return np.isin(found["from_sighting"].to_numpy(), known) & np.isin(
        found["to_sighting"].to_numpy(), known
    )


def _episodes_inside(
    authorisation: Authorisation, found: pa.Table, folder: Path
) -> np.ndarray:
    """Contacts all of whose episodes are covered."""
    episodes = _load(folder, "episode")
    covered = _covered(authorisation, "episode", episodes, folder)
    whole = episodes["contact"].to_pylist()
    inside = covered["contact"].to_pylist()
    return np.array(
        [
            whole.count(name) == inside.count(name)
            for name in found["contact"].to_pylist()
        ],
        dtype=bool,
    )


def _cell_inside(area: shapely.Geometry, cell: str) -> bool:
    import h3

    ring = [(x, y) for y, x in h3.cell_to_boundary(cell)]
    return bool(area.covers(shapely.Polygon(ring)))


def _without_seed(found: pa.Table) -> pa.Table:
    """A run's row without its seed: a tracklet's id tells its camera and time."""
    at = found.schema.get_field_index("seed")
    hidden = pa.array(["of another order"] * found.num_rows)
    return found.set_column(at, found.schema.field(at), hidden)


def _folder(authorisation: Authorisation, run: str | None, settings: Settings) -> Path:
    known = runs(authorisation, settings=settings)
    case = authorisation.case
    if not known:
        raise DongseonError(
            f"Case {case} has no trace yet; run `dongseon trace {case}` first.",
            code="no_trace",
            case=case,
        )
    name = run or known[-1]
    if name not in known:
        raise DongseonError(
            f"Case {case} has no run {name!r}; its newest is {known[-1]}.",
            code="no_run",
            case=case,
            run=name,
        )
    return _home(authorisation, settings) / f"run={name}"


def _load(folder: Path, table: str) -> pa.Table:
    if table not in TABLES:
        raise StoreError(f"{table!r} must be one of {', '.join(TABLES)}.")
    path = folder / f"{table}.parquet"
    if table in _LATER and not path.exists():
        return TABLES[table].empty_table()
    try:
        found = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"The result {path} cannot be read ({error}); trace the case again.",
            code="result_unreadable",
        ) from error
    schema = TABLES[table]
    columns = [  # an earlier version may not have had it
        found[field.name]
        if field.name in found.column_names
        else pa.nulls(found.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names)


def _by_age(names: list[str], home: Path) -> list[str]:
    """Sort runs by when they were made; of one second, the tables tell which."""
    second = {name: name[: len("20251103T140000Z")] for name in names}
    several = {one for one, number in Counter(second.values()).items() if number > 1}

    def age(name: str) -> tuple[str, datetime, str]:
        made = datetime.min.replace(tzinfo=UTC)
        if second[name] in several:
            with suppress(StoreError):  # reading it will say so
                found = _load(home / f"run={name}", "run")["made_at"].to_pylist()
                made = found[0] if found else made
        return second[name], made, name

    return sorted(names, key=age)


def _home(authorisation: Authorisation, settings: Settings) -> Path:
    if not _PSEUDONYM.fullmatch(authorisation.case):
        raise StoreError(
            f"The pseudonym {authorisation.case!r} cannot name a folder; use letters, "
            "digits, dots, dashes and underscores."
        )
    return settings.results_dir / f"case={authorisation.case}"


def _write_table(file: BinaryIO, table: pa.Table) -> None:
    pq.write_table(table, file, compression="zstd")
    file.flush()


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
