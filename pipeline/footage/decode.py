"""Decoding in its own thread: sampled frames, their times, what was damaged."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np

from pipeline.footage.sources import JUMP_BACK_S, Clip, open_container, video_stream

#: Frames waiting between decoder and analysis; bounds the memory.
QUEUE_FRAMES = 6
#: Width of the picture on which motion is measured, pixels.
MOTION_WIDTH = 160


@dataclass(frozen=True)
class Sample:
    """A decoded frame that is due for analysis."""

    number: int  #: of the frame within the clip, from 0
    offset_s: float  #: seconds since the clip's start
    luma: np.ndarray  #: uint8, small, for motion
    frame: Any  #: decoded, not yet converted
    clip: Clip

    def image(self) -> np.ndarray:
        """Return the picture, uint8 [height, width, 3], blue-green-red, upright.

        A clip whose picture size changes on the way keeps the pixels of its first
        frame, to which calibration and boxes refer.
        """
        return fitted(upright(self.frame), self.clip)


@dataclass(frozen=True)
class PartEnd:
    """Every frame of a part was handed out."""

    part: int
    read: int  #: frames decoded whole
    corrupt: int  #: frames of the file that were damaged or did not decode
    end_s: float  #: seconds since the clip's start, exclusive


class Decoder:
    """Decode a clip part by part in a thread of its own.

    Iterating yields `Sample`s in time order, and a `PartEnd` after those of each
    part. Part k spans [k * part_s, (k + 1) * part_s) of the clip. Sampling starts
    anew in each part, so that a part gives the same samples whether or not the
    parts before it were decoded. Close it (or use `with`) to stop the thread.

    Parameters
    ----------
    clip : Clip
    sample_fps : float
        Samples per second of footage; fewer where the clip has fewer frames.
    part_s : float
        Length of a part, seconds.
    parts : iterable of int, optional
        The parts wanted, ascending; all by default.
    """

    def __init__(
        self,
        clip: Clip,
        *,
        sample_fps: float,
        part_s: float,
        parts: list[int] | None = None,
        threads: int = 2,
    ) -> None:
        self.clip = clip
        self.sample_s = 1 / sample_fps
        self.part_s = part_s
        self.parts = list(range(part_count(clip, part_s))) if parts is None else parts
        self._threads = threads
        self._items: queue.Queue[Any] = queue.Queue(QUEUE_FRAMES)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Decoder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._items.get_nowait()
            except queue.Empty:
                self._thread.join(0.05)

    def __iter__(self) -> Iterator[Sample | PartEnd]:
        while True:
            item = self._items.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _work(self) -> None:
        try:
            for run in _runs(self.parts):
                self._decode(run)
            self._put(None)
        except _StoppedError:
            pass
        except BaseException as error:
            self._put(error)

    def _put(self, item: object) -> None:
        while not self._stop.is_set():
            try:
                self._items.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _StoppedError

    def _decode(self, run: list[int]) -> None:
        """Decode consecutive parts; leave out what lies before and after them."""
        part, read, due = run[0], 0, run[0] * self.part_s
        end = min((part + 1) * self.part_s, self.clip.duration_s)
        for at, frame in good_frames(self.clip, due, self._threads):
            while at >= end:
                self._finish(part, read)
                if part == run[-1]:
                    return
                part, read, due = part + 1, 0, end
                end = min((part + 1) * self.part_s, self.clip.duration_s)
            read += 1
            if at < due - 1e-6:
                continue
            while due <= at + 1e-6:
                due += self.sample_s
            number = self.clip.number_at(at)
            self._put(Sample(number, at, _small_luma(frame), frame, self.clip))
        for rest in range(part, run[-1] + 1):
            self._finish(rest, read if rest == part else 0)

    def _finish(self, part: int, read: int) -> None:
        start, end = part * self.part_s, (part + 1) * self.part_s
        times = self.clip.times
        held = int(np.searchsorted(times, end) - np.searchsorted(times, start))
        self._put(
            PartEnd(part, read, max(0, held - read), min(end, self.clip.duration_s))
        )


def part_count(clip: Clip, part_s: float) -> int:
    """Return how many parts of `part_s` seconds a clip has."""
    return max(1, int(np.ceil(clip.duration_s / part_s - 1e-9)))


def good_frames(
    clip: Clip, start_s: float = 0.0, threads: int = 2
) -> Iterator[tuple[float, Any]]:
    """Yield (seconds since the clip's start, frame) from `start_s`, undamaged only.

    Damaged packets are passed over; frames that FFmpeg patched up are left out.
    """
    with open_container(clip.path) as container:
        stream = video_stream(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        base = float(stream.time_base or 1)
        raw_zero, _ = clip.segments[0]
        if clip.seekable and start_s > 0:
            target = raw_zero + start_s - 0.5
            # An animated picture cannot be sought in: it is read from its beginning.
            with suppress(av.error.FFmpegError):
                container.seek(int(target / base), stream=stream, backward=True)
        segment, last, clockless = 0, None, 0
        for frame in _decoded(container, stream):
            if frame.pts is None:
                at = clockless / clip.fps
                clockless += 1
            else:
                raw = frame.pts * base
                back = last is not None and raw < last - JUMP_BACK_S
                if back and segment + 1 < len(clip.segments):
                    segment += 1
                last = raw
                first, begin = clip.segments[segment]
                at = raw - first + begin
            if at < start_s - 1e-6 or frame.is_corrupt:
                continue
            yield at, frame


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:  # the file ends in the middle of a packet
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def upright(frame: Any) -> np.ndarray:
    """Return a decoded frame as displayed, uint8 [h, w, 3], blue-green-red."""
    image = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def fitted(image: np.ndarray, clip: Clip) -> np.ndarray:
    """Scale a picture to the size of the clip's first one, if it differs."""
    if image.shape[:2] == (clip.height, clip.width):
        return image
    return cv2.resize(image, (clip.width, clip.height), interpolation=cv2.INTER_AREA)


def _small_luma(frame: Any) -> np.ndarray:
    if frame.format.name.startswith(("yuv", "nv12", "nv21", "gray")):
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        luma = luma[:, : plane.width]
        if frame.format.components[0].bits > 8:
            luma = frame.to_ndarray(format="gray")
    else:
        luma = frame.to_ndarray(format="gray")
    height = max(1, round(MOTION_WIDTH * luma.shape[0] / luma.shape[1]))
    return cv2.resize(luma, (MOTION_WIDTH, height), interpolation=cv2.INTER_AREA)


def _runs(parts: list[int]) -> list[list[int]]:
    """Group ascending numbers into consecutive runs."""
    runs: list[list[int]] = []
    for part in parts:
        if runs and part == runs[-1][-1] + 1:
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs


class _StoppedError(Exception):
    pass
