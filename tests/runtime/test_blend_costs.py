"""The expected costs of a mixture of lengths."""

from itertools import product
from math import prod

import pytest

from eerun.binomial import binomial
from eerun.blend_costs import blend_costs
from eerun.costs import CostTable


def table(factor: float) -> CostTable:
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 3),
        segment_ms=((1.0 * factor, 1.7 * factor), (2.0 * factor, 2.5 * factor)),
        whole_ms=(2.5 * factor, 4.0 * factor),
        move_ms=(0.1 * factor,),
    )


def test_a_batch_costs_what_its_parts_cost_on_average():
    tables, shares = {8: table(1.0), 16: table(3.0)}, {8: 0.75, 16: 0.25}
    blended = blend_costs(tables, shares)
    for segment, column in product((0, 1), (0, 1)):
        bucket = blended.buckets[column]
        expected = sum(
            prod(shares[length] for length in lengths)
            * sum(t.run_ms(segment, lengths.count(length)) for length, t in tables.items())
            for lengths in product(tables, repeat=bucket)
        )
        assert blended.segment_ms[segment][column] == pytest.approx(expected)
    assert blended.whole_ms[0] == pytest.approx(0.75 * 2.5 + 0.25 * 7.5)
    assert blended.move_ms == pytest.approx((0.15,))


def test_one_length_alone_is_itself():
    assert blend_costs({8: table(1.0), 16: table(2.0)}, {8: 0.0, 16: 1.0}) == table(2.0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_probabilities_sum_to_one_around_their_mean(share):
    found = binomial(7, share)
    assert found.sum() == pytest.approx(1)
    assert found @ range(8) == pytest.approx(7 * share)
