from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.vision import faces, occlusion

#: Edges from which a cover grows over an aligned face.
EDGES = ("top", "bottom", "left", "right")
#: A quarter of an aligned face, pixels.
QUARTER = faces.ALIGNED // 4


def face(detail: float = 0.0) -> np.ndarray:
    """The mean face as an aligned one, with fine detail that is the same each time."""
    size = (faces.ALIGNED, faces.ALIGNED)
    grey = cv2.resize(occlusion.mean_face(), size, interpolation=cv2.INTER_CUBIC)
    fine = np.random.default_rng(2).normal(0, detail, size)
    grey = np.clip(grey + fine, 0, 255).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def covered(image: np.ndarray, edge: str, reach: int, grey: int) -> np.ndarray:
    result = image.copy()
    if edge == "top":
        result[:reach] = grey
    elif edge == "bottom":
        result[len(image) - reach :] = grey
    elif edge == "left":
        result[:, :reach] = grey
    else:
        result[:, len(image) - reach :] = grey
    return result


def test_a_whole_face_is_seen_and_a_plain_surface_is_none() -> None:
    assert occlusion.visible(face()) == 1
    assert occlusion.visible(face(8.0)) > 0.95
    assert occlusion.visible(np.full((112, 112, 3), 120, np.uint8)) == 0
    noise = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert occlusion.visible(noise) < 0.4


def test_light_and_contrast_do_not_count() -> None:
    dim = (face().astype(np.float32) * 0.5 + 20).astype(np.uint8)
    assert occlusion.visible(dim) > 0.95


@given(
    st.sampled_from(EDGES),
    st.integers(0, faces.ALIGNED - QUARTER),
    st.integers(QUARTER, faces.ALIGNED),
    st.integers(0, 255),
)
@settings(deadline=None, max_examples=200)
def test_covering_a_quarter_more_never_raises_what_is_seen(
    edge: str, reach: int, further: int, grey: int
) -> None:
    """By less, it may: a cover that ends on the line of a feature looks like one."""
    image = face()
    before = occlusion.visible(covered(image, edge, reach, grey))
    more = min(reach + further, faces.ALIGNED)
    after = occlusion.visible(covered(image, edge, more, grey))
    assert after <= before + 0.06


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("grey", [10, 128, 240])
def test_quality_falls_as_more_is_covered(edge: str, grey: int) -> None:
    image = face(8.0)
    values = [
        faces.quality(covered(image, edge, reach, grey), 60, faces.TEMPLATE, 0.9)
        for reach in range(0, faces.ALIGNED + 1, 28)
    ]
    assert all(a >= b for a, b in pairwise(values))
    assert values[0] > 0.5
    assert values[3] < 0.75 * values[0]
    assert values[-1] == 0


@pytest.mark.models
def test_people_under_a_mask_or_half_hidden_are_seen_less(
    weights_dir: Path, media: Path
) -> None:
    from pipeline.evaluate import drawn
    from pipeline.evaluate.finding import Finder

    find, masks = Finder(weights_dir), drawn.mask_pictures()
    lower = 0
    photos = sorted((media / "faces" / "lfw").glob("*/*_0001.jpg"))[:20]
    for path in photos:
        photo = cv2.imread(str(path))
        found = find(photo)
        assert found is not None
        bare = occlusion.visible(faces.align(photo, found.landmarks))
        drawn_on = drawn.draw(photo, found.landmarks, masks, path.name)
        masked = occlusion.visible(faces.align(drawn_on, found.landmarks))
        lower += masked < bare
    assert lower >= 17
