from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cameras import generate, registry, validate
from pipeline.errors import CameraError

GOOD: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [registry.feature(camera) for camera in generate.generate(5, 40)],
}
BOW_TIE = {
    "type": "Polygon",
    "coordinates": [
        [
            [126.78, 37.49],
            [126.79, 37.5],
            [126.79, 37.49],
            [126.78, 37.5],
            [126.78, 37.49],
        ]
    ],
}


def _swap(feature: dict) -> None:
    feature["geometry"]["coordinates"].reverse()


def _set(name: str, value: Any) -> Any:
    return lambda feature: feature["properties"].__setitem__(name, value)


def _move(feature: dict) -> None:
    feature["geometry"]["coordinates"] = [127.1, 37.5]


FAULTS = {
    "swapped": (_swap, "coordinates", "swapped"),
    "outside": (_move, "coordinates", "outside"),
    "heading": (_set("heading_deg", 360.0), "heading_deg", "[0, 360)"),
    "heading type": (_set("heading_deg", "north"), "heading_deg", "a number"),
    "bool": (_set("height_m", True), "height_m", "a number"),
    "status": (_set("status", "gone"), "status", "one of"),
    "number": (_set("number", 16384), "number", "16383"),
    "name": (_set("name", ""), "name", "missing"),
    "area": (_set("area", BOW_TIE), "area", "crosses itself"),
    "matrix": (
        _set("calibration", {"kind": "homography", "image_px_to_metric_m": [1]}),
        "calibration",
        "3 x 3",
    ),
    "zone": (
        _set("clips", [{"file": "a.mp4", "start": "2025-11-03T14:00:00"}]),
        "clips",
        "zone",
    ),
    "month": (_set("installed", "2021-13"), "installed", "2021-04"),
    "duplicate": (_set("id", "BC-00001"), "id", "duplicate of row 1"),
}


def test_a_generated_network_has_no_fault() -> None:
    assert validate.find(GOOD) == []
    assert validate.failures(GOOD).empty


@given(st.dictionaries(st.integers(2, 40), st.sampled_from(sorted(FAULTS)), min_size=1))
@settings(deadline=None, max_examples=40)
def test_every_injected_fault_is_found(injected: dict[int, str]) -> None:
    document = copy.deepcopy(GOOD)
    for row, name in injected.items():
        FAULTS[name][0](document["features"][row - 1])
    found = validate.find(document)
    for row, name in injected.items():
        _, field, words = FAULTS[name]
        assert any(
            f.row == row and f.field == field and words in f.reason for f in found
        ), (row, name, found)
    assert {failure.row for failure in found} == set(injected)


def test_unknown_crs_is_told_alone() -> None:
    name = "urn:ogc:def:crs:EPSG::5186"
    document = GOOD | {"crs": {"type": "name", "properties": {"name": name}}}
    (failure,) = validate.find(document)
    assert failure.field == "crs"
    assert "unknown CRS" in failure.reason


@pytest.mark.parametrize("feature", [None, 7, {"type": "Feature"}, {"type": "Point"}])
def test_nonsense_is_reported_not_raised(feature: Any) -> None:
    assert validate.find({"type": "FeatureCollection", "features": [feature]})


def test_text_is_a_sentence_and_a_capped_table(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    for feature in document["features"]:
        feature["properties"]["heading_deg"] = -1
    path = tmp_path / "bad.geojson"
    path.write_text(json.dumps(document))
    with pytest.raises(CameraError) as caught:
        registry.load(path)
    lines = str(caught.value).splitlines()
    assert "40 fault(s) in 40 row(s)" in lines[0]
    assert lines[1].split() == ["row", "field", "value", "reason"]
    assert len(lines) == validate.SHOWN_ROWS + 3
    assert "20 more" in lines[-1]
