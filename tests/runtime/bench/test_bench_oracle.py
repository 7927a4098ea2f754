"""Break-even share and oracle on cost tables that can be worked out by hand."""

import pytest

from eerun.bench.oracle import break_even_share, oracle_ms
from eerun.costs import CostTable
from eerun.executor import Step


def table(*, segments: tuple[tuple[float, ...], ...], whole: tuple[float, ...], buckets: tuple[int, ...]) -> CostTable:
    return CostTable(
        engine="e",
        precision="float32",
        device="d",
        buckets=buckets,
        segment_ms=segments,
        whole_ms=whole,
        move_ms=(0.0,) * (len(segments) - 1),
    )


def step(segment: int, entered: int) -> Step:
    return Step(segment=segment, rows=entered, entered=entered, left=0, run_ns=0, boundary_ns=0, answered_ns=0)


def test_one_sample_at_a_time():
    # 2 + (1 - p) * 10 = 9 where p = 0.3
    costs = table(segments=((2.0,), (10.0,)), whole=(9.0,), buckets=(1,))
    assert break_even_share(costs, 1) == pytest.approx(0.3)


def test_costs_that_are_linear_in_rows_need_the_same_share_at_every_batch():
    costs = table(segments=((2.0, 4.0), (6.0, 12.0), (4.0, 8.0)), whole=(9.0, 18.0), buckets=(1, 2))
    for batch in (1, 2, 7):
        assert break_even_share(costs, batch) == pytest.approx(0.3)


def test_a_last_segment_that_costs_the_same_for_one_row_or_two_must_be_avoided_by_both():
    # Batch 2: 2 + (1 - p²) * 8 = 7 where p² = 3/8.
    costs = table(segments=((2.0, 2.0), (8.0, 8.0)), whole=(7.0, 7.0), buckets=(1, 2))
    assert break_even_share(costs, 2) == pytest.approx((3 / 8) ** 0.5)


def test_none_when_the_first_segment_alone_costs_more():
    assert break_even_share(table(segments=((5.0,), (1.0,)), whole=(4.9,), buckets=(1,)), 1) is None


def test_nothing_must_leave_when_the_chain_is_as_cheap_as_the_whole():
    assert break_even_share(table(segments=((1.0,), (3.0,)), whole=(4.0,), buckets=(1,)), 1) == 0.0


def test_large_batches_do_not_overflow():
    costs = table(segments=((10.0,), (40.0,)), whole=(40.0,), buckets=(2048,))
    share = break_even_share(costs, 2048)
    assert share is not None
    assert 0.99 < share <= 1


def test_oracle_takes_the_cheapest_cover_of_the_survivors():
    costs = table(segments=((1.0, 2.0, 3.0), (10.0, 12.0, 40.0)), whole=(9.0, 9.0, 9.0), buckets=(1, 2, 4))
    assert oracle_ms(costs, [step(0, 4), step(1, 3)]) == pytest.approx(3.0 + 22.0)
    assert oracle_ms(costs, [step(0, 1)]) == pytest.approx(1.0)
