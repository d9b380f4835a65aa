"""Colours of patients on one map: told apart by people with any colour vision.

Ten colours whose least difference (CIE 1976, D65) is 23 or more, to a normal eye and
to eyes that lack one kind of cone, as simulated by Machado, Oliveira and Fernandes
(2009) at severity 1; each stands out against the light and against the dark ground.
Found by a greedy search over sRGB; tests/dashboard/test_palette.py checks it.
"""

from __future__ import annotations

#: RGB 0..255, in the order in which patients get them.
PATIENTS = (
    (29, 78, 216),
    (204, 34, 0),
    (170, 187, 0),
    (85, 51, 136),
    (221, 170, 187),
    (68, 187, 102),
    (136, 34, 34),
    (153, 153, 255),
    (119, 51, 85),
    (153, 119, 170),
)


def colour(patient: int) -> list[int]:
    """Return the colour of a patient by number, from 0; they repeat after ten."""
    return list(PATIENTS[patient % len(PATIENTS)])


def lighter(rgb: list[int], share: float = 0.35) -> list[int]:
    """Return the colour moved towards white: of what was inferred, not seen."""
    return [round(value + (255 - value) * share) for value in rgb]
