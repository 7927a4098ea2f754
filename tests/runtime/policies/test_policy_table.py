"""The table of policies, and properties that all of them share."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from policy_examples import FITTED, FOR_ROWS, policy_example

from eengines.errors import UserError
from eerun.policies import POLICIES, make_policy, needs_data, parameters_of, policy_by_name


def test_the_table_is_explicit_and_keyed_by_name() -> None:
    assert list(POLICIES)[:4] == ["max-probability", "margin", "entropy", "patience"]
    assert [policy.name for policy in POLICIES.values()] == list(POLICIES)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_made_again_of_its_parameters(name: str) -> None:
    policy = policy_example(name)
    stored = msgspec.json.decode(msgspec.json.encode(parameters_of(policy)))
    assert make_policy(name, stored) == policy
    assert type(policy) is POLICIES[name]


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_found_by_its_name_unless_it_is_fitted(name: str) -> None:
    if needs_data(name):
        with pytest.raises(UserError, match=f"policy {name}"):
            policy_by_name(name)
    else:
        assert type(policy_by_name(name)) is POLICIES[name]


def test_parameters_of_another_policy_are_refused() -> None:
    with pytest.raises(UserError, match="got parameters weights, which it does not have"):
        make_policy("margin", {"weights": [1.0]})


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="got 'maxprob', expected one of max-probability, margin, entropy, patience"):
        policy_by_name("maxprob")


@pytest.mark.parametrize("name", FOR_ROWS)
def test_rows_are_scored_one_by_one(name: str) -> None:
    policy = policy_example(name, classes=6)
    first, second = np.random.default_rng(3).normal(0, 4, (2, 9, 6)).astype(np.float32)
    rows = np.array([1, 4, 8])
    _, state = policy.score(first, None, exit_index=0)
    score, after = policy.score(second, state, exit_index=1)
    few_score, few_after = policy.score(second[rows], tuple(array[rows] for array in state), exit_index=1)
    np.testing.assert_allclose(few_score, score[rows], atol=1e-6, rtol=0)
    for few, full in zip(few_after, after, strict=True):
        np.testing.assert_array_equal(few, full[rows])


@pytest.mark.parametrize("exit_index", [-1, 3])
@pytest.mark.parametrize("name", FITTED)
def test_an_exit_that_nothing_was_fitted_to_is_refused(name: str, exit_index: int) -> None:
    policy = policy_example(name, exits=3, classes=6)
    logits = np.zeros((4, 6) if policy.for_rows else (4, 6, 2, 2), np.float32)
    _, state = policy.score(logits, None, exit_index=0)
    policy.score(logits, state, exit_index=2)
    with pytest.raises(UserError, match=f"got exit {exit_index}"):
        policy.score(logits, state, exit_index=exit_index)


def test_the_policies_import_no_heavy_library() -> None:
    heavy = {"torch", "onnx", "onnx_ir", "onnxruntime", "scipy"}
    program = "import sys, eerun.policies; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "eerun.policies" in loaded
    assert not heavy & loaded
