from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import FootageError
from pipeline.footage import sources


def test_a_clip_tells_its_size_rate_and_times(make_clip: Callable[..., Path]) -> None:
    clip = sources.open_clip(make_clip(seconds=3))
    assert (clip.width, clip.height, len(clip.times)) == (320, 240, 30)
    assert clip.duration_s == pytest.approx(3.0)
    assert clip.missing is None
    assert clip.number_at(1.0) == 10


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", bytes(range(256)) * 400, "no video"),
        ("notes.avi", b"these are notes, not frames\n" * 50, "no video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "no video"),
    ],
)
def test_what_is_no_video_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FootageError, match=says):
        sources.open_clip(path)


def test_a_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(FootageError, match="is a picture"):
        sources.open_clip(path)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="no file or folder"):
        sources.clips(tmp_path / "none.mp4")
    with pytest.raises(FootageError, match="holds no video file"):
        sources.clips(tmp_path)


def test_a_folder_gives_its_clips_sorted(make_clip: Callable[..., Path]) -> None:
    second = make_clip("folder/b.avi", seconds=1)
    first = make_clip("folder/a.mp4", seconds=1)
    (second.parent / "notes.txt").write_text("no clip")
    assert sources.clips(second.parent) == [first, second]


def test_a_truncated_clip_says_what_is_missing(make_clip: Callable[..., Path]) -> None:
    path = make_clip(seconds=6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = sources.open_clip(path)
    assert 0 < len(clip.times) < 60
    assert clip.missing is not None
    assert "truncated" in clip.missing


def test_a_clip_cut_off_in_its_head_is_refused(make_clip: Callable[..., Path]) -> None:
    path = make_clip(seconds=3)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FootageError, match=r"can be decoded|no video"):
        sources.open_clip(path)


@pytest.mark.media
def test_delays_of_a_gif_are_its_clock(media: Path) -> None:
    clip = sources.open_clip(media / "video" / "classroom.gif")
    assert clip.times[:4] == pytest.approx([0, 0.07, 0.13, 0.20])


@pytest.mark.media
def test_a_truncated_gif_says_so(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gif"
    path.write_bytes((media / "video" / "classroom.gif").read_bytes()[:600_000])
    assert "truncated" in (sources.open_clip(path).missing or "")
