"""Playing a policy on a trace is what its score says, exit after exit, however many rows are looked at together."""

import sys

import numpy as np
import pytest
from calib.synthetic_traces import synthetic_trace
from policy_examples import FOR_ROWS, policy_example

from eecalib.trace import ExitTrace, play
from eengines.errors import DataError
from eerun.policies import NOT_TESTED, MaxProbabilityPolicy

TRACE = synthetic_trace(53, exits=4, classes=7, seed=3)


def by_hand(policy, logits):
    """One sample at a time."""
    scores, answers = np.empty(logits.shape[:2], np.float32), np.empty(logits.shape[:2], np.int64)
    last = logits.shape[1] - 1
    for row, sample in enumerate(logits):
        state = None
        for exit_, said in enumerate(sample[:, None]):
            score, state = policy.score(said, state, exit_index=exit_)
            scores[row, exit_] = score[0]
            names = [spec.name for spec in policy.state]
            with_state = policy.answers_with is not None and exit_ < last
            answers[row, exit_] = (state[names.index(policy.answers_with)] if with_state else said)[0].argmax()
    return scores, answers


@pytest.mark.parametrize("name", FOR_ROWS)
def test_every_policy_is_played_as_one_sample_at_a_time(name):
    policy = policy_example(name, exits=4)
    scores, answers = by_hand(policy, TRACE.logits)
    played = play(policy, TRACE)
    np.testing.assert_allclose(played.table.scores, scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(played.table.answers, answers)
    np.testing.assert_array_equal(played.table.labels, TRACE.labels)
    if policy.skips_by is None:
        assert played.tested.all()
    else:
        np.testing.assert_array_equal(played.tested[:, :-1], scores[:, :-1] != NOT_TESTED)
        assert played.tested[:, -1].all()
        assert not played.tested.all()


@pytest.mark.parametrize("name", FOR_ROWS)
@pytest.mark.parametrize("rows", [1, 10])
def test_parts_change_nothing(name, rows, monkeypatch):
    policy = policy_example(name, exits=4)
    whole = play(policy, TRACE)
    monkeypatch.setattr(sys.modules["eecalib.trace.play"], "CHUNK_BYTES", rows * 4 * 7 * 4)
    parts = play(policy, TRACE)
    np.testing.assert_allclose(parts.table.scores, whole.table.scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(parts.table.answers, whole.table.answers)
    np.testing.assert_array_equal(parts.tested, whole.tested)


def test_logits_that_are_no_numbers_are_refused():
    logits = TRACE.logits.copy()
    logits[4, 1, 0] = np.nan
    with pytest.raises(DataError, match="first for sample 4 at exit 1"):
        play(MaxProbabilityPolicy(), ExitTrace(logits=logits, labels=None))
