"""The table of policies, and properties that all of them share."""

import subprocess
import sys

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import POLICIES, policy_by_name


def test_the_table_is_explicit_and_keyed_by_name() -> None:
    assert list(POLICIES) == ["max-probability", "margin", "entropy", "patience"]
    assert [policy.name for policy in POLICIES.values()] == list(POLICIES)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_found_by_its_name(name: str) -> None:
    assert type(policy_by_name(name)) is POLICIES[name]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="got 'maxprob', expected one of max-probability, margin, entropy, patience"):
        policy_by_name("maxprob")


@pytest.mark.parametrize("name", POLICIES)
def test_rows_are_scored_one_by_one(name: str) -> None:
    policy = policy_by_name(name)
    first, second = np.random.default_rng(3).normal(0, 4, (2, 9, 6)).astype(np.float32)
    rows = np.array([1, 4, 8])
    _, state = policy.score(first, None)
    score, after = policy.score(second, state)
    few_score, few_after = policy.score(second[rows], tuple(array[rows] for array in state))
    np.testing.assert_allclose(few_score, score[rows], atol=1e-6, rtol=0)
    for few, full in zip(few_after, after, strict=True):
        np.testing.assert_array_equal(few, full[rows])


def test_the_policies_import_no_heavy_library() -> None:
    heavy = {"torch", "onnx", "onnx_ir", "onnxruntime", "scipy"}
    program = "import sys, eerun.policies; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "eerun.policies" in loaded
    assert not heavy & loaded
