"""Exposure: contact seconds as a relative dose index, by person, place and hour.

The index is 1 - exp(-dose) (Wells and Riley's form), with dose 1 for 15 minutes
at 1 m, indoors, nobody masked. It ranks exposures and carries an interval; it is
not anybody's probability of infection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import h3
import numba
import numpy as np
import pyarrow as pa

from pipeline.store.schema import MASK_STATES
from pipeline.trace import constants as c
from pipeline.trace.columns import lonlat
from pipeline.trace.contacts import Contact, Near
from pipeline.trace.tables import EXPOSURE

_NONE, _INCORRECT, _WORN = (MASK_STATES.index(s) for s in ("none", "incorrect", "worn"))


@dataclass(frozen=True)
class Draws:
    """What is not known, drawn d times; the same for everybody in a run."""

    outward: np.ndarray  #: float64 [4, d], share let out by the patient's mask state
    inward: np.ndarray  #: float64 [4, d], share let in by the contact's mask state
    exponent: np.ndarray  #: float64 [d], of dilution with distance
    outdoors: np.ndarray  #: float64 [d], share of the indoor dose


def draw(count: int = c.DOSE_DRAWS, seed: int = c.DOSE_SEED) -> Draws:
    """Draw the unknowns; the same seed gives the same draws."""
    rng = np.random.default_rng(seed)
    left = rng.uniform(*c.MASK_INCORRECT_LEFT, count)
    return Draws(
        outward=_let_through(rng, rng.uniform(*c.MASK_OUTWARD, count), left),
        inward=_let_through(rng, rng.uniform(*c.MASK_INWARD, count), left),
        exponent=rng.uniform(*c.DOSE_DISTANCE_EXPONENT, count),
        outdoors=rng.uniform(*c.OUTDOOR_SHARE, count),
    )


def doses(
    found: Near, indoors: np.ndarray, groups: np.ndarray, unknowns: Draws
) -> np.ndarray:
    """Sum the dose of each group of seconds.

    Parameters
    ----------
    found : the seconds within the rule, s rows.
    indoors : bool [s].
    groups : int64 [s], 0 <= value < g; g is the largest plus one.

    Returns
    -------
    float64 [g, d], in units of the reference exposure.
    """
    count = int(groups.max()) + 1 if len(groups) else 0
    result = np.zeros((count, len(unknowns.exponent)))
    # Seconds alike in every known respect are drawn once: distance to 5 cm.
    distance = np.maximum(found.metres, c.DOSE_LEAST_METRES)
    bucket = np.rint(distance * 20).astype(np.int64)
    buckets, bucket = np.unique(bucket, return_inverse=True)
    masks = found.patient_mask.astype(np.int64) * 4 + found.contact_mask
    key = (groups.astype(np.int64) * 16 + masks) * 2 + indoors
    unique, times = np.unique(key * len(buckets) + bucket, return_counts=True)
    metres = np.maximum(buckets / 20, c.DOSE_LEAST_METRES)[:, None]
    diluted = (c.DOSE_REFERENCE_METRES / metres) ** unknowns.exponent[None, :]
    through = unknowns.outward[:, None] * unknowns.inward[None, :]
    _add(
        result, unique, times / c.DOSE_REFERENCE_SECONDS, diluted,
        through.reshape(16, -1), unknowns.outdoors,
    )  # fmt: skip
    return result


@numba.njit(cache=True, nogil=True)
def _add(
    result: np.ndarray,
    key: np.ndarray,
    times: np.ndarray,
    diluted: np.ndarray,
    through: np.ndarray,
    outdoors: np.ndarray,
) -> None:
    """Add doses to the groups' [g, d], in place.

    Parameters
    ----------
    key : int64 [k], of group, masks (16), indoors (2) and distance (b) in one.
    times : float64 [k], how often, in reference exposures.
    diluted : float64 [b, d]; through : float64 [16, d]; outdoors : float64 [d].
    """
    for k in range(len(key)):
        rest, distance = divmod(key[k], len(diluted))
        rest, inside = divmod(rest, 2)
        group, masks = divmod(rest, 16)
        for draw in range(len(outdoors)):
            rate = diluted[distance, draw] * through[masks, draw]
            if not inside:
                rate *= outdoors[draw]
            result[group, draw] += rate * times[k]


def index(dose: np.ndarray) -> np.ndarray:
    """Relative dose index of doses, 0..1."""
    return -np.expm1(-np.asarray(dose))


def of_contacts(
    people: list[Contact], found: Near, indoors: np.ndarray, unknowns: Draws
) -> np.ndarray:
    """Return float64 [k, 3]: 5 % quantile, median and 95 % of each contact's index."""
    if not people:
        return np.empty((0, 3))
    rows = np.concatenate([person.rows for person in people])
    groups = np.repeat(np.arange(len(people)), [len(p.rows) for p in people])
    dose = doses(found.take(rows), indoors[rows], groups, unknowns)
    return np.quantile(index(dose), [0.05, 0.5, 0.95], axis=1).T


def by_cell(
    people: list[Contact],
    found: Near,
    indoors: np.ndarray,
    unknowns: Draws,
    resolutions: tuple[int, ...] = c.H3_RESOLUTIONS,
) -> pa.Table:
    """Sum seconds and doses by H3 cell and hour (UTC), at each resolution.

    The dose is that of everybody in the cell together, in reference exposures: it adds
    up, so it is not turned into an index. `dose_low` and `dose_high` bound it.
    """
    if not len(found.second):
        return EXPOSURE.empty_table()
    who = np.full(len(found.second), -1, dtype=np.int64)
    for number, person in enumerate(people):
        who[person.rows] = number
    named = np.array([person.name for person in people])
    kinds = np.array([person.kind == "close" for person in people] + [False])
    close = kinds[who].astype(float)  # of nobody: the last
    hour = found.second // 3600 * 3600
    lon, lat = lonlat(np.column_stack([found.east_m, found.north_m]))
    parts = []
    for resolution in resolutions:
        # From the place each time: a finer cell does not lie wholly in its parent.
        cells = [
            h3.latlng_to_cell(float(y), float(x), resolution)
            for y, x in zip(lat, lon, strict=True)
        ]
        names, cell = np.unique(np.array(cells), return_inverse=True)
        labels, group = np.unique(
            np.column_stack([cell, hour]), axis=0, return_inverse=True
        )
        summed = doses(found, indoors, group, unknowns)
        low, middle, high = np.quantile(summed, [0.05, 0.5, 0.95], axis=1)
        there = np.unique(np.column_stack([group, who])[who >= 0], axis=0)
        names_of = np.split(
            there[:, 1], np.searchsorted(there[:, 0], np.arange(1, len(labels)))
        )
        parts.append(
            pa.table(
                [
                    pa.array(names[labels[:, 0]].tolist(), pa.string()),
                    pa.array(np.full(len(labels), resolution, np.int8)),
                    pa.array(
                        [datetime.fromtimestamp(int(h), UTC) for h in labels[:, 1]]
                    ),
                    pa.array(np.bincount(group).astype(float)),
                    pa.array(np.bincount(group, weights=close)),
                    *(pa.array(one) for one in (low, middle, high)),
                    pa.array([len(rows) for rows in names_of], pa.int32()),
                    pa.array(
                        [named[rows].tolist() for rows in names_of],
                        pa.list_(pa.string()),
                    ),
                ],
                names=EXPOSURE.names,
            ).cast(EXPOSURE)
        )
    return pa.concat_tables(parts)


def _let_through(
    rng: np.random.Generator, held_back: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Share of particles let through by mask state [4, d]."""
    result = np.ones((4, len(held_back)))
    result[_WORN] = 1 - held_back
    result[_INCORRECT] = 1 - held_back * left
    worn = rng.random(len(held_back)) < c.MASK_UNKNOWN_WORN
    result[MASK_STATES.index("unknown")] = np.where(worn, 1 - held_back, 1.0)
    return result
