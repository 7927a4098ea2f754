"""Every executor has lanes: chains of the host stop between segments, all others run whole batches."""

import numpy as np
import pytest
from elementwise_chains import BUCKETS, CLASSES, elementwise_chain, elementwise_costs
from folded_chains import CLASSES as FOLDED_CLASSES
from folded_chains import folded_chain, whole_chain
from lane_driver import LaneDriver, all_at_once, answer_alone, check_same, parts_of, request_of

from eengines.backends import load_backend
from eengines.errors import InputError
from eerun.bundle import InputEntry
from eerun.executor import Chain, ChainSegment, GroupedExecutor, HostExecutor, LengthExecutor, load_chain
from eerun.folding import Easiness
from eerun.scheduler.lanes import BatchLane, ChainLane, Chunk, open_lanes


def executor_of(chain, exits: int, seed: int, *, split: bool = False) -> HostExecutor:
    loaded = load_chain(chain, load_backend("onnxruntime"), threads=2)
    return HostExecutor(loaded, elementwise_costs(exits, seed=seed, split=split))


def finish(lane, request, *, share=None) -> None:
    driver = LaneDriver(lane, [request], all_at_once)
    if share is not None:
        driver.door = [Chunk(request=request, start=0, count=share.count, share=share)]
    driver.finish()


@pytest.mark.parametrize(("most", "rows"), [(None, BUCKETS[-1]), (5, 5), (100, BUCKETS[-1])])
def test_a_chain_on_the_host(most, rows):
    executor = executor_of(elementwise_chain(3, seed=1), 3, 1)
    lanes = open_lanes(executor, executor.costs, max_batch=most)
    (lane,) = lanes.lanes
    assert isinstance(lane, ChainLane)
    assert (lane.max_rows, lane.segments, lane.mixes, lane.fold) == (rows, 3, True, 1)
    inputs = {"x": np.zeros((4, CLASSES), np.float32)}
    (share,) = lanes.share(inputs, 4)
    assert (share.lane, share.count, share.inputs) == (0, 4, inputs)


def test_heads_of_their_own_run_whole_batches():
    executor = executor_of(elementwise_chain(3, seed=1, split=True), 3, 1, split=True)
    (lane,) = open_lanes(executor, executor.costs).lanes
    assert isinstance(lane, BatchLane)
    assert lane.segments == 1


def test_images_in_another_order_run_whole_batches():
    executor = executor_of(folded_chain(2, 2, seed=1), 2, 1)
    easiness = Easiness(input="x", channel_axis=None, coefficients=(), intercept=0.0)
    (lane,) = open_lanes(GroupedExecutor(executor, easiness), executor.costs, in_flight=2).lanes
    assert isinstance(lane, BatchLane)
    assert (lane.max_rows, lane.fold, lane.in_flight) == (BUCKETS[-1], 2, 2)


@pytest.mark.parametrize("split", [False, True])
def test_one_lane_a_length(split):
    """A bucket of three positions and one of five; samples of one call go to both."""
    executors = {
        length: executor_of(elementwise_chain(3, seed=5, split=split, width=length), 3, 5, split=split)
        for length in (3, 5)
    }
    entries = [InputEntry(name="x", dtype="float32", shape=(5,), sequence=0)]
    executor = LengthExecutor(executors, entries)
    lanes = open_lanes(executor, executors[5].costs, max_batch=6)
    assert lanes.lengths == (3, 5)
    random = np.random.default_rng(2)
    x = random.uniform(0.1, 2, (6, 5)).astype(np.float32)
    x[::2, 3:] = 0
    chosen = np.array([True, True, False, False, True, True])
    request = request_of({"x": x}, (CLASSES,), (0.5, 0.8), chosen=chosen)
    shares = lanes.share(request.inputs, request.count)
    assert [(share.lane, share.samples.tolist()) for share in shares] == [(0, [0, 2, 4]), (1, [1, 3, 5])]
    assert [share.inputs["x"].shape for share in shares] == [(3, 3), (3, 5)]
    for share in shares:
        lane = lanes.lanes[share.lane]
        if split:
            (ran,) = [lane.start([Chunk(request=request, start=0, count=share.count, share=share)])]
            check_batch(ran, request)
        else:
            finish(lane, request, share=share)
            assert lane.waiting == [0, 0, 0]
    check_same(request.answers, answer_alone(executor, request))


def check_batch(ran, request) -> None:
    """Write what a whole batch answered."""
    for part in parts_of(ran):
        answers = request.answers
        if part.late:
            answers.shadow.early[part.samples] = True
            answers.shadow.outputs[part.samples] = part.outputs
        else:
            answers.outputs[part.samples] = part.outputs
            answers.exit_index[part.samples] = part.exit_index
            answers.confidence[part.samples] = part.confidence


def test_samples_that_are_too_long():
    executors = {length: executor_of(elementwise_chain(2, seed=5, width=length), 2, 5) for length in (3, 5)}
    executor = LengthExecutor(executors, [InputEntry(name="x", dtype="float32", shape=(5,), sequence=0)])
    lanes = open_lanes(executor, executors[5].costs)
    with pytest.raises(InputError, match="got a length of 6"):
        lanes.share({"x": np.ones((2, 6), np.float32)}, 2)


def probabilities(logits: np.ndarray, axis: int) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return (shares / shares.sum(axis=axis, keepdims=True)).max(axis=axis)


@pytest.mark.parametrize("fold", [1, 2])
def test_the_network_without_exits(fold):
    """Its confidence is the probability of the class that it answers; one lane, one segment, one exit."""
    if fold == 1:
        only = elementwise_chain(1, seed=3)
        segment = ChainSegment(graph=only.segments[0].graph, logits="logits0", score="logits0")
        chain, classes = Chain(inputs=only.inputs, segments=(segment,)), CLASSES
    else:
        chain, classes = whole_chain(fold, seed=3), FOLDED_CLASSES
    executor = executor_of(chain, 1, 3)
    (lane,) = open_lanes(executor, executor.costs).lanes
    assert lane.segments == 1
    for count in (1, 2, 7):
        x = np.random.default_rng(count).uniform(-2, 2, (count, classes)).astype(np.float32)
        request = request_of({"x": x}, (classes,), ())
        finish(lane, request)
        expected = answer_alone(executor, request)
        check_same(request.answers, expected)
        assert (expected.exit_index == 0).all()
        assert np.allclose(expected.confidence, probabilities(expected.outputs, 1), rtol=1e-6, atol=0)
