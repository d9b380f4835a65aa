"""How well people are followed through a clip, against boxes labelled by hand."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate import report
from pipeline.evaluate.tables import EvaluationError
from pipeline.vision.observer import Observer
from pipeline.vision.types import Persons, Track

#: Least overlap (intersection over union) at which a box is the labelled one.
MATCH_IOU = 0.5
#: Positions of the columns of a MOTChallenge file without a heading.
COLUMNS = ("frame", "id", "x", "y", "w", "h", "conf", "class")
#: A row of so many cells is of the format of 2015, which has no class.
CELLS_OF_2015 = 10
#: Other headings of a column.
SYNONYMS = {
    "frame1based": "frame",
    "bb_left": "x",
    "bb_top": "y",
    "left": "x",
    "top": "y",
    "bb_width": "w",
    "bb_height": "h",
    "width": "w",
    "height": "h",
}


@dataclass(frozen=True)
class Truth:
    """Labelled boxes; frames are numbered from 1."""

    rows: np.ndarray  #: float64 [n, 8], columns as in COLUMNS
    frames: np.ndarray  #: int64, frames in which everybody was labelled


def evaluate(
    clip: Path,
    truth: Truth,
    weights_dir: Path,
    *,
    fps: float | None = None,
    threads: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Track a clip and compare with the truth.

    Parameters
    ----------
    clip
        Video file.
    truth
        From `read_truth`.
    weights_dir
        Folder of verified weights.
    fps
        Analysed frames a second; every frame by default. Only frames both
        analysed and labelled are compared.
    threads
        Threads of the inference engine.
    quiet
        Show no progress.

    Raises
    ------
    EvaluationError, FootageError
        Truth and clip do not fit each other, or the clip cannot be read.
    """
    started = time.monotonic()
    tracks, others, seen, size = _track(clip, truth, weights_dir, fps, threads, quiet)
    compared = np.intersect1d(truth.frames, seen)
    if not len(compared):
        raise EvaluationError(
            f"No frame of {clip} was both analysed and labelled; the truth labels "
            f"frames {truth.frames[0]} to {truth.frames[-1]} (the first is 1)."
        )
    found = _rows(tracks)
    true = truth.rows[np.isin(truth.rows[:, 0], compared)]
    if not _counts(true).any():
        raise EvaluationError(
            "The truth has no person in the frames compared; label some, or analyse "
            "more frames with --fps."
        )
    found = found[np.isin(found[:, 0], compared)]
    told = _compare(true, found, compared)
    baselines = {
        name: _short(_compare(true, rows[np.isin(rows[:, 0], compared)], compared))
        for name, rows in others.items()
    }
    clear, identity, hota = told.CLEAR, told.Identity, told.HOTA
    assert clear is not None
    assert identity is not None
    assert hota is not None
    return {
        "idf1": identity.IDF1,
        "hota": hota.HOTA,
        "mota": clear.MOTA,
        "deta": hota.DetA,
        "assa": hota.AssA,
        "precision": clear.CLR_Pr,
        "recall": clear.CLR_Re,
        "identity_switches": clear.IDSW,
        "misses": clear.CLR_FN,
        "false_alarms": clear.CLR_FP,
        "people": len(np.unique(true[_counts(true), 1])),
        "tracks": len(np.unique(found[:, 1])),
        "boxes": int(_counts(true).sum()),
        "frames_compared": len(compared),
        "frames_analysed": len(seen),
        "fps": size[1],
        "match_iou": MATCH_IOU,
        "baselines": baselines,
        "measured": report.provenance(size[0], time.monotonic() - started),
    }


def _compare(true: np.ndarray, found: np.ndarray, compared: np.ndarray) -> Any:
    """Return the library's figures; rows as in COLUMNS."""
    from trackers.eval import evaluate_mot_sequence

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, rows in (("truth", true), ("tracks", found)):
            path = Path(folder) / f"{name}.txt"
            rows = np.array(rows)
            # The library counts frames one by one: those compared become 1, 2, ...
            rows[:, 0] = np.searchsorted(compared, rows[:, 0]) + 1
            np.savetxt(path, rows if len(rows) else _NOBODY, "%.3f", ",")
            paths.append(path)
        return evaluate_mot_sequence(
            paths[0],
            paths[1],
            metrics=["CLEAR", "HOTA", "Identity"],
            threshold=MATCH_IOU,
        )


def _short(told: Any) -> dict[str, float]:
    return {
        "idf1": told.Identity.IDF1,
        "hota": told.HOTA.HOTA,
        "mota": told.CLEAR.MOTA,
        "identity_switches": told.CLEAR.IDSW,
    }


def read_truth(path: Path) -> Truth:
    """Read labelled boxes in MOTChallenge's format, with or without a heading.

    Columns: frame (from 1; from 0 if some row has frame 0), id, left, top, width,
    height in pixels, and perhaps conf (0: not to be counted) and class (1: a
    person), between commas, semicolons or blanks. Rows of ten, the format of 2015
    (PETS among it), have places on the ground behind conf, and no class. Where
    every second label or more is of the next frame, all frames from the first to
    the last labelled count, those without anybody too; else only the labelled ones.

    Raises
    ------
    EvaluationError
        The file cannot be read; the sentence names row and field.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = [
                (number, cells)
                for number, line in enumerate(file, 1)
                if any(cells := _cells(line))
            ]
    except OSError as error:
        raise EvaluationError(
            f"{path} cannot be read ({error.strerror}); check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is no text of boxes ({error}).") from error
    places = {name: place for place, name in enumerate(COLUMNS)}
    if lines and len(lines[-1][1]) >= CELLS_OF_2015:
        del places["class"]
    if lines and _number(lines[0][1][0]) is None:
        heading = [SYNONYMS.get(cell.lower(), cell.lower()) for cell in lines[0][1]]
        places = {name: place for place, name in enumerate(heading)}
        for name in COLUMNS[:6]:
            if name not in places:
                raise EvaluationError(
                    f"Row {lines[0][0]} of {path} has no column {name!r}; needed are "
                    f"{', '.join(COLUMNS[:6])}."
                )
        del lines[0]
    if not lines:
        raise EvaluationError(f"{path} has no box; label some.")
    rows = np.array([_row(path, *line, places) for line in lines])
    if rows[:, 0].min() == 0:
        rows[:, 0] += 1
    labelled = np.unique(rows[:, 0].astype(np.int64))
    if len(labelled) > 1 and np.median(np.diff(labelled)) == 1:
        labelled = np.arange(labelled[0], labelled[-1] + 1)
    return Truth(rows, labelled)


#: A track nobody sees: the library does not read empty files.
_NOBODY = np.array([[1, 1, -10, -10, 1, 1, 0, 1]])


def _row(
    path: Path, number: int, cells: list[str], places: dict[str, int]
) -> list[float]:
    row = []
    for position, name in enumerate(COLUMNS):
        place = places.get(name)
        if position >= 6 and (place is None or place >= len(cells)):
            row.append(1.0)
            continue
        text = cells[place] if place is not None and place < len(cells) else ""
        value = _number(text)
        if value is None:
            raise EvaluationError(
                f"Row {number} of {path}, {name}: {text!r} is no number."
            )
        row.append(value)
    if row[0] < 0 or row[4] <= 0 or row[5] <= 0:
        name = "frame" if row[0] < 0 else "w" if row[4] <= 0 else "h"
        raise EvaluationError(
            f"Row {number} of {path}, {name}: frames are counted from 1 or 0, and "
            "boxes are larger than nothing."
        )
    return row


def _cells(line: str) -> list[str]:
    """Return the cells of a line, without quotation marks."""
    for mark in (",", ";"):
        if mark in line:
            return [cell.strip().strip('"') for cell in line.split(mark)]
    return line.split()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _counts(rows: np.ndarray) -> np.ndarray:
    """Return which labelled boxes are of persons to be found, bool [n]."""
    return (rows[:, 6] != 0) & (rows[:, 7] == 1)


def _track(
    path: Path,
    truth: Truth,
    weights_dir: Path,
    fps: float | None,
    threads: int,
    quiet: bool,
) -> tuple[
    list[Track], dict[str, np.ndarray], np.ndarray, tuple[dict[str, str], float]
]:
    """Return tracks, those of the library, frames analysed, models and rate."""
    from pipeline.footage.decode import Decoder, Sample
    from pipeline.footage.sources import open_clip
    from pipeline.footage.triage import Triage

    clip = open_clip(path)
    last = int(truth.frames[-1])
    if last > len(clip.times):
        raise EvaluationError(
            f"The truth labels frame {last}, but {path} has {len(clip.times)} frames; "
            "give the truth of this clip."
        )
    rate = min(fps or clip.fps, clip.fps)
    observer = Observer(
        weights_dir,
        frame_size=(clip.width, clip.height),
        sample_fps=rate,
        threads=threads,
    )
    # A little more than the clip's rate, so that no frame falls between.
    asked = 2 * clip.fps if rate >= clip.fps else rate
    end = float(clip.times[last - 1])
    seen: list[int] = []
    others = _library_trackers()
    rows: dict[str, list[list[float]]] = {name: [] for name in others}

    def samples() -> Iterator[Sample]:
        decoder = Decoder(
            clip, sample_fps=asked, part_s=clip.duration_s + 1, threads=threads
        )
        with decoder:
            for item in decoder:
                if isinstance(item, Sample):
                    if item.offset_s > end + 1e-6:
                        return
                    yield item

    total = int(np.ceil(min(asked, clip.fps) * end)) + 1
    triage = Triage()
    for sample in report.counted(samples(), total, "frames", quiet):
        # Every frame is looked at, but only where ingest would look, too.
        triage.due(sample.luma, sample.offset_s)
        triage.analysed(sample.luma, sample.offset_s, persons=0)
        observer.see(sample.image(), sample.number, sample.offset_s, triage.moved)
        seen.append(sample.number + 1)
        for name, tracker in others.items():
            rows[name] += _followed(tracker, observer.latest, sample.number + 1)
    provenance = observer.provenance
    models = {one["name"]: one["sha256"] for one in provenance.models.values()}
    libraries = {
        name: np.array(one, np.float64).reshape(-1, 8) for name, one in rows.items()
    }
    return observer.finish(), libraries, np.array(seen), (models, rate)


def _library_trackers() -> dict[str, Any]:
    """Return the trackers of the library `trackers` as they come."""
    import trackers

    names = ("SORT", "ByteTrack", "OCSORT", "BoTSORT", "CBIoU")
    return {name.lower(): getattr(trackers, f"{name}Tracker")() for name in names}


def _followed(tracker: Any, persons: Persons, frame: int) -> list[list[float]]:
    """Return the rows that a tracker of the library gives a frame's persons."""
    import supervision as sv

    corners = persons.boxes.copy()
    corners[:, 2:] += corners[:, :2]
    detections = sv.Detections(
        xyxy=corners,
        confidence=persons.scores,
        class_id=np.zeros(len(corners), int),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracked = tracker.update(detections)
    if tracked.tracker_id is None:
        return []
    return [
        [frame, number + 1, left, top, right - left, bottom - top, 1, 1]
        for number, (left, top, right, bottom) in zip(
            tracked.tracker_id, tracked.xyxy, strict=True
        )
        if number >= 0
    ]


def _rows(tracks: list[Track]) -> np.ndarray:
    """Return tracks as rows of a MOTChallenge file, float64 [n, 8]."""
    parts = [np.empty((0, 8))]
    for number, track in enumerate(tracks, 1):
        count = len(track.frames)
        parts.append(
            np.column_stack(
                [
                    track.frames + 1,
                    np.full(count, number),
                    track.boxes,
                    np.ones((count, 2)),
                ]
            )
        )
    return np.concatenate(parts)
