"""Clips for the benchmark of footage: real people, brought to a camera's format."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media" / "video"
#: Scene -> file, and from when to when, seconds. The street is busy from end to end;
#: before the door one person comes and goes after another; quiet is the same door
#: while nobody is there.
SCENES = {
    "street": ("vtest.avi", 0.0, 79.5),
    "door": ("one-by-one-person-detection.mp4", 5.0, 139.4),
    "quiet": ("one-by-one-person-detection.mp4", 0.0, 6.0),
}
#: Size -> width, height, bits a second.
SIZES = {"480p": (854, 480, 1_000_000), "1080p": (1920, 1080, 4_000_000)}
FPS = 25
#: Seconds between key frames.
KEY_S = 2
#: Standard deviation of a sensor's noise, grey values, and how many pictures of it
#: take turns: without noise an enlarged clip is easier to decode than a camera's.
NOISE, NOISES = 2.0, 5
HOW = (
    "real clips cut to 16:9, enlarged or reduced, with a sensor's noise (sd 2 of 255), "
    f"shown at {FPS} frames a second (a frame of a slower source stands longer), "
    f"encoded as H.264 with a key frame every {KEY_S} s and no B frames, at 4 Mbit/s "
    "(1080p) or 1 Mbit/s (480p)"
)


def make(scene: str, size: str, seconds: int, path: Path) -> None:
    """Write seconds of a scene at a size; what is too short begins anew."""
    width, height, rate = SIZES[size]
    gap = str(KEY_S * FPS)
    random = np.random.default_rng(1)
    noises = [
        np.repeat(random.normal(0, NOISE, (height, width, 1)), 3, 2).astype(np.int8)
        for _ in range(NOISES)
    ]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = rate
        stream.options = {"preset": "veryfast", "g": gap, "keyint_min": gap}
        stream.options |= {"sc_threshold": "0", "bf": "0"}
        name, begin_s, end_s = SCENES[scene]
        pictures = _pictures(MEDIA / name, begin_s, end_s, width, height)
        for number in range(seconds * FPS):
            picture = next(pictures)
            noisy = cv2.add(picture, noises[number % NOISES], dtype=cv2.CV_8U)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def repeat(source: Path, times: int, path: Path) -> None:
    """Write a clip several times over into one, without encoding it anew."""
    with av.open(str(path), "w") as out:
        stream = None
        begin = 0
        for _ in range(times):
            with av.open(str(source)) as clip:
                video = clip.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                length = 0
                for packet in clip.demux(video):
                    if packet.dts is None:
                        continue
                    length = max(length, packet.pts + packet.duration)
                    packet.pts += begin
                    packet.dts += begin
                    packet.stream = stream
                    out.mux(packet)
                begin += length


def _pictures(
    source: Path, begin_s: float, end_s: float, width: int, height: int
) -> Iterator[np.ndarray]:
    """Yield the source's picture at each frame of the clip, for ever, uint8 BGR."""
    while True:
        shown, due = None, 0
        with av.open(str(source)) as clip:
            video = clip.streams.video[0]
            for frame in clip.decode(video):
                at = float(frame.pts * video.time_base) - begin_s
                if at < 0:
                    continue
                if at > end_s - begin_s:
                    break
                while shown is not None and due / FPS < at:
                    yield shown
                    due += 1
                shown = _fitted(frame.to_ndarray(format="bgr24"), width, height)


def _fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Cut a picture to the proportions and bring it to the size."""
    high = min(picture.shape[0], round(picture.shape[1] * height / width))
    top = (picture.shape[0] - high) // 2
    smaller = width < picture.shape[1]
    kind = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture[top : top + high], (width, height), interpolation=kind)
