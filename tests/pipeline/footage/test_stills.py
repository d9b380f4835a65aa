from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from pipeline.casebook import audit, cases, orders
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import FootageError, ModelError, NotAuthorisedError
from pipeline.footage import stills
from pipeline.footage.ingest import ingest
from pipeline.settings import Settings
from pipeline.store import reader

from .conftest import CAMERA, START

pytestmark = [pytest.mark.models, pytest.mark.media]


DAY = datetime(2025, 11, 3, tzinfo=UTC)
WHOLE = (DAY, DAY + timedelta(days=1))


def permitted(
    site: Settings,
    window: tuple[datetime, datetime] = WHOLE,
    area: shapely.Polygon | None = None,
) -> Authorisation:
    """Have an order of that window and area approved, and act under it."""
    if not cases.list_cases("kim", settings=site):
        cases.open_case(
            "kim",
            test="PCR, laboratory 7",
            confirmed_at=DAY + timedelta(days=1),
            onset_at=DAY,
            isolated_at=DAY + timedelta(days=1),
            pseudonym="P-1",
            settings=site,
        )
    order = orders.request_order(
        "P-1",
        "kim",
        legal_basis="IDCPA Art. 76-2 (2)",
        purpose="test",
        window=window,
        area=area,
        settings=site,
    )
    orders.approve(order.id, "lee", settings=site)
    return orders.authorise("P-1", "kim", "test", settings=site, order_id=order.id)


@pytest.fixture
def clip(site: Settings, media: Path, weights_dir: Path, tmp_path: Path) -> Path:
    path = tmp_path / "walk.gif"
    shutil.copyfile(media / "video" / "face-demographics-walking.gif", path)
    ingest(path, CAMERA, START, settings=site)
    return path


def test_a_still_is_cut_under_an_order_and_recorded(site: Settings, clip: Path) -> None:
    tracklet = reader.tracklets(site)["tracklet_id"][0].as_py()
    order = permitted(site)
    before = audit.verify(site).entries
    picture = stills.still(order, tracklet, settings=site)
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] == stills.HEIGHT
    assert audit.verify(site).entries == before + 1

    ended = permitted(site)
    orders.revoke(ended.order_id, "lee", "asked by mistake", settings=site)
    for refused in (
        permitted(site, window=(DAY, DAY + timedelta(hours=1))),
        permitted(site, area=shapely.box(126.0, 37.0, 126.1, 37.1)),
        replace(order, user="lee"),  # the seal is another's
        ended,
    ):
        with pytest.raises(NotAuthorisedError):
            stills.still(refused, tracklet, settings=site)
    with pytest.raises(NotAuthorisedError, match="does not lie in"):
        stills.still(order, tracklet + 1, settings=site)

    # It fails closed: no detectors, no still; nor from another clip, nor from none.
    blind = site.model_copy(update={"models_dir": clip.parent / "nowhere"})
    with pytest.raises(ModelError):
        stills.still(order, tracklet, settings=blind)
    clip.write_bytes(clip.read_bytes() + b";")
    with pytest.raises(FootageError, match="was changed"):
        stills.still(order, tracklet, settings=site)
    clip.unlink()
    with pytest.raises(FootageError, match="is gone"):
        stills.still(order, tracklet, settings=site)
    acts = [entry["act"] for entry in audit.entries(site)]
    assert acts.count("refused") >= 6
    assert audit.verify(site).broken is None


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
