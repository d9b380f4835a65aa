"""Footage: seconds of work for an hour of a camera, at triage and full quality."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import av
import cv2
import numpy as np

from benchmarks import budgets, clips, machine
from pipeline.cameras import registry
from pipeline.footage import ingest as ingests
from pipeline.footage import parts, sources
from pipeline.settings import Settings, get_settings
from pipeline.vision import appearance, faces, masks, observer, persons, tracking

#: Seconds of work that an hour of 1080p may cost.
MOST_SECONDS = {"triage": 60.0, "full": 1200.0}
#: Full quality beats the loop that looks for persons and faces in every frame by
#: so much, and no analysis takes more memory than this, bytes.
LEAST_TIMES_NAIVE, MOST_MEMORY = 8.0, 2 * 2**30
#: Clips shorter than this prove nothing: most of the time is starting.
LEAST_SECONDS = 15
#: At triage quality the clip is repeated up to about so many seconds of footage:
#: two parts of the default length, of which an hour has twelve.
TRIAGE_S = 600.0
#: Frames of the naive loop that are measured, spread over the clip.
NAIVE_FRAMES = 10
START = "2025-11-03T{:02d}:00:00+09:00"
HOUR_S = 3600.0


def measure(
    folder: Path, *, rows: int, threads: int = 2, seed: int = 1, clip: Path | None
) -> dict[str, Any]:
    """Both qualities on clips of `rows` seconds, or on the clip given as it is."""
    begun = time.perf_counter()
    settings = get_settings().model_copy(
        update={"data_dir": folder / "data", "threads": threads}
        | {"models_dir": get_settings().weights_dir, "part_seconds": 300.0}
    )
    if clip is not None:
        found = {"clip": {"clip": _scene(clip, 1, settings, folder)}}
        source: dict[str, Any] = {"clip": str(clip)}
    else:
        found = {}
        source = {"scenes": clips.SCENES, "how": clips.HOW}
        seconds = max(2 * clips.KEY_S, rows // len(clips.SCENES))
        for size in clips.SIZES:
            found[size] = {}
            for scene in clips.SCENES:
                path = folder / f"{scene}-{size}.mp4"
                clips.make(scene, size, seconds, path)
                times = max(1, round(TRIAGE_S / seconds))
                found[size][scene] = _scene(path, times, settings, folder)
                path.unlink()
    return {
        "seconds": time.perf_counter() - begun,
        "source": source,
        "extrapolated": "hours are computed from the measured seconds of the scenes, "
        "each of which fills an equal share; loading the networks is counted once",
        "hours": {size: _hour(scenes) for size, scenes in found.items()},
        "scenes": found,
    }


def limits(found: dict[str, Any], rows: int) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    checks = []
    for size, scenes in found["scenes"].items():
        some = next(iter(scenes.values()))
        if some["height"] > 1080 or some["footage_seconds"] < LEAST_SECONDS:
            continue
        hour = found["hours"][size]
        checks += [
            budgets.Budget(
                f"an hour of {size} at {quality} quality, seconds",
                hour[f"{quality}_seconds"],
                limit,
            )
            for quality, limit in MOST_SECONDS.items()
        ]
        checks.append(
            budgets.Budget(
                f"{size}, times faster at full quality than a look at every frame",
                hour["naive_every_frame_seconds"] / hour["full_seconds"],
                LEAST_TIMES_NAIVE,
                least=True,
            )
        )
        memory = max(one["peak_memory_bytes"] for one in scenes.values())
        checks.append(
            budgets.Budget(f"{size}, peak memory, bytes", memory, MOST_MEMORY)
        )
    return checks


def _scene(path: Path, times: int, settings: Settings, folder: Path) -> dict[str, Any]:
    clip = sources.open_clip(path)
    figures: dict[str, Any] = {
        "width": clip.width,
        "height": clip.height,
        "fps": clip.fps,
        "footage_seconds": clip.duration_s,
        "bits_per_second": path.stat().st_size * 8 / clip.duration_s,
        "key_frames": len(clip.keys),
    }
    frames = len(clip.times)
    baselines = {
        "decode_only": _decode(path, settings.threads, lambda _packet: True),
        "decode_key_frames": _decode(
            path, settings.threads, lambda packet: packet.is_keyframe or not packet.size
        ),
        "opencv_read_only": _opencv(path),
        "naive_every_frame": _naive(path, frames, settings),
    }
    figures["baselines_seconds"] = baselines
    long = path
    if times > 1:
        long = folder / f"long-{path.name}"
        clips.repeat(path, times, long)
    memory = 0
    for quality, source in (("triage", long), ("full", path)):
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        asked = settings.model_copy(update={"quality": quality})
        with machine.PeakMemory() as peak:
            figures[quality] = _ingest(source, asked)
        memory = max(memory, peak.bytes)
    figures["peak_memory_bytes"] = memory
    if long is not path:
        long.unlink()
    return figures


def _ingest(path: Path, settings: Settings) -> dict[str, Any]:
    camera = next(iter(registry.load(settings.registry).cameras))
    with _stages() as spent:
        begun, busy = time.perf_counter(), time.process_time()
        done = ingests.ingest(path, camera.id, START.format(12), settings=settings)
        seconds = time.perf_counter() - begun
        busy = time.process_time() - busy
    [clip] = done.clips
    load = spent.pop("load")
    scale = HOUR_S / clip.footage_seconds
    return {
        "measured_footage_seconds": clip.footage_seconds,
        "measured_seconds": seconds,
        "processor_seconds": busy,
        "load_seconds": load,
        "seconds_per_hour": load + (seconds - load) * scale,
        "frames_decoded": clip.frames_read,
        "frames_passed_over": clip.frames_passed_over,
        "frames_analysed": clip.frames_analysed,
        "persons": clip.persons,
        "faces": clip.faces,
        "tracklets": clip.tracklets,
        "stages_ms": {
            name: {
                "total": round(spent[name] * 1e3, 1),
                "per_analysed_frame": round(
                    spent[name] * 1e3 / max(1, clip.frames_analysed), 3
                ),
            }
            for name in sorted(spent)
        },
    }


#: Stage -> where it is done. Decoding goes on beside, in its own thread: what the
#: analysis waits for it is the stage `waiting`.
STAGES: dict[str, list[tuple[Any, str]]] = {
    "load": [(observer.Observer, "__init__")],
    "open": [(sources, "open_clip"), (sources, "sha256_of")],
    "picture": [(parts.Sample, "image")],
    "motion": [(parts.Triage, "due")],
    "persons": [(persons.PersonDetector, "__call__")],
    "faces": [(faces.FaceDetector, "in_heads")],
    "clothes": [(appearance, "describe")],
    "masks": [(masks.FaceMap, "__call__"), (masks.MaskClassifier, "__call__")],
    "track": [(tracking.PersonTracker, "__call__")],
    "embed": [(observer.Observer, "_best_faces")],
    "close": [(observer.Observer, "finish")],
    "project": [(parts, "records")],
    "write": [(parts.writer, "publish")],
    "waiting": [(parts.Decoder, "take")],
}
#: Stages that happen within another, which is told without them.
WITHIN = {"embed": "close"}


@contextmanager
def _stages() -> Iterator[dict[str, float]]:
    """Time the stages while the block runs: seconds by name, of the clock."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **more: Any) -> Any:
            begun = time.perf_counter()
            try:
                return act(*arguments, **more)
            finally:
                spent[name] += time.perf_counter() - begun

        return wrapper

    with ExitStack() as stack:
        for name, places in STAGES.items():
            for owner, attribute in places:
                act = getattr(owner, attribute)
                stack.enter_context(
                    mock.patch.object(owner, attribute, timed(name, act))
                )
        yield spent
    for inner, outer in WITHIN.items():
        spent[outer] -= spent[inner]


def _decode(path: Path, threads: int, wanted: Callable[[av.Packet], bool]) -> float:
    """Seconds in which FFmpeg decodes the packets wanted, and nothing else is done."""
    begun = time.perf_counter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        for packet in container.demux(stream):
            if wanted(packet):
                packet.decode()
    return time.perf_counter() - begun


def _opencv(path: Path) -> float:
    """Seconds in which OpenCV reads every frame."""
    begun = time.perf_counter()
    video = cv2.VideoCapture(str(path))
    while video.read()[0]:
        pass
    video.release()
    return time.perf_counter() - begun


def _naive(path: Path, frames: int, settings: Settings) -> float:
    """Seconds of a loop over every frame: read, find persons, find faces.

    The same networks, on the whole of every frame. Reading is measured whole, the
    looks on some frames spread over the clip.
    """
    find_persons = persons.PersonDetector(settings.weights_dir, settings.threads)
    find_faces = faces.FaceDetector(settings.weights_dir, settings.threads)
    video = cv2.VideoCapture(str(path))
    chosen = set(np.linspace(0, frames - 1, NAIVE_FRAMES + 1).astype(int).tolist())
    looks: list[float] = []
    number, begun = 0, time.perf_counter()
    while True:
        there, picture = video.read()
        if not there:
            break
        if number in chosen:
            at = time.perf_counter()
            find_persons(picture)
            find_faces(picture)
            looks.append(time.perf_counter() - at)
        number += 1
    reading = time.perf_counter() - begun - sum(looks)
    video.release()
    # The first look also makes the network ready for the size.
    return reading + float(np.mean(looks[1:])) * number


def _hour(scenes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Seconds for an hour of which each scene fills an equal share."""
    hour: dict[str, Any] = {}
    for quality in MOST_SECONDS:
        each = [one[quality] for one in scenes.values()]
        hour[f"{quality}_seconds"] = float(
            np.mean([one["seconds_per_hour"] for one in each])
        )
        hour[f"{quality}_processor_seconds"] = float(
            np.mean(
                [
                    one["processor_seconds"] * HOUR_S / one["measured_footage_seconds"]
                    for one in each
                ]
            )
        )
    for name in next(iter(scenes.values()))["baselines_seconds"]:
        each = [
            one["baselines_seconds"][name]
            and one["baselines_seconds"][name] * HOUR_S / one["footage_seconds"]
            for one in scenes.values()
        ]
        hour[f"{name}_seconds"] = None if None in each else float(np.mean(each))
    return hour
