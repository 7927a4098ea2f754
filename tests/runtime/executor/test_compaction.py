"""Compaction keeps every survivor, moves as few rows as it can, and takes the cheapest number of rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eerun.executor.compaction import choose_rows, move_rows, plan_moves

ALIVE = st.lists(st.booleans(), min_size=1, max_size=33).filter(any).map(np.array)


@given(alive=ALIVE, data=st.data())
def test_every_survivor_is_in_front_once(alive, data):
    rows = data.draw(st.integers(int(alive.sum()), len(alive)))
    sample = np.arange(len(alive))
    buffers = [sample[:, None] * np.ones((1, 3)), sample.astype(np.int64).copy()]

    moves = plan_moves(alive, rows)
    move_rows(buffers, moves)
    after = alive.copy()
    after[moves.targets] = True

    survivors = set(np.flatnonzero(alive).tolist())
    assert sorted(buffers[1][:rows][after[:rows]].tolist()) == sorted(survivors)
    assert (buffers[0][:rows, 0] == buffers[1][:rows]).all()
    assert not set(moves.targets.tolist()) & set(moves.sources.tolist())
    stay = np.flatnonzero(alive[:rows])
    assert (buffers[1][stay] == stay).all()
    assert len(moves.sources) == alive[rows:].sum()


@given(
    alive=ALIVE,
    run_ms=st.lists(st.floats(0, 10), min_size=34, max_size=34).map(np.array),
    move_ms=st.floats(0, 1),
)
def test_chosen_rows_cost_least(alive, run_ms, move_ms):
    chosen = choose_rows(alive, run_ms, move_ms)

    costs = {rows: run_ms[rows] + move_ms * alive[rows:].sum() for rows in range(int(alive.sum()), len(alive) + 1)}
    assert chosen in costs
    assert costs[chosen] <= min(costs.values()) + 1e-9


def test_keeps_all_when_a_smaller_run_saves_less_than_the_moves():
    alive = np.array([False, True, True, True])
    assert choose_rows(alive, np.array([0, 1, 2, 3, 3.5]), move_ms=1.0) == 4
    assert choose_rows(alive, np.array([0, 1, 2, 3, 3.5]), move_ms=0.1) == 3
