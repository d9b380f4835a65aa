"""The watch: folders that fill, restarts, faults, fair shares, figures."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cameras import registry as registries
from pipeline.errors import CameraError, DongseonError, FootageError
from pipeline.fleet import metrics, schedule, sources, state, watch
from pipeline.fleet.sources import Source
from pipeline.settings import Settings
from pipeline.store import layout, reader, repair
from tests.pipeline.fleet import light_work

BEGIN = layout.hour_of(datetime.now(UTC)) - timedelta(hours=30)


def clip(folder: Path, camera: int, minute: int = 0, text: str = "x") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    start = BEGIN + timedelta(minutes=minute)
    path = folder / f"BC-{camera:05d}_{start:%Y%m%dT%H%M%S}Z.mp4"
    path.write_text(text)
    return path


def watching(settings: Settings, folder: Path, **options: object) -> watch.Watch:
    source = Source(None, folder, settle_s=0.05)
    return watch.Watch(
        settings,
        options.pop("sources", [source]),  # type: ignore[arg-type]
        work=light_work.store,
        scan_s=0.05,
        **options,  # type: ignore[arg-type]
    )


def names(settings: Settings) -> Counter:
    return Counter(reader.footage(settings)["footage_id"].to_pylist())


def states(settings: Settings) -> dict[str, str]:
    known = state.State(settings)
    try:
        return {c.path.name: c.state for c in known.clips()}
    finally:
        known.close()


def test_a_folder_is_analysed_once_and_again_only_what_is_new(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    first = clip(folder, 1)
    bad = clip(folder, 2, text="refuse")
    (folder / "notes.txt").write_text("no footage")
    (folder / "unnamed.mp4").write_text("of which camera?")
    told: list[str] = []
    work = watching(settings, folder, say=lambda event, **_f: told.append(event))
    work.run(once=True)
    assert names(settings) == {first.name: 2}
    assert states(settings) == {first.name: "done", bad.name: "refused"}
    assert told.count("clip done") == 1
    assert told.count("clip refused") == 2
    second = clip(folder, 1, minute=5)
    bad.write_text("mended now")
    told.clear()
    watching(settings, folder, say=lambda event, **_f: told.append(event)).run(
        once=True
    )
    assert names(settings) == {first.name: 2, second.name: 2, bad.name: 2}
    assert told.count("clip done") == 2


def test_a_growing_clip_waits_until_it_is_whole(
    settings: Settings, tmp_path: Path
) -> None:
    path = clip(tmp_path, 1, text="refuse")  # half a clip is no video
    source = Source("BC-00001", tmp_path, settle_s=0.6)
    work = watching(settings, tmp_path, sources=[source])
    thread = threading.Thread(target=work.run, kwargs={"once": True})
    thread.start()
    for _ in range(5):
        time.sleep(0.2)
        with path.open("a") as file:
            file.write("more")
    path.write_text("whole")
    thread.join(30)
    assert states(settings) == {path.name: "done"}


def test_stopped_in_the_middle_it_goes_on_there(
    settings: Settings, tmp_path: Path
) -> None:
    paths = [clip(tmp_path / "c", n, text="slow") for n in (1, 2)]
    work = watching(settings, tmp_path / "c")
    thread = threading.Thread(target=work.run)
    thread.start()
    limit = time.monotonic() + 30
    while not names(settings) and time.monotonic() < limit:
        time.sleep(0.05)
    work.end()
    thread.join(30)
    assert not thread.is_alive()
    stored = names(settings)
    assert 1 <= stored.total() < 4
    assert "running" not in states(settings).values()
    watching(settings, tmp_path / "c").run(once=True)
    assert names(settings) == {p.name: 2 for p in paths}


def test_a_worker_that_crashes_or_hangs_takes_nothing_along(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAUSES_S", (0.0, 0.0))
    crash = clip(tmp_path, 1, text="crash")
    hang = clip(tmp_path, 2, text="hang")
    good = clip(tmp_path, 3)
    watching(settings, tmp_path, hang_s=4.0).run(once=True)
    assert states(settings) == {
        crash.name: "refused",
        hang.name: "refused",
        good.name: "done",
    }
    figures = {c.camera: c for c in state.cameras(settings)}
    assert figures["BC-00001"].faults == watch.TRIES
    assert "ended with -9" in figures["BC-00001"].fault
    assert "no sign of life" in figures["BC-00002"].fault
    assert figures["BC-00003"].fault == ""


def test_the_clock_of_a_source_is_corrected(settings: Settings, tmp_path: Path) -> None:
    clip(tmp_path, 1)
    source = Source("BC-00001", tmp_path, settle_s=0, clock_offset_s=90.0)
    watching(settings, tmp_path, sources=[source]).run(once=True)
    starts = reader.footage(settings)["start_at"].to_pylist()
    assert min(starts) == BEGIN - timedelta(seconds=90)


def test_clocks_of_one_folder_are_corrected_by_camera(
    settings: Settings, tmp_path: Path
) -> None:
    for camera in (1, 2):
        clip(tmp_path, camera)
    source = Source(None, tmp_path, settle_s=0, clock_offsets_s={"BC-00002": -20.0})
    watching(settings, tmp_path, sources=[source]).run(once=True)
    rows = reader.footage(settings, columns=["camera_id", "start_at"]).to_pylist()
    first = {c: min(r["start_at"] for r in rows if r["camera_id"] == c) for c in (
        "BC-00001", "BC-00002"
    )}  # fmt: skip
    assert first["BC-00001"] == BEGIN
    assert first["BC-00002"] == BEGIN + timedelta(seconds=20)


def test_nothing_is_begun_without_room(settings: Settings, tmp_path: Path) -> None:
    clip(tmp_path, 1)
    short = settings.model_copy(update={"reserve_gb": 1e9})
    work = watching(short, tmp_path)
    thread = threading.Thread(target=work.run)
    thread.start()
    time.sleep(1)
    assert "reserve" in work.no_room
    work.end()
    thread.join(30)
    assert states(settings) == {n: "waiting" for n in states(settings)}
    assert not names(settings)


def test_what_a_repair_took_out_is_analysed_again(
    settings: Settings, tmp_path: Path
) -> None:
    path = clip(tmp_path, 1)
    watching(settings, tmp_path).run(once=True)
    broken = layout.segments(settings.observations_dir, "tracklet", BEGIN)[0]
    broken.write_bytes(b"")
    assert len(repair.repair(settings, grace=timedelta(0)).lost) == 1
    watching(settings, tmp_path).run(once=True)
    assert names(settings) == {path.name: 2}


def test_recordings_expire_and_clips_of_the_operator_do_not(
    settings: Settings, tmp_path: Path
) -> None:
    import os

    old = time.time() - 15 * 86_400
    paths = [clip(tmp_path / name, 1) for name in ("mine", "recorded")]
    for path in paths:
        os.utime(path, (old, old))
    new = clip(tmp_path / "recorded", 1, minute=3)
    stream = Source("BC-00001", tmp_path / "recorded", rtsp="rtsp://h/x", settle_s=0)
    folder = Source(None, tmp_path / "mine", settle_s=0)
    watching(settings, tmp_path, sources=[folder, stream]).run(once=True)
    assert [p.exists() for p in (*paths, new)] == [True, False, True]


def test_one_watch_at_a_time(settings: Settings, tmp_path: Path) -> None:
    with (
        state.only_one(settings),
        pytest.raises(FootageError, match="another dongseon watch"),
    ):
        watching(settings, tmp_path).run(once=True)


def test_a_folder_that_went_away_is_told(settings: Settings, tmp_path: Path) -> None:
    source = Source("BC-00001", tmp_path / "gone")
    watching(settings, tmp_path, sources=[source]).run(once=True)
    [camera] = state.cameras(settings)
    assert "mount it" in camera.fault


def test_shares_are_fair_and_orders_come_first() -> None:
    def waiting(camera: str) -> state.Clip:
        return state.Clip(Path(f"{camera}_1.mp4"), camera, "", 1, 1, "waiting", 0.0)

    shares: dict[str, float] = {}
    given: Counter = Counter()
    urgent = frozenset({"BC-00003"})
    for _ in range(600):
        chosen = schedule.choose(
            [waiting(f"BC-0000{n}") for n in (1, 2, 3)], shares, urgent
        )
        assert chosen is not None
        given[chosen.camera] += 1
        amount = 1 / schedule.weight(chosen.camera, urgent)
        shares[chosen.camera] = shares.get(chosen.camera, 0.0) + amount
    assert given == {"BC-00001": 100, "BC-00002": 100, "BC-00003": 400}
    assert schedule.choose([], shares, urgent) is None


def test_a_busy_camera_goes_before_a_quiet_one_and_an_order_before_both() -> None:
    busy = {"BC-00001": 10.0, "BC-00002": 0.0, "BC-00003": 2.0}
    urgent = frozenset({"BC-00003"})
    weights = {c: schedule.weight(c, urgent, busy) for c in (*busy, "BC-00004")}
    assert weights["BC-00003"] > weights["BC-00001"] > weights["BC-00004"]
    assert weights["BC-00004"] > weights["BC-00002"] > 0
    assert (
        schedule.weight("BC-00002", frozenset({"BC-00002"}), busy)
        > (weights["BC-00001"])
    )
    assert schedule.weight("BC-00001", frozenset(), {"BC-00001": 0.0}) == 1.0


def test_activity_is_a_mean_over_the_latest_footage(settings: Settings) -> None:
    known = state.State(settings)
    known.saw("BC-00001", 10, 60.0)
    assert known.activity() == {"BC-00001": 10.0}
    known.saw("BC-00001", 0, 60.0)
    assert 9 < known.activity()["BC-00001"] < 10
    known.saw("BC-00001", 0, 8 * 3600.0)
    assert known.activity()["BC-00001"] < 0.01
    known.saw("BC-00001", 5, 0.0)  # nothing was looked at
    assert known.activity()["BC-00001"] < 0.01
    known.close()


def test_clips_that_come_to_nothing_cannot_hold_up_the_rest(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One camera's clips all crash; another's get their turn between."""
    monkeypatch.setattr(watch, "PAUSES_S", (0.0, 0.0))
    for minute in range(3):
        clip(tmp_path, 1, minute=2 * minute, text="crash")
        clip(tmp_path, 2, minute=2 * minute)
    told: list[tuple[str, object]] = []
    work = watching(
        settings, tmp_path, say=lambda event, **f: told.append((event, f.get("camera")))
    )
    work.run(once=True)
    turns = [c for e, c in told if e in ("clip done", "clip broke off", "clip refused")]
    good = [place for place, camera in enumerate(turns) if camera == "BC-00002"]
    assert turns.count("BC-00001") == 9
    assert len(good) == 3
    # Shares go by seconds of work, so where exactly depends on the machine.
    assert good[0] < 6
    assert good[-1] < len(turns) - 1


def test_a_clock_set_back_makes_nothing_wait_long(
    settings: Settings, tmp_path: Path
) -> None:
    path = clip(tmp_path, 1)
    known = state.State(settings)
    known.found(path, "BC-00001", "", 1, 1)
    known.set(path, "waiting", due_at=time.time() + 300)
    assert known.oldest_waiting() == []
    known.set(path, "waiting", due_at=time.time() + 86_400)
    assert [c.path for c in known.oldest_waiting()] == [path]
    known.close()


def test_without_weights_clips_wait(settings: Settings, tmp_path: Path) -> None:
    clip(tmp_path, 1, text="no weights")
    told: list[str] = []
    work = watching(settings, tmp_path, say=lambda event, **_f: told.append(event))
    thread = threading.Thread(target=work.run)
    thread.start()
    limit = time.monotonic() + 30
    while "put off" not in told and time.monotonic() < limit:
        time.sleep(0.1)
    work.end()
    thread.join(30)
    assert "put off" in told
    assert set(states(settings).values()) == {"waiting"}


def test_signs_of_life_reach_systemd(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(place))
        (tmp_path / "c").mkdir()
        watching(settings, tmp_path / "c").run(once=True)
        told = [systemd.recv(100).decode() for _ in range(3)]
    assert told == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_cameras_in_the_area_of_an_order_are_urgent(settings: Settings) -> None:
    from pipeline.casebook import orders
    from tests.pipeline.casebook.conftest import AREA, open_case, request

    known = registries.load(settings.registry)
    assert schedule.urgent_cameras(settings, known) == frozenset()
    case = open_case(settings, "P-W")
    order = request(settings, case)
    assert schedule.urgent_cameras(settings, known) == frozenset()
    orders.approve(order.id, "bora", settings=settings)
    urgent = schedule.urgent_cameras(settings, known)
    assert urgent
    for camera in list(known.cameras)[::500]:
        x, y = camera.lon, camera.lat
        west, south, east, north = AREA.bounds
        inside = west < x < east and south < y < north
        assert (camera.id in urgent) == inside


def test_metrics(settings: Settings, tmp_path: Path) -> None:
    clip(tmp_path, 1)
    clip(tmp_path, 2, text="refuse")
    watching(settings, tmp_path).run(once=True)
    port = metrics.serve(settings, 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    assert 'dongseon_camera_footage_seconds_total{camera="BC-00001"} 120.0' in text
    assert 'dongseon_camera_clips_refused{camera="BC-00002"} 1.0' in text
    assert "dongseon_disk_free_bytes" in text
    with pytest.raises(DongseonError, match="another --metrics-port"):
        metrics.serve(settings, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no entry"),
        ("[[source", "no readable TOML"),
        ('[[source]]\ncamera = "BC-00001"', "either folder or rtsp"),
        ('[[source]]\ncamera = "XX-1"\nfolder = "a"', "source 1"),
        ('[[source]]\nrtsp = "rtsp://u:p@h/x"', "no password"),
        ('[[source]]\nrtsp = "http://h/x"', "no rtsp"),
        ('[[source]]\nrtsp = "rtsp://h/x"', "needs its camera"),
        ('[[source]]\nfolder = "a"\ncolour = 1', "no field"),
        ('[[source]]\nfolder = "a"\nsettle_s = "soon"', "must be seconds"),
        ('[[source]]\nfolder = "a"\nclock_offsets_s = 3', "a table of cameras"),
        (
            '[[source]]\nfolder = "a"\nclock_offsets_s = {"BC-00001" = "x"}',
            "offset of BC-00001",
        ),
        (
            '[[source]]\ncamera = "BC-00001"\nrtsp = "rtsp://h/x"\n' * 2,
            "two streams",
        ),
    ],
)
def test_sources_that_cannot_be_used(
    settings: Settings, tmp_path: Path, text: str, message: str
) -> None:
    place = tmp_path / "sources.toml"
    place.write_text(text)
    known = registries.load(settings.registry)
    with pytest.raises((FootageError, CameraError), match=message):
        sources.load(place, known, tmp_path)


def test_passwords_stay_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(
        "BC-00001",
        Path("x"),
        rtsp="rtsp://host:8554/live",
        user="ana",
        password_env="CAMERA_PASSWORD",
    )
    with pytest.raises(FootageError, match="CAMERA_PASSWORD is not set"):
        source.address()
    monkeypatch.setenv("CAMERA_PASSWORD", "a@b/c")
    assert source.address() == "rtsp://ana:a%40b%2Fc@host:8554/live"
    assert "a@b" not in source.name


@pytest.mark.media
@pytest.mark.models
def test_real_clips_by_the_command(
    settings: Settings, media: Path, weights_dir: Path, tmp_path: Path
) -> None:
    """The verb itself, with real footage and the real analysis."""
    import sys

    folder = tmp_path / "clips"
    folder.mkdir()
    source = media / "video" / "classroom.gif"
    (folder / f"BC-00001_{BEGIN:%Y%m%dT%H%M%S}Z.gif").write_bytes(source.read_bytes())
    program = "from pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, "watch", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--once", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"clip done"' in done.stderr
    assert names(settings).total() == 1
