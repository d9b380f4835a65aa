from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.footage.decode import Decoder, PartEnd, Sample, part_count
from pipeline.footage.sources import open_clip
from pipeline.footage.triage import Triage


def decoded(path: Path, **options: object) -> tuple[list[Sample], list[PartEnd]]:
    arguments = {"sample_fps": 2, "part_s": 5} | options
    with Decoder(open_clip(path), **arguments) as decoder:  # type: ignore[arg-type]
        items = list(decoder)
    return (
        [item for item in items if isinstance(item, Sample)],
        [item for item in items if isinstance(item, PartEnd)],
    )


def test_frames_are_sampled_by_time(make_clip: Callable[..., Path]) -> None:
    samples, ends = decoded(make_clip(seconds=12))
    assert [sample.offset_s for sample in samples] == pytest.approx(np.arange(24) / 2)
    assert [sample.number for sample in samples] == list(range(0, 120, 5))
    assert [(end.part, end.read, end.corrupt) for end in ends] == [
        (0, 50, 0),
        (1, 50, 0),
        (2, 20, 0),
    ]
    assert samples[0].image().shape == (240, 320, 3)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_a_part_is_the_same_decoded_alone(
    make_clip: Callable[..., Path], name: str
) -> None:
    path = make_clip(name, seconds=12)
    whole, _ = decoded(path)
    alone, ends = decoded(path, parts=[1])
    part = [sample for sample in whole if 5 <= sample.offset_s < 10]
    assert [end.part for end in ends] == [1]
    assert ends[0].read == 50
    assert [s.number for s in alone] == [s.number for s in part]
    for one, other in zip(alone, part, strict=True):
        assert (one.image() == other.image()).all()


def test_damaged_frames_are_counted_and_left_out(
    make_clip: Callable[..., Path],
) -> None:
    path = make_clip("a.mp4", seconds=12)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    _, ends = decoded(path)
    assert sum(end.read + end.corrupt for end in ends) == 120
    assert sum(end.corrupt for end in ends) > 0


def test_closing_early_stops_the_thread(make_clip: Callable[..., Path]) -> None:
    before = threading.active_count()
    with Decoder(open_clip(make_clip()), sample_fps=10, part_s=5) as decoder:
        next(iter(decoder))
    assert threading.active_count() == before


def test_parts_cover_the_clip(make_clip: Callable[..., Path]) -> None:
    clip = open_clip(make_clip(seconds=3))
    assert [part_count(clip, s) for s in (1, 1.5, 3, 10)] == [3, 2, 1, 1]


def test_nothing_moving_is_looked_at_less_often() -> None:
    triage, still = Triage(idle_s=2), np.full((120, 160), 60, np.uint8)
    looked = []
    for at in np.arange(0, 8, 0.5):
        if triage.due(still, at):
            triage.analysed(still, at, persons=0)
            looked.append(at)
    assert looked == [0, 2, 4, 6]
    walker = still.copy()
    cv2.rectangle(walker, (50, 50), (54, 60), 200, -1)
    assert triage.due(walker, 6.5)


def test_persons_who_stand_still_are_watched_at_full_rate() -> None:
    triage, still = Triage(), np.full((120, 160), 60, np.uint8)
    for at in np.arange(0, 5, 0.5):
        assert triage.due(still, at)
        triage.analysed(still, at, persons=2)
