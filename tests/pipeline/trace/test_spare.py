"""Memory at hand is lent once, wiped, used again, and changes nothing that is read."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

from pipeline.trace import observations, spare
from pipeline.trace.field import Field
from pipeline.trace.observations import Scope
from pipeline.trace.spare import BYTES

SIZE = 1 << 20
COLUMNS = (
    "ids", "camera_no", "start", "end", "first", "last", "error_m", "face_width_px",
    "mask_code", "at",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _none_is_kept():
    yield
    observations.forget()
    spare._leave()


def lent(array: np.ndarray) -> bool:
    """Whether an array lies in the memory kept."""
    if not spare._SPARE:
        return False
    return np.shares_memory(array, np.frombuffer(spare._SPARE[0].memory, np.uint8))


def test_arrays_lie_beside_each_other_while_there_is_room():
    assert not lent(spare.empty(10))  # nothing is kept: an array as any other
    assert spare._keep(SIZE) == SIZE
    one, two = spare.empty((100, 2)), spare.empty(300, np.int32)
    assert lent(one)
    assert lent(two)
    assert (one.shape, one.dtype) == ((100, 2), np.float64)
    assert (two.shape, two.dtype) == ((300,), np.int32)
    one[:], two[:] = 1.5, 7
    assert (one == 1.5).all()
    assert (two == 7).all()
    for array in (one, two):
        assert array.ctypes.data % mmap.PAGESIZE == 0
    assert not lent(spare.empty(SIZE, np.uint8))  # no room
    assert lent(spare.empty(SIZE // 2, np.uint8))
    assert spare.empty(0).shape == (0,)


def test_it_is_wiped_and_used_again():
    spare._keep(SIZE)
    spare.empty(1000)[:] = 3.0
    spare.wipe()
    assert not np.frombuffer(spare._SPARE[0].memory, np.uint8).any()
    assert lent(spare.empty(SIZE, np.uint8))  # all of it


def test_what_is_still_in_use_stays_as_it_is():
    spare._keep(SIZE)
    part = spare.empty(1000)[10:20]  # who looks at a part holds it too
    part[:] = 3.0
    spare.wipe()
    assert (part == 3.0).all()
    again = spare.empty(1000)
    again[:] = 4.0
    assert (part == 3.0).all()
    assert not spare._SPARE  # it goes with its last user


def test_a_process_that_was_forked_takes_none_of_it():
    spare._keep(SIZE)
    spare._PIECE.append(SIZE)
    spare.refill()
    pid = os.fork()
    if not pid:
        os._exit(int(bool(spare._SPARE or spare._PIECES or spare._PIECE)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert spare._SPARE


def test_as_much_is_kept_as_the_busiest_day_takes(world, monkeypatch):
    stayer, number = world.person(), world.camera(0, 0)
    # The next day in Seoul begins ten hours after the first moment.
    for begin, count in ((9 * 3600, 3), (10 * 3600, 8), (34 * 3600, 5)):
        world.film(number, begin, 100.0 * count)
        for k in range(count):
            world.stand(stayer, number, begin + 100.0 * k, 6)
    world.publish()
    assert spare._busiest(world.settings) == 8
    monkeypatch.setattr(spare, "_available", lambda: 1 << 30)
    monkeypatch.setattr(spare, "BYTES", 10_000)
    monkeypatch.setattr(spare, "HAND_BYTES", 1000)
    assert spare.keep(world.settings) == 80_000 + spare.HANDS * 8000
    spare._leave()
    monkeypatch.setattr(spare, "_available", lambda: 200_000)
    assert spare.keep(world.settings) == 50_000  # a quarter, nothing for processes
    spare._leave()
    monkeypatch.setattr(spare, "_available", lambda: 0)  # the system does not tell
    assert spare.keep(world.settings) == 0
    assert not spare._SPARE
    spare.give_back()  # as ever
    spare.refill()
    assert not spare._PIECES


def test_a_piece_is_given_back_for_each_process_and_found_again_later(
    world, monkeypatch
):
    monkeypatch.setattr(spare, "_busiest", lambda _: 1000)
    monkeypatch.setattr(spare, "_available", lambda: 1 << 30)
    spare.keep(world.settings)
    assert len(spare._PIECES) == spare.HANDS
    last = spare._PIECES[-1]
    spare.give_back()
    assert last.closed
    for _ in range(2 * spare.HANDS):
        spare.give_back()
    assert not spare._PIECES
    spare.refill()
    assert [len(piece) for piece in spare._PIECES] == [
        1000 * spare.HAND_BYTES
    ] * spare.HANDS


def test_what_is_read_into_it_is_the_same_and_leaves_nothing(road, authorise):
    registry, order = road.publish(), authorise()

    def read() -> Field:
        return Field(Scope(order, road.settings, registry).passes())

    plain = read()
    expected = {name: np.copy(getattr(plain.passes, name)) for name in COLUMNS}
    records = np.copy(plain.ground.whole)
    del plain
    observations.forget()
    assert spare._keep(64 * BYTES + 40 * mmap.PAGESIZE) > 0
    field = read()
    for name, values in expected.items():
        column = getattr(field.passes, name)
        np.testing.assert_array_equal(column, values, err_msg=name)
        assert lent(column), name
    assert lent(field.ground.whole)
    np.testing.assert_array_equal(field.ground.whole, records)
    memory = np.frombuffer(spare._SPARE[0].memory, np.uint8)
    assert memory.any()
    del field, column
    observations.forget()  # what is deleted must not stay in memory
    assert not memory.any()
