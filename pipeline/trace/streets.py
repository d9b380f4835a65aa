"""Streets: how far it is from camera to camera, and which way.

Lines of an extract (OpenStreetMap, GeoPackage, GeoJSON, Shapefile) become a graph:
they meet where they share a vertex, so that a bridge does not touch the road below it.
Cameras are put on the nearest line. What was built is kept beside the data, under the
hash of the file and the cameras. Both ways are open in every street: people on foot
do not mind, and a bound that is too low refuses nothing by mistake.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from pipeline.cameras import roads
from pipeline.cameras.travel_time import DETOUR_FACTOR
from pipeline.errors import CameraError
from pipeline.store.ids import to_local_cm
from pipeline.trace.columns import ranges

if TYPE_CHECKING:
    from pipeline.cameras.registry import Registry
    from pipeline.settings import Settings

#: A camera or a person farther than this from every street is not put on one, metres
#: (assumed: beyond the width of a main road and its forecourts).
SNAP_M = 50.0
#: Lines around the outermost cameras that are read too, degrees (about 2 km).
MARGIN_DEG = 0.02
#: A way is looked for up to so many times the straight line and this more, metres;
#: a longer one counts as none.
_FARTHEST, _FARTHEST_M = 5.0, 2000.0
#: Vertices nearer than this are one, metres.
_SAME_M = 0.1
#: Cameras from which all distances are kept in memory.
_KEPT = 2048
_VERSION = "1"


@dataclass(frozen=True)
class Graph:
    """Pieces of streets between crossings and cameras; places in local metres."""

    number: np.ndarray  #: int64 [c], numbers of the cameras on a street, ascending
    place: np.ndarray  #: float64 [c, 2], where each was put
    ends: np.ndarray  #: int64 [e, 2], nodes that a piece joins; the first c are cameras
    length: np.ndarray  #: float64 [e], metres
    first: np.ndarray  #: int64 [e + 1], where each piece's points begin
    points: np.ndarray  #: float64 [p, 2], its line, ends included


class Streets:
    """Shortest ways over a graph."""

    def __init__(self, graph: Graph) -> None:
        """Take a graph that was built."""
        self.graph = graph
        nodes = int(graph.ends.max(initial=len(graph.number) - 1)) + 1
        a, b = graph.ends.T
        # Of pieces with the same ends, the shortest.
        both = np.column_stack([np.concatenate([a, b]), np.concatenate([b, a])])
        metres = np.tile(np.maximum(graph.length, 1e-3), 2)
        piece = np.tile(np.arange(len(a)), 2)
        order = np.lexsort((piece, metres, both[:, 1], both[:, 0]))
        key = both[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (key[1:] != key[:-1]).any(axis=1)
        order = order[new]
        at = (both[order, 0], both[order, 1])
        self._net = csr_array((metres[order], at), shape=(nodes, nodes))
        self._piece = csr_array((piece[order] + 1.0, at), shape=(nodes, nodes))
        self._rows: OrderedDict[int, np.ndarray] = OrderedDict()

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Metres along streets between cameras (numbers, int [k]), float64 [k].

        NaN where one of them is on no street, or no way leads to the other.
        """
        result = np.full(len(one), np.nan)
        a, b = self._find(one), self._find(other)
        some = np.flatnonzero((a >= 0) & (b >= 0))
        if not len(some):
            return result
        start, which = np.unique(a[some], return_inverse=True)
        self._learn(start)
        rows = np.stack([self._rows[int(k)] for k in start])
        result[some] = rows[which, b[some]]
        return np.where(np.isfinite(result), result, np.nan)

    def least(
        self,
        cameras: tuple[np.ndarray, np.ndarray],
        places: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Least metres [k] from places seen by cameras to places seen by others.

        Parameters
        ----------
        cameras : numbers int [k], of the one and of the other.
        places : float64 [k, 2] each, local metres.

        Returns
        -------
        The way from camera to camera less the ways to the places, NaN where unknown.
        """
        metres = self.between(*cameras)
        for numbers, place in zip(cameras, places, strict=True):
            metres -= DETOUR_FACTOR * self._off(numbers, place)
        return metres

    def _off(self, numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Metres [k] of places [k, 2] from where cameras were put; NaN: nowhere."""
        at = self._find(numbers)
        if not len(self.graph.number):
            return np.full(len(places), np.nan)
        metres = np.hypot(*(places - self.graph.place[np.maximum(at, 0)]).T)
        return np.where(at >= 0, metres, np.nan)

    def way(self, one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
        """Shortest way between two places (local metres), [n, 2] with both of them.

        None where a place is on no street, or none leads to the other.
        """
        begin, end = self._snap(one), self._snap(other)
        if begin is None or end is None:
            return None
        (p, s), (q, t) = begin, end
        best, line = np.inf, None
        if p == q:
            best, line = abs(t - s), self._part(p, s, t)
        limit = _FARTHEST * float(np.hypot(*(other - one))) + _FARTHEST_M
        metres, before = dijkstra(
            self._net, indices=self.graph.ends[p], limit=limit, return_predecessors=True
        )
        for k, away in ((0, s), (1, self.graph.length[p] - s)):
            for j, left in ((0, t), (1, self.graph.length[q] - t)):
                node = self.graph.ends[q, j]
                total = away + metres[k, node] + left
                if total < best:
                    edge = (0.0, float(self.graph.length[p]))[k]
                    enter = (0.0, float(self.graph.length[q]))[j]
                    best = total
                    line = np.concatenate(
                        [
                            self._part(p, s, edge),
                            self._walk(before[k], int(node)),
                            self._part(q, enter, t),
                        ]
                    )
        if line is None or not np.isfinite(best):
            return None
        line = np.concatenate([[one], line, [other]])
        return line[np.append(True, (np.diff(line, axis=0) != 0).any(axis=1))]

    def _find(self, numbers: np.ndarray) -> np.ndarray:
        """Node of each camera, -1 where it is on no street."""
        known = self.graph.number
        if not len(known):
            return np.full(len(numbers), -1)
        at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return np.where(known[at] == numbers, at, -1)

    def _learn(self, nodes: np.ndarray) -> None:
        """Work out the distances from some cameras to all others."""
        fresh = [int(k) for k in nodes if int(k) not in self._rows]
        size = len(self.graph.number)
        for begin in range(0, len(fresh), 32):
            some = fresh[begin : begin + 32]
            found = dijkstra(self._net, indices=some)[:, :size].astype(np.float32)
            self._rows.update(zip(some, found, strict=True))
        wanted = {int(k) for k in nodes}
        for k in [k for k in self._rows if k not in wanted]:
            if len(self._rows) <= max(_KEPT, len(wanted)):
                break
            del self._rows[k]

    @cached_property
    def _tree(self) -> tuple[np.ndarray, shapely.STRtree]:
        count = np.diff(self.graph.first)
        lines = shapely.linestrings(
            self.graph.points, indices=np.repeat(np.arange(len(count)), count)
        )
        return lines, shapely.STRtree(lines)

    def _snap(self, place: np.ndarray) -> tuple[int, float] | None:
        """Piece nearest to a place, and metres along it."""
        lines, tree = self._tree
        point = shapely.points(place)
        found = tree.query_nearest(point, max_distance=SNAP_M, all_matches=False)
        if not len(found):
            return None
        piece = int(found[0])
        return piece, float(shapely.line_locate_point(lines[piece], point))

    def _line(self, piece: int) -> np.ndarray:
        return self.graph.points[self.graph.first[piece] : self.graph.first[piece + 1]]

    def _part(self, piece: int, begin: float, end: float) -> np.ndarray:
        """Points of a piece from one place along it to another, both included."""
        line = self._line(piece)
        part = _cut(line, _along(line), min(begin, end), max(begin, end))
        return part if begin <= end else part[::-1]

    def _walk(self, before: np.ndarray, node: int) -> np.ndarray:
        """Points of the way to a node, from where it began."""
        parts = [np.empty((0, 2))]
        while before[node] >= 0:
            earlier = int(before[node])
            piece = int(self._piece[earlier, node]) - 1
            line = self._line(piece)
            parts.append(line if self.graph.ends[piece, 1] == node else line[::-1])
            node = earlier
        return np.concatenate(parts[::-1])


def of(settings: Settings, registry: Registry) -> Streets | None:
    """Return the streets of the settings with a registry's cameras, None without.

    Raises
    ------
    CameraError
        If the file is absent, cannot be read, or no line of it is near the cameras.
    """
    path = settings.streets
    if path is None:
        return None
    if not path.is_file():
        raise CameraError(
            f"The streets {path} are not there; correct `streets` in the settings.",
            code="streets_wrong",
        )
    cameras = sorted(registry.cameras, key=lambda camera: camera.number)
    where = tuple((camera.number, camera.lon, camera.lat) for camera in cameras)
    return _of(path, path.stat().st_mtime_ns, where, settings.data_dir / "streets")


@lru_cache(maxsize=2)
def _of(
    path: Path, _changed: int, where: tuple[tuple[int, float, float], ...], kept: Path
) -> Streets:
    file = kept / f"{_digest(path, where)}.npz"
    graph = _load(file)
    if graph is None:
        graph = build(path, where)
        _save(file, graph)
    return Streets(graph)


def build(path: Path, where: tuple[tuple[int, float, float], ...]) -> Graph:
    """Build the graph of a file's streets around cameras (number, lon, lat)."""
    number = np.array([one[0] for one in where], dtype=np.int64)
    lon, lat = (np.array([one[k] for one in where], dtype=float) for k in (1, 2))
    if not len(where):
        raise CameraError("The registry has no camera to put on a street.")
    frame = (
        lon.min() - MARGIN_DEG,
        lat.min() - MARGIN_DEG,
        lon.max() + MARGIN_DEG,
        lat.max() + MARGIN_DEG,
    )
    lines, *_ = roads.lines_within(path, frame)
    points, line = shapely.get_coordinates(shapely.get_parts(lines), return_index=True)
    if not len(points):
        raise CameraError(
            f"The streets {path} hold no line near the cameras; give a file that "
            "covers them, or leave `streets` out of the settings.",
            code="streets_wrong",
        )
    points = _local(points[:, 0], points[:, 1])
    ends, first, points = _pieces(points, line)
    return _with_cameras(ends, first, points, number, _local(lon, lat))


def _pieces(
    points: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut lines where they end or meet: nodes [e, 2], first point [e + 1], points."""
    _, vertex = np.unique(np.rint(points / _SAME_M), axis=0, return_inverse=True)
    vertex = vertex.ravel()
    again = np.append(False, (vertex[1:] == vertex[:-1]) & (line[1:] == line[:-1]))
    points, line, vertex = points[~again], line[~again], vertex[~again]
    outer = np.append(True, line[1:] != line[:-1])
    outer[:-1] |= outer[1:]
    outer[-1] = True
    cut = np.flatnonzero(outer | (np.bincount(vertex)[vertex] > 1))
    whole = line[cut[1:]] == line[cut[:-1]]
    begin, end = cut[:-1][whole], cut[1:][whole]
    at, count = ranges(begin, end + 1)
    first = np.concatenate([[0], np.cumsum(count)])
    return np.column_stack([vertex[begin], vertex[end]]), first, points[at]


def _with_cameras(
    ends: np.ndarray,
    first: np.ndarray,
    points: np.ndarray,
    number: np.ndarray,
    place: np.ndarray,
) -> Graph:
    """Put cameras on the pieces, and cut those where they stand."""
    count = np.diff(first)
    lines = shapely.linestrings(points, indices=np.repeat(np.arange(len(count)), count))
    at = shapely.points(place)
    tree = shapely.STRtree(lines)
    who, piece = tree.query_nearest(at, max_distance=SNAP_M, all_matches=False)
    number, at = number[who], at[who]
    along = shapely.line_locate_point(lines[piece], at)
    c = len(number)
    ends = ends + c  # nodes of cameras come first
    new_ends, new_lines = [], []
    order = np.lexsort((along, piece))
    edge = np.flatnonzero(np.diff(piece[order], prepend=-1))
    for some in np.split(order, edge[1:]) if c else []:
        k = int(piece[some[0]])
        line = points[first[k] : first[k + 1]]
        metres = _along(line)
        stops = np.concatenate([[0.0], along[some], [metres[-1]]])
        nodes = np.concatenate([ends[k, :1], some, ends[k, 1:]])
        for j in range(len(nodes) - 1):
            new_ends.append(nodes[j : j + 2])
            new_lines.append(_cut(line, metres, stops[j], stops[j + 1]))
    whole = np.ones(len(ends), dtype=bool)
    whole[piece] = False
    kept = np.repeat(whole, count)
    sizes = np.array([len(one) for one in new_lines], dtype=np.int64)
    points = np.concatenate([points[kept], *new_lines])
    first = np.concatenate([[0], np.cumsum(np.concatenate([count[whole], sizes]))])
    ends = np.concatenate([ends[whole], np.array(new_ends).reshape(-1, 2)])
    # Nodes without gaps: the cameras keep theirs.
    used, again = np.unique(ends, return_inverse=True)
    again = np.where(ends < c, ends, c + again.reshape(ends.shape) - (used < c).sum())
    step = np.hypot(*np.diff(points, axis=0).T)
    total = np.concatenate([[0.0], np.cumsum(step)])
    length = total[first[1:] - 1] - total[first[:-1]]
    stands = shapely.get_coordinates(
        shapely.line_interpolate_point(lines[piece], along)
    )
    return Graph(number, stands, again, length, first, points)


def _cut(line: np.ndarray, along: np.ndarray, low: float, high: float) -> np.ndarray:
    """Points of a line from one place along it to a later one, both included."""
    inside = (along > low) & (along < high)
    at = np.concatenate([[low], along[inside], [high]])
    return np.column_stack([np.interp(at, along, line[:, k]) for k in (0, 1)])


def _along(line: np.ndarray) -> np.ndarray:
    """Metres along a line [n, 2] to each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _local(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return np.column_stack(to_local_cm(lon, lat)) / 100


def _digest(path: Path, where: tuple[tuple[int, float, float], ...]) -> str:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "blake2b")
    found.update(repr((_VERSION, SNAP_M, MARGIN_DEG, _SAME_M, where)).encode())
    return found.hexdigest()[:32]


def _load(file: Path) -> Graph | None:
    """Return a graph that was kept, None if there is none or it is not whole."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            values: dict[str, Any] = {f.name: kept[f.name] for f in fields(Graph)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Graph(**values)


def _save(file: Path, graph: Graph) -> None:
    """Keep a graph; where that cannot be written it is built again next time."""
    pending = file.with_name(f".{file.stem}.{os.getpid()}.npz")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(pending, **{f.name: getattr(graph, f.name) for f in fields(Graph)})
        pending.replace(file)
