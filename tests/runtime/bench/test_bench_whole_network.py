"""The baseline computes what the final exit of the chain computes, for any number of samples."""

import numpy as np
import pytest

from eengines.errors import InputError
from eerun.bench.contestants import ChainContestants
from eerun.bench.whole_network import WholeNetwork
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration, usable_configurations


@pytest.fixture(scope="module")
def chain(tiny_bundle) -> ChainContestants:
    return ChainContestants(choose_configuration(open_bundle(tiny_bundle.path)), threads=2)


@pytest.fixture(scope="module")
def wholes(tiny_bundle) -> list[WholeNetwork]:
    ways = usable_configurations(open_bundle(tiny_bundle.path)).configurations
    return [WholeNetwork(way, threads=2) for way in ways]


@pytest.mark.parametrize("samples", [1, 3, 8, 9, 21])
def test_same_answers_as_the_chain_without_exits(chain, wholes, tiny_bundle, samples: int):
    x = {"x": tiny_bundle.x[:samples]}
    off = chain.without_exits(x)
    assert set(off.exit_index.tolist()) == {1}
    assert len(off.steps) == -(-samples // 8)
    for whole in wholes:
        whole.warm_up(samples)
        answer = whole.answer(x)
        np.testing.assert_array_equal(answer.labels, off.labels)
        assert (answer.exit_index, answer.steps) == (None, ())


def test_it_checks_its_input_like_the_chain(chain, wholes):
    bad = {"x": np.full((2, 24), np.nan, np.float32)}
    for answer in (wholes[0].answer, chain.with_exits):
        with pytest.raises(InputError, match="not finite"):
            answer(bad)
