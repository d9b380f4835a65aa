"""A stream becomes clips: recorded as it comes, cut at key frames, never decoded."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from pipeline.errors import FootageError
from pipeline.fleet.sources import Source
from pipeline.store import disk, layout

#: Seconds until a silent stream counts as stalled.
STALL_S = 10.0
#: First and longest pause before a stream is tried again, seconds.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
#: A connection that held so long starts with the first pause again, seconds.
_HELD_S = 30.0
#: What a break leaves of a clip that had just begun may not decode, seconds.
_SHORTEST_S = 0.5
_WRITING = ".recording-"

#: Told (link, fault): link is connected or waiting, fault a sentence or empty.
Tell = Callable[[str, str], object]


class Recorder(threading.Thread):
    """Records one stream until told to stop; reconnects with growing pauses.

    Each clip is written beside its place and renamed when it is whole; its name
    tells camera and start. Damage on the way costs the packets damaged, and a break
    the time until the next key frame.
    """

    def __init__(
        self,
        source: Source,
        *,
        clip_s: float = 60.0,
        tell: Tell = lambda _link, _fault: None,
        room: Callable[[], None] = lambda: None,
        stall_s: float = STALL_S,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        super().__init__(name=f"recorder {source.camera}", daemon=True)
        self._source, self._clip_s, self._tell, self._room = source, clip_s, tell, room
        self._stall_s, self._first_pause_s = stall_s, pause_s
        self._stopping = threading.Event()
        self.connections = 0

    def stop(self) -> None:
        """Close the clip in work and end; join the thread to wait for it."""
        self._stopping.set()

    def run(self) -> None:
        """Record until stopped."""
        layout.make_folder(self._source.folder)
        for rest in self._source.folder.glob(f"{_WRITING}*"):
            _salvage(rest)
        pause = self._first_pause_s
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._room()
                self._record()
                fault = f"{self._source.name} ended; it is tried again."
            except disk.NoRoomError as error:
                fault = f"Recording waits: {error}"
            except FootageError as error:
                fault = str(error)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                fault = self._sentence(error)
            if self._stopping.is_set():
                break
            if time.monotonic() - begun > _HELD_S:
                pause = self._first_pause_s
            self._tell("waiting", fault)
            self._stopping.wait(pause * random.uniform(0.8, 1.2))
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        self._tell("", "")

    def _record(self) -> None:
        options = {"rtsp_transport": "tcp", "fflags": "nobuffer"}
        av.logging.set_level(None)
        with av.open(
            self._source.address(), options=options, timeout=(self._stall_s,) * 2
        ) as stream:
            video = stream.streams.video[0] if stream.streams.video else None
            if video is None:
                raise FootageError(f"{self._source.name} holds no moving picture.")
            self.connections += 1
            self._tell("connected", "")
            clip: _Clip | None = None
            try:
                for packet in stream.demux(video):
                    if self._stopping.is_set():
                        return
                    if packet.dts is None or not packet.size or packet.is_corrupt:
                        continue
                    if packet.is_keyframe and (
                        clip is None or clip.seconds(packet) >= self._clip_s
                    ):
                        if clip is not None:
                            clip.close()
                            self._room()
                        clip = _Clip(self._source, video)
                    if clip is not None:
                        clip.add(packet)
            finally:
                if clip is not None:
                    clip.close()

    def _sentence(self, error: Exception) -> str:
        name = self._source.name
        if isinstance(error, av.error.HTTPUnauthorizedError):
            return f"{name} refuses the user or password; correct them."
        if isinstance(error, av.error.HTTPClientError | FileNotFoundError):
            return f"{name} answers, but has no such stream; correct the address."
        if isinstance(error, av.error.ExitError | TimeoutError):
            return f"{name} was silent for {self._stall_s:g} s; it is tried again."
        what = getattr(error, "strerror", None) or type(error).__name__
        return f"{name} cannot be reached ({what}); it is tried again."


class _Clip:
    """One clip being recorded."""

    def __init__(self, source: Source, stream: Any) -> None:
        self._source, self._base = source, stream.time_base or Fraction(1, 90_000)
        # Transport streams bear a change of the picture's size and need no end.
        plain = stream.codec_context.name in ("h264", "hevc", "mpeg4", "mpeg2video")
        self._suffix, form = (".ts", "mpegts") if plain else (".mkv", "matroska")
        # Our own clock; a stream's offset is the time it takes to get here.
        start = datetime.now(UTC) - timedelta(seconds=source.clock_offset_s)
        text = f"{start:%Y%m%dT%H%M%S}.{start.microsecond // 1000:03d}Z"
        self._target = source.folder / f"{source.camera}_{text}{self._suffix}"
        self._pending = source.folder / f"{_WRITING}{self._target.name}"
        self._out = av.open(str(self._pending), "w", format=form)
        self._stream = self._out.add_stream_from_template(stream)
        self._first: int | None = None
        self._last = -1

    def seconds(self, packet: Any) -> float:
        return float((packet.dts - (self._first or 0)) * self._base)

    def add(self, packet: Any) -> None:
        if self._first is None:
            self._first = packet.dts
        dts = packet.dts - self._first
        if dts <= self._last:
            return  # a clock that jumped back: what follows begins the next clip
        self._last = dts
        pts = (packet.pts if packet.pts is not None else packet.dts) - self._first
        packet.stream = self._stream
        packet.dts, packet.pts = dts, max(pts, dts)
        self._out.mux(packet)

    def close(self) -> None:
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            self._out.close()
        if self._last * self._base < _SHORTEST_S:
            self._pending.unlink(missing_ok=True)
            return
        with open(self._pending, "rb+") as file:
            os.fsync(file.fileno())
        os.rename(self._pending, self._target)
        layout.flush_folder(self._target.parent)


def _salvage(rest: Path) -> None:
    """Keep what a recorder wrote that was killed, if it is more than nothing."""
    target = rest.with_name(rest.name.removeprefix(_WRITING))
    if rest.stat().st_size > 64 * 1024 and not target.exists():
        os.rename(rest, target)
    else:
        rest.unlink()
