"""Samples that are watched change no answer, and say at the end what the final exit says; bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from elementwise_chains import CLASSES, elementwise_chain, elementwise_costs
from hypothesis import given, settings
from hypothesis import strategies as st

from eengines.backends import load_backend
from eerun.bundle import InputEntry
from eerun.executor import Answers, HostExecutor, LengthExecutor, Shadowed, load_chain


def executor_of(exits: int, seed: int, *, split: bool, skipping: bool, width: int = CLASSES) -> HostExecutor:
    chain = elementwise_chain(exits, seed=seed, split=split, skipping=skipping, width=width)
    loaded = load_chain(chain, load_backend("onnxruntime"), threads=2)
    return HostExecutor(loaded, elementwise_costs(exits, seed=seed, split=split))


def unanswered(count: int) -> Answers:
    return Answers(
        outputs=np.full((count, CLASSES), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )


def check_watched(executor, x, thresholds, chosen) -> Shadowed:
    """Run with and without, and with exits off; compare."""
    count, last = len(x), len(thresholds)
    plain, final = unanswered(count), unanswered(count)
    shadow = Shadowed.of(chosen, (CLASSES,))
    shadow.outputs[:] = np.nan
    watched = replace(unanswered(count), shadow=shadow)
    executor.infer({"x": x}, thresholds, plain)
    steps = executor.infer({"x": x}, thresholds, watched)
    executor.infer({"x": x}, (None,) * last, final)
    for field in ("outputs", "exit_index", "confidence"):
        assert np.array_equal(getattr(plain, field), getattr(watched, field), equal_nan=True), field
    assert np.array_equal(shadow.early, chosen & (plain.exit_index < last))
    assert np.array_equal(shadow.outputs[shadow.early], final.outputs[shadow.early])
    assert np.isnan(shadow.outputs[~shadow.early]).all(), "nothing is written for others"
    assert sum(step.left for part in steps for step in part) == count
    return shadow


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    exits=st.integers(1, 4),
    kind=st.sampled_from(["fused", "split", "skipping"]),
    data=st.data(),
)
def test_any_rows_watched(seed, exits, kind, data):
    split = kind != "fused" and exits > 1
    executor = executor_of(exits, seed, split=split, skipping=split and kind == "skipping")
    random = np.random.default_rng(seed)
    for count in data.draw(st.lists(st.integers(1, 18), min_size=1, max_size=4)):
        x = random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)
        thresholds = tuple(
            data.draw(st.sampled_from([None, -2.0, 0.3, 0.7, 0.95]), label="threshold") for _ in range(exits - 1)
        )
        chosen = random.random(count) < data.draw(st.sampled_from([0.1, 0.5, 1.0]), label="share")
        check_watched(executor, x, thresholds, chosen)


@pytest.mark.parametrize("count", [1, 5])
def test_all_leave_at_once_and_all_go_on(count):
    executor = executor_of(3, 7, split=False, skipping=False)
    x = np.random.default_rng(0).uniform(-2, 2, (count, CLASSES)).astype(np.float32)
    shadow = check_watched(executor, x, (-2.0, -2.0), np.ones(count, np.bool_))
    assert shadow.early.all()


@pytest.mark.parametrize("every_second", [False, True])
def test_samples_of_several_lengths(every_second):
    """A bucket of three positions and one of five; what was written comes back in the order of the input."""
    executors = {length: executor_of(3, 5, split=False, skipping=False, width=length) for length in (3, 5)}
    executor = LengthExecutor(executors, [InputEntry(name="x", dtype="float32", shape=(5,), sequence=0)])
    random = np.random.default_rng(2)
    x = random.uniform(-2, 2, (20, 5)).astype(np.float32)
    x[::2, 3:] = 0
    chosen = np.arange(20) % 2 == 0 if every_second else random.random(20) < 0.7
    shadow = check_watched(executor, x, (0.5, 0.8), chosen)
    assert 0 < shadow.early.sum() < chosen.sum()
