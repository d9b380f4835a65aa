from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import CameraError, FootageError, StoreError
from pipeline.footage import ingest as module
from pipeline.footage.ingest import ingest
from pipeline.footage.parts import Progress
from pipeline.footage.records import records
from pipeline.settings import Settings
from pipeline.store import reader, writer
from pipeline.store.ids import camera_no_of
from pipeline.store.vectors import dequantise, from_binary, from_f16_bytes

from .conftest import CAMERA, START, FakeObserver

#: Columns that tell one publication from another.
VOLATILE = ["unit", "part_key", "generation", "analysed_at", "seconds", "source"]


def stored(settings: Settings) -> list[pa.Table]:
    """Return the store's rows, without what differs from run to run."""
    tables = [reader.footage(settings), reader.tracklets(settings)]
    tables.append(reader.detections(settings))
    plain = []
    for table in tables:
        kept = [name for name in table.column_names if name not in VOLATILE]
        order = [n for n in ("tracklet_id", "part", "at") if n in kept]
        table = table.select(kept).sort_by([(n, "ascending") for n in order])
        plain.append(table.to_pylist())
    return plain


@pytest.mark.usefixtures("fake_observer")
class TestIngest:
    def test_observations_are_stored(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        told: list[Progress] = []
        path = make_clip()
        summary = ingest(path, CAMERA, settings=site, progress=told.append)
        clip = summary.clips[0]
        assert (clip.frames_read, clip.frames_analysed) == (120, 60)
        assert (clip.parts, clip.parts_done_before, clip.tracklets) == (3, 0, 3)
        assert (clip.persons, clip.masks["unknown"]) == (60, 3)
        assert clip.clock == "registry"
        assert clip.start_at == datetime.fromisoformat(START)
        assert sorted(p.part for p in told if p.stored) == [1, 2, 3]
        assert told[-1].done_s == told[-1].duration_s
        assert np.diff([p.done_s for p in told]).min() >= 0

        tracklets = reader.tracklets(site)
        start = tracklets["start_at"].to_pylist()
        assert start[0] == datetime.fromisoformat(START)
        assert {camera_no_of(i) for i in tracklets["tracklet_id"].to_pylist()} == {1}
        values, _ = from_binary(tracklets["appearance_i8"])
        scale = tracklets["appearance_scale"].to_numpy()
        exact = from_f16_bytes(tracklets["appearance_f16"])
        assert dequantise(values, scale) == pytest.approx(exact, abs=0.01)
        assert tracklets["face_i8"].null_count == 3
        assert tracklets["first_east_cm"].null_count == 0
        assert set(tracklets["mask_state"].to_pylist()) == {"unknown"}
        footage = reader.footage(site)
        assert footage["last_part"].to_pylist() == [False, False, True]
        assert footage["source_offset_s"].to_pylist() == [0, 5, 10]

    def test_the_same_clip_is_stored_once(
        self, site: Settings, make_clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        path = make_clip()
        ingest(path, CAMERA, settings=site)
        units = reader.footage(site)["unit"].to_pylist()
        copy = tmp_path / "copy.avi"
        shutil.copyfile(path, copy)
        again = ingest(copy, CAMERA, START, settings=site).clips[0]
        assert again.parts_done_before == again.parts == 3
        assert again.frames_read == 120
        assert reader.footage(site)["unit"].to_pylist() == units

    def test_again_replaces(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        path = make_clip()
        ingest(path, CAMERA, settings=site)
        before, units = stored(site), reader.footage(site)["unit"].to_pylist()
        ingest(path, CAMERA, settings=site, again=True)
        after = reader.footage(site)["unit"].to_pylist()
        assert stored(site) == before
        assert min(after) > max(units)

    def test_parts_keep_the_length_they_were_begun_with(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        path = make_clip()
        ingest(path, CAMERA, settings=site)
        longer = site.model_copy(update={"part_seconds": 60.0})
        assert ingest(path, CAMERA, settings=longer).clips[0].parts == 3

    def test_overlapping_footage_is_refused(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        ingest(make_clip(), CAMERA, settings=site)
        other = make_clip("other.avi", seconds=4)
        with pytest.raises(FootageError, match=r"overlaps bound\.avi.*KST"):
            ingest(other, CAMERA, "2025-11-03T14:00:11+09:00", settings=site)
        ingest(other, CAMERA, "2025-11-03T14:00:12+09:00", settings=site)
        ingest(other, "BC-00002", "2025-11-03T14:00:11+09:00", settings=site)
        assert reader.footage(site).num_rows == 5

    def test_midnight_in_the_middle_of_a_clip(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        ingest(make_clip(), CAMERA, "2025-11-02T23:59:54Z", settings=site)
        days = {at.day for at in reader.detections(site)["at"].to_pylist()}
        assert days == {2, 3}
        assert reader.footage(site).num_rows == 3

    def test_an_unknown_camera_is_refused_with_the_nearest(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        with pytest.raises(CameraError, match="BC-00001"):
            ingest(make_clip(), "BC-0001", START, settings=site)

    def test_a_start_for_several_clips_is_refused(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        make_clip("many/a.avi", seconds=1)
        folder = make_clip("many/b.avi", seconds=1).parent
        with pytest.raises(FootageError, match="holds 2"):
            ingest(folder, CAMERA, START, settings=site)

    def test_a_folder_stores_what_is_good_and_says_what_is_not(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        good = make_clip("many/BC-00001_20251103T140000+0900.avi", seconds=2)
        (good.parent / "empty.mp4").touch()
        summary = ingest(good.parent, CAMERA, settings=site)
        assert len(summary.clips) == 1
        assert "is empty" in summary.refused[0][1]

    def test_a_truncated_clip_is_stored_as_far_as_it_goes(
        self, site: Settings, make_clip: Callable[..., Path]
    ) -> None:
        path = make_clip()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        clip = ingest(path, CAMERA, settings=site).clips[0]
        assert 0 < clip.frames_read < 120
        assert "truncated" in clip.notes[0]

    def test_a_full_disk_is_one_sentence_and_loses_nothing(
        self,
        site: Settings,
        make_clip: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path, publish = make_clip(), writer.publish
        calls = []

        def full(*arguments: object) -> int:
            calls.append(arguments)
            if len(calls) == 2:
                raise OSError(28, "No space left on device")
            return publish(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(module.writer, "publish", full)
        with pytest.raises(StoreError, match=r"disk of .* is full: part 2 of 3"):
            ingest(path, CAMERA, settings=site)
        assert reader.footage(site)["part"].to_pylist() == [0]
        assert ingest(path, CAMERA, settings=site).clips[0].parts_done_before == 1
        assert reader.footage(site)["part"].to_pylist() == [0, 1, 2]


def test_ids_differ_though_many_start_at_once() -> None:
    observer = FakeObserver(Path())
    for number, at in ((0, 0.04), (1, 0.5)):
        frame = np.full((240, 320, 3), 200, np.uint8)
        observer.see(frame, number, at)
    track = observer.finish()[0]
    zero = datetime.fromisoformat(START)

    def ids(part_start_s: float, count: int) -> list[int]:
        shifted = [
            replace(track, offsets_s=track.offsets_s + part_start_s)
            for _ in range(count)
        ]
        rows = records(
            shifted,
            clip_start=zero,
            part_start_s=part_start_s,
            camera_id=CAMERA,
            camera_no=1,
            projector=None,
            provenance=observer.provenance,
        )
        return rows.tracklets["tracklet_id"].to_pylist()

    # Two parts that meet within one tenth of a second, both crowded.
    first, second = ids(0.0, 150), ids(0.05, 150)
    assert len({*first}) == 150
    assert len({*ids(0.0, 60), *second}) == 210


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.models
@pytest.mark.media
class TestCommand:
    """The real command on real people, with the real models."""

    @pytest.fixture
    def clip(self, media: Path, weights_dir: Path, tmp_path: Path) -> Path:
        path = tmp_path / "BC-00001_20251103T140000+0900.mp4"
        shutil.copyfile(media / "video" / "lab-camera-a.mp4", path)
        return path

    @pytest.fixture(autouse=True)
    def parts_of_two_seconds(self, site: Settings, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
        monkeypatch.setenv("DONGSEON_PART_SECONDS", "2")

    def test_bad_input_is_one_sentence_and_exit_code_2(self, clip: Path) -> None:
        done = run("ingest", str(clip), "--camera", "BC-0001")
        assert done.returncode == 2
        assert done.stderr.startswith("Error: Camera 'BC-0001' is not in ")
        assert len(done.stderr.strip().splitlines()) == 1

    def test_a_disk_without_room_is_one_sentence(
        self,
        site: Settings,
        clip: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
        try:
            subprocess.run(mount, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a small file system cannot be mounted here (needs root)")
        try:
            monkeypatch.setenv("DONGSEON_DATA_DIR", str(disk))
            monkeypatch.setenv("DONGSEON_RESERVE_GB", "0")
            done = run("ingest", str(clip), "--camera", CAMERA)
            assert done.returncode == 2, done.stderr
            assert "is full" in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
            small = site.model_copy(update={"data_dir": disk})
            assert reader.footage(small).num_rows == 0
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def test_stopped_in_mid_clip_and_resumed_is_the_same_as_in_one_go(
        self,
        site: Settings,
        clip: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        code = "from pipeline.cli import main; main()"
        arguments = ["ingest", str(clip), "--camera", CAMERA]
        child = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 180
        while reader.footage(site).num_rows < 1 and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=120)
        parts = reader.footage(site)["part"].to_pylist()
        assert child.returncode == 2, said
        assert "stored; run the same command again" in said
        assert 1 <= len(parts) < 4

        resumed = run(*arguments)
        assert resumed.returncode == 0, resumed.stderr
        assert "220 frames read" in resumed.stdout
        assert "tracklets" in resumed.stdout
        interrupted = stored(site)

        monkeypatch.setenv("DONGSEON_DATA_DIR", str(tmp_path / "other"))
        assert run(*arguments).returncode == 0
        whole = site.model_copy(update={"data_dir": tmp_path / "other"})
        assert stored(whole) == interrupted
        assert reader.tracklets(whole).num_rows >= 1
