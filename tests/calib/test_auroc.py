"""AUROC against scikit-learn, with ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from eecalib.auroc import auroc


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60))
def test_any_ties_are_as_in_scikit_learn(pairs):
    scores = np.array([score for score, _ in pairs], np.float32) / np.float32(7)
    right = np.array([good for _, good in pairs])
    found = auroc(scores, right)
    if right.all() or not right.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(right, scores), abs=1e-12)


def test_a_perfect_score_is_one_and_a_constant_is_a_half():
    right = np.array([False, True, True])
    assert auroc(np.array([0.1, 0.2, 0.3], np.float32), right) == 1
    assert auroc(np.array([0.3, 0.2, 0.1], np.float32), right) == 0
    assert auroc(np.full(3, 0.7, np.float32), right) == 0.5
