from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cameras import national, registry
from pipeline.commands import cameras as verbs
from pipeline.errors import CameraError

HEADER = (
    "개방자치단체코드,관리번호,관리기관명,소재지도로명주소,소재지지번주소,설치목적구분,"
    "카메라대수,카메라화소수,촬영방면정보,보관일수,설치연월,관리기관전화번호,WGS84위도,"
    "WGS84경도,데이터기준일자,데이터갱신구분,데이터갱신시점,최종수정시점"
)


def _row(key: str, count: object = 1, lat: object = 37.4955, lon: object = 126.78):
    return (
        f'3860000,{key},부천시청,"경기도 부천시 부천로 1, 2층",심곡동 1,생활방범,'
        f"{count},200,북동,30,2019-05,032-000-0000,{lat},{lon},2025-01-01,I,,"
    )


def _table(path: Path, rows: list[str], encoding: str = "utf-8-sig") -> Path:
    path.write_bytes("\r\n".join([HEADER, *rows, ""]).encode(encoding))
    return path


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_encodings_give_the_same_cameras(tmp_path: Path, counts: list[int]) -> None:
    rows = [_row(f"K{i:03d}", count) for i, count in enumerate(counts)]
    made = []
    for encoding in ("cp949", "utf-8", "utf-8-sig"):
        out = tmp_path / f"{encoding}.geojson"
        out.unlink(missing_ok=True)
        done = national.import_table(
            _table(tmp_path / "table.csv", rows, encoding), out
        )
        assert done.cameras == sum(counts)
        made.append(registry.load(out).cameras)
    assert made[0] == made[1] == made[2]


def test_row_becomes_cameras(tmp_path: Path) -> None:
    out = tmp_path / "registry.geojson"
    table = _table(tmp_path / "t.csv", [_row("A"), _row("B", 2)], "cp949")
    assert national.import_table(table, out).encoding == "cp949"
    one, *two = registry.load(out).cameras
    assert [camera.id for camera in two] == ["B-1", "B-2"]
    assert (one.heading_deg, two[0].heading_deg) == (45.0, None)
    assert (one.resolution, one.retention_days) == ("1920x1080", 30)
    assert (one.installed, one.gu, one.synthetic) == ("2019-05", "원미구", False)
    assert one.name == "부천로 1, 2층"


def test_known_ids_keep_numbers_and_gone_ones_are_never_given_again(
    tmp_path: Path,
) -> None:
    out = tmp_path / "registry.geojson"
    rows = [_row(f"K{i}", lat=37.49 + i / 1000) for i in range(6)]
    national.import_table(_table(tmp_path / "t.csv", rows), out)
    before = {camera.id: camera.number for camera in registry.load(out)}
    old = out.read_bytes()
    fewer = [_row("NEW", lat=37.4899), *rows[3:]]
    done = national.import_table(_table(tmp_path / "t.csv", fewer), out)
    assert (done.kept_numbers, done.new, done.gone) == (3, 1, 3)
    assert done.backup is not None
    assert done.backup.read_bytes() == old
    after = {camera.id: camera.number for camera in registry.load(out)}
    assert after.pop("NEW") not in before.values()
    assert after == {key: before[key] for key in after}
    national.import_table(_table(tmp_path / "t.csv", rows), out)
    again = {camera.id: camera.number for camera in registry.load(out)}
    assert again == before


def test_every_bad_cell_is_told_by_its_line_and_nothing_changes(
    tmp_path: Path,
) -> None:
    out = tmp_path / "registry.geojson"
    good = [_row("A")]
    national.import_table(_table(tmp_path / "t.csv", good), out)
    before = out.read_bytes()
    bad = [
        _row("A"),
        _row("A"),
        _row("B", "three"),
        _row("C", lat=126.78, lon=37.4955),
        _row("D", lat="x"),
        _row("E", lat=35.1, lon=129.0),
    ]
    with pytest.raises(CameraError) as caught:
        national.import_table(_table(tmp_path / "t.csv", bad), out)
    text = str(caught.value)
    assert "5 fault(s) in 5 row(s)" in text
    for line, word in ((3, "duplicate of row 2"), (4, "three"), (5, "swapped")):
        assert any(
            part.split()[0] == str(line) and word in part
            for part in text.splitlines()[1:]
        ), text
    assert "must be a number of degrees" in text
    assert "outside" in text
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("*.bak"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "lacks the column"),
        (b"a,b\n1,2\n", "lacks the column"),
        (HEADER.encode(), "no rows"),
        (b"\xff\xfe\x00", "neither"),
    ],
)
def test_unfit_files_are_told(tmp_path: Path, content: bytes, words: str) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(content)
    with pytest.raises(CameraError, match=words):
        national.import_table(table, tmp_path / "out.geojson")
    assert not (tmp_path / "out.geojson").exists()


def test_verbs_work_on_the_given_file(tmp_path: Path) -> None:
    run = CliRunner()
    out = tmp_path / "registry.geojson"
    made = run.invoke(verbs.verbs, ["generate", "--count", "50", "--out", str(out)])
    assert "50 synthetic cameras, 12 bound" in made.output
    assert "50 cameras, no fault" in run.invoke(verbs.verbs, ["check", str(out)]).output
    near = run.invoke(verbs.verbs, ["nearest", "126.7829", "37.4850", "-n", "1"])
    assert "BC-00001" in near.output
    assert "vtest.avi" in run.invoke(verbs.verbs, ["show", "BC-00001"]).output
