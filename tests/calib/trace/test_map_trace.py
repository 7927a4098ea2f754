"""A trace of maps: the tables of the policies that were recorded, and no others."""

import numpy as np
import pytest
from calib.synthetic_maps import EXITS, IGNORED, map_logits, map_trace

from eecalib.fit import LEVELS
from eecalib.trace import play
from eecalib.tuning.tuners import map_policies
from eengines.errors import UserError
from eerun.policies import MarginPolicy, PatiencePolicy, PixelCountPolicy

TRACE = map_trace(30, seed=0)


def test_the_policies_of_a_recording_of_maps():
    policies = map_policies(4)
    assert [policy.name for policy in policies[:3]] == ["max-probability", "margin", "entropy"]
    assert policies[3:] == tuple(PixelCountPolicy(level=(level,) * 3) for level in LEVELS)


@pytest.mark.parametrize("policy", TRACE.policies)
def test_each_policy_has_its_own_scores(policy):
    logits, labels = map_logits(30, seed=0)
    played = play(policy, TRACE)
    for exit_ in range(EXITS):
        score, _ = policy.score(logits[:, exit_], None, exit_index=exit_)
        np.testing.assert_array_equal(played.table.scores[:, exit_], score)
    assert played.tested.all()
    counted = labels != IGNORED
    right = (logits.argmax(axis=2) == labels[:, None]) & counted[:, None]
    np.testing.assert_array_equal(played.table.correct, right.sum(axis=(2, 3)))


def test_rows_and_exits():
    policy = MarginPolicy()
    few = TRACE.rows(np.array([5, 1])).of_exits((1,))
    assert (few.samples, few.exits) == (2, 2)
    whole = play(policy, TRACE).table
    np.testing.assert_array_equal(play(policy, few).table.scores, whole.scores[[5, 1]][:, [1, 2]])
    np.testing.assert_array_equal(play(policy, few).table.answers, whole.answers[[5, 1]][:, [1, 2]])


def test_a_policy_that_was_not_recorded_is_refused():
    with pytest.raises(UserError, match="has scores of max-probability, margin, entropy, pixel-count only"):
        play(PatiencePolicy(), TRACE)
    with pytest.raises(UserError, match="policy pixel-count"):
        play(PixelCountPolicy(level=(0.123, 0.123)), TRACE)
