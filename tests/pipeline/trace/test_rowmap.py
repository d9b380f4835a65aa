"""Numbers kept by row are those that were put, whatever the order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace.rowmap import RowMap, RowSet

ROWS = st.lists(st.integers(0, 10_000_000) | st.integers(0, 40), max_size=60)


@settings(deadline=None)  # the first compiles
@given(st.lists(ROWS, max_size=8), ROWS)
def test_a_number_is_the_last_that_was_put(parts, asked):
    known, told = RowMap(), {}
    for number, rows in enumerate(parts):
        numbers = np.arange(len(rows)) + 100 * number
        known.put(np.array(rows, dtype=np.int64), numbers)
        told.update(zip(rows, numbers.tolist(), strict=True))
    every = [*asked, *told, -1]
    found = known.of(np.array(every, dtype=np.int64)).tolist()
    assert found == [told.get(row, -1) for row in every]
    assert len(known) == len(told)


def test_it_grows_with_what_is_put():
    known = RowMap()
    rows = np.random.default_rng(3).permutation(50_000)
    for begin in range(0, len(rows), 700):
        some = rows[begin : begin + 700]
        known.put(some, some + 1)
    assert (known.of(np.arange(50_000)) == np.arange(1, 50_001)).all()
    assert (known.of(np.arange(50_000, 60_000)) == -1).all()


@settings(deadline=None)
@given(st.lists(st.tuples(ROWS, st.booleans()), max_size=8), ROWS)
def test_a_set_marks_rows_as_an_array_would(parts, asked):
    marked, told = RowSet(), set()
    for rows, within in parts:
        marked[np.array(rows, dtype=np.int64)] = within
        told = told | set(rows) if within else told - set(rows)
    every = [*asked, *told]
    found = marked[np.array(every, dtype=np.int64)]
    assert found.dtype == bool
    assert found.tolist() == [row in told for row in every]
