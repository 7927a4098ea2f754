"""When rows wait between segments for others, and which segment runs next."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_lane import simulated_costs

from eerun.executor import Step
from eerun.scheduler.choose import choose
from eerun.scheduler.forecast import LATELY, Forecast
from eerun.scheduler.hold import Inside, affordable, pays_to_hold

MS = 1_000_000
FLAT = ((2.0, 2.0, 2.0, 2.0),) * 3
"""A run costs the same for any number of rows: merging saves a whole run."""
LINEAR = ((1.0, 2.0, 4.0, 8.0),) * 3
"""It costs as much a row however many run: merging saves nothing."""


def forecast(segment_ms=FLAT, move_ms=(0.01, 0.01)):
    return Forecast(simulated_costs(segment_ms, move_ms), max_rows=8)


def inside(*waiting, since_ns=0, deadline_ns=None, max_hold_ns=10**12):
    deadlines = {} if deadline_ns is None else deadline_ns
    return Inside(
        waiting=waiting, max_rows=8, since_ns=[since_ns] * 3, deadline_ns=deadlines.get, max_hold_ns=max_hold_ns
    )


def test_rows_are_held_for_others_at_the_door_where_a_run_costs_the_same():
    assert pays_to_hold(inside(4, 2, 0), forecast(), 1, 0)
    assert choose(inside(4, 2, 0), forecast(), 0, deadlines=False) == (0, True)


def test_the_deepest_runs_first_where_merging_saves_nothing():
    assert choose(inside(4, 2, 2), forecast(LINEAR), 0, deadlines=False) == (2, False)
    assert choose(inside(4, 2, 0), forecast(LINEAR), 0, deadlines=False) == (1, False)


def test_nobody_is_held_for_nobody():
    for waiting in ((0, 2, 0), (0, 0, 2), (0, 1, 0)):
        chosen = choose(inside(*waiting), forecast(), 0, deadlines=False)
        assert chosen is not None
        assert waiting[chosen.segment], waiting
        assert not chosen.held
    assert choose(inside(0, 0, 0), forecast(), 0, deadlines=False) is None


def test_merging_that_costs_more_than_it_saves_is_left_out():
    assert not pays_to_hold(inside(4, 2, 0), forecast(move_ms=(2.0, 0.01)), 1, 0)


def test_nobody_is_held_when_nobody_survives():
    seen = forecast()
    for _ in range(200):
        seen.learn([Step(0, 8, 8, 8, 2 * MS, 0, 0)])
    assert seen.survival(0) < 0.01
    assert not pays_to_hold(inside(8, 2, 0), seen, 1, 0)


def test_a_smaller_first_batch_is_part_of_the_price():
    prices = ((4.0, 4.0, 4.0, 4.0), (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    assert pays_to_hold(inside(4, 4, 0), forecast(prices), 1, 0), "all 4 can start"
    assert not pays_to_hold(inside(8, 4, 0), forecast(prices), 1, 0), "half of 8 would have to start later"


def test_survivors_of_a_smaller_start_count_with_their_part_of_a_larger_run():
    """Of a full door half can start: twice as many runs, of both segments, for one that is saved."""
    assert not pays_to_hold(inside(8, 4, 0), forecast(), 1, 0)
    assert pays_to_hold(inside(8, 2, 0), forecast(), 1, 0), "three quarters can"


def test_the_overhead_of_a_run_speaks_against_a_smaller_start():
    prices = ((0.1,) * 4, (1.0,) * 4, (1.0,) * 4)
    cheap, dear = forecast(prices), forecast(prices)
    for _ in range(300):
        dear.learn_overhead(20 * MS)
    assert 19.9 < dear.overhead_ms < 20.1
    assert pays_to_hold(inside(8, 5, 0), cheap, 1, 0)
    assert not pays_to_hold(inside(8, 5, 0), dear, 1, 0)


def test_a_gain_within_the_noise_of_cost_tables_is_none():
    for saved, holds in ((0.02, False), (0.08, True)):
        linear = ((1.0, 2.0, 4.0 * (1 - saved), 8.0),) * 3
        waiting = inside(4, 2, 0)  # 2 are expected: 2 + 2 ms apart
        assert pays_to_hold(waiting, forecast(linear, move_ms=(0.0, 0.0)), 1, 0) is holds


def test_the_oldest_must_be_able_to_afford_it():
    assert not pays_to_hold(inside(4, 2, 0, since_ns=0, max_hold_ns=5 * MS), forecast(), 1, 4 * MS)
    assert pays_to_hold(inside(4, 2, 0, since_ns=0, max_hold_ns=7 * MS), forecast(), 1, 4 * MS)
    assert not pays_to_hold(inside(4, 2, 0, max_hold_ns=0), forecast(), 1, 0), "0: survivors are never merged"
    deadline = {1: int(5.9 * MS)}  # 2 ms until the others are there, then 4 ms for both segments
    assert not pays_to_hold(inside(4, 2, 0, deadline_ns=deadline), forecast(), 1, 0)
    assert pays_to_hold(inside(4, 2, 0, deadline_ns={1: 6 * MS}), forecast(), 1, 0)


def test_survivors_without_room_run_first():
    assert choose(inside(0, 5, 4), forecast(), 0, deadlines=False) == (2, False)
    assert choose(inside(8, 8, 0), forecast(), 0, deadlines=False) == (1, False), "the door has no room at all"


def test_times_follow_what_is_measured():
    seen = forecast()
    for _ in range(300):
        seen.learn([Step(0, 8, 8, 2, 6 * MS, 0, 0)])
    assert 2.9 < seen.pace < 3.01
    assert 5.9 < seen.run_ms(0, 8) < 6.01
    assert 0.74 < seen.survival(0) < 0.76
    assert seen.remaining_ms(1, 4) == pytest.approx(seen.through_ms(2, 4) - seen.through_ms(0, 4))
    assert seen.expected_ms(8) <= seen.remaining_ms(0, 8) + 1e-9


def test_the_least_pace_is_that_of_the_last_runs():
    seen = forecast()
    assert seen.least_through_ms(0, 8) == 0, "before anything ran nothing is known"
    for run_ms in (50, 3, 8):
        seen.learn([Step(0, 8, 8, 2, run_ms * MS, 0, 0)])
    assert seen.least_through_ms(0, 8) == pytest.approx(3)
    for _ in range(LATELY):
        seen.learn([Step(0, 8, 8, 2, 8 * MS, 0, 0)])
    assert seen.least_through_ms(0, 8) == pytest.approx(8)


rows = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))


@settings(max_examples=300, deadline=None)
@given(
    waiting=rows,
    prices=st.sampled_from([FLAT, LINEAR, ((1.0, 1.2, 1.6, 2.4),) * 3]),
    now_ns=st.integers(0, 20 * MS),
    deadlines=st.dictionaries(st.integers(0, 2), st.integers(0, 40 * MS)),
    hold_ns=st.sampled_from([0, 3 * MS, 10**12]),
)
def test_there_is_always_something_to_run_that_has_room_and_holding_is_affordable(
    waiting, prices, now_ns, deadlines, hold_ns
):
    state, expected = inside(*waiting, deadline_ns=deadlines, max_hold_ns=hold_ns), forecast(prices)
    choice = choose(state, expected, now_ns, deadlines=True)
    if not any(waiting):
        assert choice is None
        return
    assert choice is not None
    chosen = choice.segment
    assert state.rows(chosen) > 0
    if chosen < 2:
        assert waiting[chosen + 1] + state.rows(chosen) <= 8, "room for all survivors"
    for held in range(chosen + 1, 3):
        if waiting[held]:
            first = expected.run_ms(chosen, 1)
            assert affordable(state, expected, held, wait_ms=first, rows=waiting[held], now_ns=now_ns)
