"""Clips as cameras and recorders really write them: odd, mixed, cut off."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import FootageError
from pipeline.footage import sources
from pipeline.footage.decode import Decoder, PartEnd, Sample
from pipeline.footage.ingest import ingest
from pipeline.settings import Settings

from .conftest import CAMERA, START

FRAMES, FPS = 30, 10


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Return a dark frame, bright in its upper left quarter, by its number."""
    frame = np.full((height, width, 3), 40, np.uint8)
    frame[: height // 2, : width // 2] = 150 + 3 * (number % FRAMES)
    return frame


def encode(
    path: Path,
    codec: str = "libx264",
    size: tuple[int, int] = (160, 120),
    pixels: str = "yuv420p",
    times: Sequence[int] = range(FRAMES),
    **options: str,
) -> Path:
    """Write frames shown at these multiples of a tenth of a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.options = {"x265-params": "log-level=none:bframes=2"} | options
        for number, at in enumerate(times):
            shown = av.VideoFrame.from_ndarray(picture(number, *size), format="bgr24")
            frame = shown.reformat(format=pixels)
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def decoded(path: Path, **options: object) -> tuple[list[Sample], list[PartEnd]]:
    arguments = {"sample_fps": 2 * FPS, "part_s": 60} | options
    with Decoder(sources.open_clip(path), **arguments) as decoder:  # type: ignore[arg-type]
        items = list(decoder)
    samples = [item for item in items if isinstance(item, Sample)]
    return samples, [item for item in items if isinstance(item, PartEnd)]


@pytest.mark.parametrize(
    ("name", "codec", "size", "pixels"),
    [
        ("grey.mp4", "libx264", (160, 120), "gray"),
        ("ten-bit.mp4", "libx265", (160, 120), "yuv420p10le"),
        ("odd.avi", "mjpeg", (161, 121), "yuvj420p"),
        ("odd.mkv", "libx264", (161, 121), "yuv444p"),
        ("full-range.mkv", "libx264", (160, 120), "yuvj420p"),
    ],
)
def test_every_kind_of_pixel_is_read(
    tmp_path: Path, name: str, codec: str, size: tuple[int, int], pixels: str
) -> None:
    samples, [end] = decoded(encode(tmp_path / name, codec, size, pixels))
    assert (len(samples), end.read, end.corrupt) == (FRAMES, FRAMES, 0)
    image = samples[10].image()
    assert image.shape == (size[1], size[0], 3)
    assert image[20, 20].mean() == pytest.approx(180, abs=14)
    assert image[100, 140].mean() == pytest.approx(40, abs=14)
    luma = samples[10].luma.astype(int)
    assert luma.shape[1] == 160
    assert luma[20, 20] - luma[100, 140] > 100


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 10, 11, 30, 31, 32, 60]
    path = encode(tmp_path / "a.mkv", times=times)
    samples, [end] = decoded(path)
    assert [sample.offset_s for sample in samples] == pytest.approx(
        np.array(times) / FPS, abs=2e-3
    )
    assert (end.read, end.corrupt) == (9, 0)
    assert end.gap_s == pytest.approx(2.8, abs=0.01)
    assert sources.open_clip(path).gaps_s == pytest.approx([1.9, 2.8], abs=0.01)


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    samples, [end] = decoded(encode(tmp_path / "a.mp4", times=[0]))
    assert (len(samples), end.read, end.end_s) == (1, 1, pytest.approx(0.1))


@pytest.mark.parametrize("keys_only", [False, True])
def test_a_size_that_changes_on_the_way_keeps_the_first(
    tmp_path: Path, keys_only: bool
) -> None:
    one = encode(tmp_path / "a.ts")
    two = encode(tmp_path / "b.ts", size=(320, 240))
    path = tmp_path / "joined.ts"
    path.write_bytes(one.read_bytes() + two.read_bytes())  # its clock jumps back, too
    samples, ends = decoded(path, keys_only=keys_only)
    assert {sample.image().shape for sample in samples} == {(120, 160, 3)}
    assert sum(end.read + end.corrupt for end in ends) == 2 * FRAMES
    assert sum(end.read for end in ends) >= 2 * FRAMES - 1
    offsets = [sample.offset_s for sample in samples]
    assert offsets == sorted(offsets)
    assert samples[-1].image()[20, 20].mean() > 200  # the second part's last frame


def test_a_camera_turned_on_its_side_is_shown_upright(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4")
    content[matrix : matrix + 36] = turned.tobytes()
    path.write_bytes(content)
    clip = sources.open_clip(path)
    assert (clip.width, clip.height) == (120, 160)
    image = decoded(path)[0][0].image()
    assert image.shape == (160, 120, 3)
    assert image[20, 100].mean() > 120 > 60 > image[20, 20].mean()  # turned clockwise


def test_sound_alone_and_an_mp4_without_its_index_are_refused(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = np.zeros((1, 1024), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        out.mux(stream.encode(frame))
    with pytest.raises(FootageError, match="holds no moving picture"):
        sources.open_clip(sound)
    cut = encode(tmp_path / "cut.mp4")
    content = cut.read_bytes()
    cut.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(FootageError, match="cut off before its index"):
        sources.open_clip(cut)


@pytest.mark.usefixtures("fake_observer")
def test_damage_is_told_with_what_was_kept(site: Settings, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", g="10")
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + content.index(b"moov") >> 1
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    [clip] = ingest(path, CAMERA, START, settings=site).clips
    assert 0 < clip.frames_read < FRAMES
    assert clip.frames_corrupt > 0
    said = " ".join(clip.notes)
    assert f"{clip.frames_corrupt} damaged frames were passed over" in said


@pytest.mark.usefixtures("fake_observer")
class TestTriage:
    """Key frames first, everything later."""

    def test_key_frames_only_then_the_rest(
        self, site: Settings, tmp_path: Path
    ) -> None:
        path = encode(tmp_path / "a.mp4", times=range(120), g="10", bf="0")
        quick = site.model_copy(update={"quality": "triage"})
        [first] = ingest(path, CAMERA, START, settings=quick).clips
        # A key frame a second, of which every other one is looked at.
        assert first.frames_read == 3 + 3 + 1
        assert first.frames_passed_over == 120 - 7
        [note] = first.notes
        assert note.startswith("triage only: 113 of 120 frames were passed over")
        assert "up to 2.0 s at a time" in note
        [same] = ingest(path, CAMERA, START, settings=quick).clips
        assert same.parts_done_before == 3
        [full] = ingest(path, CAMERA, START, settings=site).clips
        assert (full.parts_done_before, full.frames_read) == (0, 120)
        assert full.frames_passed_over == 0
        assert full.notes == ()
        # What was seen whole is not replaced by a first look.
        [still] = ingest(path, CAMERA, START, settings=quick).clips
        assert (still.parts_done_before, still.frames_read) == (3, 120)

    def test_rare_key_frames_do_not_blind_it(
        self, site: Settings, tmp_path: Path
    ) -> None:
        path = encode(tmp_path / "a.mp4", times=range(60), g="600")
        quick = site.model_copy(update={"quality": "triage", "part_seconds": 60.0})
        [clip] = ingest(path, CAMERA, START, settings=quick).clips
        assert clip.frames_read == 60
        assert clip.frames_analysed == 3
        assert clip.frames_passed_over == 0


@pytest.mark.parametrize(
    ("name", "codec", "options", "decoded_frames"),
    [
        ("a.mp4", "libx264", {"g": "10", "bf": "2"}, 3),
        ("b.ts", "libx264", {"g": "10", "x264-params": "open-gop=1"}, 3),
        ("c.mkv", "libx265", {"g": "10"}, 3),
        ("d.avi", "mjpeg", {}, 3),
        # Refreshed strip by strip: no frame is whole by itself.
        ("e.ts", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}, 60),
    ],
)
def test_key_frames_are_those_of_the_whole(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], decoded_frames: int
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = encode(tmp_path / name, codec, (160, 120), pixels, range(60), **options)
    keys, [end] = decoded(path, sample_fps=0.5, keys_only=True)
    everything, _ = decoded(path)
    assert [key.offset_s for key in keys] == pytest.approx([0, 2, 4], abs=0.002)
    assert (end.read, end.corrupt) == (decoded_frames, 0)
    assert end.passed_over == 60 - decoded_frames
    for key in keys:
        [same] = [one for one in everything if one.number == key.number]
        assert np.abs(same.luma.astype(int) - key.luma).max() <= 12
