"""Recorders that fill their cameras' folders: short real clips, over and over."""

from __future__ import annotations

import os
import shutil
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import av

from pipeline.footage.sources import SUFFIXES

#: Containers that take any of the clips' codecs as they are, and what stays a GIF.
_FORM = ".mkv"
#: Clips cut out of one film at most.
_MOST = 8


def cut(films: list[Path], folder: Path, seconds: float) -> list[Path]:
    """Cut films at their key frames into clips of some seconds, without re-encoding.

    Animated GIFs cannot be cut and are taken whole. Returns the clips, by film.
    """
    folder.mkdir(parents=True)
    made = []
    for film in films:
        if film.suffix.lower() == ".gif":
            made.append(Path(shutil.copy(film, folder / film.name)))
        else:
            made += _cut(film, folder, seconds)
    return made


def films(folder: Path) -> list[Path]:
    """Return the films of a folder."""
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES]


def _cut(film: Path, folder: Path, seconds: float) -> list[Path]:
    made: list[Path] = []
    with av.open(str(film)) as source:
        video = source.streams.video[0]
        out = stream = None
        first = 0
        for packet in source.demux(video):
            if packet.dts is None or packet.pts is None:
                continue
            lasted = (packet.dts - first) * video.time_base
            if out is not None and lasted >= seconds:
                out.close()
                out = None
            if out is None:
                if not packet.is_keyframe:
                    continue
                if len(made) == _MOST:
                    break
                path = folder / f"{film.stem}-{len(made)}{_FORM}"
                out = av.open(str(path), "w")
                stream = out.add_stream_from_template(video)
                first = packet.dts
                made.append(path)
            packet.dts -= first
            packet.pts -= first
            packet.stream = stream
            out.mux(packet)
        if out is not None:
            out.close()
    return made


class Feeder(threading.Thread):
    """Puts a clip into a camera's folder at its turn, named by camera and start.

    Parameters
    ----------
    begin : start of the first clip of every camera, UTC.
    step : time between the starts of two clips of a camera.
    rounds : clips of each camera.
    pace_s : seconds between two clips, whatever the camera.
    """

    def __init__(
        self,
        clips: list[Path],
        cameras: list[str],
        folder: Path,
        *,
        begin: datetime,
        step: timedelta,
        rounds: int,
        pace_s: float,
    ) -> None:
        super().__init__(name="feeder", daemon=True)
        self.clips, self.cameras, self.folder = clips, cameras, folder
        self._begin, self._step, self._rounds = begin, step, rounds
        self._pace_s = pace_s
        #: (camera, start) of each clip that was put there
        self.fed: list[tuple[str, datetime]] = []
        self._stopping = threading.Event()
        for camera in cameras:
            self.folder_of(camera).mkdir(parents=True)

    def folder_of(self, camera: str) -> Path:
        """Return the folder of a camera."""
        return self.folder / camera

    def stop(self) -> None:
        """Feed no more."""
        self._stopping.set()

    def run(self) -> None:
        """Feed; late turns are made up for at once."""
        begin = time.monotonic()
        for turn in range(self._rounds * len(self.cameras)):
            wait = begin + turn * self._pace_s - time.monotonic()
            if self._stopping.wait(max(0.0, wait)):
                return
            number, place = divmod(turn, len(self.cameras))
            self._put(number, place)

    def _put(self, number: int, place: int) -> None:
        camera = self.cameras[place]
        clip = self.clips[(number * 7 + place) % len(self.clips)]
        # Each camera's recorder cuts at a moment of its own.
        start = self._begin + number * self._step + timedelta(seconds=place % 60)
        target = (
            self.folder_of(camera) / f"{camera}_{start:%Y%m%dT%H%M%S}Z{clip.suffix}"
        )
        pending = target.with_name(f".{target.name}")
        try:
            os.link(clip, pending)
        except OSError:  # another file system
            shutil.copyfile(clip, pending)
        os.rename(pending, target)
        self.fed.append((camera, start))

    def forget(self, paths: list[Path]) -> None:
        """Delete clips, as a recorder does that needs the room."""
        for path in paths:
            path.unlink(missing_ok=True)
