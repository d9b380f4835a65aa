"""Laws of face similarities by recogniser, kind of comparison and face width.

`face_laws.json` ships what was fitted here; a city adds its own recognisers' laws
beside its weights (`dongseon models calibrate`). A recogniser without a law is not
compared at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DongseonError
from pipeline.settings import get_settings

#: The recogniser that is meant where none is named.
DEFAULT = "mobilefacenet"
BARE, ONE_MASKED, BOTH_MASKED, MASK_AWARE = range(4)
NAMES = ("bare", "one_masked", "both_masked", "mask_aware")
#: File beside the weights that holds a city's own laws.
OWN_FILE = "face-laws.json"
VERSION = 1
_SHIPPED = Path(__file__).with_name("face_laws.json")
_FIELDS = (
    "widths_px",
    "genuine_mean",
    "genuine_sd",
    "stranger_mean",
    "stranger_sd",
    "tail_start",
    "tail_rate",
)


@dataclass(frozen=True)
class At:
    """The two laws at one width."""

    genuine_mean: float
    genuine_sd: float
    stranger_mean: float
    stranger_sd: float
    tail_start: float  #: similarity reached by 1e-3 of strangers
    tail_rate: float  #: from there their share falls by e in 1 / rate

    def genuine(self, x: np.ndarray) -> np.ndarray:
        """Density of the similarities of two views of one person."""
        return _normal(x, self.genuine_mean, self.genuine_sd)

    def stranger(self, x: np.ndarray) -> np.ndarray:
        """Density of two people's: a normal body, an exponential tail."""
        start = self.tail_start
        body = _normal(x, self.stranger_mean, self.stranger_sd)
        joint = _normal(np.asarray(start), self.stranger_mean, self.stranger_sd)
        tail = float(joint) * np.exp(-self.tail_rate * (x - start))
        return np.maximum(np.where(x < start, body, tail), 1e-300)


@dataclass(frozen=True)
class Law:
    """Figures at rising widths, straight between them."""

    widths_px: tuple[float, ...]
    genuine_mean: tuple[float, ...]
    genuine_sd: tuple[float, ...]
    stranger_mean: tuple[float, ...]
    stranger_sd: tuple[float, ...]
    tail_start: tuple[float, ...]
    tail_rate: tuple[float, ...]

    def at(self, width_px: float) -> At:
        """Return the laws at a width; beyond the ends, those of the ends."""
        return At(
            **{
                name: float(np.interp(width_px, self.widths_px, getattr(self, name)))
                for name in _FIELDS[1:]
            }
        )


@dataclass(frozen=True)
class Laws:
    """A recogniser's laws, in the order of `NAMES`."""

    kinds: tuple[Law, Law, Law, Law]


def of(model: str) -> Laws | None:
    """Return the laws of a recogniser, None where it has none."""
    name = str(model).lower().replace("_", "-")
    own = get_settings().weights_dir / OWN_FILE
    state = own.stat() if own.is_file() else None
    return _of(name, str(own), state.st_mtime_ns if state else None)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a file of laws holds, by recogniser.

    Raises
    ------
    DongseonError
        It is damaged or of another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        return dict(content["models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DongseonError(
            f"{path} holds no laws of faces ({error}); make it again with "
            "`dongseon models calibrate`."
        ) from error


def law_of(figures: dict[str, Any]) -> Law:
    """Return the law that a file's figures describe."""
    return Law(**{name: tuple(map(float, figures[name])) for name in _FIELDS})


@lru_cache(maxsize=32)
def _of(model: str, own: str, changed_ns: int | None) -> Laws | None:
    known: dict[str, Law] = {}
    for path in (_SHIPPED, *([Path(own)] if changed_ns is not None else [])):
        figures = read(path).get(model, {}).get("laws", {})
        known |= {name: law_of(one) for name, one in figures.items()}
    if not set(NAMES[:MASK_AWARE]) <= set(known):
        return None
    known.setdefault("mask_aware", known["one_masked"])
    first, second, third, fourth = (known[name] for name in NAMES)
    return Laws((first, second, third, fourth))


def _normal(x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
