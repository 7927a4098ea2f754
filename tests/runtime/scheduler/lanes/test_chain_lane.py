"""A lane answers every sample as the executor does, bit for bit, in whatever order its segments run."""

import threading

import device_networks
import numpy as np
import pytest
from elementwise_chains import BUCKETS, CLASSES, elementwise_chain, elementwise_costs
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_driver import LaneDriver, all_at_once, answer_alone, check_same, parts_of, request_of
from recorded_chain import EXITS, recorded_chain, recorded_costs, recorded_samples
from recorded_chain import THRESHOLDS as RECORDED_THRESHOLDS

from eengines.backends import load_backend
from eerun.executor import HostExecutor, LoadedChain, load_chain
from eerun.scheduler.lanes import ChainLane, Chunk, open_lanes

THRESHOLDS = st.sampled_from([None, -2.0, 0.3, 0.7, 0.95])


def executor_of(chain, costs) -> HostExecutor:
    return HostExecutor(load_chain(chain, load_backend("onnxruntime"), threads=2), costs)


def lane_of(executor: HostExecutor, max_rows: int | None = None) -> ChainLane:
    (lane,) = open_lanes(executor, executor.costs, max_batch=max_rows).lanes
    assert isinstance(lane, ChainLane)
    return lane


def chooser(data):
    return lambda low, high: data.draw(st.integers(low, high), label="choice")


def send(executor, lane, requests, choose) -> LaneDriver:
    """Answer them through the lane; compare with the executor."""
    driver = LaneDriver(lane, requests, choose)
    driver.finish()
    for request in requests:
        assert request.missing == 0
        check_same(request.answers, answer_alone(executor, request))
    return driver


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    exits=st.integers(1, 4),
    most=st.sampled_from([1, 3, 6, BUCKETS[-1]]),
    watch=st.booleans(),
    data=st.data(),
)
def test_any_order_of_runs(seed, exits, most, watch, data):
    executor = executor_of(elementwise_chain(exits, seed=seed), elementwise_costs(exits, seed=seed))
    lane, random = lane_of(executor, most), np.random.default_rng(seed)
    for _ in range(2):
        requests = []
        for count in data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6), label="samples"):
            inputs = {"x": random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)}
            chosen = random.random(count) < 0.5 if watch and data.draw(st.booleans(), label="watched") else None
            thresholds = data.draw(st.tuples(*[THRESHOLDS] * (exits - 1)), label="thresholds")
            max_exit = data.draw(st.sampled_from([None, *range(exits)]), label="max_exit")
            requests.append(request_of(inputs, (CLASSES,), thresholds, max_exit=max_exit, chosen=chosen))
        driver = send(executor, lane, requests, chooser(data))
        assert sum(step.left for step in driver.steps) == sum(request.count for request in requests)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 7), policy=st.sampled_from(["max-probability", "patience"]), data=st.data())
def test_values_that_cross_several_boundaries_and_state(seed, policy, data):
    network = device_networks.random(seed, exits=4, policy=policy)
    executor = HostExecutor(LoadedChain(network.chain, network.engines()), elementwise_costs(4, seed=seed))
    lane, requests = lane_of(executor), []
    for number, count in enumerate(data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=5), label="samples")):
        threshold = data.draw(st.sampled_from([0.3, 0.5, 1.0, 2.0]), label="threshold")
        inputs = network.draw(count, seed + number)
        requests.append(request_of(inputs, executor.output_shape, (threshold,) * 3))
    LaneDriver(lane, requests, chooser(data)).finish()
    for request in requests:
        expected = answer_alone(executor, request)
        assert request.answers.exit_index.tolist() == expected.exit_index.tolist()
        # a library may add up a row's products in another order where the row lies elsewhere
        assert np.allclose(request.answers.outputs, expected.outputs, rtol=1e-4, atol=1e-5)
        assert np.allclose(request.answers.confidence, expected.confidence, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def recorded() -> HostExecutor:
    return executor_of(recorded_chain(), recorded_costs())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), data=st.data())
def test_an_input_that_every_segment_reads(recorded, seed, data):
    lane = lane_of(recorded)
    requests = [
        request_of({"x": recorded_samples(count, seed + number)}, recorded.output_shape, RECORDED_THRESHOLDS)
        for number, count in enumerate(data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=5)))
    ]
    send(recorded, lane, requests, chooser(data))


@pytest.mark.parametrize("count", [1, 16])
def test_scores_that_are_not_numbers(recorded, count):
    """They leave where they are forced, or at the final exit, and nowhere before."""
    x = recorded_samples(count, 3)
    x[:, -EXITS:] = np.nan
    terms = [((-np.inf,) * 3, None, 3), ((None, -np.inf, -np.inf), 2, 2), ((-np.inf,) * 3, 0, 0)]
    for thresholds, max_exit, expected in terms:
        request = request_of({"x": x}, recorded.output_shape, thresholds, max_exit=max_exit)
        LaneDriver(lane_of(recorded), [request], all_at_once).finish()
        assert (request.answers.exit_index == expected).all()
        assert np.isnan(request.answers.confidence).all()


def test_closed_exits_stay_closed_for_infinite_scores(recorded):
    """A threshold above all of float32 is infinite there."""
    x = recorded_samples(5, 3)
    x[:, -EXITS:] = np.inf
    for thresholds, expected in (((None, None, 1.0), 2), ((None, 1e300, None), 1)):
        request = request_of({"x": x}, recorded.output_shape, thresholds)
        LaneDriver(lane_of(recorded), [request], all_at_once).finish()
        assert (request.answers.exit_index == expected).all()


def test_calls_with_other_terms_run_together(recorded):
    lane, x = lane_of(recorded), recorded_samples(4, 1)
    ways = [((-1.0,) * 3, None), ((None,) * 3, None), ((None,) * 3, 1), ((2.0, 2.0, -1.0), None)]
    requests = [
        request_of({"x": x[[number]]}, recorded.output_shape, thresholds, max_exit=max_exit)
        for number, (thresholds, max_exit) in enumerate(ways)
    ]
    driver = LaneDriver(lane, requests, all_at_once)
    lane_parts = lane.start([Chunk(request=request, start=0, count=1) for request in requests])
    assert [part.request for part in parts_of(lane_parts)] == requests[:1]
    assert set(lane.requests_at(1)) == set(requests[1:])
    driver.door.clear()
    while driver.advance():
        pass
    assert [int(request.answers.exit_index[0]) for request in requests[1:]] == [3, 1, 2]


def test_too_many_rows_are_refused_before_anything_happens(recorded):
    lane = lane_of(recorded, 4)
    requests = [request_of({"x": recorded_samples(n, 1)}, recorded.output_shape, (None,) * 3) for n in (3, 2, 5)]
    chunks = [Chunk(request=request, start=0, count=request.count) for request in requests]
    driver = LaneDriver(lane, requests[:1], all_at_once)
    driver.start(3)
    with pytest.raises(ValueError, match="2 rows cannot run through segment 0: 3 of 4 rows wait"):
        lane.start(chunks[1:2])
    with pytest.raises(ValueError, match="5 rows enter, expected 1 to 4"):
        lane.start(chunks[2:])
    with pytest.raises(ValueError, match="0 rows enter"):
        lane.start([])
    driver.run(1)
    driver.door = chunks[1:2]
    driver.start(2)
    with pytest.raises(ValueError, match="2 rows cannot run through segment 1: 3 of 4 rows wait"):
        lane.run(1)
    for segment in (0, 3, 4):
        with pytest.raises(ValueError, match=f"no rows wait at segment {segment}"):
            lane.run(segment)
    assert list(lane.waiting) == [0, 2, 3, 0]
    driver.finish()
    assert [request.missing for request in requests] == [0, 0, 5]


def test_a_lane_takes_turns_with_its_executor(recorded):
    """A run waits until a call of the executor has ended."""
    lane, request = lane_of(recorded), request_of({"x": recorded_samples(3, 1)}, recorded.output_shape, (None,) * 3)
    driver = LaneDriver(lane, [request], all_at_once)
    with recorded.lock:
        thread = threading.Thread(target=driver.finish)
        thread.start()
        thread.join(timeout=0.05)
        assert request.missing == 3
    thread.join(timeout=30)
    assert request.missing == 0
