"""Face embeddings as the measured recogniser would give them.

`recogniser.json` holds what was measured on photographs (see
`benchmarks.fit_recogniser`): the spread of embeddings, which fills only about a
quarter of the dimensions, and for each face width, bare or masked, the mean
similarity to a full bare face and to another face of the same kind. A face is

    v = normalise(a (b z + sqrt(1 - b^2) r) + sqrt(1 - a^2) n)
    face = normalise(m s + sqrt(1 - m^2) v)

with z the person, r what only small or covered faces of that person share, n the
view, and s what all small or covered faces of anybody share. The factors m, b and
the mean of a follow from the measured similarities; a varies from view to view.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

_FIGURES = Path(__file__).with_name("recogniser.json")
#: Genuine cosine of full bare faces over the official pairs of Labeled Faces in
#: the Wild: the mean of the normal law through 94.6 / 88 / 73 % of genuine pairs
#: at 0.531 / 0.598 / 0.677; the photographs fitted here give a little less.
OFFICIAL_GENUINE_MEAN = 0.769
#: Spread of the share of a view that is the person, so that genuine cosines of
#: full faces spread by 0.14 (0.12 measured near-frontal; a street is not).
VIEW_SD = 0.085
#: The basis is a rotation drawn once: it must be the same in every city.
_BASIS_SEED = 20_260_923


@dataclass(frozen=True)
class Recogniser:
    """The law of embeddings, in `rank` inner numbers and `dimensions` outer."""

    model: str
    dimensions: int
    rank: int
    root: np.ndarray  #: float32 [rank], sd of each inner number, unit norm overall
    basis: np.ndarray  #: float32 [rank, dimensions], orthonormal rows
    widths_px: np.ndarray  #: float32 [w]
    shift: np.ndarray  #: float32 [2, w], m of bare and masked faces
    person: np.ndarray  #: float32 [2, w], mean of a
    common: np.ndarray  #: float32 [2, w], b
    shared: np.ndarray  #: float32 [2, rank], s of bare and masked faces

    def people(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw inner vectors of unit length, float32 [count, rank]."""
        drawn = rng.standard_normal((count, self.rank), dtype=np.float32)
        drawn *= self.root
        return unit(drawn)

    def faces(
        self,
        person: np.ndarray,
        rest: np.ndarray,
        width_px: np.ndarray,
        masked: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Draw one embedding a view.

        Parameters
        ----------
        person, rest : float [n, rank], z and r of each view's person, unit length.
        width_px : float [n], width of the face.
        masked : bool [n].

        Returns
        -------
        float32 [n, dimensions], unit length.
        """
        kind = np.asarray(masked, dtype=np.intp)
        m, a, b = (
            self._at(table, width_px, kind)
            for table in (self.shift, self.person, self.common)
        )
        a = a + rng.normal(0, VIEW_SD, len(a)).astype(np.float32) * (a / self._best)
        a = np.clip(a, 0.02, 0.985)
        inner = self.people(rng, len(a))
        inner *= np.sqrt(1 - a * a)[:, None]
        inner += (a * b)[:, None] * person
        inner += (a * np.sqrt(1 - b * b))[:, None] * rest
        inner = unit(inner) * np.sqrt(1 - m * m)[:, None]
        inner += m[:, None] * self.shared[kind]
        return unit(inner @ self.basis)

    @property
    def _best(self) -> float:
        return float(self.person[0, -1])

    def _at(self, table: np.ndarray, width: np.ndarray, kind: np.ndarray) -> np.ndarray:
        bare, masked = (np.interp(width, self.widths_px, row) for row in table)
        return np.where(kind == 1, masked, bare).astype(np.float32)


@lru_cache(maxsize=1)
def load() -> Recogniser:
    """Return the law fitted to the measured recogniser."""
    figures = json.loads(_FIGURES.read_text(encoding="utf-8"))
    spread = np.array(figures["spectrum"])
    spread = spread[spread > 1e-4 * spread[0]]
    rank, dimensions = len(spread), int(figures["dimensions"])
    rng = np.random.default_rng(_BASIS_SEED)
    basis = np.linalg.qr(rng.standard_normal((dimensions, rank)))[0].T
    root = np.sqrt(spread / spread.sum()).astype(np.float32)
    measured = figures["measured"]
    scale = OFFICIAL_GENUINE_MEAN / measured["full"]["genuine_to_full"]
    widths = sorted(int(k) for k in measured if k.isdigit())
    best = np.sqrt(OFFICIAL_GENUINE_MEAN)
    tables = np.array(
        [
            [
                _factors(measured[f"{width}{suffix}"], scale, best)
                for width in (*widths, "full")
            ]
            for suffix in ("", "-mask")
        ],
        dtype=np.float32,
    )
    shared = rng.standard_normal((2, rank)).astype(np.float32) * root
    return Recogniser(
        model=str(figures["model"]),
        dimensions=dimensions,
        rank=rank,
        root=root,
        basis=np.ascontiguousarray(basis, dtype=np.float32),
        widths_px=np.array([*widths, 112.0], dtype=np.float32),
        shift=tables[:, :, 0],
        person=tables[:, :, 1],
        common=tables[:, :, 2],
        shared=unit(shared),
    )


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, in place where they are float32."""
    rows = np.asarray(rows, dtype=np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def _factors(
    figures: dict[str, float], scale: float, best: float
) -> tuple[float, float, float]:
    """(m, a, b) that give the measured mean similarities."""
    m2 = max(0.0, figures["impostor_within"] - 0.0131)  # less what full faces share
    within = min(0.95, figures["genuine_within"] * scale)
    a = np.sqrt(max(1e-3, (within - m2) / (1 - m2)))
    b = figures["genuine_to_full"] * scale / (best * a * np.sqrt(1 - m2))
    if b > 1:  # the similarity to full faces is what matters: keep it
        a, b = a * b, 1.0
    return float(np.sqrt(m2)), float(min(a, 0.97)), float(b)
