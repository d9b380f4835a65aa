from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.vision import masked_template, painting
from pipeline.vision.faces import TEMPLATE


def people(count: int, views: int, seed: int) -> tuple[np.ndarray, ...]:
    """Embeddings of people whose masks all push in a few common directions."""
    random = np.random.default_rng(seed)
    # What masks change is the same in everybody, whatever the seed.
    pushes = np.random.default_rng(0).normal(size=(6, 32))
    person = np.repeat(np.arange(count), views)
    self_ = random.normal(size=(count, 32))[person]
    bare = self_ + 0.3 * random.normal(size=self_.shape)
    masks = np.stack(
        [
            bare + 1.5 * random.normal(size=(len(bare), 6)) @ pushes + 3 * pushes[0]
            for _ in range(4)
        ],
        axis=1,
    )
    scaled = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (bare, masks)]
    return person, *(x.astype(np.float32) for x in scaled)


def hit_rate(templates: np.ndarray, probes: np.ndarray, person: np.ndarray) -> float:
    """Share of probes nearest to another picture of their own person."""
    scores = probes @ templates.T
    np.fill_diagonal(scores, -2)
    return float((person[scores.argmax(axis=1)] == person).mean())


def test_what_masks_change_in_everybody_is_weighed_down() -> None:
    person, bare, views = people(60, 3, 1)
    law = masked_template.fit(bare, views[:, :3], person)
    others, bare, views = people(60, 3, 2)  # people the law never saw
    pools = np.stack(
        [masked_template.pooled(b, v[:3]) for b, v in zip(bare, views, strict=True)]
    )
    made = law.apply(pools)
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert np.abs(made @ law.common).max() < 1e-5
    plain = hit_rate(bare, views[:, 3], others)
    assert hit_rate(made, views[:, 3], others) > plain + 0.1


def test_a_law_is_written_and_read_back_for_its_own_weights(tmp_path) -> None:
    person, bare, views = people(60, 2, 3)
    law = masked_template.fit(bare, views, person, {"recogniser_sha256": "abc"})
    masked_template.write(law, tmp_path / masked_template.file_name("a+b"))
    again = masked_template.law("a+b", "abc", tmp_path)
    assert again is not None
    pools = np.stack([masked_template.pooled(bare[0], views[0])])
    assert law.apply(pools)[0] @ again.apply(pools)[0] > 0.999
    assert masked_template.law("a+b", "other weights", tmp_path) is None
    (tmp_path / masked_template.file_name("c")).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is damaged"):
        masked_template.law("c", "abc", tmp_path)


def test_one_picture_of_each_person_is_not_enough() -> None:
    _, bare, views = people(5, 1, 4)
    with pytest.raises(ModelError, match="two photographs"):
        masked_template.fit(bare, views, np.arange(5))


def test_the_painted_masks_cover_mouth_and_chin_and_leave_the_eyes() -> None:
    image = np.full((112, 112, 3), 120, np.uint8)
    views = masked_template.painted(image, TEMPLATE)
    assert views.shape == (len(painting.COLOURS), 112, 112, 3)
    changed = np.abs(views.astype(int) - 120).max(axis=3) > 8
    for one in changed:
        for x, y in TEMPLATE[3:].astype(int):
            assert one[y - 2 : y + 3, x - 2 : x + 3].any()
        assert not one[:55].any()
        assert one.mean() > 0.15
