"""Arrivals are Poisson's, with a fixed seed."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eerun.bench.server.schedule import make_schedule, queries_of


def make(qps: float, queries: int, *, seed: int = 3, block: int = 0, warm_up_s: float = 0.0):
    return make_schedule(qps, queries=queries, encoded=7, warm_up_s=warm_up_s, seed=seed, block=block)


def test_gaps_are_exponential_with_the_mean_of_the_load():
    plan = make(200.0, 20_000)
    gaps_s = np.diff(plan.due_ns, prepend=0) / 1e9
    assert gaps_s.mean() == pytest.approx(1 / 200, rel=0.03)
    assert gaps_s.std() == pytest.approx(1 / 200, rel=0.03)
    assert (gaps_s > 1 / 200).mean() == pytest.approx(np.exp(-1), abs=0.015)
    assert np.bincount(plan.query, minlength=7) / 20_000 == pytest.approx(np.full(7, 1 / 7), abs=0.015)
    assert plan.length_ns == 100e9


def test_the_seed_and_the_block_decide():
    first, same = make(50.0, 100), make(50.0, 100)
    assert first.due_ns.tolist() == same.due_ns.tolist()
    assert first.query.tolist() == same.query.tolist()
    for other in (make(50.0, 100, seed=4), make(50.0, 100, block=1)):
        assert first.due_ns.tolist() != other.due_ns.tolist()
        assert first.query.tolist() != other.query.tolist()


def test_warm_up_comes_before_what_counts():
    plan = make(100.0, 40, warm_up_s=0.25)
    assert (plan.warm, len(plan)) == (25, 65)
    assert plan.start_ns == plan.due_ns[24]
    assert make(100.0, 40).start_ns == 0


@given(qps=st.floats(0.05, 1e4), duration_s=st.floats(0.1, 100), least=st.integers(1, 500), blocks=st.integers(1, 20))
def test_blocks_hold_enough_queries_and_time(qps: float, duration_s: float, least: int, blocks: int):
    count = queries_of(qps, duration_s=duration_s, min_queries=least, blocks=blocks)
    assert count * blocks >= least
    assert count * blocks / qps >= duration_s * (1 - 1e-9)
    assert (count - 1) * blocks < max(ceil(qps * duration_s), least)
