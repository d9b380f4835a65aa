"""What pages fetch by URL: deck.gl, the SQL editor, cameras, basemap.

Each is fetched once by a browser and kept (the URL carries a digest of the
content), so that a rerun of the page sends none of it again.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pydeck
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.maps import basemap, network
from pipeline.cameras import roads
from pipeline.errors import CameraError
from pipeline.settings import get_settings

PREFIX = "/dongseon"
COMPONENT = Path(__file__).parent / "maps" / "component"
ASSETS = Path(__file__).parent / "assets"
DECK = Path(pydeck.__file__).parent / "nbextension" / "static" / "index.js"
_MODULES = {path.name for path in COMPONENT.glob("*.js")}
_TILE = re.compile(r"roads/(\d{1,2})/(\d{1,6})/(\d{1,6})\.json")
#: The SQL editor's parts, in the order in which they are loaded.
ACE = (
    "ace/ace.js",
    "ace/ext-language_tools.js",
    "ace/mode-sql.js",
    "ace/theme-github_light_default.js",
)


@dataclass(frozen=True)
class Asset:
    """A body with its type and a digest of its content."""

    body: bytes
    packed: bytes
    media_type: str
    digest: str


def routes() -> list[BaseRoute]:
    """Return the routes that `dashboard.app` adds to the pages."""
    return [Route(f"{PREFIX}/{{digest}}/{{name:path}}", _serve, methods=["GET"])]


def url(name: str) -> str:
    """Return the address of an asset, with the digest of its present content."""
    if name == "coverage.json":  # some seconds' work: not before it is asked for
        stamp = get_settings().registry.stat().st_mtime_ns
        return f"{PREFIX}/{_digest(str(stamp).encode())}/{name}"
    if name == "roads":
        return f"{PREFIX}/{_roads_stamp()}/roads/{{z}}/{{x}}/{{y}}.json"
    digest = component_digest() if name in _MODULES else asset(name).digest
    return f"{PREFIX}/{digest}/{name}"


def asset(name: str) -> Asset:
    """Return an asset by name.

    Raises
    ------
    KeyError
        If there is none of this name.
    """
    if name == "deck.js":
        return _deck(DECK.stat().st_mtime_ns)
    if name in _MODULES:
        path = COMPONENT / name
        return _module(path, path.stat().st_mtime_ns)
    if name == "editor.js":
        path = ASSETS / name
        return _module(path, path.stat().st_mtime_ns)
    if name in ACE:
        path = _ace() / name
        return _module(path, path.stat().st_mtime_ns)
    if name == "cameras.json":
        registry = get_settings().registry
        return _cameras(registry, registry.stat().st_mtime_ns)
    if name == "coverage.json":
        registry = get_settings().registry
        return _coverage(registry, registry.stat().st_mtime_ns)
    tile = _TILE.fullmatch(name)
    if tile:
        return _tile(_roads_stamp(), *map(int, tile.groups()))
    if name.startswith("basemap/"):
        return _basemap(name.removeprefix("basemap/").removesuffix(".json"))
    raise KeyError(name)


def ground() -> dict[str, str]:
    """Return the parts of the ground under a map -> where each is fetched from."""
    found = {}
    for name in basemap.PARTS:
        try:
            found[name] = url(f"basemap/{name}.json")
        except KeyError:
            continue
    if get_settings().roads is not None:
        found["roads"] = url("roads")
    return found


def component_digest() -> str:
    """Return one digest over the component's modules: they import each other."""
    return _digest(b"".join(asset(name).body for name in sorted(_MODULES)))


def _serve(request: Request) -> Response:
    try:
        found = asset(request.path_params["name"])
    except KeyError:
        return PlainTextResponse("There is nothing of this name.", status_code=404)
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, media_type=found.media_type, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)


@lru_cache(maxsize=1)
def _ace() -> Path:
    """Return where the installed package keeps Ace (it is not imported: its code is
    for another framework).

    Raises
    ------
    KeyError
        If the package is not installed.
    """
    found = importlib.util.find_spec("django_ace")
    if found is None or not found.submodule_search_locations:
        raise KeyError("django_ace")
    return Path(found.submodule_search_locations[0]) / "static" / "django_ace"


@lru_cache(maxsize=1)
def _deck(_changed: int) -> Asset:
    # The file is a CommonJS/AMD bundle; as a module it leaves the page's globals
    # alone. Its source map (19 MB) is not served.
    text = DECK.read_bytes().replace(b"//# sourceMappingURL=index.js.map", b"")
    return _asset(
        b"const module={exports:{}};const exports=module.exports;\n"
        + text
        + b"\nexport default module.exports;\n",
        "text/javascript",
    )


@lru_cache(maxsize=32)
def _module(path: Path, _changed: int) -> Asset:
    return _asset(path.read_bytes(), "text/javascript")


@lru_cache(maxsize=2)
def _cameras(registry: Path, _changed: int) -> Asset:
    return _asset(network.to_json(registry), "application/json")


@lru_cache(maxsize=2)
def _coverage(registry: Path, _changed: int) -> Asset:
    return _asset(network.coverage_json(registry), "application/json")


@lru_cache(maxsize=512)
def _tile(_stamp: str, zoom: int, column: int, row: int) -> Asset:
    path = get_settings().roads
    if path is None:
        raise KeyError("roads")
    try:
        found = roads.load(path)
    except CameraError as error:
        raise KeyError("roads") from error  # the map's notes say what is wrong
    return _asset(found.tile_json(zoom, column, row), "application/geo+json")


def _roads_stamp() -> str:
    path = get_settings().roads
    changed = path.stat().st_mtime_ns if path is not None and path.is_file() else 0
    return _digest(f"{path} {changed}".encode())


@lru_cache(maxsize=8)
def _basemap(name: str) -> Asset:
    return _asset(basemap.read(name), "application/json")


def _asset(body: bytes, media_type: str) -> Asset:
    packed = gzip.compress(body, compresslevel=6, mtime=0)
    return Asset(body, packed, media_type, _digest(body))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
