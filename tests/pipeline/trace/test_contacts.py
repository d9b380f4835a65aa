"""Contacts against analytic values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import contacts
from pipeline.trace.contacts import Rule

T0 = 1_762_146_000


def detections(tracks: dict[int, tuple], masks: dict[int, list] | None = None):
    """Tracks: id -> (times since T0, east m, north m)."""
    rows = []
    for one, (at, east, north) in tracks.items():
        for k, (t, x, y) in enumerate(zip(at, east, north, strict=True)):
            rows.append(
                {
                    "tracklet_id": one,
                    "at": round((T0 + t) * 1e6),
                    "east_cm": None if x is None else round(x * 100),
                    "north_cm": None if y is None else round(y * 100),
                    "mask_state": masks[one][k] if masks else "none",
                }
            )
    table = pa.Table.from_pylist(rows)
    at = table["at"].cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(table.schema.get_field_index("at"), "at", at)


def pair(first, second, rule=None, masks=None):
    made = contacts.interpolate(detections({1: first, 2: second}, masks))
    parts = [
        contacts.Tracks(
            **{k: getattr(made, k)[made.tracklet == one] for k in vars(made)}
        )
        for one in (1, 2)
    ]
    return contacts.near(*parts, rule)


def test_a_passer_by_is_near_for_as_long_as_geometry_says():
    """Walking past at 1 m/s, 1.2 m aside: within 2 m for |x| <= 1.6 m."""
    at = np.arange(0, 41, 0.5)
    still = (at, np.zeros_like(at), np.zeros_like(at))
    walker = (at, at - 20.0, np.full_like(at, 1.2))
    found = pair(still, walker)
    assert found.second.tolist() == [T0 + 19, T0 + 20, T0 + 21]
    np.testing.assert_allclose(found.metres, [np.hypot(1, 1.2), 1.2, np.hypot(1, 1.2)])


@given(
    speed=st.floats(0.05, 2.0),
    aside=st.floats(0, 1.9),
    step=st.sampled_from([0.5, 1.0, 2.0, 4.0]),
)
@settings(deadline=None, max_examples=60)
def test_seconds_equal_the_chord_within_one(speed, aside, step):
    at = np.arange(0, 121, step)
    still = (at, np.zeros_like(at), np.zeros_like(at))
    walker = (at, speed * (at - 60), np.full_like(at, aside))
    truth = min(2 * np.sqrt(4 - aside**2) / speed, 120)
    count = len(pair(still, walker).second)
    # Places are rounded to centimetres, hence a margin beside the whole second.
    assert abs(count - truth) <= 1 + 0.05 / speed


def test_exactly_two_metres_is_within_the_rule():
    at = [0, 1, 2]
    found = pair((at, [0, 0, 0], [0, 0, 0]), (at, [2.0, 2.01, 1.99], [0, 0, 0]))
    assert found.second.tolist() == [T0, T0 + 2]


def test_points_are_interpolated_between_but_not_beyond_detections():
    made = contacts.interpolate(
        detections({5: ([0.5, 2.5, 9.5], [0, 2, 9], [0, 0, 0])})
    )
    # The gap of 7 s stays empty; a lone detection off the second has no point.
    assert (made.second - T0).tolist() == [1, 2]
    np.testing.assert_allclose(made.east_m, [0.5, 1.5])


def test_missing_ground_points_are_left_out():
    made = contacts.interpolate(
        detections({5: ([0, 1, 2], [0, None, 2], [0, None, 0])})
    )
    np.testing.assert_allclose(made.east_m, [0, 1, 2])
    assert contacts.interpolate(detections({5: ([0], [None], [None])})).second.size == 0


def test_episodes_are_merged_within_the_gap_only():
    at = np.arange(0, 60)
    away = np.where((at < 10) | ((at >= 18) & (at < 25)) | (at >= 50), 1.0, 9.0)
    zero = np.zeros(60)
    found = pair((at, zero, zero), (at, away, zero))
    merged = contacts.episodes(found)
    assert [(e.start - T0, e.end - T0, e.seconds) for e in merged] == [
        (0, 25, 17),
        (50, 60, 10),
    ]
    split = contacts.episodes(found, Rule(episode_gap_seconds=5))
    assert [e.seconds for e in split] == [10, 7, 10]


def test_masks_of_both_sides_over_the_episode():
    at = list(range(10))
    masks = {
        1: ["worn"] * 3 + ["unknown"] * 7,
        2: ["unknown"] * 8 + ["none", "unknown"],
    }
    zero = [0] * 10
    found = pair((at, zero, zero), (at, [1] * 10, zero), masks=masks)
    (episode,) = contacts.episodes(found)
    assert (episode.patient_mask, episode.contact_mask) == ("worn", "none")


@pytest.mark.parametrize(
    ("seconds", "kind"), [(899, "casual"), (900, "close"), (901, "close")]
)
def test_fifteen_minutes_make_a_close_contact(seconds, kind):
    at = np.arange(seconds)
    zero = np.zeros(seconds)
    (contact,) = contacts.contacts(pair((at, zero, zero), (at, zero + 1, zero)))
    assert (contact.seconds_24h, contact.kind) == (seconds, kind)


def test_any_24_hours_slide_over_midnight():
    day = 86_400
    late = np.arange(day - 500, day)  # before midnight
    early = np.arange(day, day + 500)
    assert contacts.most_in_window(np.r_[late, early], day) == 1000
    apart = np.r_[np.arange(0, 500), np.arange(day + 400, day + 900)]
    assert contacts.most_in_window(apart, day) == 500
    assert contacts.most_in_window(np.empty(0, int), day) == 0


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_sliding_sum_equals_the_naive_one(moments, span):
    unique = sorted(set(moments))
    naive = max((sum(m <= x < m + span for x in unique) for m in unique), default=0)
    assert contacts.most_in_window(np.array(moments, dtype=int), span) == naive


def test_two_sightings_at_one_second_count_once():
    at = np.arange(5)
    zero = np.zeros(5)
    made = contacts.interpolate(
        detections({1: (at, zero, zero), 2: (at, zero + 1, zero), 3: (at, zero, zero)})
    )
    pick = lambda ids: contacts.Tracks(  # noqa: E731
        **{k: getattr(made, k)[np.isin(made.tracklet, ids)] for k in vars(made)}
    )
    found = contacts.near(pick([1, 3]), pick([2]))
    (contact,) = contacts.contacts(found)
    assert contact.seconds == 5


def test_nobody_near():
    at = [0, 1]
    found = pair((at, [0, 0], [0, 0]), (at, [9, 9], [0, 0]))
    assert contacts.contacts(found) == []
