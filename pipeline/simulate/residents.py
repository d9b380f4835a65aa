"""People of the city: households, work and school, habits, faces, clothes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.simulate import recogniser
from pipeline.simulate.network import AHEAD_M, Network
from pipeline.simulate.recogniser import Recogniser

#: Metro stations within the city, WGS84 lon, lat (Lines 1 and 7).
STATIONS = np.array(
    [
        [126.8114, 37.4851], [126.7953, 37.4828], [126.7827, 37.4841],
        [126.7646, 37.4867], [126.7528, 37.4876], [126.7531, 37.5058],
        [126.7634, 37.5046], [126.7761, 37.5031], [126.7869, 37.5037],
        [126.7972, 37.5056], [126.8110, 37.5064],
    ]
)  # fmt: skip
CHILD, WORKER, OTHER = 0, 1, 2
#: Sizes of households, 1 to 5 people: Statistics Korea, Population and Housing
#: Census 2023 (35.5, 28.8, 18.8, 13.0 and 3.9 % of households).
HOUSEHOLDS = np.array([0.355, 0.288, 0.188, 0.130, 0.039])
#: Share of what makes a face that a household has in common (assumed), and twins.
KIN_SHARE = 0.15
TWIN_SHARE = 0.92
TWINS_PER_PERSON = 0.003
#: Pairs of strangers a person who look alike, and how much (assumed).
ALIKE_PER_PERSON = 0.002
ALIKE_SHARE = 0.75
#: Faces are kept in half precision: 240 bytes a resident.
_FACE = np.float16


@dataclass(frozen=True)
class Residents:
    """n people; places are rows of the table of places."""

    household: np.ndarray  #: int32 [n]
    kind: np.ndarray  #: int8 [n], CHILD, WORKER, OTHER
    home: np.ndarray  #: int32 [n]
    work: np.ndarray  #: int32 [n], or school; -1 none
    shop: np.ndarray  #: int32 [n]
    station: np.ndarray  #: int32 [n], nearest to home
    work_station: np.ndarray  #: int32 [n], nearest to work
    rides: np.ndarray  #: bool [n], goes to work by metro or bus
    outside: np.ndarray  #: bool [n], works outside the city
    wears: np.ndarray  #: float32 [n], share of ways on which a mask is worn
    speed: np.ndarray  #: float32 [n], m/s
    twin: np.ndarray  #: int32 [n], the other twin or look-alike; -1 none
    places: np.ndarray  #: float64 [p, 2], EPSG:5186 metres
    face: np.ndarray  #: float16 [n, rank], z of `recogniser`
    face_rest: np.ndarray  #: float16 [n, rank], r of `recogniser`

    def __len__(self) -> int:
        return len(self.household)


def populate(
    count: int, network: Network, law: Recogniser, mask_share: float, seed: int
) -> Residents:
    """Draw the people and their places.

    Parameters
    ----------
    count : number of residents.
    mask_share : share of ways on which a mask is worn, over all people.
    """
    rng = np.random.default_rng([seed, 2])
    household, first = _households(rng, count)
    kind = np.where(rng.random(count) < 0.6, WORKER, OTHER).astype(np.int8)
    kind[~first & (rng.random(count) < 0.35)] = CHILD
    places, stations, shops, works, schools = _places(rng, network, count)
    homes = len(places)
    home_xy = _around(rng, network, int(household[-1]) + 1 if count else 0, 45.0)
    places = np.concatenate([places, home_xy])
    home = (homes + household).astype(np.int32)
    outside = (kind == WORKER) & (rng.random(count) < 0.35)
    work = np.full(count, -1, dtype=np.int32)
    work[kind == WORKER] = rng.choice(works, int((kind == WORKER).sum()))
    at_home = places[home]
    work[kind == CHILD] = _nearest(places, schools, at_home[kind == CHILD])
    station = _nearest(places, stations, at_home)
    work_station = np.where(work >= 0, _nearest(places, stations, places[work]), -1)
    far = np.abs(places[work] - at_home).sum(axis=1) > 1800
    face, rest, twin = _faces(rng, law, household)
    return Residents(
        household=household,
        kind=kind,
        home=home,
        work=work,
        shop=_nearest(places, shops, at_home + rng.normal(0, 250, at_home.shape)),
        station=station,
        work_station=work_station.astype(np.int32),
        rides=outside | ((kind == WORKER) & far & (station != work_station)),
        outside=outside,
        wears=_habits(rng, count, mask_share),
        speed=np.clip(rng.normal(1.25, 0.15, count), 0.8, 1.8).astype(np.float32),
        twin=twin,
        places=places,
        face=face,
        face_rest=rest,
    )


def clothes(residents: int, day: int, width: int, seed: int) -> np.ndarray:
    """What everybody wears on a day: float16 [residents, width], unit length."""
    rng = np.random.default_rng([seed, 3, day])
    drawn = rng.standard_normal((residents, width), dtype=np.float32)
    return recogniser.unit(drawn).astype(_FACE) if residents else drawn.astype(_FACE)


def _households(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(household of each person, whether the first of it)."""
    sizes = rng.choice(np.arange(1, 6), size=max(1, count), p=HOUSEHOLDS)
    member = np.repeat(np.arange(len(sizes)), sizes)[:count].astype(np.int32)
    first = np.ones(count, dtype=bool)
    first[1:] = member[1:] != member[:-1]
    return member, first


def _places(
    rng: np.random.Generator, network: Network, count: int
) -> tuple[np.ndarray, ...]:
    """(coordinates, rows of stations, of shops, of works, of schools)."""
    from pipeline.cameras import frame

    lon, lat = STATIONS.T
    station_xy = np.column_stack(frame.to_metric(lon, lat))
    # Stations stand where cameras are: at the camera nearest to each.
    gap = np.linalg.norm(network.xy[None] - station_xy[:, None], axis=2)
    near = np.argmin(gap, axis=1)
    station_xy = network.xy[near] + network.heading[near] * AHEAD_M
    numbers = [max(4, count // per) for per in (300, 60, 900)]
    spread = [_around(rng, network, number, 12.0) for number in numbers]
    places = np.concatenate([station_xy, *spread])
    ends = np.cumsum([len(station_xy), *numbers])
    rows = [np.arange(ends[0])]
    rows += [np.arange(a, b) for a, b in pairwise(ends)]
    return places, *rows


def _around(
    rng: np.random.Generator, network: Network, count: int, metres: float
) -> np.ndarray:
    """Points near cameras: where people are is where cameras were put."""
    camera = rng.integers(0, len(network.xy), count)
    return network.xy[camera] + rng.normal(0, metres, (count, 2))


def _nearest(places: np.ndarray, rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    if not len(at):
        return np.empty(0, dtype=np.int32)
    return rows[cKDTree(places[rows]).query(at)[1]].astype(np.int32)


def _habits(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """Share of ways with a mask: most people nearly always or nearly never."""
    if share <= 0 or share >= 1:
        return np.full(count, np.clip(share, 0, 1), dtype=np.float32)
    return rng.beta(0.7 * share, 0.7 * (1 - share), count).astype(np.float32)


def _faces(
    rng: np.random.Generator, law: Recogniser, household: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(z, r, twin): kin resemble each other, twins and look-alikes very much."""
    count = len(household)
    z = law.people(rng, count)
    rest = law.people(rng, count)
    kin = law.people(rng, int(household[-1]) + 1 if count else 0)
    z *= np.float32(np.sqrt(1 - KIN_SHARE))
    if count:
        z += np.float32(np.sqrt(KIN_SHARE)) * kin[household]
    twin = np.full(count, -1, dtype=np.int32)
    same = np.flatnonzero(household[1:] == household[:-1])
    born = same[rng.random(len(same)) < TWINS_PER_PERSON * 2]
    if len(same) and not len(born) and count >= 100:
        born = same[:1]  # every town has a pair
    pairs = [(born, born + 1, TWIN_SHARE)]
    alike = rng.permutation(count)[: 2 * int(count * ALIKE_PER_PERSON)].reshape(-1, 2)
    pairs.append((alike[:, 0], alike[:, 1], ALIKE_SHARE))
    for one, other, share in pairs:
        free = (twin[one] < 0) & (twin[other] < 0) & (one != other)
        one, other = one[free], other[free]
        for vectors in (z, rest):
            fresh = law.people(rng, len(one))
            vectors[other] = share * vectors[one] + np.sqrt(1 - share**2) * fresh
        twin[one], twin[other] = other, one
    return recogniser.unit(z).astype(_FACE), rest.astype(_FACE), twin
