"""Every sample is seen equally often, and no contestant always comes at the same place."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eerun.bench.batches import batches_of
from eerun.bench.turns import block_batches, turn_order, turns_of_block


@given(samples=st.integers(1, 40), batch=st.integers(1, 50), passes=st.integers(1, 4), seed=st.integers(0, 5))
def test_each_pass_holds_every_sample_once(samples: int, batch: int, passes: int, seed: int):
    taken = list(islice(batches_of(samples, batch, seed=seed), -(-samples * passes // batch)))
    assert {len(index) for index in taken} == {batch}
    stream = np.concatenate(taken)[: samples * passes].reshape(passes, samples)
    for order in stream:
        assert sorted(order.tolist()) == list(range(samples))


def test_the_seed_decides_the_order():
    first, same, other = (next(batches_of(100, 100, seed=seed)).tolist() for seed in (1, 1, 2))
    assert first == same != other


def test_everyone_is_first_equally_often_and_follows_different_others():
    orders = [turn_order("abc", turn) for turn in range(12)]
    assert Counter(order[0] for order in orders) == {"a": 4, "b": 4, "c": 4}
    assert {before for order in orders for before, after in pairwise(order) if after == "a"} == {
        "b",
        "c",
    }


def test_engines_keep_together_and_a_block_begins_with_the_engine_that_ended_the_last():
    engines = {"chain": "a", "own": "a", "x": "b", "y": "b", "z": "c"}
    blocks = [turns_of_block(engines, number) for number in range(8)]
    for order in blocks:
        assert sorted(order) == sorted(engines)
        switches = sum(engines[one] != engines[next_] for one, next_ in pairwise(order))
        assert switches == 2
    for before, after in pairwise(blocks):
        assert engines[before[-1]] == engines[after[0]]
    assert Counter(next(name for name in order if engines[name] == "a") for order in blocks) == {"chain": 4, "own": 4}


@given(batch=st.integers(1, 100))
def test_a_turn_holds_as_many_samples_as_a_pair(batch: int):
    assert (block_batches(batch) - 1) * batch < 32 <= block_batches(batch) * batch
