"""Every policy against itself: the numpy reference, and its ONNX nodes in ONNX Runtime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from policy_examples import FITTED, FOR_MAPS, FOR_ROWS, policy_example

from eengines.errors import BuildError, UserError
from eengines.tensors import Array
from eerun.policies import F32, State

EXITS = 3
OPSETS = [18, 20, 23]
SCORE_TOLERANCE = 2e-6
"""Absolute. Scores are at most 1 (or counts, which are exact); two float32 softmaxes of at most 20 classes differ by a
few units of the last place (1.2e-7), which the division by log 2 in the entropy enlarges by 1.4."""

Runner = Callable[..., tuple[Array, dict[str, Array], Array]]


def assert_same_state(got: Array, want: Array) -> None:
    """Whole numbers are the same, others up to rounding: sums of float32 terms that grow with their number."""
    relative = 0 if np.issubdtype(want.dtype, np.integer) else 1e-6
    np.testing.assert_allclose(got, want, atol=SCORE_TOLERANCE, rtol=relative)


@st.composite
def exit_logits(draw: st.DrawFn) -> list[F32]:
    """Draw the logits `[batch, classes]` of three exits, with ties, repeats and large magnitudes."""
    shape = (draw(st.integers(1, 17)), draw(st.integers(2, 20)))
    tied = st.sampled_from([-80.0, -1.0, 0.0, 1.0, 80.0])
    spread = st.floats(-80, 80, width=32)
    drawn: list[F32] = []
    for _ in range(EXITS):
        is_repeat = draw(st.booleans())
        if drawn and is_repeat:
            sign = draw(arrays(np.float32, (shape[0], 1), elements=st.sampled_from([1.0, -1.0])))
            drawn.append(drawn[-1] * sign)
        else:
            drawn.append(draw(arrays(np.float32, shape, elements=draw(st.sampled_from([tied, spread, tied | spread])))))
    return drawn


def lowered_chain(
    run: Runner, policy: str, exits: list[F32], opset: int, keep: list[Array] | None = None
) -> list[tuple[Array, list[Array], Array]]:
    """Return score, state and answer at each exit; with `keep`, rows of state and later logits are taken after each."""
    carried: dict[str, Array] = {}
    results = []
    rows = np.arange(len(exits[0]))
    for index, logits in enumerate(exits):
        last = index == EXITS - 1
        score, carried, answer = run(policy, logits[rows], carried, index=index, last=last, opset=opset)
        results.append((score, list(carried.values()), answer))
        if keep is not None and not last:
            carried = {name: array[keep[index]] for name, array in carried.items()}
            rows = rows[keep[index]]
    return results


def draw_survivors(data: st.DataObject, batch: int) -> list[Array]:
    """Draw, for each exit but the last, which of the rows still there go on: at least one, in order."""
    keep = []
    for _ in range(EXITS - 1):
        chosen = data.draw(st.sets(st.integers(0, batch - 1), min_size=1))
        keep.append(np.array(sorted(chosen)))
        batch = len(chosen)
    return keep


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("policy", FOR_ROWS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(exits=exit_logits())
def test_lowered_equals_reference(exit_runner: Runner, policy: str, opset: int, exits: list[F32]) -> None:
    state: State | None = None
    for index, (logits, lowered) in enumerate(
        zip(exits, lowered_chain(exit_runner, policy, exits, opset), strict=True)
    ):
        example = policy_example(policy, classes=logits.shape[1])
        score, state = example.score(logits, state, exit_index=index)
        assert lowered[0].dtype == score.dtype
        np.testing.assert_allclose(lowered[0], score, atol=SCORE_TOLERANCE, rtol=0)
        expected: list[Any] = [] if index == EXITS - 1 else list(state)
        assert [array.dtype for array in lowered[1]] == [array.dtype for array in expected]
        for got, want in zip(lowered[1], expected, strict=True):
            assert_same_state(got, want)
        assert_same_state(lowered[2], logits if index == EXITS - 1 else example.answer(logits, state))


@pytest.mark.parametrize("policy", FOR_ROWS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(exits=exit_logits(), data=st.data())
def test_lowered_rows_can_be_taken_at_any_exit(
    exit_runner: Runner, policy: str, exits: list[F32], data: st.DataObject
) -> None:
    keep = draw_survivors(data, len(exits[0]))
    full = lowered_chain(exit_runner, policy, exits, OPSETS[-1])
    compacted = lowered_chain(exit_runner, policy, exits, OPSETS[-1], keep)
    rows = np.arange(len(exits[0]))
    for index in range(EXITS):
        np.testing.assert_allclose(compacted[index][0], full[index][0][rows], atol=SCORE_TOLERANCE, rtol=0)
        for few, whole in zip(compacted[index][1], full[index][1], strict=True):
            assert_same_state(few, whole[rows])
        if index < EXITS - 1:
            rows = rows[keep[index]]


@pytest.mark.parametrize("policy", FOR_ROWS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(exits=exit_logits(), data=st.data())
def test_reference_rows_can_be_taken_at_any_exit(policy: str, exits: list[F32], data: st.DataObject) -> None:
    keep = draw_survivors(data, len(exits[0]))
    rows = np.arange(len(exits[0]))
    full: State | None = None
    few: State | None = None
    for index, logits in enumerate(exits):
        full_score, full = policy_example(policy, classes=logits.shape[1]).score(logits, full, exit_index=index)
        few_score, few = policy_example(policy, classes=logits.shape[1]).score(logits[rows], few, exit_index=index)
        np.testing.assert_allclose(few_score, full_score[rows], atol=SCORE_TOLERANCE, rtol=0)
        for got, want in zip(few, full, strict=True):
            assert_same_state(got, want[rows])
        if index < EXITS - 1:
            few = tuple(array[keep[index]] for array in few)
            rows = rows[keep[index]]


@pytest.mark.parametrize("policy", FOR_ROWS)
def test_half_precision_logits_are_scored_in_float32(exit_runner: Runner, policy: str) -> None:
    logits = np.random.default_rng(11).normal(0, 6, (13, 10)).astype(np.float16)
    lowered, _, _ = exit_runner(policy, logits, {}, index=0, last=True, opset=20)
    score, _ = policy_example(policy, classes=logits.shape[1]).score(logits.astype(np.float32), None, exit_index=0)
    assert lowered.dtype == np.float32
    np.testing.assert_allclose(lowered, score, atol=SCORE_TOLERANCE, rtol=0)


@pytest.mark.parametrize("index", range(EXITS))
def test_the_accuracy_of_a_bin_is_not_that_of_what_is_not_a_number(exit_runner: Runner, index: int) -> None:
    logits = np.random.default_rng(13).normal(0, 2, (9, 7)).astype(np.float32)
    logits[[2, 5], [0, 6]] = np.nan
    lowered, _, _ = exit_runner("accuracy-bins", logits, {}, index=index, last=index == EXITS - 1, opset=20)
    score, _ = policy_example("accuracy-bins", classes=7).score(logits, None, exit_index=index)
    assert np.isnan(score).nonzero()[0].tolist() == [2, 5]
    np.testing.assert_allclose(lowered, score, atol=SCORE_TOLERANCE, rtol=0, equal_nan=True)


@pytest.mark.parametrize("policy", FITTED)
def test_an_exit_that_nothing_was_fitted_to_is_not_lowered(exit_builder: Callable[..., Any], policy: str) -> None:
    pixels = () if policy in FOR_ROWS else (2, 2)
    with pytest.raises((UserError, BuildError), match=f"got exit {EXITS}"):
        exit_builder(policy, classes=6, index=EXITS, last=False, opset=20, pixels=pixels)


@st.composite
def map_logits(draw: st.DrawFn) -> F32:
    """Draw logits `[batch, classes, height, width]` with ties and large magnitudes; few shapes, each is a session."""
    shape = (draw(st.integers(1, 5)), *draw(st.sampled_from([(2, 1, 1), (3, 4, 5), (20, 2, 3)])))
    tied = st.sampled_from([-80.0, -1.0, 0.0, 1.0, 80.0])
    return draw(arrays(np.float32, shape, elements=draw(st.sampled_from([tied, st.floats(-80, 80, width=32)]))))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("policy", FOR_MAPS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(logits=map_logits())
def test_lowered_equals_reference_for_maps(exit_runner: Runner, policy: str, opset: int, logits: F32) -> None:
    for index in (0, EXITS - 1):
        lowered, _, _ = exit_runner(policy, logits, {}, index=index, last=index > 0, opset=opset)
        score, state = policy_example(policy, classes=logits.shape[1]).score(logits, None, exit_index=index)
        assert state == ()
        assert (score.dtype, score.shape) == (np.dtype(np.float32), (len(logits),))
        np.testing.assert_allclose(lowered, score, atol=SCORE_TOLERANCE, rtol=0)


@pytest.mark.parametrize("policy", [name for name in FOR_MAPS if name in FOR_ROWS])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(logits=map_logits())
def test_the_score_of_a_map_is_the_mean_over_its_pixels(policy: str, logits: F32) -> None:
    example = policy_example(policy, classes=logits.shape[1])
    score, _ = example.score(logits, None, exit_index=0)
    pixels = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
    by_pixel, _ = example.score(pixels, None, exit_index=0)
    np.testing.assert_allclose(score, by_pixel.reshape(len(logits), -1).mean(axis=1), atol=SCORE_TOLERANCE, rtol=0)


@pytest.mark.parametrize("policy", FOR_MAPS)
def test_half_precision_maps_are_scored_in_float32(exit_runner: Runner, policy: str) -> None:
    logits = np.random.default_rng(12).normal(0, 6, (3, 10, 16, 16)).astype(np.float16)
    lowered, _, _ = exit_runner(policy, logits, {}, index=0, last=True, opset=20)
    score, _ = policy_example(policy, classes=logits.shape[1]).score(logits.astype(np.float32), None, exit_index=0)
    assert lowered.dtype == np.float32
    np.testing.assert_allclose(lowered, score, atol=SCORE_TOLERANCE, rtol=0)
