"""The laws the city is drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.cameras import registry
from pipeline.simulate import (
    embeddings,
    network,
    passes,
    recogniser,
    residents,
    truth,
    walking,
    ways,
)


@pytest.fixture(scope="module")
def net(network_file: Path) -> network.Network:
    return network.build(registry.load(network_file), 1.0, 24, 1)


@pytest.fixture(scope="module")
def people(net: network.Network) -> residents.Residents:
    return residents.populate(800, net, recogniser.load(), 0.5, 1)


def views(width: float, masked: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    law, rng = recogniser.load(), np.random.default_rng(seed)
    n = 4000
    z, r = law.people(rng, n), law.people(rng, n)
    full = law.faces(z, r, np.full(n, 112.0), np.zeros(n, bool), rng)
    return full, law.faces(z, r, np.full(n, width), np.full(n, masked), rng)


@pytest.mark.parametrize(
    ("width", "masked", "least", "most"),
    [
        # Measured share of genuine pairs at 0.531: 21, 45, 82, 93 %, 46 % masked.
        (16, False, 0.08, 0.30),
        (20, False, 0.30, 0.55),
        (30, False, 0.75, 0.92),
        (112, False, 0.92, 0.99),
        (112, True, 0.35, 0.55),
        (20, True, 0.0, 0.08),
    ],
)
def test_genuine_faces_are_as_alike_as_measured(
    width: float, masked: bool, least: float, most: float
) -> None:
    full, other = views(width, masked)
    share = ((full * other).sum(axis=1) > 0.531).mean()
    assert least < share < most


def test_strangers_are_as_alike_as_measured_and_not_isotropic() -> None:
    full, other = views(112, False)
    stranger = (full @ other.T)[~np.eye(len(full), dtype=bool)]
    assert 0.13 < stranger.std() < 0.16
    assert 0.49 < np.quantile(stranger, 0.9999) < 0.60
    spread = np.linalg.eigvalsh(np.cov(full.T))[::-1]
    assert spread[70:].sum() < 0.01 * spread.sum()
    np.testing.assert_allclose(np.linalg.norm(full, axis=1), 1, atol=1e-5)


def test_twins_are_more_alike_than_kin_than_strangers(
    people: residents.Residents,
) -> None:
    z = people.face.astype(np.float32)
    twin = np.flatnonzero(people.twin >= 0)
    assert len(twin) >= 2
    assert (people.twin[people.twin[twin]] == twin).all()
    alike = (z[twin] * z[people.twin[twin]]).sum(axis=1)
    assert alike.min() > 0.55
    same = np.flatnonzero(people.household[1:] == people.household[:-1])
    kin = (z[same] * z[same + 1]).sum(axis=1).mean()
    strangers = (z[:-50] * z[50:]).sum(axis=1).mean()
    assert kin > strangers + 0.05


def test_clothes_stay_for_the_day_and_change_overnight() -> None:
    one, again, other = (
        residents.clothes(50, day, embeddings.CLOTHES, 1).astype(np.float32)
        for day in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert abs((one * other).sum(axis=1).mean()) < 0.3


def test_a_way_leads_from_place_to_place_at_its_pace(
    people: residents.Residents,
) -> None:
    day = ways.of_day(people, 0, 1)
    assert (day.end >= day.start).all()
    row = np.arange(len(day))
    for moment, goal in ((day.start, day.a), (day.end - day.stay, day.b)):
        east, north = passes.position(day, row, moment)
        # Within the offsets beside the line and the turn to where one stands.
        assert np.hypot(east - goal[:, 0], north - goal[:, 1]).max() < 25
    half = (day.start + day.end - day.stay) / 2
    e1, n1 = passes.position(day, row, half - 0.5)
    e2, n2 = passes.position(day, row, half + 0.5)
    assert np.hypot(e2 - e1, n2 - n1).max() < 2.5


def test_parties_share_way_and_pace(people: residents.Residents) -> None:
    day = ways.of_day(people, 0, 1)
    order = np.argsort(day.party, kind="stable")
    same = np.flatnonzero(day.party[order][1:] == day.party[order][:-1])
    one, two = order[same], order[same + 1]
    assert len(same) > 20
    np.testing.assert_array_equal(day.start[one], day.start[two])
    np.testing.assert_array_equal(day.speed[one], day.speed[two])
    e1, n1 = passes.position(day, one, day.start[one] + 30)
    e2, n2 = passes.position(day, two, day.start[two] + 30)
    assert np.median(np.hypot(e1 - e2, n1 - n2)) < 1.5


def test_weekends_have_no_school(people: residents.Residents) -> None:
    monday, sunday = ways.of_day(people, 0, 1), ways.of_day(people, 6, 1)
    assert (monday.goal == ways.SCHOOL).any()
    assert not (sunday.goal == ways.SCHOOL).any()


def test_passes_lie_before_their_camera(
    people: residents.Residents, net: network.Network
) -> None:
    day = ways.of_day(people, 0, 1)
    rows = np.flatnonzero((day.start < 9 * 3600) & (day.end > 8 * 3600))
    found = passes.of_ways(day, rows, 8 * 3600.0, 1, net, 1)
    owner, at = passes.points_of(found, np.arange(len(found.way)))
    assert len(at) == len(found.east)
    camera = found.camera[owner]
    away = np.hypot(
        found.east[at] - net.xy[camera, 0], found.north[at] - net.xy[camera, 1]
    )
    assert away.max() < network.AHEAD_M + network.RADIUS_M[1] + 2 * network.CELL_M
    assert found.count.max() <= walking.LONGEST_S
    assert (found.first + found.count <= 3600).all()
    # Second by second, as if nothing had been skipped.
    i = int(np.argmax(found.count))
    points = at[owner == i]
    seconds = 8 * 3600.0 + found.first[i] + np.arange(found.count[i])
    east, north = passes.position(day, np.full(len(seconds), found.way[i]), seconds)
    np.testing.assert_allclose(found.east[points], east, atol=0.01)
    np.testing.assert_allclose(found.north[points], north, atol=0.01)


def test_contacts_agree_with_a_plain_comparison(
    people: residents.Residents, net: network.Network
) -> None:
    day = ways.of_day(people, 0, 1)
    rows = np.flatnonzero((day.start < 9 * 3600) & (day.end > 8 * 3600))
    found = passes.of_ways(day, rows, 8 * 3600.0, 1, net, 1)
    patients = np.zeros(len(people), dtype=bool)
    patients[::7] = True
    table = truth.contacts(day, found, patients, net, 1_762_124_400, 1)
    owner, at = passes.points_of(found, np.arange(len(found.way)))
    begin = np.cumsum(found.count) - found.count
    second = found.first[owner] + at - begin[owner]
    plain: dict[tuple[int, int, int], list[float]] = {}
    shown: dict[tuple[int, int, int], int] = {}
    places: dict[tuple[int, int], list[tuple[int, float, float, bool]]] = {}
    for o, s, a in zip(owner.tolist(), second.tolist(), at.tolist(), strict=True):
        places.setdefault((int(found.camera[o]), s), []).append(
            (
                int(day.resident[found.way[o]]),
                found.east[a],
                found.north[a],
                not found.missed[o],
            )
        )
    for (camera, _), group in places.items():
        for one, x1, y1, seen in group:
            for two, x2, y2, too in group:
                metres = float(np.hypot(x1 - x2, y1 - y2))
                if patients[one] and one != two and metres <= truth.CONTACT_METRES:
                    number = int(net.numbers[camera])
                    plain.setdefault((one, two, number), []).append(metres)
                    shown[one, two, number] = shown.get((one, two, number), 0)
                    shown[one, two, number] += seen and too
    assert len(plain) > 5
    assert 0 < sum(shown.values()) < sum(len(metres) for metres in plain.values())
    assert table.num_rows == len(plain)
    for row in table.to_pylist():
        key = row["patient"], row["other"], row["camera_no"]
        metres = plain[key]
        assert row["shown"] == shown[key]
        assert row["seconds"] == len(metres)
        assert row["least_metres"] == pytest.approx(min(metres), abs=1e-4)


def test_crowded_seconds_spread_over_tenths() -> None:
    camera = np.zeros(3000, dtype=np.int32)
    tenth, ordinal = passes.tenths(camera, np.full(3000, 7, dtype=np.int32))
    kept = tenth < 10
    assert kept.sum() == 1280
    pairs = set(zip(tenth[kept].tolist(), ordinal[kept].tolist(), strict=True))
    assert len(pairs) == 1280
    assert ordinal[kept].max() == 127
