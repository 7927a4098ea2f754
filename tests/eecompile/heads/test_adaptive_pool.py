"""The pool of Gati's head is torch's adaptive pool, for lengths that divide and those that do not."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from eecompile.heads.modules.adaptive_pool import adaptive_pool


@given(st.integers(1, 120).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
@settings(max_examples=150, deadline=None)
def test_equals_torch(lengths):
    features, size = lengths
    x = torch.randn(2, features, generator=torch.Generator().manual_seed(features * 1000 + size))
    expected = functional.adaptive_avg_pool1d(x[:, None], size)[:, 0]
    pool = adaptive_pool(features, size)
    assert torch.allclose(pool(x), expected, atol=1e-5)
    assert not pool.state_dict(), "a checkpoint holds no constants"


def test_the_constant_is_one_period():
    assert adaptive_pool(10_000, 4096).shares.shape == (625, 256)
