"""Longitude and latitude of the local metric frame, as plain SQL arithmetic.

EPSG:5186 is a transverse Mercator projection. Over a city a polynomial of low
degree stands for its inverse (`ERROR_M` is tested against pyproj), so that views
need no projection library.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.store.ids import to_lonlat

#: The fitted square: kilometres east and north of the local frame's origin; it
#: holds Bucheon with at least 3 km to spare on each side.
SPAN_KM = 25.0
#: Degree of the polynomial in each coordinate.
DEGREE = 4
#: Largest error over the fitted square, metres.
ERROR_M = 0.001


def lonlat_sql(east: str, north: str) -> tuple[str, str]:
    """Return SQL for (lon, lat), WGS84 degrees, of two columns in centimetres.

    Parameters
    ----------
    east, north : SQL of the local frame's coordinates; null gives null.
    """
    half = SPAN_KM * 1e5 / 2
    u, v = (f"(({column} - {half:.0f}) / {half:.1f})" for column in (east, north))
    lon, lat = coefficients()
    return _horner(lon, u, v), _horner(lat, u, v)


@lru_cache(maxsize=1)
def coefficients() -> tuple[np.ndarray, np.ndarray]:
    """Return the polynomials of lon and lat, float64 [degree + 1, degree + 1].

    Entry [i, j] belongs to u**i * v**j, with u and v in -1..1 over the square;
    least squares at Chebyshev nodes, which keeps the error even.
    """
    count = 24
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    u, v = (grid.ravel() for grid in np.meshgrid(nodes, nodes))
    half = SPAN_KM * 1e5 / 2
    lon, lat = to_lonlat((u + 1) * half, (v + 1) * half)
    design = np.polynomial.polynomial.polyvander2d(u, v, [DEGREE, DEGREE])
    solved, *_ = np.linalg.lstsq(design, np.stack([lon, lat], axis=1), rcond=None)
    shape = (DEGREE + 1, DEGREE + 1)
    return solved[:, 0].reshape(shape), solved[:, 1].reshape(shape)


def _horner(table: np.ndarray, u: str, v: str) -> str:
    rows = []
    for row in table:
        inner = repr(float(row[-1]))
        for value in row[-2::-1]:
            inner = f"({inner} * {v} + {float(value)!r})"
        rows.append(inner)
    text = rows[-1]
    for row_text in rows[-2::-1]:
        text = f"({text} * {u} + {row_text})"
    return text
