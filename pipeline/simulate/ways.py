"""The ways people go on one day: from place to place, alone or together.

Everything random about a way is a function of the numbers of its party, its
resident and the day, so that those who walk together agree without being looked
up, and the result depends on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pipeline.simulate.residents import CHILD, OTHER, WORKER, Residents

HOME, WORK, SCHOOL, SHOP, STATION = range(5)
PLACES = ("home", "work", "school", "shop", "station")
HOUR = 3600.0
DAY = 24 * HOUR
#: Mean speed of metro and bus with stops, m/s, and time to board (assumed).
RIDE_MPS, BOARD_S = 8.0, 240.0


@dataclass(frozen=True)
class Ways:
    """m ways in order of start; metres are EPSG:5186, seconds from the day's start.

    A way leads first along one axis, then the other, as streets do (on average 1.27
    times the straight line), and may end in a stay outdoors.
    """

    resident: np.ndarray  #: int32 [m]
    party: np.ndarray  #: uint64 [m], the same for those who walk together
    start: np.ndarray  #: float64 [m], seconds
    a: np.ndarray  #: float64 [m, 2]
    b: np.ndarray  #: float64 [m, 2]
    goal: np.ndarray  #: int8 [m], code of `PLACES`
    goal_place: np.ndarray  #: int32 [m], row of the table of places
    speed: np.ndarray  #: float32 [m], m/s
    north_first: np.ndarray  #: bool [m]
    offset: np.ndarray  #: float32 [m, 2], metres beside the line
    stay: np.ndarray  #: float32 [m], seconds outdoors at the end
    stay_offset: np.ndarray  #: float32 [m, 2], where one stands
    mask: np.ndarray  #: int8 [m], code of MASK_STATES
    bare_from: np.ndarray  #: float32 [m], seconds into the way: mask taken off
    bare_to: np.ndarray  #: float32 [m], and put on again

    def __len__(self) -> int:
        return len(self.resident)

    def take(self, rows: np.ndarray) -> Ways:
        """Return some rows, in the order given."""
        return Ways(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def metres(self) -> np.ndarray:
        """Length of each way, float64 [m]."""
        return np.abs(self.b - self.a).sum(axis=1)

    @property
    def end(self) -> np.ndarray:
        """End of walking and stay, seconds from the day's start, float64 [m]."""
        return self.start + self.metres / self.speed + self.stay


def of_day(people: Residents, day: int, seed: int) -> Ways:
    """Draw all ways that start on a day (local time, from midnight)."""
    draw = _Draw(people, day, seed)
    for part in (_commute, _school, _lunch, _errands):
        part(people, draw, day)
    return draw.ways()


def uniform(*numbers: np.ndarray | np.integer | int) -> np.ndarray:
    """Hash integers to [0, 1), the same everywhere (splitmix64, Steele et al. 2014)."""
    state: np.ndarray | np.integer = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        for number in numbers:
            mixed = np.asarray(number).astype(np.uint64) + state
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = mixed ^ (mixed >> np.uint64(31))
    return (np.asarray(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


class _Draw:
    """Collects ways of one day."""

    def __init__(self, people: Residents, day: int, seed: int) -> None:
        self.people, self.key = people, np.uint64(seed * 100_003 + day)
        self.kinds = 0
        # From when to when each resident is bound: errands keep out of it.
        self.bound_from = np.full(len(people), np.inf)
        self.bound_to = np.full(len(people), -np.inf)
        self.at_work = np.full(len(people), np.inf)
        self.rows: list[tuple[np.ndarray, ...]] = []

    def chance(self, numbers: np.ndarray, salt: int) -> np.ndarray:
        return uniform(np.asarray(numbers), self.key, salt)

    def add(
        self,
        resident: np.ndarray,
        group: np.ndarray,
        start: np.ndarray,
        origin: np.ndarray,
        goal_place: np.ndarray,
        goal: int,
        stay: np.ndarray | float = 0.0,
    ) -> np.ndarray:
        """Add ways of residents; equal `group` walks together. Returns their ends."""
        self.kinds += 1
        party = group.astype(np.uint64) * np.uint64(64) + np.uint64(self.kinds)
        stay = np.broadcast_to(np.asarray(stay, np.float64), resident.shape)
        speed = 0.95 + 0.5 * self.chance(party, 1)
        places = self.people.places
        metres = np.abs(places[goal_place] - places[origin]).sum(axis=1)
        self.rows.append(
            (
                resident, party, start, origin, goal_place,
                np.full(len(resident), goal), speed, stay,
            )
        )  # fmt: skip
        end = start + metres / speed + stay
        np.minimum.at(self.bound_from, resident, start)
        np.maximum.at(self.bound_to, resident, end)
        return end

    def ways(self) -> Ways:
        columns = [np.concatenate(c) for c in zip(*self.rows, strict=True)]
        resident, party, start, origin, goal_place, goal, speed, stay = columns
        order = np.lexsort((resident, party, start))
        resident, party, start, origin, goal_place, goal, speed, stay = (
            c[order] for c in columns
        )
        places = self.people.places
        a, b = places[origin], places[goal_place]
        seconds = np.abs(b - a).sum(axis=1) / speed + stay
        own = resident.astype(np.uint64) * np.uint64(64) + (party & np.uint64(63))
        wears = self.chance(own, 2) < self.people.wears[resident]
        wrong = self.chance(own, 3) < 0.07
        # A phone call, a drink, a cigarette; or a meal where one stays.
        off = self.chance(own, 4) < 0.15
        eats = (stay > 300) & (self.chance(own, 5) < 0.5)
        begin = np.where(eats, seconds - stay, self.chance(own, 6) * seconds)
        length = np.where(eats, stay, 20 + 160 * self.chance(own, 7))
        length = np.where(off | eats, length, 0)
        return Ways(
            resident=resident.astype(np.int32),
            party=party,
            start=start,
            a=a,
            b=b,
            goal=goal.astype(np.int8),
            goal_place=goal_place.astype(np.int32),
            speed=speed.astype(np.float32),
            north_first=self.chance(party, 8) < 0.5,
            offset=self._beside(party, own, 9, 1.5, 0.75),
            stay=stay.astype(np.float32),
            stay_offset=self._beside(party, own, 13, 3.5, 0.9),
            mask=np.where(wears, np.where(wrong, 2, 3), 1).astype(np.int8),
            bare_from=begin.astype(np.float32),
            bare_to=(begin + length).astype(np.float32),
        )

    def _beside(
        self, party: np.ndarray, own: np.ndarray, salt: int, far: float, near: float
    ) -> np.ndarray:
        """Offsets, metres: normal over parties, within reach inside one."""
        radius = far * np.sqrt(-2 * np.log1p(-self.chance(party, salt)))
        turn = 2 * np.pi * self.chance(party, salt + 1)
        arm = near * (0.4 + 0.6 * self.chance(own, salt + 2))
        side = 2 * np.pi * self.chance(own, salt + 3)
        east = radius * np.cos(turn) + arm * np.cos(side)
        north = radius * np.sin(turn) + arm * np.sin(side)
        return np.column_stack([east, north]).astype(np.float32)


def _free(day: int) -> bool:
    """Whether the day is a weekend; day 0 is a Monday."""
    return day % 7 >= 5


def _commute(people: Residents, draw: _Draw, day: int) -> None:
    who = np.flatnonzero(people.kind == WORKER)
    share = 0.25 if _free(day) else 0.9
    who = who[draw.chance(who, 20) < share]
    leave = (6.5 + 3.0 * _bell(draw, who, 21)) * HOUR
    back = (16.5 + 4.5 * _bell(draw, who, 22)) * HOUR
    walks = ~people.rides[who]
    w = who[walks]
    draw.at_work[w] = draw.add(w, w, leave[walks], people.home[w], people.work[w], WORK)
    draw.add(w, w, back[walks], people.work[w], people.home[w], HOME)
    r, leave, back = who[~walks], leave[~walks], back[~walks]
    wait = 60 + 240 * draw.chance(r, 23)
    at = draw.add(r, r, leave, people.home[r], people.station[r], STATION, wait)
    inside = ~people.outside[r]
    i = r[inside]
    ride = _ride(people, people.station[i], people.work_station[i])
    draw.at_work[i] = draw.add(
        i, i, at[inside] + ride, people.work_station[i], people.work[i], WORK
    )
    wait = 60 + 240 * draw.chance(i, 24)
    at = draw.add(
        i, i, back[inside], people.work[i], people.work_station[i], STATION, wait
    )
    draw.add(i, i, at + ride, people.station[i], people.home[i], HOME)
    o = r[~inside]
    draw.add(o, o, back[~inside], people.station[o], people.home[o], HOME)


def _school(people: Residents, draw: _Draw, day: int) -> None:
    if _free(day):
        return
    child = np.flatnonzero(people.kind == CHILD)
    house = people.household[child]
    leave = (7.9 + 0.7 * draw.chance(house, 30)) * HOUR
    arrive = draw.add(
        child, house, leave, people.home[child], people.work[child], SCHOOL
    )
    # Brothers and sisters of one school walk together; a parent with the first.
    first = np.ones(len(child), dtype=bool)
    first[1:] = house[1:] != house[:-1]
    first &= draw.chance(house, 31) < 0.4
    parent = np.searchsorted(people.household, house[first]).astype(np.int32)
    idle = people.kind[parent] == OTHER
    parent, c = parent[idle], child[first][idle]
    draw.kinds -= 1  # the party of the children above
    draw.add(
        parent, people.household[parent], leave[first][idle],
        people.home[c], people.work[c], SCHOOL,
    )  # fmt: skip
    draw.add(
        parent, parent, arrive[first][idle] + 120, people.work[c],
        people.home[parent], HOME,
    )  # fmt: skip
    back = (13.5 + 3.0 * draw.chance(child, 32)) * HOUR
    draw.add(child, child, back, people.work[child], people.home[child], HOME)


def _lunch(people: Residents, draw: _Draw, day: int) -> None:
    """Colleagues of one workplace eat out in twos to fours."""
    if _free(day):
        return
    who = np.flatnonzero((people.kind == WORKER) & ~people.outside)
    who = who[(draw.chance(who, 20) < 0.9) & (draw.chance(who, 40) < 0.6)]
    who = who[np.argsort(people.work[who], kind="stable")]
    if not len(who):
        return
    work = people.work[who]
    rank = np.arange(len(who)) - np.searchsorted(work, work)
    group = work.astype(np.int64) * 4096 + rank // 3
    leave = (11.6 + 1.0 * draw.chance(group, 41)) * HOUR
    shop = people.shop[who[np.searchsorted(work, work)]]  # where the first one shops
    stay = np.where(
        draw.chance(group, 42) < 0.4, 120 + 1500 * draw.chance(group, 43), 0
    )
    there = np.flatnonzero(draw.at_work[who] + 300 < leave)
    who, group, work, shop = who[there], group[there], work[there], shop[there]
    at = draw.add(who, group, leave[there], work, shop, SHOP, stay[there])
    draw.add(who, group, at + 900, shop, work, WORK)


def _errands(people: Residents, draw: _Draw, day: int) -> None:
    """Households go out in the evening, people at home also by day."""
    everybody = np.arange(len(people))
    for salt, share, hour, spread in ((60, 0.35, 9.5, 5.0), (50, 0.35, 18.0, 3.5)):
        house = people.household
        goes = (draw.chance(house, salt) < share) & (
            draw.chance(everybody, salt + 1) < 0.7
        )
        if salt == 60 and not _free(day):
            goes &= people.kind == OTHER
        leave = (hour + spread * draw.chance(house, salt + 2)) * HOUR
        outdoors = draw.chance(house, salt + 3) < 0.4
        stay = 120 + 1800 * draw.chance(house, salt + 4) ** 2
        stay = np.where(outdoors, stay, 0)
        shop = people.shop[np.searchsorted(house, house)]  # where the first one shops
        inside = 300 + 2400 * draw.chance(house, salt + 5)
        metres = np.abs(people.places[shop] - people.places[people.home]).sum(axis=1)
        latest = leave + stay + inside + 2 * metres / 0.95 + 60
        goes &= (draw.bound_to + 600 < leave) | (latest < draw.bound_from)
        who = everybody[goes]
        home, there = people.home[who], shop[goes]
        at = draw.add(who, house[goes], leave[goes], home, there, SHOP, stay[goes])
        draw.add(who, house[goes], at + inside[goes], there, home, HOME)


def _bell(draw: _Draw, numbers: np.ndarray, salt: int) -> np.ndarray:
    """Between 0 and 1, mostly near the middle."""
    return (draw.chance(numbers, salt) + draw.chance(numbers, salt + 7000)) / 2


def _ride(people: Residents, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    gap = np.linalg.norm(people.places[a] - people.places[b], axis=1)
    return BOARD_S + gap * 1.3 / RIDE_MPS
