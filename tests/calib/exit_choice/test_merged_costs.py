"""What a chain would cost without some of its exits."""

from dataclasses import replace

import pytest

from eecalib.exit_choice.merged_costs import merged_costs
from eerun.costs import CostTable

MOVES = (0.001, 0.002, 0.003)


def costs(whole: float) -> CostTable:
    """Four segments of 2 ms for one sample and four times as much for four."""
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 4),
        segment_ms=((2.0, 8.0),) * 4,
        whole_ms=(whole, 4 * whole),
        move_ms=MOVES,
    )


def test_without_exits_it_is_the_whole_network():
    found = merged_costs(costs(6.5), ())
    assert found.segment_ms == ((6.5, 26.0),)
    assert found.move_ms == ()


def test_merged_segments_cost_their_sum_less_one_exit():
    found = merged_costs(costs(6.5), (1,))
    assert found.segment_ms == ((3.5, 14.0), (3.5, 14.0))
    assert found.move_ms == (0.002,)
    assert merged_costs(costs(6.5), (2,)).segment_ms == ((5.0, 20.0), (2.0, 8.0))
    assert merged_costs(costs(6.5), (0, 1, 2)) == costs(6.5)


def test_a_whole_network_that_is_slower_than_the_chain_costs_no_exit_anything():
    assert merged_costs(costs(9.0), (0,)).segment_ms == ((2.0, 8.0), (6.0, 24.0))


def test_no_segment_costs_less_than_nothing():
    uneven = replace(costs(1.0), segment_ms=((0.1, 0.4), (0.1, 0.4), (20.0, 80.0), (20.0, 80.0)))
    assert merged_costs(uneven, (1,)).segment_ms[0] == (0.0, 0.0)
    assert merged_costs(uneven, (1,)).segment_ms[1] == pytest.approx((40.0 - 39.2 / 3, 160.0 - 156.8 / 3))


def test_heads_are_in_their_segments():
    apart = replace(costs(6.5), head_ms=((1.0, 2.0),) * 3)
    assert merged_costs(apart, (0, 2)).head_ms == ()
