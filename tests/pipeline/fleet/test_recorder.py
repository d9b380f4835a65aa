"""Streams of a real RTSP server: cuts, stalls, wrong passwords, other pictures."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.fleet.recorder import Recorder
from pipeline.fleet.sources import Source
from pipeline.footage import clock
from pipeline.footage import sources as clips
from pipeline.settings import Settings

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
CAMERA = "BC-00001"


@pytest.fixture(scope="session")
def gstreamer() -> None:
    """Skip where GStreamer's RTSP server is not installed."""
    script = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert all(map(Gst.ElementFactory.find, ('qtdemux', 'h264parse', "
        "'rtph264pay')))"
    )
    try:
        subprocess.run([PYTHON, "-c", script], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(
            "no RTSP server here; apt-get install python3-gi "
            "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp gstreamer1.0-plugins-good "
            "gstreamer1.0-plugins-bad"
        )


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """Make clips in which something moves, of a size, with a key frame a second."""
    folder = tmp_path_factory.mktemp("films")

    def made(width: int, height: int, seconds: int = 60) -> Path:
        path = folder / f"{width}x{height}-{seconds}.mp4"
        if path.exists():
            return path
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"g": "10", "preset": "ultrafast", "bf": "0"}
            for number in range(10 * seconds):
                image = np.zeros((height, width, 3), np.uint8)
                left = number * 3 % (width - 20)
                image[20:60, left : left + 20] = 255
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path

    return made


@contextmanager
def serving(
    film: Path | list[Path], port: int, *credentials: str
) -> Iterator[subprocess.Popen]:
    films = ",".join(map(str, film if isinstance(film, list) else [film]))
    command = [PYTHON, str(SERVER), str(port), films, *credentials]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Told:
    """What a recorder told."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.faults: list[str] = []

    def __call__(self, link: str, fault: str) -> None:
        self.links.append(link)
        self.faults.append(fault)


@contextmanager
def recording(source: Source, told: Told, **options: float) -> Iterator[Recorder]:
    recorder = Recorder(
        source, clip_s=2.0, tell=told, stall_s=2.0, pause_s=0.2, **options
    )
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()
        recorder.join(15)
        assert not recorder.is_alive()


def _first_width(paths: list[Path]) -> int | None:
    for path in paths:
        with av.open(str(path)) as clip:
            return next((frame.width for frame in clip.decode(video=0)), None)
    return None


def until(wanted: Callable[[], object], seconds: float = 40) -> None:
    limit = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.1)


def recorded(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("BC-*"))


@pytest.mark.usefixtures("gstreamer")
class TestStreams:
    def test_a_stream_becomes_clips_that_can_be_analysed(
        self, film: Callable, port: int, tmp_path: Path
    ) -> None:
        source = Source(CAMERA, tmp_path / "r", rtsp=f"rtsp://127.0.0.1:{port}/live")
        told = Told()
        begun = datetime.now(UTC)
        with serving(film(320, 240), port), recording(source, told):
            until(lambda: len(recorded(source.folder)) >= 3)
        found = recorded(source.folder)
        assert told.links[0] == "connected"
        assert not list(source.folder.glob(".recording-*"))
        ends = None
        for path in found:
            clip = clips.open_clip(path)
            assert (clip.width, clip.height) == (320, 240)
            start = clock.of_clip(path, _Camera(), None).start_at
            assert begun < start < datetime.now(UTC)
            if ends is not None:  # nothing twice, and little between
                assert abs((start - ends).total_seconds()) < 1.5
            ends = start + timedelta(seconds=clip.duration_s)
        assert sum(clips.open_clip(p).duration_s for p in found[:-1]) >= 4

    def test_cut_it_comes_back_also_with_another_picture(
        self, film: Callable, port: int, tmp_path: Path
    ) -> None:
        source = Source(CAMERA, tmp_path / "r", rtsp=f"rtsp://127.0.0.1:{port}/live")
        told = Told()
        with recording(source, told) as recorder:
            until(lambda: "waiting" in told.links)
            assert "cannot be reached" in told.faults[0]
            with serving(film(320, 240), port):
                until(lambda: len(recorded(source.folder)) >= 1)
            until(lambda: told.links[-1] == "waiting")
            before = len(recorded(source.folder))
            with serving(film(160, 120), port):
                until(lambda: len(recorded(source.folder)) >= before + 2)
        sizes = {clips.open_clip(p).width for p in recorded(source.folder)}
        assert sizes == {320, 160}
        assert recorder.connections >= 2

    def test_the_picture_changes_in_mid_stream(
        self, film: Callable, port: int, tmp_path: Path
    ) -> None:
        """Both pictures are recorded, and every frame can be decoded."""
        source = Source(CAMERA, tmp_path / "r", rtsp=f"rtsp://127.0.0.1:{port}/live")
        films = [film(320, 240, 8), film(160, 120, 20)]
        with serving(films, port), recording(source, Told()) as recorder:
            until(lambda: _first_width(recorded(source.folder)[-1:]) == 160)
        assert recorder.connections == 1
        widths = []
        for path in recorded(source.folder):
            with av.open(str(path)) as clip:
                widths += [frame.width for frame in clip.decode(video=0)]
        assert set(widths) == {320, 160}
        assert widths == sorted(widths, reverse=True)
        assert widths.count(320) > 15
        # The analysis scales them to the clip's first size.
        for path in recorded(source.folder):
            clip = clips.open_clip(path)
            assert clip.width in (320, 160)

    def test_a_stall_is_noticed(
        self, film: Callable, port: int, tmp_path: Path
    ) -> None:
        source = Source(CAMERA, tmp_path / "r", rtsp=f"rtsp://127.0.0.1:{port}/live")
        told = Told()
        with (
            serving(film(320, 240), port) as server,
            recording(source, told) as recorder,
        ):
            until(lambda: recorded(source.folder))
            server.send_signal(signal.SIGSTOP)
            until(lambda: told.links[-1] == "waiting")
            assert "silent" in " ".join(told.faults)
            before = len(recorded(source.folder))
            server.send_signal(signal.SIGCONT)
            until(lambda: len(recorded(source.folder)) > before)
            assert recorder.connections >= 2

    def test_wrong_credentials_and_addresses_are_told(
        self,
        film: Callable,
        port: int,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        address = f"rtsp://127.0.0.1:{port}/live"
        monkeypatch.setenv("GOOD", "right")
        monkeypatch.setenv("BAD", "secret-but-wrong")
        with serving(film(320, 240), port, "ana", "right"):
            for name, path, message in (
                ("BAD", "live", "refuses the user or password"),
                ("GOOD", "other", "no such stream"),
            ):
                told = Told()
                source = Source(
                    CAMERA,
                    tmp_path / name,
                    rtsp=address.replace("live", path),
                    user="ana",
                    password_env=name,
                )
                with recording(source, told):
                    until(lambda: told.faults)  # noqa: B023
                assert message in told.faults[0]
                assert "secret" not in told.faults[0]
            source = Source(
                CAMERA, tmp_path / "ok", rtsp=address, user="ana", password_env="GOOD"
            )
            with recording(source, Told()):
                until(lambda: recorded(source.folder))

    def test_the_watch_records_and_analyses(
        self, film: Callable, port: int, settings: Settings, tmp_path: Path
    ) -> None:
        """From the wire to the store; the work only opens each clip."""
        from pipeline.fleet import state, watch
        from tests.pipeline.fleet import light_work

        folder = settings.data_dir / "recordings" / CAMERA
        source = Source(
            CAMERA, folder, rtsp=f"rtsp://127.0.0.1:{port}/live", settle_s=0
        )
        with serving(film(320, 240), port):
            work = watch.Watch(
                settings, [source], work=light_work.look, clip_s=2.0, scan_s=0.2
            )
            thread = threading.Thread(target=work.run)
            thread.start()

            def done() -> int:
                found = state.cameras(settings)
                return sum(c.tracklets for c in found)

            until(lambda: done() >= 2)
            [camera] = state.cameras(settings)
            work.end()
            thread.join(30)
        assert not thread.is_alive()
        assert camera.link == "connected"
        assert camera.footage_s >= 3
        lag = camera.lag_s(time.time())
        assert lag is not None
        assert lag < 60


@pytest.mark.media
@pytest.mark.models
@pytest.mark.usefixtures("gstreamer")
def test_a_real_film_from_the_wire_to_the_store(
    media: Path, weights_dir: Path, port: int, settings: Settings
) -> None:
    """Two people in a laboratory, streamed, recorded, analysed and stored."""
    from pipeline.fleet import state, watch
    from pipeline.store import reader

    folder = settings.data_dir / "recordings" / CAMERA
    source = Source(CAMERA, folder, rtsp=f"rtsp://127.0.0.1:{port}/live", settle_s=0)
    quick = settings.model_copy(update={"sample_fps": 2.0})
    with serving(media / "video" / "lab-camera-a.mp4", port):
        work = watch.Watch(quick, [source], clip_s=2.0, scan_s=0.2)
        thread = threading.Thread(target=work.run)
        thread.start()
        until(lambda: sum(c.tracklets for c in state.cameras(settings)) > 0, 90)
        work.end()
        thread.join(60)
    assert not thread.is_alive()
    begin = reader.footage(settings)["start_at"][0].as_py()
    assert abs((datetime.now(UTC) - begin).total_seconds()) < 300
    assert reader.tracklets(settings).num_rows >= 1


def test_what_a_killed_recorder_left_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / f".recording-{CAMERA}_20251103T140000Z.ts").write_bytes(b"x" * 100_000)
    (folder / f".recording-{CAMERA}_20251103T150000Z.ts").write_bytes(b"x")
    told = Told()
    with recording(Source(CAMERA, folder, rtsp="rtsp://127.0.0.1:1/x"), told):
        until(lambda: told.links)
    assert [p.name for p in recorded(folder)] == [f"{CAMERA}_20251103T140000Z.ts"]


class _Camera:
    id, clips = CAMERA, ()
