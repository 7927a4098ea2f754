"""Which heads keep what they have learned."""

import pytest

from eecompile.refresh.heads_that_gain import heads_that_gain


@pytest.mark.parametrize(
    ("before", "after", "min_gain", "kept"),
    [
        ([0.5, 0.9], [0.6, 0.905], 0.01, {0}),
        ([0.5, 0.9], [0.6, 0.91], 0.01, {0, 1}),
        ([0.7], [0.8], 0.1, {0}),
        ([0.5], [0.5], 0.0, set()),
        ([0.5], [0.4], 0.0, set()),
    ],
)
def test_by_their_own_gain(before, after, min_gain, kept):
    groups = [[index] for index in range(len(before))]
    assert heads_that_gain(groups, before, after, min_gain=min_gain) == kept


def test_heads_that_share_weights_go_together_by_their_mean():
    before, after = [0.5, 0.5, 0.5], [0.7, 0.4, 0.4]
    assert heads_that_gain([[0, 1], [2]], before, after, min_gain=0.04) == {0, 1}
    assert heads_that_gain([[0, 1], [2]], before, after, min_gain=0.06) == set()
