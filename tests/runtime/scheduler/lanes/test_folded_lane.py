"""A lane of a folded network: images of several calls share a row; the rules are those of one call."""

import numpy as np
import pytest
from elementwise_chains import BUCKETS, elementwise_costs
from folded_chains import CLASSES, folded_chain
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_driver import LaneDriver, all_at_once, check_same, parts_of, request_of, run_alone

from eengines.backends import load_backend
from eerun.executor import HostExecutor, load_chain
from eerun.folding import GroupExit
from eerun.scheduler.lanes import ChainLane, Chunk, open_lanes

SEEDS = st.integers(0, 2**31)
FOLDS, RULES = st.sampled_from([2, 3, 4]), st.sampled_from(list(GroupExit))
THRESHOLDS = st.sampled_from([None, -1.0, 0.3, 0.6, 0.8, 0.95, 2.0])


def executor_of(exits: int, fold: int, seed: int, rule: GroupExit) -> HostExecutor:
    loaded = load_chain(folded_chain(exits, fold, seed=seed, rule=rule), load_backend("onnxruntime"), threads=2)
    return HostExecutor(loaded, elementwise_costs(exits, seed=seed))


def lane_of(executor: HostExecutor) -> ChainLane:
    (lane,) = open_lanes(executor, executor.costs).lanes
    assert isinstance(lane, ChainLane)
    assert (lane.fold, lane.max_rows) == (executor.fold, BUCKETS[-1])
    return lane


def images(count: int, random: np.random.Generator) -> np.ndarray:
    return random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)


def needed(count: int, rule: GroupExit) -> int:
    return {GroupExit.ALL: count, GroupExit.MAJORITY: count // 2 + 1, GroupExit.FIRST: 1}[rule]


def exits_of_group(group, scores, rule: GroupExit) -> list[int]:
    """Where the images of one row are answered, each with terms of its own: image by image, exit by exit."""
    last, answered, passed = scores.shape[1] - 1, [None] * len(group), 0
    for exit_index in range(last):
        closed = False
        for image, (request, _) in enumerate(group):
            if answered[image] is not None:
                continue
            threshold = request.terms.thresholds[exit_index]
            forced = request.terms.max_exit == exit_index
            if forced or (threshold is not None and scores[image, exit_index] >= np.float32(threshold)):
                answered[image] = exit_index
                passed += 1
            closed |= threshold is None and not forced
        if passed >= needed(len(group), rule) and not closed:
            return [exit_index if where is None else where for where in answered]
    return [last if where is None else where for where in answered]


def check_groups(executor, driver, requests, rule) -> None:
    """Every group as it was put together answers as its images' terms say."""
    for chunks in driver.started:
        given = [(chunk.request, chunk.start + image) for chunk in chunks for image in range(chunk.count)]
        logits, scores = executor.record({"x": np.stack([request.inputs["x"][image] for request, image in given])})
        for first in range(0, len(given), executor.fold):
            group = given[first : first + executor.fold]
            expected = exits_of_group(group, scores[first : first + len(group)], rule)
            for place, ((request, image), where) in enumerate(zip(group, expected, strict=True)):
                assert request.answers.exit_index[image] == where
                assert np.array_equal(request.answers.outputs[image], logits[first + place, where])
                assert request.answers.confidence[image] == scores[first + place, where]
                shadow = request.answers.shadow
                if shadow is not None:
                    assert shadow.early[image] == (shadow.chosen[image] and where < scores.shape[1] - 1)
                    if shadow.early[image]:
                        assert np.array_equal(shadow.outputs[image], logits[first + place, -1])
    assert all(request.missing == 0 for request in requests)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    exits=st.integers(1, 4),
    fold=FOLDS,
    rule=RULES,
    alike=st.booleans(),
    watch=st.booleans(),
    data=st.data(),
)
def test_any_order_of_runs(seed, exits, fold, rule, alike, watch, data):
    executor, random = executor_of(exits, fold, seed, rule), np.random.default_rng(seed)
    lane, requests = lane_of(executor), []
    terms = st.tuples(st.tuples(*[THRESHOLDS] * (exits - 1)), st.sampled_from([None, *range(exits)]))
    shared = data.draw(terms, label="terms of all")
    for count in data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=6), label="images"):
        thresholds, max_exit = shared if alike else data.draw(terms, label="terms")
        chosen = random.random(count) < 0.4 if watch else None
        inputs = {"x": images(count, random)}
        requests.append(request_of(inputs, (CLASSES,), thresholds, max_exit=max_exit, chosen=chosen))
    driver = LaneDriver(lane, requests, lambda low, high: data.draw(st.integers(low, high), label="choice"))
    driver.finish()
    check_groups(executor, driver, requests, rule)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, exits=st.integers(1, 4), fold=FOLDS, rule=RULES, watch=st.booleans(), data=st.data())
def test_one_call_at_a_time_is_answered_as_by_the_executor(seed, exits, fold, rule, watch, data):
    executor, random = executor_of(exits, fold, seed, rule), np.random.default_rng(seed)
    lane, thresholds = lane_of(executor), data.draw(st.tuples(*[THRESHOLDS] * (exits - 1)), label="thresholds")
    for count in data.draw(st.lists(st.integers(1, lane.max_rows * fold), min_size=1, max_size=4), label="images"):
        chosen = np.repeat(random.random(-(-count // fold)) < 0.5, fold)[:count] if watch else None
        request = request_of({"x": images(count, random)}, (CLASSES,), thresholds, chosen=chosen)
        driver = LaneDriver(lane, [request], all_at_once)
        driver.finish()
        expected, (steps,) = run_alone(executor, request)
        check_same(request.answers, expected)
        found = [(step.segment, step.left, step.answered) for step in driver.steps]
        assert found == [(step.segment, step.left, step.answered) for step in steps]


@pytest.mark.parametrize("rule", list(GroupExit))
def test_images_of_several_calls_fill_a_row(rule):
    """Seven calls of one image each make two rows of four; the last is filled up with one that nobody is told of."""
    executor, random = executor_of(3, 4, 5, rule), np.random.default_rng(0)
    lane = lane_of(executor)
    requests = [request_of({"x": images(1, random)}, (CLASSES,), (0.5, 0.5)) for _ in range(7)]
    ran = lane.start([Chunk(request=request, start=0, count=1) for request in requests])
    assert ran.steps[0].rows == 2
    answered, parts = ran.steps[0].answered, parts_of(ran)
    for segment in (1, 2):
        if lane.waiting[segment]:
            ran = lane.run(segment)
            answered += ran.steps[0].answered
            parts += parts_of(ran)
    assert answered == 7
    assert {part.request for part in parts} == set(requests)
    assert len(parts) == 7


def test_a_group_waits_for_an_image_whose_exit_is_closed():
    """Whoever must not leave early is not answered early because of others."""
    executor, random = executor_of(3, 2, 5, GroupExit.FIRST), np.random.default_rng(0)
    lane = lane_of(executor)
    eager, patient = (request_of({"x": images(1, random)}, (CLASSES,), (bar, bar)) for bar in (-1.0, None))
    driver = LaneDriver(lane, [eager, patient], all_at_once)
    driver.finish()
    assert (eager.answers.exit_index.tolist(), patient.answers.exit_index.tolist()) == ([0], [2])
    assert [step.answered for step in driver.steps] == [1, 0, 1]
