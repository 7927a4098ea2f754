"""Policies and logits with one answer a pixel."""

import numpy as np
import pytest
from policy_examples import FOR_MAPS, FOR_ROWS

from eengines.errors import UserError
from eerun.policies import policy_by_name

MAPS = np.random.default_rng(5).normal(0, 3, (4, 3, 6, 7)).astype(np.float32)


@pytest.mark.parametrize("name", [name for name in FOR_MAPS if name in FOR_ROWS])
def test_one_score_a_sample(name):
    scores, _ = policy_by_name(name).score(MAPS, None, exit_index=0)
    assert (scores.dtype, scores.shape) == (np.dtype(np.float32), (4,))
    certain = np.zeros((1, 3, 2, 2), np.float32)
    certain[:, 1] = 100
    assert policy_by_name(name).score(certain, None, exit_index=0)[0] == pytest.approx(1)
    half = certain.copy()
    half[:, :, 0] = 0
    whole = policy_by_name(name).score(np.zeros((1, 3), np.float32), None, exit_index=0)[0]
    assert policy_by_name(name).score(half, None, exit_index=0)[0] == pytest.approx((1 + whole) / 2, abs=1e-6)


def test_patience_has_no_single_answer_to_compare():
    with pytest.raises(UserError, match=r"policy patience: got logits float32 \[4, 3, 6, 7\], expected .*classes\]"):
        policy_by_name("patience").score(MAPS, None, exit_index=0)


@pytest.mark.parametrize("shape", [(4, 3, 6), (4, 3, 6, 7, 1), (4,)])
def test_other_ranks_are_refused(shape):
    with pytest.raises(UserError, match="height, width"):
        policy_by_name("margin").score(np.zeros(shape, np.float32), None, exit_index=0)
