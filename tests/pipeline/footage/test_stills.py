from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from pipeline.casebook import audit
from pipeline.casebook.authorisation import Authorisation, seal_of
from pipeline.errors import FootageError, ModelError, NotAuthorisedError
from pipeline.footage import stills
from pipeline.footage.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import reader

from .conftest import CAMERA, START

pytestmark = [pytest.mark.models, pytest.mark.media]


def sealed(**changes: object) -> Authorisation:
    day = datetime(2025, 11, 3, tzinfo=UTC)
    plain = Authorisation(
        case="P-1",
        order_id=1,
        user="kim",
        purpose="test",
        window_start=day,
        window_end=day + timedelta(days=1),
        area=shapely.box(126.7, 37.4, 126.9, 37.6),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    plain = replace(plain, **changes)  # type: ignore[arg-type]
    return replace(plain, seal=seal_of(plain))


@pytest.fixture
def clip(site: Settings, media: Path, weights_dir: Path, tmp_path: Path) -> Path:
    path = tmp_path / "walk.gif"
    shutil.copyfile(media / "video" / "face-demographics-walking.gif", path)
    ingest(path, CAMERA, START, settings=site)
    return path


def test_a_still_is_cut_under_an_order_and_recorded(site: Settings, clip: Path) -> None:
    tracklet = reader.tracklets(site)["tracklet_id"][0].as_py()
    picture = stills.still(sealed(), tracklet, settings=site)
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] == stills.HEIGHT
    assert audit.verify(site).entries == 1

    day = datetime(2025, 11, 3, tzinfo=UTC)
    far = shapely.box(126.0, 37.0, 126.1, 37.1)
    for order in (
        sealed(window_end=day + timedelta(hours=1)),
        sealed(area=far),
        replace(sealed(), user="lee"),  # the seal is another's
    ):
        with pytest.raises(NotAuthorisedError):
            stills.still(order, tracklet, settings=site)
    with pytest.raises(NotAuthorisedError, match="does not lie in"):
        stills.still(sealed(), tracklet + 1, settings=site)

    # It fails closed: no detectors, no still; nor from another clip, nor from none.
    blind = site.model_copy(update={"models_dir": clip.parent / "nowhere"})
    with pytest.raises(ModelError):
        stills.still(sealed(), tracklet, settings=blind)
    clip.write_bytes(clip.read_bytes() + b";")
    with pytest.raises(FootageError, match="was changed"):
        stills.still(sealed(), tracklet, settings=site)
    clip.unlink()
    with pytest.raises(FootageError, match="is gone"):
        stills.still(sealed(), tracklet, settings=site)
    assert audit.verify(site).entries >= 7


def test_another_is_covered_from_before_to_after() -> None:
    at = datetime(2025, 11, 3, 5, tzinfo=UTC)

    def row(tracklet: int, seconds: float, x: float) -> dict:
        box = {"x": x, "y": 10.0, "w": 20.0, "h": 60.0}
        face = dict.fromkeys(("face_x", "face_y", "face_w", "face_h"))
        moment = at + timedelta(seconds=seconds)
        return {"tracklet_id": tracklet, "at": moment, **box, **face}

    target = {"tracklet_id": 1, "best_at": at}
    rows = [row(1, 0, 100.0), row(2, -0.5, 0.0), row(2, 0.5, 200.0), row(2, 1, 300.0)]
    heads, faces = stills._stored_others(rows, target)
    assert faces == []
    way = max(heads, key=lambda box: box[2])
    assert (way[0], way[2]) == (0, 220)
    # Seen in this very frame: covered there.
    heads, _ = stills._stored_others([*rows, row(2, 0, 50.0)], target)
    assert [box[0] for box in heads] == [50]
