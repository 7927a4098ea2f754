"""The baseline computes what the final exit of the chain computes, for any number of samples."""

import numpy as np
import pytest

from eengines.errors import InputError
from eerun.bench.contestants import Contestants
from eerun.bundle import open_bundle
from eerun.configuration import choose_configuration


@pytest.fixture(scope="module")
def contestants(tiny_bundle) -> Contestants:
    return Contestants(choose_configuration(open_bundle(tiny_bundle.path)), threads=2)


@pytest.mark.parametrize("samples", [1, 3, 8, 9, 21])
def test_same_answers_as_the_chain_without_exits(contestants: Contestants, tiny_bundle, samples: int):
    x = {"x": tiny_bundle.x[:samples]}
    whole, chain = contestants.whole_network(x), contestants.without_exits(x)
    np.testing.assert_array_equal(whole.labels, chain.labels)
    assert (whole.exit_index, whole.steps) == (None, ())
    assert set(chain.exit_index.tolist()) == {1}
    assert len(chain.steps) == -(-samples // 8)


def test_it_checks_its_input_like_the_chain(contestants: Contestants):
    bad = {"x": np.full((2, 24), np.nan, np.float32)}
    for contestant in (contestants.whole_network, contestants.with_exits):
        with pytest.raises(InputError, match="not finite"):
            contestant(bad)
