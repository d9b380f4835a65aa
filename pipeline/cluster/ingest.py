"""Ingest on Ray: a task for each part of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipeline.cluster.engine import Engine
from pipeline.errors import DongseonError, FootageError
from pipeline.footage import ingest as local
from pipeline.footage.parts import IngestInterruptedError
from pipeline.footage.summary import ClipSummary, IngestSummary
from pipeline.settings import Settings


@dataclass(frozen=True)
class Part:
    """What a task analyses: one part of a clip."""

    path: Path
    camera_id: str
    start: str | datetime | None
    part: int
    again: bool
    settings: Settings


def ingest(
    source: str | Path,
    camera_id: str,
    start: str | datetime | None = None,
    *,
    settings: Settings,
    engine: Engine,
    again: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> IngestSummary:
    """Analyse the clips of a camera as `footage.ingest.ingest` does, part by part.

    The rows are the same for any number of workers. Every machine must see the
    clips, the weights and the observations at the paths of the settings.

    Parameters
    ----------
    engine : where the parts are analysed.
    progress : told the clip, the parts finished and those of this run.

    Raises
    ------
    As `footage.ingest.ingest`, and ClusterError.
    """
    tell = progress or (lambda name, done, total: None)
    planned, refused = local.wanted_parts(
        Path(source).absolute(), camera_id, start, settings=settings, again=again
    )
    # A core and a thread a task; the casebook's address may hold a password.
    thin = settings.model_copy(update={"threads": 1, "casebook_url": None})
    parts = [
        Part(clip.path, camera_id, start, part, again, thin)
        for clip in planned
        for part in clip.wanted
    ]
    damage: dict[Path, list[str]] = {}
    broken: dict[Path, DongseonError] = {}
    finished = 0
    try:
        for done in engine.run(analyse, parts):
            finished += 1
            if done.error is not None:
                broken.setdefault(done.item.path, done.error)
            elif done.value:
                damage.setdefault(done.item.path, []).append(done.value)
            tell(done.item.path.name, finished, len(parts))
    except KeyboardInterrupt:
        raise IngestInterruptedError(
            f"Stopped: {finished} of {len(parts)} parts of this run are stored; run "
            "the same command again to go on from there."
        ) from None
    clips: list[ClipSummary] = []
    for clip in planned:
        error = broken.get(clip.path)
        if error is not None and not isinstance(error, FootageError):
            raise error
        if error is not None:
            refused.append((clip.path, str(error)))
            continue
        clips.append(_summary(clip, camera_id, start, settings, damage))
    if len(planned) + len(refused) == 1 and refused:
        raise FootageError(refused[0][1])
    return IngestSummary(camera_id, tuple(clips), tuple(refused))


def analyse(part: Part) -> str:
    """Analyse and store one part: the task. Returns a note on damage, or nothing."""
    done = local.ingest(
        part.path,
        part.camera_id,
        part.start,
        settings=part.settings,
        again=part.again,
        only=(part.part,),
    )
    [clip] = done.clips
    return " ".join(note for note in clip.notes if "damaged" in note)


def _summary(
    clip: local.Wanted,
    camera_id: str,
    start: str | datetime | None,
    settings: Settings,
    damage: dict[Path, list[str]],
) -> ClipSummary:
    found = local.ingest(clip.path, camera_id, start, settings=settings, only=())
    [summary] = found.clips
    notes = [*summary.notes, *damage.get(clip.path, [])]
    if not clip.wanted:
        notes.append(local.NOTHING_TO_DO)
    return replace(
        summary,
        parts_done_before=clip.parts - len(clip.wanted),
        notes=tuple(dict.fromkeys(notes)),
    )
