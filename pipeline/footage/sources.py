"""Clips: which files are footage, and what can be known before analysing them."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from pipeline.errors import FootageError

#: File names taken from a folder; a file named directly may have any suffix.
# fmt: off
SUFFIXES = frozenset(
    [".3gp", ".asf", ".avi", ".dav", ".flv", ".gif", ".h264", ".h265", ".hevc",
     ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
     ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"]
)
# fmt: on
#: Containers that hold moving pictures and nothing that points to other files
#: (playlists do) or that would read any text as video (FFmpeg's "tty" does).
# fmt: off
CONTAINERS = frozenset(
    ["3gp", "asf", "avi", "dv", "flv", "gif", "h264", "hevc", "m4v", "matroska",
     "mjpeg", "mov", "mp4", "mpeg", "mpegts", "mpegvideo", "mxf", "ogg", "webm"]
)
# fmt: on
#: A gap of decoding times backwards by more than this starts a new segment
#: (two recordings joined in one file), seconds.
JUMP_BACK_S = 0.5
#: No frame for longer than this, and than so many usual steps, is a gap, seconds.
GAP_S, GAP_STEPS = 1.0, 4
#: A file is called truncated when this much of its declared length is missing.
MISSING_SHARE, MISSING_S = 0.02, 1.0


@dataclass(frozen=True)
class Clip:
    """One video file whose packets were listed and whose first frame decodes."""

    path: Path
    container: str
    width: int  #: pixels, as displayed
    height: int
    fps: float  #: frames per second, mean
    #: float64 [n], seconds since the first frame, ascending: one for each frame
    times: np.ndarray
    duration_s: float  #: from the first frame's start to the last one's end
    #: start of each joined recording within the file: (first raw time, time
    #: since the clip's start), seconds; one entry for an ordinary file
    segments: tuple[tuple[float, float], ...]
    missing: str | None  #: what a truncated file lacks, in words
    #: float64, times of the key frames among `times`; empty where they are not
    #: known for sure (several recordings in one file, or a stream without a clock)
    keys: np.ndarray

    @property
    def seekable(self) -> bool:
        """Whether raw times are unambiguous, so that one can seek by them."""
        return len(self.segments) == 1

    @property
    def gaps_s(self) -> list[float]:
        """Times between two frames that are too long to be the clip's rate, seconds."""
        steps = np.diff(self.times)
        if not len(steps):
            return []
        least = max(GAP_S, GAP_STEPS * float(np.median(steps)))
        return [float(step) for step in steps[steps > least]]

    def number_at(self, time_s: float) -> int:
        """Return the number (0, 1, ...) of the frame shown at a time."""
        return min(bisect_left(self.times, time_s - 1e-4), len(self.times) - 1)


def clips(source: Path) -> list[Path]:
    """Return the clips of a file or folder, sorted by name.

    Parameters
    ----------
    source : Path
        A video file (any suffix; its content decides) or a folder, of which the
        files with one of `SUFFIXES` are taken, sub-folders not included.

    Raises
    ------
    FootageError
        If there is nothing there, or the folder holds no clip.
    """
    if source.is_dir():
        found = sorted(
            path
            for path in source.iterdir()
            if path.suffix.lower() in SUFFIXES
            and path.is_file()
            and not path.name.startswith(".")
        )
        if not found:
            raise FootageError(
                f"The folder {source} holds no video file; name a folder with files "
                f"such as *.mp4, *.avi, *.mkv, *.ts or *.gif."
            )
        return found
    if not source.exists():
        raise FootageError(
            f"There is no file or folder {source}; check the path of the footage."
        )
    if not source.is_file():
        raise FootageError(
            f"{source} is neither a file nor a folder; name a video file."
        )
    return [source]


def open_clip(path: Path) -> Clip:
    """List a clip's packets and decode its first frame.

    Raises
    ------
    FootageError
        If the file is empty, no video, a picture, or has no decodable frame.
    """
    try:
        if path.stat().st_size == 0:
            raise FootageError(f"{path} is empty (0 bytes); copy the clip again.")
        with open_container(path) as container:
            return _examine(path, container)
    except FileNotFoundError as error:
        raise FootageError(
            f"There is no file {path}; check the path of the footage."
        ) from error
    except PermissionError as error:
        raise FootageError(
            f"{path} cannot be read ({error.strerror}); allow this user to read it."
        ) from error
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise FootageError(
            f"{path} is no video that can be read, or is cut off before its index; "
            f"check the file or copy it again."
        ) from error


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file with FFmpeg, local files only, without its chatter.

    Raises
    ------
    FootageError
        If the file is a picture, text, sound only or a playlist.
    """
    # No callback into Python at all: one from a decoding thread, while the container
    # is being closed, would wait for ever.
    av.logging.set_level(None)
    container = av.open(str(path), options={"protocol_whitelist": "file"})
    kinds = set(container.format.name.split(","))
    if not kinds & CONTAINERS:
        container.close()
        what = "a picture" if _is_picture(kinds) else "no video file"
        raise FootageError(
            f"{path} is {what} ({container.format.name}); footage must be video, "
            f"for example MP4, AVI, MKV, MPEG-TS or GIF."
        )
    if _video_stream(container) is None:
        container.close()
        raise FootageError(f"{path} holds no moving picture; name a video file.")
    return container


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """Return the stream to analyse: the first that is no cover picture."""
    stream = _video_stream(container)
    assert stream is not None  # open_container made sure
    return stream


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_picture(kinds: set[str]) -> bool:
    return any(kind.endswith("_pipe") or kind == "image2" for kind in kinds)


def _video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            return stream
    return None


def _examine(path: Path, container: av.container.InputContainer) -> Clip:
    stream = video_stream(container)
    fps = float(stream.average_rate or stream.guessed_rate or 0) or 25.0
    times, segments, keys = _packet_times(container, stream, 1 / fps)
    first = _first_frame(path)
    if first is None or len(times) == 0:
        raise FootageError(
            f"No frame of {path} can be decoded (truncated or damaged); "
            f"copy the clip again."
        )
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / fps
    step = step or 1 / fps
    duration = float(times[-1]) + step
    height, width = first.shape[:2]
    return Clip(
        path=path,
        container=container.format.name,
        width=width,
        height=height,
        fps=len(times) / duration,
        times=times,
        duration_s=duration,
        segments=segments,
        missing=_missing(path, container, stream, len(times), duration),
        keys=keys,
    )


def _packet_times(
    container: av.container.InputContainer, stream: av.VideoStream, step: float
) -> tuple[np.ndarray, tuple[tuple[float, float], ...], np.ndarray]:
    """List presentation times without decoding, joined recordings laid end to end.

    The third array has those of key frames, of a single recording with a clock.
    """
    base = float(stream.time_base or 1)
    shown: list[float] = []
    segments: list[tuple[float, float]] = []
    segment: list[float] = []
    keys: list[float] = []
    clocked = True
    last = None
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            decoded = packet.dts if packet.dts is not None else packet.pts
            if stamp is None or decoded is None:  # a bare stream without a clock
                at = decode_at = len(segment) * step
                clocked = False
            else:
                at, decode_at = stamp * base, decoded * base
            if last is not None and decode_at < last - JUMP_BACK_S:
                _close(shown, segments, segment, step)
                segment = []
            segment.append(at)
            if packet.is_keyframe:
                keys.append(at)
            last = decode_at
    except av.error.FFmpegError:  # the file ends in the middle of a packet
        pass
    if segment:
        _close(shown, segments, segment, step)
    alone = len(segments) == 1 and clocked
    sure = np.sort(keys) - segments[0][0] if alone else np.empty(0)
    return np.asarray(shown, np.float64), tuple(segments), sure


def _close(
    shown: list[float],
    segments: list[tuple[float, float]],
    segment: list[float],
    step: float,
) -> None:
    segment.sort()
    begin = shown[-1] + step if shown else 0.0
    segments.append((segment[0], begin))
    shown.extend(at - segment[0] + begin for at in segment)


def _first_frame(path: Path) -> np.ndarray | None:
    from pipeline.footage.decode import upright

    with open_container(path) as container:
        try:
            for packet in container.demux(video_stream(container)):
                try:
                    for frame in packet.decode():
                        if not frame.is_corrupt:
                            return upright(frame)
                except av.error.FFmpegError:
                    continue
        except av.error.FFmpegError:
            return None
    return None


def _missing(
    path: Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    frames: int,
    duration: float,
) -> str | None:
    if stream.frames and frames < stream.frames * (1 - MISSING_SHARE):
        return (
            f"the file is truncated: it declares {stream.frames} frames "
            f"and holds {frames}"
        )
    if container.format.name == "gif" and not _gif_ends(path):
        return f"the file is truncated: its end is missing after {frames} frames"
    declared = (container.duration or 0) / av.time_base
    lost = declared - duration
    if not stream.frames and lost > max(MISSING_S, MISSING_SHARE * declared):
        return (
            f"the file is truncated: it declares {declared:.1f} s "
            f"and holds {duration:.1f} s"
        )
    return None


def _gif_ends(path: Path) -> bool:
    """Whether the trailer of GIF89a (section 27: one byte 0x3B) is there."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return file.read().rstrip(b"\0").endswith(b";")
