"""Ten patients are told apart by people with any colour vision."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dashboard.maps import basemap, layers, palette

#: Machado, Oliveira, Fernandes (2009), severity 1.0, linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def linear(rgb) -> np.ndarray:
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.clip(rgb @ XYZ.T / np.array([0.95047, 1, 1.08883]), 0, None)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [
            116 * f[:, 1] - 16,
            500 * (f[:, 0] - f[:, 1]),
            200 * (f[:, 1] - f[:, 2]),
        ],
        axis=1,
    )


@pytest.mark.parametrize("sight", sorted(SIGHT))
def test_ten_colours_differ(sight: str) -> None:
    colours = lab(np.clip(linear(palette.PATIENTS) @ np.array(SIGHT[sight]).T, 0, 1))
    assert len(colours) == 10
    least = min(np.linalg.norm(a - b) for a, b in combinations(colours, 2))
    assert least >= 23


@pytest.mark.parametrize("ground", [basemap.LAND, [30, 38, 50]])
def test_they_stand_out_on_both_grounds(ground: list[int]) -> None:
    def luminance(rgb) -> float:
        return float(linear(rgb) @ XYZ[1])

    below = luminance(ground)
    for rgb in palette.PATIENTS:
        light, dark = sorted((luminance(rgb), below), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 1.5


def test_a_path_takes_its_patients_colour() -> None:
    legs = [
        {"kind": kind, "p": [[1, 2], [3, 4]], "t": [0, 1], "tip": []}
        for kind in ("seen", "inferred")
    ]
    inferred, seen = layers.path(legs, palette.colour(11))
    assert seen.get_color == list(palette.PATIENTS[1])
    assert inferred.data[0]["c"][:3] == palette.lighter(list(palette.PATIENTS[1]))
    assert palette.colour(0) == layers.SEEN
