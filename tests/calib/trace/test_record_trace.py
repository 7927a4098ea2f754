"""Recording chains that say what they are given: every logit arrives, in batches, in memory or in files."""

import numpy as np
import pytest
from calib.synthetic_maps import CLASSES, EXITS, IGNORED, map_logits, map_trace
from recorded_chain import CLASSES as CHAIN_CLASSES
from recorded_chain import EXITS as CHAIN_EXITS
from recorded_chain import recorded_chain, recorded_costs, recorded_samples

import eecalib.record as record_module
from eecalib.trace import ExitTrace, MapTrace, play, record_trace
from eecalib.tuning import Candidate, TuningData, evaluate
from eecalib.tuning.tuners import map_policies
from eengines.backends import load_backend
from eerun.data import Samples
from eerun.executor import Answers, HostExecutor, load_chain
from eerun.folding import GroupExit
from eerun.policies import MaxProbabilityPolicy


@pytest.fixture(scope="module")
def chain():
    return HostExecutor(load_chain(recorded_chain(), load_backend("onnxruntime"), threads=2), recorded_costs())


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_logits_of_a_chain(chain, in_memory, labelled, monkeypatch):
    if not in_memory:
        monkeypatch.setattr(record_module, "IN_MEMORY_BYTES", 0)
    x = recorded_samples(37, seed=1)
    labels = np.arange(37, dtype=np.int32) % 5 if labelled else None
    shares: list[float] = []
    trace = record_trace(chain, Samples(inputs={"x": x}, labels=labels), (), shares.append)
    assert isinstance(trace, ExitTrace)
    assert isinstance(trace.logits, np.memmap) is not in_memory
    logits = x[:, : CHAIN_EXITS * CHAIN_CLASSES].reshape(37, CHAIN_EXITS, CHAIN_CLASSES)
    np.testing.assert_array_equal(trace.logits, logits)
    if labelled:
        np.testing.assert_array_equal(trace.labels, labels)
    else:
        assert trace.labels is None
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_what_is_evaluated_is_what_the_chain_does(chain):
    """With the scores of a policy on the recording the chain lets samples leave where `evaluate` says."""
    x = recorded_samples(200, seed=2)
    trace = record_trace(chain, Samples(inputs={"x": x}, labels=np.arange(200) % 5), (), lambda _share: None)
    assert isinstance(trace, ExitTrace)
    played = play(MaxProbabilityPolicy(), trace)
    x[:, CHAIN_EXITS * CHAIN_CLASSES :] = played.table.scores
    candidate = Candidate(tuner="by hand", policy=MaxProbabilityPolicy(), thresholds=(0.6, None, 0.5))
    said = Answers(
        outputs=np.empty((200, CHAIN_CLASSES), np.float32),
        exit_index=np.empty(200, np.int32),
        confidence=np.empty(200, np.float32),
    )
    chain.infer({"x": x}, candidate.thresholds, said)
    data = TuningData(trace=trace, reference_right=np.ones(200, np.int64), costs=recorded_costs(), batch=16, seed=0)
    outcome = evaluate(candidate, data)
    np.testing.assert_array_equal(outcome.exit_index, said.exit_index)
    np.testing.assert_array_equal(outcome.right, said.outputs.argmax(axis=1) == trace.labels)


class SaidMaps:
    """A chain that says what it is given, for maps."""

    def __init__(self, logits: np.ndarray, max_batch: int) -> None:
        self.logits, self.max_batch = logits, max_batch
        self.segments, self.output_shape = logits.shape[1], logits.shape[2:]
        self.fold, self.group_exit = 1, GroupExit.ALL

    def record(self, inputs):
        return self.logits[inputs["x"]], np.zeros((len(inputs["x"]), self.segments), np.float32)


@pytest.mark.parametrize("max_batch", [4, 64])
def test_answers_and_scores_of_maps(max_batch):
    logits, labels = map_logits(30, seed=5)
    assert logits.shape[1:3] == (EXITS, CLASSES)
    samples = Samples(inputs={"x": np.arange(30)}, labels=labels)
    trace = record_trace(SaidMaps(logits, max_batch), samples, map_policies(EXITS), lambda _share: None)
    expected = map_trace(30, seed=5)
    assert isinstance(trace, MapTrace)
    assert (trace.policies, trace.ignored) == (expected.policies, IGNORED)
    assert trace.answers.dtype == np.uint8
    np.testing.assert_array_equal(trace.answers, expected.answers)
    np.testing.assert_array_equal(trace.labels, labels)
    np.testing.assert_allclose(trace.scores, expected.scores, rtol=1e-6)
