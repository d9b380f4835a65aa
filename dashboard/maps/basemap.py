"""The ground under the map: boundaries kept with the checkout, no tiles, no net."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pydeck
import shapely
from shapely.geometry import shape

from pipeline.cameras.basemap import FILES, FOLDER

#: Required by the source: administrative boundaries of the National Geographic
#: Information Institute (NGII), open data, base date 2023-09-15.
ATTRIBUTION = {
    "en": "Boundaries: NGII, Republic of Korea, 2023-09-15",
    "ko": "행정경계: 국토지리정보원(NGII), 2023-09-15",
}
FONT = "'Noto Sans KR', 'Noto Sans CJK KR', 'Malgun Gothic', sans-serif"
#: Parts that are drawn, from below.
PARTS = ("neighbours", "boundary", "dong")
LAND = [250, 251, 252]
OUTSIDE = [226, 231, 237]
EDGE = [148, 163, 184]
INNER = [205, 213, 223]
INK = [100, 116, 139]


def read(name: str) -> bytes:
    """Return one part of the basemap (boundary, dong, neighbours) as GeoJSON.

    Raises
    ------
    KeyError
        If there is no such part, or its file is absent.
    """
    path = FOLDER / FILES[name]
    if not path.is_file():
        raise KeyError(name)
    return path.read_bytes()


def layers(addresses: dict[str, str]) -> list[pydeck.Layer]:
    """Return the layers under everything else.

    Parameters
    ----------
    addresses : part of the basemap -> URL it is fetched from; absent parts are
        left out.
    """
    found = []
    if "neighbours" in addresses:
        found.append(_area("neighbours", addresses["neighbours"], OUTSIDE, INNER, 1))
    if "boundary" in addresses:
        found.append(_area("boundary", addresses["boundary"], LAND, EDGE, 2))
    if "dong" in addresses:
        found += [_area("dong", addresses["dong"], None, INNER, 1), _names()]
    return found


def names() -> list[dict[str, Any]]:
    """Return where the neighbourhoods' names stand: `p` (WGS84 lon/lat) and `name`."""
    return _labels()


def _area(
    name: str, url: str, fill: list[int] | None, line: list[int], width: int
) -> pydeck.Layer:
    return pydeck.Layer(
        "GeoJsonLayer",
        url,
        id=f"base-{name}",
        stroked=True,
        filled=fill is not None,
        get_fill_color=fill or [0, 0, 0, 0],
        get_line_color=line,
        line_width_units=pydeck.types.String("pixels"),
        get_line_width=width,
        pickable=False,
    )


def _names() -> pydeck.Layer:
    return pydeck.Layer(
        "TextLayer",
        _labels(),
        id="base-names",
        get_position="p",
        get_text="name",
        get_size=13,
        get_color=[*INK, 210],
        character_set=pydeck.types.String("auto"),
        font_family=pydeck.types.String(FONT),
        pickable=False,
    )


@lru_cache(maxsize=1)
def _labels() -> list[dict[str, Any]]:
    document = json.loads(read("dong"))
    rows = []
    for feature in document["features"]:
        inside = shapely.point_on_surface(shape(feature["geometry"]))
        name = feature["properties"]["dong"]
        rows.append({"p": [round(inside.x, 6), round(inside.y, 6)], "name": name})
    return rows
