"""Bins hold enough samples, their accuracies are the measured ones, and edges stand clear of the scores."""

import numpy as np
import pytest
from calib.fit.exit_traces import noisy_trace
from hypothesis import given, settings
from hypothesis import strategies as st

from eecalib.fit import fit_accuracy_bins
from eecalib.trace import ExitTrace
from eengines.errors import UserError
from eerun.policies import MaxProbabilityPolicy


def largest_of(trace: ExitTrace, exit_: int) -> np.ndarray:
    return MaxProbabilityPolicy().score(np.ascontiguousarray(trace.logits[:, exit_]), None, exit_index=exit_)[0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(samples=st.integers(1, 2500), levels=st.integers(1, 400), seed=st.integers(0, 99))
def test_bins(samples: int, levels: int, seed: int) -> None:
    trace = noisy_trace(samples, seed=seed)
    coarse = np.round(trace.logits * levels / 100) * np.float32(100 / levels)
    trace = ExitTrace(logits=coarse.astype(np.float32), labels=trace.labels)
    policy = fit_accuracy_bins(trace)
    for exit_ in range(2):
        largest, edges = largest_of(trace, exit_), np.array(policy.edges[exit_], np.float32)
        bins = np.searchsorted(edges, largest, side="right")
        counts = np.bincount(bins, minlength=len(edges) + 1)
        assert len(counts) <= 50
        assert len(counts) == 1 or counts.min() >= 30
        assert (np.abs(largest[:, None] - edges) > 4e-7).all()
        right = trace.logits[:, exit_].argmax(axis=1) == trace.labels
        measured = [right[bins == index].mean() for index in range(len(counts))]
        np.testing.assert_allclose(policy.accuracy[exit_], measured, atol=1e-6)
        np.testing.assert_array_equal(
            policy.score(np.ascontiguousarray(trace.logits[:, exit_]), None, exit_index=exit_)[0],
            np.array(policy.accuracy[exit_], np.float32)[bins],
        )


def test_many_samples_give_fifty_bins_of_about_the_same_size() -> None:
    trace = noisy_trace(5000)
    policy = fit_accuracy_bins(trace)
    assert [len(accuracy) for accuracy in policy.accuracy] == [50, 50]
    counts = np.bincount(np.searchsorted(np.array(policy.edges[0], np.float32), largest_of(trace, 0), side="right"))
    assert counts.min() >= 90
    assert counts.max() <= 110


def test_labels_are_needed() -> None:
    with pytest.raises(UserError, match="got a trace without labels"):
        fit_accuracy_bins(ExitTrace(logits=noisy_trace(40).logits, labels=None))
