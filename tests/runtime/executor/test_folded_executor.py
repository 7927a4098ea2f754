"""A folded chain answers as `leave_in_groups` says of what every exit records; bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from elementwise_chains import BUCKETS, elementwise_costs
from folded_chains import CLASSES, folded_chain, folded_graph, whole_chain
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from eengines.backends import load_backend
from eengines.errors import BundleError
from eerun.executor import Answers, HostExecutor, HostWhole, Shadowed, load_chain
from eerun.folding import GroupExit, leave_in_groups, rows_of

ROWS = BUCKETS[-1]
SEEDS = st.integers(0, 2**31)
FOLDS, RULES = st.sampled_from([2, 3, 4, 8]), st.sampled_from(list(GroupExit))
THRESHOLDS = st.sampled_from([None, -1.0, 0.3, 0.6, 0.8, 0.95, 2.0])


def executor_of(exits: int, fold: int, seed: int, rule: GroupExit, *, neighbour: float = 0.5) -> HostExecutor:
    chain = folded_chain(exits, fold, seed=seed, rule=rule, neighbour=neighbour)
    loaded = load_chain(chain, load_backend("onnxruntime"), threads=2)
    return HostExecutor(loaded, elementwise_costs(exits, seed=seed))


def unanswered(count: int) -> Answers:
    return Answers(
        outputs=np.full((count, CLASSES), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )


def recorded(executor: HostExecutor, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[images, exits, classes]` and scores `[images, exits]` of any number of images."""
    parts = [executor.record({"x": x[i : i + executor.max_batch]}) for i in range(0, len(x), executor.max_batch)]
    logits, scores = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(scores)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, exits=st.integers(1, 4), fold=FOLDS, rule=RULES, data=st.data())
def test_answers_are_those_that_the_exits_record(seed, exits, fold, rule, data):
    executor = executor_of(exits, fold, seed, rule)
    random = np.random.default_rng(seed)
    for count in data.draw(st.lists(st.integers(1, 2 * ROWS * fold + 3), min_size=1, max_size=3), label="images"):
        thresholds = data.draw(st.tuples(*[THRESHOLDS] * (exits - 1)), label="thresholds")
        x = random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)
        logits, scores = recorded(executor, x)
        left = leave_in_groups(scores, thresholds, fold=fold, rule=rule)
        answers, images = unanswered(count), np.arange(count)
        steps = executor.infer({"x": x}, thresholds, answers)
        assert answers.exit_index.tolist() == left.answered.tolist()
        assert np.array_equal(answers.outputs, logits[images, left.answered])
        assert np.array_equal(answers.confidence, scores[images, left.answered])
        check_steps(steps, left.left, left.answered, fold)


def check_steps(steps, left, answered, fold) -> None:
    """Rows that entered and left, and images that were answered, exit by exit."""
    assert len(steps) == rows_of(len(answered), ROWS * fold)
    for part, started in zip(steps, range(0, len(left), ROWS), strict=True):
        rows, images = left[started : started + ROWS], answered[started * fold : (started + ROWS) * fold]
        for step in part:
            assert step.entered == (rows >= step.segment).sum()
            assert step.left == (rows == step.segment).sum()
            assert step.answers == (images == step.segment).sum()
            assert step.entered <= step.rows <= ROWS
        assert sum(step.answers for step in part) == len(images)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, exits=st.integers(1, 4), fold=FOLDS, rule=RULES, data=st.data())
def test_images_that_are_watched_change_no_answer(seed, exits, fold, rule, data):
    executor = executor_of(exits, fold, seed, rule)
    random = np.random.default_rng(seed)
    count = data.draw(st.integers(1, 2 * ROWS * fold), label="images")
    thresholds = data.draw(st.tuples(*[THRESHOLDS] * (exits - 1)), label="thresholds")
    x = random.uniform(-2, 2, (count, CLASSES)).astype(np.float32)
    chosen = random.random(count) < data.draw(st.sampled_from([0.1, 0.5, 1.0]), label="share")
    shadow = Shadowed.of(chosen, (CLASSES,))
    shadow.outputs[:] = np.nan
    plain, watched, final = unanswered(count), replace(unanswered(count), shadow=shadow), unanswered(count)
    executor.infer({"x": x}, thresholds, plain)
    steps = executor.infer({"x": x}, thresholds, watched)
    executor.infer({"x": x}, (None,) * (exits - 1), final)
    for field in ("outputs", "exit_index", "confidence"):
        assert np.array_equal(getattr(plain, field), getattr(watched, field)), field
    assert np.array_equal(shadow.early, chosen & (plain.exit_index < exits - 1))
    assert np.array_equal(shadow.outputs[shadow.early], final.outputs[shadow.early])
    assert np.isnan(shadow.outputs[~shadow.early]).all(), "nothing is written for others"
    assert sum(step.left for part in steps for step in part) == rows_of(count, fold)
    assert sum(step.answers for part in steps for step in part) == count


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, fold=FOLDS, rule=RULES, data=st.data())
def test_full_groups_do_not_see_who_comes_behind(seed, fold, rule, data):
    """Answers of the images of full groups are the same bits, whatever the remainder; so is a lone remainder's."""
    executor = executor_of(3, fold, seed, rule)
    random = np.random.default_rng(seed)
    full, rest = data.draw(st.integers(1, 4), label="groups") * fold, data.draw(st.integers(1, fold - 1), label="rest")
    x = random.uniform(-2, 2, (full + rest, CLASSES)).astype(np.float32)
    thresholds = (0.6, 0.8)
    some, alone, every = unanswered(full), unanswered(rest), unanswered(full + rest)
    executor.infer({"x": x[:full]}, thresholds, some)
    executor.infer({"x": x[full:]}, thresholds, alone)
    executor.infer({"x": x}, thresholds, every)
    for field in ("outputs", "exit_index", "confidence"):
        apart = np.concatenate([getattr(some, field), getattr(alone, field)])
        assert np.array_equal(apart, getattr(every, field)), field


@pytest.mark.parametrize("rule", list(GroupExit))
def test_images_without_neighbours_answer_alike_in_every_group(rule):
    """Where the network does not mix images, an image's own answer at each exit is the same whoever shares its row."""
    executor = executor_of(3, 4, 3, rule, neighbour=0.0)
    x = np.random.default_rng(3).uniform(-2, 2, (30, CLASSES)).astype(np.float32)
    logits, scores = executor.record({"x": x[:28]})
    for count in (1, 2, 3, 5, 27):
        found = executor.record({"x": x[:count]})
        assert np.array_equal(found[0], logits[:count])
        assert np.array_equal(found[1], scores[:count])


def test_a_score_that_is_no_number_passes_nowhere():
    executor, answers = executor_of(3, 2, 0, GroupExit.ALL), unanswered(3)
    x = np.full((3, CLASSES), 0.5, np.float32)
    x[0] = np.nan
    executor.infer({"x": x}, (-np.inf, -np.inf), answers)
    assert answers.exit_index.tolist() == [2, 2, 0], "image 1 looks at image 0"
    assert np.isnan(answers.outputs[0]).all()


def test_inputs_that_are_not_contiguous():
    executor, answers, same = executor_of(2, 4, 1, GroupExit.ALL), unanswered(9), unanswered(9)
    x = np.random.default_rng(1).uniform(-2, 2, (18, CLASSES)).astype(np.float32)
    executor.infer({"x": x[::2]}, (0.7,), answers)
    executor.infer({"x": x[::2].copy()}, (0.7,), same)
    assert np.array_equal(answers.outputs, same.outputs)


def test_what_the_executor_says_of_itself():
    executor = executor_of(2, 4, 0, GroupExit.ALL)
    assert (executor.max_batch, executor.classes, executor.output_shape) == (4 * ROWS, CLASSES, (CLASSES,))


def test_heads_of_their_own_are_refused():
    first, last = folded_chain(2, 2, seed=0).segments
    trunk = folded_graph([helper.make_node("Identity", ["x"], ["v0"])], {"x": (2, CLASSES)}, {"v0": (2, CLASSES)}, {})
    nodes = [
        helper.make_node("Identity", ["v0"], [first.logits]),
        helper.make_node("ReduceMax", ["v0", "axes"], [first.score], keepdims=0),
    ]
    said = {first.logits: (2, CLASSES), first.score: (2,)}
    head = folded_graph(nodes, {"v0": (2, CLASSES)}, said, {"axes": np.array([2])})
    chain = replace(folded_chain(2, 2, seed=0), segments=(replace(first, graph=trunk, head=head), last))
    loaded = load_chain(chain, load_backend("onnxruntime"), threads=2)
    with pytest.raises(BundleError, match="folded by 2 and has heads as graphs of their own"):
        HostExecutor(loaded, elementwise_costs(2, seed=0, split=True))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, fold=FOLDS, count=st.integers(1, 40))
def test_the_whole_network_counts_images(seed, fold, count):
    backend, chain = load_backend("onnxruntime"), whole_chain(fold, seed=seed)
    costs = elementwise_costs(1, seed=seed)
    whole = HostWhole(load_chain(chain, backend, threads=2), costs, output="logits0")
    whole.warm_up(count)
    x = np.random.default_rng(seed).uniform(-2, 2, (count, CLASSES)).astype(np.float32)
    executor = executor_of(1, fold, seed, GroupExit.ALL)
    answers = unanswered(count)
    executor.infer({"x": x}, (), answers)
    assert np.array_equal(whole.infer({"x": x}), answers.outputs)
