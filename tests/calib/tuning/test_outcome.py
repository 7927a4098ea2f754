"""What a candidate gives, sample by sample and batch by batch."""

import numpy as np
import pytest
from calib.synthetic_maps import IGNORED, map_trace
from calib.synthetic_traces import synthetic_costs, synthetic_data
from policy_examples import FOR_ROWS, policy_example

from eecalib.expected_cost import expected_batch_ms
from eecalib.replay import replay
from eecalib.trace import play
from eecalib.tuning import Candidate, TuningData, evaluate
from eecalib.tuning.batch_times import batch_times
from eerun.policies import MarginPolicy

DATA = synthetic_data(120, exits=4, classes=7, seed=4, heads=True)
FUSED = synthetic_data(120, exits=4, classes=7, seed=4)


def candidate_of(name: str) -> Candidate:
    policy = policy_example(name, exits=4)
    scores = play(policy, DATA.trace).table.scores
    levels = [float(np.quantile(column[column >= 0], 0.7)) if (column >= 0).any() else None for column in scores.T[:2]]
    return Candidate(tuner="by hand", policy=policy, thresholds=(*levels, None))


@pytest.mark.parametrize("name", FOR_ROWS)
def test_sample_by_sample(name):
    candidate = candidate_of(name)
    played, outcome = play(candidate.policy, DATA.trace), evaluate(candidate, DATA)
    reached, tested = np.zeros(4), np.zeros(4)
    for sample in range(120):
        for exit_ in range(4):
            reached[exit_] += 1
            tested[exit_] += played.tested[sample, exit_]
            threshold = (*candidate.thresholds, -np.inf)[exit_]
            if threshold is not None and played.table.scores[sample, exit_] >= np.float32(threshold):
                break
        assert outcome.exit_index[sample] == exit_
        assert outcome.right[sample] == (played.table.answers[sample, exit_] == DATA.trace.labels[sample])
    assert outcome.reached == pytest.approx(reached / 120)
    assert outcome.tested == pytest.approx(tested[:-1] / 120)
    assert outcome.correct == outcome.right.sum()
    assert sum(outcome.shares) == pytest.approx(1)
    assert outcome.shares == pytest.approx(np.bincount(outcome.exit_index, minlength=4) / 120)


@pytest.mark.parametrize("name", FOR_ROWS)
def test_where_heads_are_in_their_segments_it_is_the_replay(name):
    candidate = candidate_of(name)
    played = play(candidate.policy, FUSED.trace)
    outcome, found = evaluate(candidate, FUSED, played), replay(played.table, candidate.thresholds)
    np.testing.assert_array_equal(outcome.exit_index, found.exit_index)
    assert outcome.correct / 120 == found.accuracy
    assert outcome.expected_ms == expected_batch_ms(FUSED.costs, batch=8, reached=found.reached)


@pytest.mark.parametrize("name", ["max-probability", "predictive-exit"])
@pytest.mark.parametrize("data", [DATA, FUSED])
def test_batches_take_on_average_what_is_expected(name, data):
    candidate = candidate_of(name)
    played = play(candidate.policy, data.trace)
    outcome = evaluate(candidate, data, played)
    times = batch_times(outcome.exit_index, played.tested, data.costs, batch=8, batches=20_000, seed=0)
    assert abs(times.mean() - outcome.expected_ms) < 4 * times.std() / np.sqrt(20_000)
    assert times.std() > 0


def test_batches_by_hand():
    costs = synthetic_costs(3, heads=True)
    index, tested = np.array([0], np.int32), np.array([[False, True, True]])
    assert set(batch_times(index, tested, costs, batch=2, batches=5, seed=0)) == {costs.run_ms(0, 2)}
    last = batch_times(np.array([2], np.int32), tested, costs, batch=2, batches=5, seed=0)
    np.testing.assert_allclose(last, sum(costs.run_ms(k, 2) for k in range(3)) + costs.run_head_ms(1, 2))


def test_batches_are_those_of_the_seed():
    index = np.arange(40, dtype=np.int32) % 3
    times = [
        batch_times(index, np.ones((40, 3), np.bool_), synthetic_costs(3), batch=4, batches=50, seed=seed)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(times[0], times[1])
    assert (times[0] != times[2]).any()


def test_maps_count_pixels():
    trace = map_trace(40, seed=1)
    data = TuningData(trace=trace, reference_right=np.zeros(40, np.int64), costs=synthetic_costs(3), batch=4, seed=0)
    candidate = Candidate(tuner="margin", policy=MarginPolicy(), thresholds=(0.5, 0.4))
    outcome = evaluate(candidate, data)
    said = trace.answers[np.arange(40), outcome.exit_index]
    right = (said == trace.labels) & (trace.labels != IGNORED)
    np.testing.assert_array_equal(outcome.right, right.sum(axis=(1, 2)))
    assert len(set(outcome.exit_index.tolist())) == 3
