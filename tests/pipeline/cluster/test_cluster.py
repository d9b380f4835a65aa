"""Ray runs the same functions: the same rows, each once, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import pyarrow as pa
import pytest

from pipeline.cameras.registry import Camera, save
from pipeline.cluster import engine as module
from pipeline.cluster import ingest as cluster_ingest
from pipeline.cluster import simulate as cluster_simulate
from pipeline.cluster.engine import ClusterError, Engine
from pipeline.errors import FootageError
from pipeline.footage import ingest as local_ingest
from pipeline.settings import Settings
from pipeline.simulate import run
from pipeline.store import log, reader

CAMERA, START = "BC-00001", "2025-11-03T14:00:00+09:00"
PLAN = run.make_plan(300, 2, 3, patients=20)
#: Differs from run to run, whoever did the work.
VOLATILE = {"unit", "generation", "analysed_at", "seconds"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A Ray of two workers on this machine."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not here; ./run setup installs it")
    with module.connected(None, 2) as started:
        yield started


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cameras = [
        Camera(
            id=f"BC-{number:05d}",
            number=number,
            name=f"camera {number}",
            lon=126.7660 + number % 10 * 0.0008,
            lat=37.5035 + number // 10 * 0.0008,
            usage="생활방범",
            gu="원미구",
            dong="중동",
            height_m=4.5,
            heading_deg=90.0,
            tilt_deg=25.0,
            fov_deg=80.0,
            resolution="1920x1080",
            synthetic=True,
        )
        for number in range(1, 80)
    ]
    path = tmp_path_factory.mktemp("network") / "camera_registry.geojson"
    save(cameras, path)
    return path


@pytest.fixture(scope="module")
def here(registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The city of PLAN, simulated without Ray."""
    out = tmp_path_factory.mktemp("here")
    run.simulate(out, PLAN, registry, threads=2)
    return out


def rows(settings: Settings) -> list[list[dict]]:
    """Everything stored, sorted, without what differs from run to run."""
    log._CACHE.clear()
    found = []
    for table in (
        reader.footage(settings),
        reader.tracklets(settings),
        reader.detections(settings),
    ):
        kept = [n for n in table.column_names if n not in VOLATILE]
        order = [n for n in ("part_key", "tracklet_id", "at") if n in kept]
        table = table.select(kept).sort_by([(n, "ascending") for n in order])
        found.append(table.to_pylist())
    return found


def city(folder: Path, registry: Path) -> list[list[dict]]:
    return rows(Settings(data_dir=folder, registry=registry))  # type: ignore[call-arg]


def truth(folder: Path) -> dict[str, pa.Table]:
    import pyarrow.parquet as pq

    paths = sorted((folder / "truth").rglob("*.parquet"))
    return {str(p.relative_to(folder)): pq.read_table(p) for p in paths}


def strike(until: Callable[[], bool]) -> list[int]:
    """Kill a worker of this Ray in mid-task, as soon as something is seen."""
    struck: list[int] = []

    def wait() -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit and not struck:
            if until():
                for pid in in_task():
                    os.kill(pid, signal.SIGKILL)
                    struck.append(pid)
                    return
            time.sleep(0.005)

    thread = threading.Thread(target=wait)
    thread.start()
    wait.thread = thread  # type: ignore[attr-defined]
    return struck


def in_task() -> list[int]:
    """Processes of this process's Ray that run a task."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not (entry / "cmdline").read_bytes().startswith(b"ray::_guarded"):
                continue
            raylet = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            owner = Path(f"/proc/{raylet}/stat").read_text().rsplit(")", 1)[1]
            if int(owner.split()[1]) == os.getpid():
                found.append(int(entry.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


class TestCity:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_the_same_to_the_row(
        self, engine: Engine, registry: Path, here: Path, tmp_path: Path, workers: int
    ) -> None:
        told: list[float] = []
        done = cluster_simulate.simulate(
            tmp_path,
            PLAN,
            registry,
            engine=Engine(sys.modules["ray"], workers),
            progress=lambda text, hours: told.append(hours),
        )
        assert city(tmp_path, registry) == city(here, registry)
        assert truth(tmp_path).keys() == truth(here).keys()
        for name, table in truth(here).items():
            assert truth(tmp_path)[name].equals(table), name
        assert done.hours == 2
        assert done.tracklets == len(city(here, registry)[1])
        assert told[-1] == 2
        again = cluster_simulate.simulate(tmp_path, PLAN, registry, engine=engine)
        assert (again.hours, again.hours_found) == (0, 2)

    def test_a_worker_killed_in_mid_task_is_rerun_and_counted_once(
        self, engine: Engine, registry: Path, here: Path, tmp_path: Path
    ) -> None:
        def begun() -> bool:  # some of an hour is stored, none is finished
            return any(tmp_path.glob("observations/footage/date=*/hour=*/*.parquet"))

        struck = strike(begun)
        done = cluster_simulate.simulate(tmp_path, PLAN, registry, engine=engine)
        assert struck
        assert city(tmp_path, registry) == city(here, registry)
        assert done.tracklets == len(city(here, registry)[1])


@pytest.fixture(scope="module")
def clip(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen seconds of a real street."""
    source = cv2.VideoCapture(str(media / "video" / "vtest.avi"))
    path = tmp_path_factory.mktemp("clip") / "street.avi"
    size = int(source.get(3)), int(source.get(4))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for _ in range(180):
        found, frame = source.read()
        assert found
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def site(settings: Settings, registry: Path, weights_dir: Path) -> Settings:
    return settings.model_copy(
        update={"registry": registry, "part_seconds": 6.0, "sample_fps": 1.0}
    )


@pytest.mark.models
@pytest.mark.media
class TestFootage:
    def test_the_same_to_the_row_and_a_killed_part_once(
        self, engine: Engine, site: Settings, clip: Path, tmp_path: Path
    ) -> None:
        local_ingest.ingest(clip, CAMERA, START, settings=site)
        expected = rows(site)
        assert len(expected[0]) == 3
        assert len(expected[1]) > 3
        for workers in (1, 2):
            folder = site.model_copy(update={"data_dir": tmp_path / f"by{workers}"})
            folder = folder.model_copy(update={"models_dir": site.weights_dir})
            told: list[tuple[str, int, int]] = []
            struck = strike(lambda: bool(in_task())) if workers == 2 else None
            done = cluster_ingest.ingest(
                clip,
                CAMERA,
                START,
                settings=folder,
                engine=Engine(sys.modules["ray"], workers),
                progress=lambda *now, told=told: told.append(now),
            )
            assert struck is None or struck
            assert rows(folder) == expected
            assert done.clips[0].tracklets == len(expected[1])
            assert done.clips[0].parts_done_before == 0
            assert told[-1] == ("street.avi", 3, 3)
        again = cluster_ingest.ingest(
            clip, CAMERA, START, settings=folder, engine=engine
        )
        assert again.clips[0].parts_done_before == 3
        assert "nothing to do" in again.clips[0].notes[0]


def test_what_cannot_be_used_is_told(
    engine: Engine, site: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "torn.avi"
    path.write_bytes(b"no film")
    with pytest.raises(FootageError, match=r"torn\.avi"):
        cluster_ingest.ingest(path, CAMERA, START, settings=site, engine=engine)


def test_a_fault_of_a_task_is_one_sentence(engine: Engine) -> None:
    with pytest.raises(ClusterError, match=r"^a task failed \(ValueError: .*abc"):
        list(engine.run(int, ["abc"]))


def test_ctrl_c_stops_and_the_same_command_goes_on(
    engine: Engine, registry: Path, tmp_path: Path
) -> None:
    address = sys.modules["ray"].get_runtime_context().gcs_address
    command = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    command += ["simulate", "--residents", "300", "--hours", "200", "--seed", "3"]
    command += ["--registry", str(registry), "--out", str(tmp_path / "city")]
    command += ["--engine", "ray", "--address", address, "--workers", "1"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 120
    while time.monotonic() < limit and process.poll() is None:
        if any((tmp_path / "city").glob("truth/path/**/*.parquet")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2, told
    assert "1 tasks at a time" in told
    assert told.strip().endswith(
        "Stopped: finished hours are kept; run the same command again to go on."
    )
    assert "Traceback" not in told
    # Nothing runs on, and Ray is there for others.
    assert next(iter(engine.run(abs, [-1]))).value == 1
    plan = json.loads((tmp_path / "city" / "truth" / "plan.json").read_text())
    assert plan["hours"] == 200


class TestRefusals:
    def test_ray_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        told = r"pip install 'dongseon\[cluster\]'"
        with pytest.raises(ClusterError, match=told), module.connected():
            pass

    def test_no_ray_at_the_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ray = pytest.importorskip("ray")
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        told = "no Ray answers at 127.0.0.1:1 "
        with pytest.raises(ClusterError, match=told), module.connected("127.0.0.1:1"):
            pass
