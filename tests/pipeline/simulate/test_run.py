"""A simulated city is a store like any other, with its truth beside it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.simulate import run, truth
from pipeline.store import ids, reader

#: Filled in by the act of publishing, not by the plan.
NOT_PLANNED = ("unit", "generation")


def stored(folder: Path, network: Path, table: str) -> pa.Table:
    settings = Settings(data_dir=folder, registry=network)  # type: ignore[call-arg]
    found = getattr(reader, table)(settings)
    keys = {"tracklets": ["tracklet_id"], "detections": ["tracklet_id", "second"]}
    found = found.sort_by([(k, "ascending") for k in keys.get(table, ["part_key"])])
    found = found.drop_columns([c for c in NOT_PLANNED if c in found.column_names])
    return found.unify_dictionaries().combine_chunks()


def plain(table: pa.Table) -> pa.Table:
    """The table without dictionaries, whose codes may be in any order."""
    columns = [
        c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c
        for c in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def test_every_tracklet_has_its_truth(city: Path, network_file: Path) -> None:
    seen = stored(city, network_file, "tracklets")
    path = truth.read(city, "path")
    kept = path.filter(pc.invert(path["missed"])).sort_by("tracklet_id")
    assert seen.num_rows > 500
    assert seen["tracklet_id"].to_pylist() == kept["tracklet_id"].to_pylist()
    for column in ("start_at", "end_at", "camera_no"):
        assert seen[column].to_pylist() == kept[column].to_pylist()
    assert path.filter(path["missed"]).num_rows > 0
    numbers = [ids.camera_no_of(i) for i in seen["tracklet_id"].to_pylist()]
    assert numbers == seen["camera_no"].to_pylist()


def test_detections_belong_to_tracklets(city: Path, network_file: Path) -> None:
    seen = stored(city, network_file, "tracklets")
    points = stored(city, network_file, "detections")
    owner, count = np.unique(points["tracklet_id"].to_numpy(), return_counts=True)
    assert (owner == seen["tracklet_id"].to_numpy()).all()
    assert (count == seen["detections"].to_numpy()).all()
    faces = pc.sum(seen["faces"]).as_py()
    assert points["mask_state"].length() - points["mask_state"].null_count <= faces
    share = 1 - seen["face_i8"].null_count / seen.num_rows
    assert 0.1 < share < 0.5


def test_marked_as_synthetic_and_every_recorded_camera_is_logged(
    city: Path, network_file: Path
) -> None:
    settings = Settings(data_dir=city, registry=network_file)  # type: ignore[call-arg]
    log = reader.footage(settings)
    assert pc.all(log["synthetic"]).as_py()
    assert 0.9 * 600 < log.num_rows <= 600  # 300 cameras, 2 hours, some outages
    assert pc.min(log["tracklets"]).as_py() == 0


@pytest.mark.parametrize("table", ["tracklets", "detections", "footage"])
def test_same_plan_same_city_for_any_threads(
    city: Path, network_file: Path, tmp_path: Path, table: str, monkeypatch
) -> None:
    monkeypatch.setattr(run, "BATCH_WAYS", 8_000)
    plan = run.make_plan(500, 2, 3, patients=60)
    run.simulate(tmp_path, plan, network_file, threads=1)
    one, two = (plain(stored(p, network_file, table)) for p in (city, tmp_path))
    assert one.equals(two)
    for name in ("residents", *truth.TABLES):
        assert plain(truth.read(city, name)).equals(plain(truth.read(tmp_path, name)))


def test_another_seed_is_another_city(network_file: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        run.simulate(tmp_path / str(seed), run.make_plan(80, 1, seed), network_file)
    one, two = (truth.read(tmp_path / str(s), "path") for s in (1, 2))
    assert not plain(one).equals(plain(two))


def test_stopped_run_keeps_finished_hours_and_goes_on(
    city: Path, network_file: Path, tmp_path: Path, monkeypatch
) -> None:
    plan = run.make_plan(500, 2, 3, patients=60)
    walk = run._City._walk

    def wait(self, ways, rows, hour_s, hour):
        if hour:  # it is under way when the run is stopped
            self.stopped.wait(60)
        return walk(self, ways, rows, hour_s, hour)

    def stop(text: str, done: float) -> None:
        if done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(run._City, "_walk", wait)
    with pytest.raises(KeyboardInterrupt):
        run.simulate(tmp_path, plan, network_file, threads=1, progress=stop)
    monkeypatch.undo()
    first = truth.read(tmp_path, "path").num_rows
    assert 0 < first < truth.read(city, "path").num_rows
    # An hour cut short after publishing is done again, and counts once.
    whole = run.simulate(tmp_path, plan, network_file)
    assert (whole.hours, whole.hours_found) == (1, 1)
    last = sorted((tmp_path / "truth" / "path").glob("*"))[-1]
    last.unlink()
    run.simulate(tmp_path, plan, network_file)
    for table in ("tracklets", "detections"):
        a, b = (plain(stored(p, network_file, table)) for p in (city, tmp_path))
        assert a.equals(b)


def test_a_process_that_is_ended_from_outside_is_told(
    network_file: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(run._City, "alone", lambda *_: os._exit(3))
    plan = run.make_plan(100, 2, 3, patients=5)
    with pytest.raises(StoreError, match="ended from outside"):
        run.simulate(tmp_path, plan, network_file, threads=2)
    assert not list((tmp_path / "truth").rglob("path/*"))


def test_nobody_is_in_two_places_or_faster_than_a_train(
    city: Path, network_file: Path
) -> None:
    from pipeline.cameras import registry

    xy = registry.load(network_file).metric
    path = truth.read(city, "path").sort_by(
        [("resident", "ascending"), ("start_at", "ascending")]
    )
    who = path["resident"].to_numpy()
    start = path["start_at"].to_numpy().astype("int64") / 1e6
    end = path["end_at"].to_numpy().astype("int64") / 1e6
    at = xy[path["camera_no"].to_numpy()]
    same = who[1:] == who[:-1]
    gap = (start[1:] - end[:-1])[same]
    assert gap.min() > -1  # tenths within one second
    metres = np.linalg.norm(at[1:] - at[:-1], axis=1)[same]
    # Cameras see up to 20 m around themselves.
    assert ((metres - 40) / np.maximum(gap, 1)).max() < 20


def test_another_plan_or_real_footage_is_refused(
    city: Path, network_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="another simulated city"):
        run.simulate(city, run.make_plan(501, 2, 3, patients=60), network_file)
    (tmp_path / "observations/footage/date=2025-11-03/hour=00").mkdir(parents=True)
    with pytest.raises(StoreError, match="not simulated"):
        run.simulate(tmp_path, run.make_plan(10, 1, 3), network_file)
    with pytest.raises(StoreError, match="no truth"):
        truth.read(tmp_path, "path")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"residents": 0}, "--residents"),
        ({"hours": 0}, "--hours"),
        ({"seed": -1}, "--seed"),
        ({"mask_share": 1.5}, "--mask-share"),
        ({"density": 0.0}, "--density"),
        ({"start": datetime(2025, 11, 3, 7)}, "time zone"),
        ({"start": datetime.fromisoformat("2025-11-03T07:30+09:00")}, "full hour"),
        ({"start": datetime.fromisoformat("2040-11-03T07:00+09:00")}, "2032"),
    ],
)
def test_bad_arguments_are_told(change: dict, text: str) -> None:
    arguments = {"residents": 10, "hours": 1, "seed": 1, **change}
    with pytest.raises(StoreError, match=text):
        run.make_plan(**arguments)


@pytest.mark.parametrize(("share", "state"), [(0.0, "none"), (1.0, "worn")])
def test_mask_share(
    share: float, state: str, network_file: Path, tmp_path: Path
) -> None:
    run.simulate(tmp_path, run.make_plan(200, 1, 4, mask_share=share), network_file)
    path = truth.read(tmp_path, "path")
    counts = {
        c["values"]: c["counts"]
        for c in path["mask_state"].cast(pa.string()).value_counts().to_pylist()
    }
    assert counts[state] / path.num_rows > 0.7
    assert (len(counts) > 1) == (share > 0)  # take-offs


def test_command_says_what_it_did(
    network_file: Path, tmp_path: Path, settings: Settings
) -> None:
    import typer
    from typer.testing import CliRunner

    from pipeline.commands import simulate

    app = typer.Typer()
    app.callback()(lambda: None)
    simulate.attach(app)
    arguments = ["simulate", "-n", "50", "--hours", "1", "--out", str(tmp_path / "c")]
    done = CliRunner().invoke(app, [*arguments, "--registry", str(network_file)])
    assert done.exit_code == 0, done.output
    assert "50 residents before 300 cameras, 1 h simulated" in done.output
    wrong = CliRunner().invoke(app, [*arguments, "--start", "yesterday"])
    assert isinstance(wrong.exception, StoreError)


def test_wrong_clocks_shift_what_is_stored_not_what_is_true(
    city: Path, network_file: Path, tmp_path: Path
) -> None:
    plan = run.make_plan(500, 1, 3, patients=60, clock_skew_s=60)
    run.simulate(tmp_path, plan, network_file)
    cameras = truth.read(tmp_path, "cameras")
    skew = dict(
        zip(
            cameras["camera_no"].to_pylist(),
            cameras["clock_skew_s"].to_pylist(),
            strict=True,
        )
    )
    assert 0.03 < np.mean([s != 0 for s in skew.values()]) < 0.2
    assert max(abs(s) for s in skew.values()) <= 60
    seen = stored(tmp_path, network_file, "tracklets")
    path = truth.read(tmp_path, "path")
    kept = path.filter(pc.invert(path["missed"])).sort_by("tracklet_id")
    assert seen["tracklet_id"].to_pylist() == kept["tracklet_id"].to_pylist()
    ahead = (
        seen["start_at"].to_numpy() - kept["start_at"].to_numpy()
    ) / np.timedelta64(1, "s")
    expected = [skew[n] for n in seen["camera_no"].to_pylist()]
    np.testing.assert_allclose(ahead, expected, atol=1e-3)
    assert np.count_nonzero(expected) > 10
    # Nobody moves otherwise because a clock is wrong.
    right = truth.read(city, "path")
    first = pc.less(right["start_at"], pc.max(path["end_at"]))
    assert pc.sum(first).as_py() >= path.num_rows
    assert truth.read(city, "cameras")["clock_skew_s"].unique().to_pylist() == [0]


def test_footage_stored_twice_has_its_truth(network_file: Path, tmp_path: Path) -> None:
    plan = run.make_plan(500, 1, 3, patients=60, duplicated=0.3)
    run.simulate(tmp_path, plan, network_file)
    copies = truth.read(tmp_path, "copies")
    path = truth.read(tmp_path, "path")
    seen = stored(tmp_path, network_file, "tracklets")
    assert 0.1 < copies.num_rows / seen.num_rows < 0.4
    known = set(path["tracklet_id"].drop_null().to_pylist())
    assert set(copies["copy_of"].to_pylist()) <= known
    assert not known & set(copies["tracklet_id"].to_pylist())
    assert len(known) + copies.num_rows == seen.num_rows
    rows = {row["tracklet_id"]: row for row in seen.to_pylist()}
    for copy in copies.to_pylist()[:50]:
        one, two = rows[copy["tracklet_id"]], rows[copy["copy_of"]]
        differ = {name for name in one if one[name] != two[name]}
        assert differ == {"tracklet_id", "part_key"}
    points = stored(tmp_path, network_file, "detections")
    assert points.num_rows == pc.sum(seen["detections"]).as_py()
    log = stored(tmp_path, network_file, "footage")
    twice = [n for n in log["footage_id"].to_pylist() if n.endswith("-copy")]
    assert 0.2 < len(twice) / (log.num_rows - len(twice)) < 0.4


def test_masks_come_off_within_a_pass(city: Path) -> None:
    path = truth.read(city, "path")
    one, two = (path[c].to_pylist() for c in ("mask_state", "mask_state_end"))
    changed = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
    assert any(b == "none" for _, b in changed)
    assert any(a == "none" for a, _ in changed)


def test_outages_leave_no_rows(city: Path, network_file: Path) -> None:
    cameras = truth.read(city, "cameras")
    seen = stored(city, network_file, "tracklets")
    hours = pc.floor_temporal(seen["start_at"], unit="hour").to_pylist()
    there = set(zip(seen["camera_no"].to_pylist(), hours, strict=True))
    out = {
        (row["camera_no"], hour) for row in cameras.to_pylist() for hour in row["down"]
    }
    assert out
    assert not out & there
    assert 0 < pc.mean(cameras["miss"]).as_py() < 0.2
