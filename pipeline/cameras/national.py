"""Import the national standard table of CCTV (전국CCTV표준데이터, CSV)."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cameras import basemap, frame, registry, validate
from pipeline.cameras.registry import Camera, Registry
from pipeline.cameras.validate import Failure
from pipeline.errors import CameraError

SOURCE = "national-standard-table"
ENCODINGS = ("utf-8-sig", "cp949")
#: Columns without which a camera cannot be made; the others may be absent.
REQUIRED = ("관리번호", "설치목적구분", "카메라대수", "WGS84위도", "WGS84경도")
#: A row that claims more cameras than this is taken for a slip.
MAX_PER_ROW = 200
#: Compass words of 촬영방면정보; a number of degrees is read as it is.
_COMPASS = {
    "북동": 45.0, "동북": 45.0, "남동": 135.0, "동남": 135.0,
    "남서": 225.0, "서남": 225.0, "북서": 315.0, "서북": 315.0,
    "북": 0.0, "동": 90.0, "남": 180.0, "서": 270.0,
}  # fmt: skip
#: 카메라화소수, ten thousands of pixels -> resolution.
_RESOLUTIONS = (
    (30, "640x480"),
    (60, "960x540"),
    (120, "1280x720"),
    (230, "1920x1080"),
    (430, "2560x1440"),
    (900, "3840x2160"),
)


@dataclass(frozen=True)
class ImportSummary:
    """What an import did."""

    rows: int
    cameras: int
    kept_numbers: int
    new: int
    gone: int
    encoding: str
    backup: Path | None


def import_table(table: Path, out: Path) -> ImportSummary:
    """Replace the registry by the cameras of a national standard table.

    Cameras whose id was known keep their number, and what the table does not
    say: calibration, optics, bound clips. The old registry is kept beside the new
    one as `NAME.<UTC time>.bak`; the new one appears whole or not at all.

    Parameters
    ----------
    table : CSV in UTF-8 (with or without mark) or CP949.
    out : the registry file.

    Raises
    ------
    CameraError
        When the file cannot be read, lacks columns, or holds bad rows (all of them
        reported, by their line in the file).
    """
    rows, encoding = read_rows(table)
    cameras = _cameras(rows, str(table))
    previous = registry.load(out) if out.is_file() else Registry([])
    cameras = _numbered(cameras, previous)
    reserved = _reserved(previous, cameras)
    header = {
        "name": "camera_registry",
        "synthetic": False,
        "note": f"Made from the national standard table {table.name}.",
        "reserved_numbers": reserved,
    }
    backup = None
    if out.is_file():
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        backup = out.with_name(f"{out.name}.{stamp}.bak")
        shutil.copy2(out, backup)
    registry.save(cameras, out, header)
    kept = sum(camera.id in previous for camera in cameras)
    return ImportSummary(
        rows=len(rows),
        cameras=len(cameras),
        kept_numbers=kept,
        new=len(cameras) - kept,
        gone=len(previous) - kept,
        encoding=encoding,
        backup=backup,
    )


def read_rows(table: Path) -> tuple[list[dict[str, str]], str]:
    """Return the table's rows as dicts and the encoding found.

    Raises
    ------
    CameraError
        When the file is absent, empty, in another encoding or lacks columns.
    """
    try:
        content = table.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise CameraError(f"There is no table at {table}; give a CSV file.") from None
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise CameraError(
            f"{table} is neither UTF-8 nor CP949; save the table as CSV in one of them."
        )
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise CameraError(
            f"{table} lacks the column(s) {', '.join(missing)}; give the national "
            "standard table with its header row."
        )
    reader.fieldnames = names
    rows = []
    for row in reader:
        cells = {key: (row.get(key) or "").strip() for key in names}
        if any(cells.values()):
            rows.append({**cells, "": str(reader.line_num)})
    if not rows:
        raise CameraError(f"{table} has a header but no rows; nothing was changed.")
    return rows, encoding


def _cameras(rows: list[dict[str, str]], name: str) -> list[Camera]:
    """Make cameras of all rows, or raise one error with every bad cell."""
    outline = basemap.boundary()
    found: list[Failure] = []
    cameras: list[Camera] = []
    first: dict[str, str] = {}
    for row in rows:
        faults = list(_faults(row, outline))
        key = row["관리번호"]
        if key and key in first:
            faults.append(("관리번호", key, f"is a duplicate of row {first[key]}"))
        first.setdefault(key, row[""])
        found += [Failure(int(row[""]), *fault) for fault in faults]
        if not faults:
            cameras += _of_row(row)
    # 'A' with two cameras makes, which another row may also be called.
    owner: dict[str, str] = {}
    for camera in cameras:
        if camera.id in owner:
            reason = "is also made by another row that stands for several cameras"
            line = int(first.get(camera.id, "0"))
            found.append(Failure(line, "관리번호", camera.id, reason))
        owner[camera.id] = camera.id
    if found:
        raise CameraError(validate.report(found, name))
    lon, lat = ([getattr(c, axis) for c in cameras] for axis in ("lon", "lat"))
    homes = basemap.dong_of(lon, lat)
    return [
        replace(camera, gu=gu, dong=dong)
        for camera, (gu, dong) in zip(cameras, homes, strict=True)
    ]


def _faults(row: dict[str, str], outline: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (field, value, reason) of each bad cell of a row."""
    for name in ("관리번호", "설치목적구분"):
        if not row[name]:
            yield name, "", "is missing"
    count = _whole(row["카메라대수"])
    if count is None or not 1 <= count <= MAX_PER_ROW:
        reason = f"must be a whole number from 1 to {MAX_PER_ROW}"
        yield "카메라대수", row["카메라대수"], reason
    days = row.get("보관일수", "")
    if days and not 1 <= (_whole(days) or 0) <= 3650:
        yield "보관일수", days, "must be a whole number of days from 1 to 3650"
    month = row.get("설치연월", "")
    if month and _month(month) is None:
        yield "설치연월", month, "must look like 2021-04"
    place = {}
    for name in ("WGS84위도", "WGS84경도"):
        try:
            place[name] = float(row[name])
        except ValueError:
            yield name, row[name], "must be a number of degrees"
    if len(place) == 2:
        lon, lat = place["WGS84경도"], place["WGS84위도"]
        reason = validate.point_fault(lon, lat, outline) or ""
        if reason:
            yield "WGS84경도, WGS84위도", f"{lon:g}, {lat:g}", reason


def _of_row(row: dict[str, str]) -> list[Camera]:
    """Return the cameras of one good row; several have the ids ID-1, ID-2 ..."""
    count = int(row["카메라대수"])
    key = row["관리번호"]
    address = row.get("소재지도로명주소") or row.get("소재지지번주소") or key
    place = re.sub(r"^경기도\s+부천시\s*", "", address)
    heading = _heading(row.get("촬영방면정보", ""))
    cameras = []
    for i in range(1, count + 1):
        cameras.append(
            Camera(
                id=key if count == 1 else f"{key}-{i}",
                number=0,
                name=place if count == 1 else f"{place} {i}",
                lon=float(row["WGS84경도"]),
                lat=float(row["WGS84위도"]),
                usage=row["설치목적구분"],
                gu="",
                dong="",
                # One direction for several cameras says nothing about each.
                heading_deg=heading if count == 1 else None,
                resolution=_resolution(row.get("카메라화소수", "")),
                installed=_month(row.get("설치연월", "")),
                retention_days=_whole(row.get("보관일수", "")),
                source=SOURCE,
            )
        )
    return cameras


def _numbered(cameras: list[Camera], previous: Registry) -> list[Camera]:
    """Give numbers; known ids keep theirs and their optics where none is said."""
    known = {camera.id: camera.number for camera in previous}
    known |= previous.header.get("reserved_numbers", {})
    lon = np.array([camera.lon for camera in cameras])
    lat = np.array([camera.lat for camera in cameras])
    try:
        numbers = frame.assign_numbers([c.id for c in cameras], lon, lat, known)
    except ValueError as error:
        raise CameraError(f"The cameras cannot be numbered: {error}.") from None
    made = []
    for camera, number in zip(cameras, numbers, strict=True):
        camera = replace(camera, number=number)
        if camera.id in previous:
            old = previous.get(camera.id)
            camera = replace(camera, **_kept(camera, old))
        made.append(camera)
    return made


def _kept(camera: Camera, old: Camera) -> dict[str, Any]:
    """Return what of a known camera outlives the import."""
    names = ["height_m", "tilt_deg", "fov_deg", "clips", "indoors", "area"]
    kept: dict[str, Any] = {name: getattr(old, name) for name in names}
    if old.status == "outage":
        kept["status"] = "outage"
    if camera.heading_deg is None:
        kept["heading_deg"] = old.heading_deg
    if (camera.lon, camera.lat) == (old.lon, old.lat):
        kept["calibration"] = old.calibration  # one of another place is void
    return kept


def _reserved(previous: Registry, cameras: list[Camera]) -> dict[str, int]:
    """Return numbers of cameras that are gone, never to be given again."""
    gone = {camera.id: camera.number for camera in previous}
    gone = {**previous.header.get("reserved_numbers", {}), **gone}
    for camera in cameras:
        gone.pop(camera.id, None)
    return gone


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,6}", text) else None


def _month(text: str) -> str | None:
    match = re.match(r"((?:19|20)\d\d)[-./]?(0[1-9]|1[0-2])(?!\d)", text)
    return f"{match[1]}-{match[2]}" if match else None


def _heading(text: str) -> float | None:
    """Return degrees of a direction, None where it names several or none."""
    degrees = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*(?:도|°)?", text)
    if degrees and float(degrees[1]) < 360:
        return float(degrees[1])
    word = re.sub(r"(쪽|향|방향|방면|측)+$", "", text.replace(" ", ""))
    return _COMPASS.get(word)


def _resolution(text: str) -> str | None:
    """Return the usual resolution of a number of ten thousands of pixels."""
    number = re.match(r"\d+", text)
    if not number or not 1 <= int(number[0]) <= 2000:
        return None
    pixels = int(number[0])
    return min(_RESOLUTIONS, key=lambda pair: abs(pair[0] - pixels))[1]
