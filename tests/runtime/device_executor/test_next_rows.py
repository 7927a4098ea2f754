"""The table of rows to run next: between survivors and all, and the cheapest by trying each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eerun.device_executor.next_rows import bucket_of_rows, next_rows_table

BUCKETS = st.sets(st.integers(1, 24), min_size=1, max_size=5).map(sorted)
LAST_BITS = 1e-12
"""Costs are sums of floats: two that are equal on paper may differ in the last bits."""


@st.composite
def measured(draw):
    """Buckets and what each costs, not always more for more rows."""
    buckets = draw(BUCKETS)
    return buckets, [draw(st.floats(0.125, 10)) for _ in buckets]


def entries(table):
    return [(rows, survivors) for rows in range(1, len(table)) for survivors in range(1, rows + 1)]


@given(given_buckets=measured())
def test_cheapest_bucket_that_holds_the_rows(given_buckets):
    buckets, times = given_buckets
    numbers = bucket_of_rows(buckets, times)

    assert numbers.dtype == np.int32
    assert numbers[0] == len(buckets), "nobody is left: no bucket"
    for rows in range(1, buckets[-1] + 1):
        assert buckets[numbers[rows]] >= rows
        assert times[numbers[rows]] == min(t for b, t in zip(buckets, times, strict=True) if b >= rows)


@given(given_buckets=measured(), move_ms=st.floats(0, 2))
@settings(max_examples=200, deadline=None)
def test_cheapest_number_of_rows_by_trying_each(given_buckets, move_ms):
    buckets, times = given_buckets
    table, numbers = next_rows_table(buckets, times, move_ms), bucket_of_rows(buckets, times)

    assert table.dtype == np.int32
    assert table.shape == (buckets[-1] + 1, buckets[-1] + 1)
    for rows, survivors in entries(table):
        cost = {r: times[numbers[r]] + move_ms * survivors * (1 - r / rows) for r in range(survivors, rows + 1)}
        assert table[rows, survivors] in cost, "never fewer than survivors, never more than there are"
        assert cost[table[rows, survivors]] <= min(cost.values()) * (1 + LAST_BITS)
    beyond = [(r, s) for r in range(len(table)) for s in range(len(table)) if s == 0 or s > r]
    assert all(table[each] == 0 for each in beyond)


@given(buckets=BUCKETS, time=st.floats(0.125, 10), move_ms=st.floats(0, 1))
def test_all_are_kept_where_fewer_rows_cost_as_much(buckets, time, move_ms):
    table = next_rows_table(buckets, [time] * len(buckets), move_ms)
    assert all(table[rows, survivors] == rows for rows, survivors in entries(table))


@pytest.mark.parametrize(("move_ms", "expected"), [(0.0, 4), (0.5, 4), (4.0, 8)])
def test_moves_are_paid_for(move_ms, expected):
    """Of 8 rows 3 survive, 1.5 of them behind row 4: a run of 4 saves 4 ms, which dear moves eat up."""
    assert next_rows_table((2, 4, 8), (1.0, 4.0, 8.0), move_ms)[8, 3] == expected
