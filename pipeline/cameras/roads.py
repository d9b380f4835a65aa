"""The operator's roads under the map: any file GDAL reads, cut into tiles.

A PMTiles archive, a GeoPackage, GeoJSON or a Shapefile: an extract of OpenStreetMap,
a Protomaps basemap, or the national standard node-link data. Lines within the city
are read once and kept; the map asks for the tile it shows and is given no more than
can be seen at its zoom.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from pipeline.cameras.basemap import boundary
from pipeline.errors import CameraError

if TYPE_CHECKING:
    import geopandas as gpd

#: Read around the city, degrees.
MARGIN_DEG = 0.02
#: Rank of a road -> zoom from which it is drawn: 0 motorways, 1 main roads, 2 streets,
#: 3 paths.
ZOOM_OF_RANK = (0, 11, 13, 15)
#: Columns that tell the kind of a road: OpenStreetMap, Geofabrik, Protomaps,
#: OpenMapTiles, and the national node-link data (표준노드링크).
KINDS = ("highway", "fclass", "kind", "class", "ROAD_RANK")
#: Columns that hold a road's name, in the same sources; the local one first.
NAMES = ("name:ko", "name", "ROAD_NAME")
#: Tile's zoom from which a road of a rank bears its name; paths never do.
NAMED_FROM = (14, 14, 16, 99)
#: Width of a letter of a name on the screen, pixels: Hangul is as wide as it is high.
LETTER_PX = 13
#: Words of these columns by rank; all other roads are streets. ROAD_RANK: 101 national
#: and 102 urban motorways, 103 national, 104 metropolitan, 105 and 106 provincial.
RANKS: tuple[list[str], ...] = (
    ["motorway", "trunk", "motorway_link", "trunk_link", "highway", "101", "102"],
    [
        "primary",
        "secondary",
        "primary_link",
        "secondary_link",
        "major_road",
        "103",
        "104",
        "105",
        "106",
    ],
    [],
    ["path", "footway", "cycleway", "steps", "pedestrian", "track", "bridleway"],
)
#: Lines that are no roads, in layers that hold both.
NO_ROADS = frozenset(["rail", "ferry", "aerialway", "pier"])
#: Layers that hold the roads, by name; where none is so called, all lines count.
LAYERS = ("roads", "transportation", "lines", "MOCT_LINK", "gis_osm_roads_free")
#: Side of a tile on the screen, pixels (deck.gl's TileLayer).
TILE_PX = 512


_NOTHING = shapely.LineString()


@dataclass(frozen=True)
class Roads:
    """Lines, WGS84, with their ranks; n rows."""

    lines: np.ndarray  #: shapely LineStrings and MultiLineStrings
    rank: np.ndarray  #: int8 [n]
    tree: shapely.STRtree
    name: np.ndarray | None = None  #: texts, "" where a road has none

    def tile(self, zoom: int, column: int, row: int) -> dict[str, Any]:
        """Return a tile of the Web Mercator grid as a GeoJSON FeatureCollection.

        Features have the property `rank`. Lines are cut at the tile's edge and
        simplified to half a pixel. From near, names stand once a tile at the middle of
        the road's longest piece, where that is longer than the name: points with
        `name` and `angle` (degrees from east, counter-clockwise).
        """
        west, north = _corner(zoom, column, row)
        east, south = _corner(zoom, column + 1, row + 1)
        frame = shapely.box(west, south, east, north)
        found = self.tree.query(frame, predicate="intersects")
        found = found[zoom >= np.array(ZOOM_OF_RANK)[self.rank[found]]]
        if not len(found):
            return {"type": "FeatureCollection", "features": []}
        half_pixel = (east - west) / TILE_PX / 2
        cut = shapely.clip_by_rect(
            shapely.simplify(self.lines[found], half_pixel), west, south, east, north
        )
        features = []
        for rank in np.unique(self.rank[found]):
            mine = cut[(self.rank[found] == rank) & ~shapely.is_empty(cut)]
            parts = shapely.get_parts(shapely.get_parts(mine))
            if len(parts):
                features.append(
                    {
                        "type": "Feature",
                        "properties": {"rank": int(rank)},
                        "geometry": {
                            "type": "MultiLineString",
                            "coordinates": [
                                np.round(shapely.get_coordinates(line), 6).tolist()
                                for line in parts
                            ],
                        },
                    }
                )
        features += self._names(found, cut, zoom, (east - west) / TILE_PX)
        return {"type": "FeatureCollection", "features": features}

    def _names(
        self, found: np.ndarray, cut: np.ndarray, zoom: int, pixel: float
    ) -> list[dict[str, Any]]:
        """Return the names of a tile's roads; `pixel` in degrees of longitude."""
        if self.name is None:
            return []
        longest: dict[str, shapely.LineString] = {}
        shown = zoom >= np.array(NAMED_FROM)[self.rank[found]]
        for row, line in zip(found[shown], cut[shown], strict=True):
            name = str(self.name[row])
            for part in shapely.get_parts(line) if name else ():
                room = part.length / pixel - LETTER_PX * len(name)
                if room > 0 and part.length > longest.get(name, _NOTHING).length:
                    longest[name] = part
        return [
            {
                "type": "Feature",
                "properties": {"name": name, "angle": _angle(part)},
                "geometry": {
                    "type": "Point",
                    "coordinates": np.round(
                        part.interpolate(0.5, normalized=True).coords[0], 6
                    ).tolist(),
                },
            }
            for name, part in sorted(longest.items())
        ]

    def tile_json(self, zoom: int, column: int, row: int) -> bytes:
        """Return `tile` as JSON."""
        return json.dumps(self.tile(zoom, column, row), separators=(",", ":")).encode()


def load(path: Path) -> Roads:
    """Return the roads of a file within the city; read again when it changed.

    Raises
    ------
    CameraError
        If the file is absent, cannot be read, or holds no line within the city.
    """
    if not path.is_file():
        raise CameraError(
            f"The roads {path} are not there; correct `roads` in the settings.",
            code="roads_wrong",
            path=path,
        )
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, _changed: int) -> Roads:
    west, south, east, north = boundary().bounds
    frame = (
        west - MARGIN_DEG,
        south - MARGIN_DEG,
        east + MARGIN_DEG,
        north + MARGIN_DEG,
    )
    found, kinds, names = lines_within(path, frame)
    if not len(found):
        raise CameraError(
            f"The roads {path} hold no line within the city; give a file that covers "
            "it, or leave `roads` out of the settings.",
            code="roads_wrong",
            path=path,
        )
    return Roads(found, _ranks(kinds), shapely.STRtree(found), names)


def lines_within(
    path: Path, frame: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the roads of a file that touch a WGS84 box, with kinds and names.

    Parameters
    ----------
    path : any file of lines that GDAL reads.
    frame : west, south, east, north, degrees.

    Returns
    -------
    (lines, kinds, names) : shapely LineStrings and MultiLineStrings (WGS84), and texts,
        "" where no column tells the kind or the name; n each. What OpenStreetMap does
        not call a highway is left out.

    Raises
    ------
    CameraError
        If the file cannot be read.
    """
    lines, every, called = ([np.empty(0, dtype=object)] for _ in range(3))
    for layer in _layers(path):
        table = _read(path, layer, frame)
        keep = table.geometry.geom_type.isin(["LineString", "MultiLineString"])
        table = table[keep & ~table.geometry.is_empty]
        kinds = _told(table, KINDS)
        road = ~np.isin(kinds, list(NO_ROADS))
        if KINDS[0] in table.columns:  # rivers and railways have none
            road &= kinds != ""
        lines.append(table.geometry.to_numpy()[road])
        every.append(kinds[road])
        called.append(_told(table, NAMES)[road])
    return np.concatenate(lines), np.concatenate(every), np.concatenate(called)


def _layers(path: Path) -> list[str]:
    """Return the layers to be read: those called roads, else all with lines."""
    import geopandas as gpd

    try:
        known = gpd.list_layers(path)
    except Exception as error:  # whatever GDAL says of a file that it cannot open
        raise _unreadable(path, error) from None
    wanted = {name.lower() for name in LAYERS}
    names = [str(name) for name in known["name"]]
    called = [name for name in names if name.lower() in wanted]
    return called or names


def _read(
    path: Path, layer: str, frame: tuple[float, float, float, float]
) -> gpd.GeoDataFrame:
    """Read what lies within a WGS84 box, as WGS84."""
    import geopandas as gpd
    from pyproj import CRS, Transformer

    try:
        head = gpd.read_file(path, layer=layer, rows=0)
        if head.crs is None:
            raise CameraError(
                f"The roads {path} do not say their coordinate system; write it into "
                "the file (a Shapefile needs its .prj).",
                code="roads_wrong",
                path=path,
            )
        to_file = Transformer.from_crs("EPSG:4326", CRS(head.crs), always_xy=True)
        box = to_file.transform_bounds(*frame)
        table = gpd.read_file(path, layer=layer, bbox=box)
        return table.to_crs("EPSG:4326")
    except CameraError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> CameraError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return CameraError(
        f"The roads {path} cannot be read ({reason}); give PMTiles, a GeoPackage, "
        "GeoJSON, a Shapefile or an extract of OpenStreetMap (.osm.pbf).",
        code="roads_wrong",
        path=path,
    )


def _angle(line: shapely.LineString) -> float:
    """Return the direction in the middle of a line, legible from left to right."""
    ends = [line.interpolate(share, normalized=True) for share in (0.45, 0.55)]
    east = (ends[1].x - ends[0].x) * np.cos(np.radians(ends[0].y))
    angle = float(np.degrees(np.arctan2(ends[1].y - ends[0].y, east)))
    return round((angle + 90) % 180 - 90, 1)


def _told(table: gpd.GeoDataFrame, columns: tuple[str, ...]) -> np.ndarray:
    """Return what the first of these columns tells of each road, "" where none does."""
    for name in columns:
        if name in table.columns:
            return table[name].fillna("").astype(str).to_numpy(dtype=object)
    return np.full(len(table), "", dtype=object)


def _ranks(kinds: np.ndarray) -> np.ndarray:
    rank = np.full(len(kinds), 2, dtype=np.int8)
    for number, words in enumerate(RANKS):
        rank[np.isin(kinds, words)] = number
    return rank


def _corner(zoom: int, column: int, row: int) -> tuple[float, float]:
    """Return the north-western corner of a tile, WGS84 degrees."""
    number = 2.0**zoom
    lon = column / number * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * row / number))))
    return lon, float(lat)
