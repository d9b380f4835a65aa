"""Decoding in its own thread: sampled frames, their times, what was damaged."""

from __future__ import annotations

import queue
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import av
import cv2
import numpy as np

from pipeline.footage.sources import JUMP_BACK_S, Clip, open_container, video_stream

#: Frames waiting between decoder and analysis; bounds the memory.
QUEUE_FRAMES = 6
#: Width of the picture on which motion is measured, pixels.
MOTION_WIDTH = 160
#: Longest time between two key frames at which these serve for a look, seconds. A
#: walker crosses the view of a street camera in five or more.
KEYS_S = 4.0
#: How key frames are decoded: without smoothing the edges of blocks, which a first
#: look does not need (a sixth of the time).
LOOK_OPTIONS = {"skip_loop_filter": "all", "flags2": "+fast"}
#: A key frame so much too early is taken if the next would be later, share of a look.
NEARLY = 0.1
#: So many key frames are decoded first, to see whether they can stand alone.
PROBED_KEYS = 3


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
    passed_over: int  #: frames left undecoded on purpose, between key frames
    end_s: float  #: seconds since the clip's start, exclusive
    gap_s: float  #: longest time in the part without a sample, seconds


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
    keys_only : bool
        Decode key frames only, where one comes every `KEYS_S` at least; where they
        are rarer, every frame of the part is decoded, and sampled all the same.
    """

    def __init__(
        self,
        clip: Clip,
        *,
        sample_fps: float,
        part_s: float,
        parts: list[int] | None = None,
        threads: int = 2,
        keys_only: bool = False,
    ) -> None:
        self.clip = clip
        self.sample_s = 1 / sample_fps
        self.part_s = part_s
        self.parts = list(range(part_count(clip, part_s))) if parts is None else parts
        self._threads = threads
        self._keys_only = keys_only
        self._sampled: list[float] = []  # in the part in work, seconds
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
            item = self.take()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def take(self) -> Any:
        """Wait for what the thread hands out next; None at the end."""
        return self._items.get()

    def _work(self) -> None:
        try:
            for run in _runs(self.parts):
                for serve, some in groupby(run, self._keys_serve):
                    (self._decode_keys if serve else self._decode)(list(some))
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

    def _keys_serve(self, part: int) -> bool:
        """Tell whether the key frames of a part are close enough to stand for it."""
        return (
            self._keys_only
            and bool((np.diff(_between(self.clip, part, self.part_s)) <= KEYS_S).all())
            and self._keys_are_whole
        )

    @cached_property
    def _keys_are_whole(self) -> bool:
        """Tell whether key frames decode alone; those of some cameras do not."""
        some = self.clip.keys[:PROBED_KEYS]
        return len(list(key_frames(self.clip, some, self._threads))) == len(some)

    def _decode_keys(self, run: list[int]) -> None:
        """Decode the key frames that are due in consecutive parts."""
        wanted = [_due_keys(self.clip, p, self.part_s, self.sample_s) for p in run]
        frames = key_frames(self.clip, np.concatenate(wanted), self._threads)
        waiting = next(frames, None)
        for part, due in zip(run, wanted, strict=True):
            end, read = self._end(part), 0
            while waiting is not None and waiting[0] < end:
                self._sample(*waiting)
                read += 1
                waiting = next(frames, None)
            lost = max(0, len(due) - read)
            self._finish(part, read, lost, self._held(part) - read - lost)

    def _sample(self, at: float, frame: Any) -> None:
        self._sampled.append(at)
        number = self.clip.number_at(at)
        self._put(Sample(number, at, _small_luma(frame), frame, self.clip))

    def _decode(self, run: list[int]) -> None:
        """Decode consecutive parts; leave out what lies before and after them."""
        part, read, due = run[0], 0, run[0] * self.part_s
        end = self._end(part)
        for at, frame in good_frames(self.clip, due, self._threads):
            while at >= end:
                self._finish(part, read, self._held(part) - read)
                if part == run[-1]:
                    return
                part, read, due = part + 1, 0, end
                end = self._end(part)
            read += 1
            if at < due - 1e-6:
                continue
            while due <= at + 1e-6:
                due += self.sample_s
            self._sample(at, frame)
        for rest in range(part, run[-1] + 1):
            whole = read if rest == part else 0
            self._finish(rest, whole, self._held(rest) - whole)

    def _finish(self, part: int, read: int, corrupt: int, passed_over: int = 0) -> None:
        end = self._end(part)
        seen = [part * self.part_s, *self._sampled, end]
        self._sampled = []
        gap = float(np.diff(seen).max())
        self._put(PartEnd(part, read, max(0, corrupt), max(0, passed_over), end, gap))

    def _end(self, part: int) -> float:
        return min((part + 1) * self.part_s, self.clip.duration_s)

    def _held(self, part: int) -> int:
        """Return how many frames of the file belong to a part."""
        start, end = part * self.part_s, (part + 1) * self.part_s
        first, last = np.searchsorted(self.clip.times, [start, end])
        return int(last - first)


def part_count(clip: Clip, part_s: float) -> int:
    """Return how many parts of `part_s` seconds a clip has."""
    return max(1, int(np.ceil(clip.duration_s / part_s - 1e-9)))


def key_frames(
    clip: Clip, wanted: np.ndarray, threads: int = 2
) -> Iterator[tuple[float, Any]]:
    """Yield (seconds since the clip's start, frame) of key frames, undamaged only.

    Parameters
    ----------
    wanted : float [n], ascending times out of the clip's `keys`; the packets of all
        other frames are passed over undecoded.
    """
    if not len(wanted):
        return
    zero, _ = clip.segments[0]
    with open_container(clip.path) as container:
        stream = _begin(container, clip, float(wanted[0]), threads, LOOK_OPTIONS)
        base = float(stream.time_base or 1)

        context = stream.codec_context
        for packet in _packets(container, stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if not packet.is_keyframe or stamp is None:
                continue
            at = stamp * base - zero
            near = min(bisect_left(wanted, at - 1e-4), len(wanted) - 1)
            if abs(wanted[near] - at) > 1e-4:
                continue
            # Each by itself: without the frames between, a decoder would put some
            # out of order.
            with suppress(av.error.FFmpegError):
                for frame in [*context.decode(packet), *context.decode(None)]:
                    if not frame.is_corrupt:
                        yield at, frame
                        break
            context.flush_buffers()


def good_frames(
    clip: Clip, start_s: float = 0.0, threads: int = 2
) -> Iterator[tuple[float, Any]]:
    """Yield (seconds since the clip's start, frame) from `start_s`, undamaged only.

    Damaged packets are passed over; frames that FFmpeg patched up are left out.
    """
    with open_container(clip.path) as container:
        stream = _begin(container, clip, start_s, threads)
        base = float(stream.time_base or 1)
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


def _begin(
    container: av.container.InputContainer,
    clip: Clip,
    start_s: float,
    threads: int,
    options: dict[str, str] | None = None,
) -> av.VideoStream:
    """Return the stream to decode, brought to a time of the clip where that works."""
    stream = video_stream(container)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    stream.codec_context.options = options or {}
    if clip.seekable and start_s > 0:
        target = clip.segments[0][0] + start_s - 0.5
        # An animated picture cannot be sought in: it is read from its beginning.
        with suppress(av.error.FFmpegError):
            place = int(target / float(stream.time_base or 1))
            container.seek(place, stream=stream, backward=True)
    return stream


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[Any]:
    for packet in _packets(container, stream):
        with suppress(av.error.FFmpegError):
            yield from packet.decode()


def _packets(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet]:
    # The file may end in the middle of a packet.
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


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


def _between(clip: Clip, part: int, part_s: float) -> np.ndarray:
    """Return the key frames of a part with its beginning and end, seconds."""
    start, end = part * part_s, min((part + 1) * part_s, clip.duration_s)
    first, last = np.searchsorted(clip.keys, [start, end])
    return np.concatenate([[start], clip.keys[first:last], [end]])


def _due_keys(clip: Clip, part: int, part_s: float, sample_s: float) -> np.ndarray:
    """Return the key frames of a part that are looked at, seconds."""
    due, due_s = [], -np.inf
    keys = _between(clip, part, part_s)[1:]
    for at, after in pairwise(keys.tolist()):
        early = due_s - at
        if early <= 1e-6 or (early <= NEARLY * sample_s and after - due_s > early):
            due.append(at)
            due_s = at + sample_s
    return np.array(due)


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
