"""The ground under the map: boundaries kept with the checkout, the operator's roads."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pydeck
import shapely
from shapely.geometry import shape

from dashboard import refusals
from dashboard.i18n import Texts
from pipeline.cameras import roads
from pipeline.cameras.basemap import FILES, FOLDER
from pipeline.errors import CameraError
from pipeline.settings import get_settings

#: Required by the source: administrative boundaries of the National Geographic
#: Information Institute (NGII), open data, base date 2023-09-15.
ATTRIBUTION = {
    "en": "Boundaries: NGII, Republic of Korea, 2023-09-15",
    "ko": "행정경계: 국토지리정보원(NGII), 2023-09-15",
}
FONT = "'Noto Sans KR', 'Noto Sans CJK KR', 'Malgun Gothic', sans-serif"
#: Parts that are drawn, from below.
PARTS = ("neighbours", "boundary", "dong", "gu")
LAND = [250, 251, 252]
OUTSIDE = [226, 231, 237]
EDGE = [148, 163, 184]
INNER = [205, 213, 223]
ROAD = [214, 221, 229]
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
    if "roads" in addresses:
        found.append(_roads(addresses["roads"]))
    if "dong" in addresses:
        found.append(_area("dong", addresses["dong"], None, INNER, 1))
    if "gu" in addresses:
        found.append(_area("gu", addresses["gu"], None, EDGE, 1.6))
    if "dong" in addresses:
        found.append(_names())
    return found


def notes(language: str, without_roads: str) -> list[str]:
    """Return what must be said of the ground: whose it is, and what is missing.

    Parameters
    ----------
    without_roads : said where the map shows no roads.
    """
    settings = get_settings()
    said = [ATTRIBUTION[language]]
    if settings.roads is None:
        return [*said, without_roads]
    try:
        roads.load(settings.roads)
    except CameraError as error:
        return [*said, refusals.told(error, Texts(language))]
    return [*said, settings.roads_source] if settings.roads_source else said


def names() -> list[dict[str, Any]]:
    """Return where the neighbourhoods' names stand: `p` (WGS84 lon/lat) and `name`."""
    return _labels()


def _roads(url: str) -> pydeck.Layer:
    """Return the operator's roads, in tiles that the map asks for as it needs them."""
    text = pydeck.types.String
    return pydeck.Layer(
        "TileLayer",
        url,
        id="base-roads",
        min_zoom=10,
        max_zoom=16,
        tile_size=roads.TILE_PX,
        get_line_color=ROAD,
        line_width_units=text("pixels"),
        get_line_width="properties.rank == 0 ? 4.5 : properties.rank == 1 ? 3 : "
        "properties.rank == 2 ? 1.6 : 0.8",
        line_cap_rounded=True,
        # Names are points of the tiles, along their roads (GeoJsonLayer's texts).
        point_type=text("text"),
        get_text="properties.name",
        get_text_angle="properties.angle",
        get_text_size=12,
        get_text_color=INK,
        text_character_set=text("auto"),
        text_font_family=text(FONT),
        text_background=True,
        get_text_background_color=[*LAND, 235],
        text_background_padding=[3, 1, 3, 1],
        pickable=False,
    )


def _area(
    name: str, url: str, fill: list[int] | None, line: list[int], width: float
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
