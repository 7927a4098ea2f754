"""The exit kernel of folded networks: its reference against `leave_in_groups`, its source against the reference."""

from dataclasses import replace

import numpy as np
import pytest
from exit_problems import SCORES, ExitMemory, ExitProblem, differences, folded_problems, run_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_on_cpu import KernelOnCpu
from required import require_program

from eerun.device_executor.leave_and_compact import exit_program
from eerun.folding import GroupExit, leave_in_groups, rows_of

FOLDS = (2, 5, 32)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory) -> dict[int, KernelOnCpu]:
    """The real source, compiled by g++, by images a row."""
    require_program("g++")
    folder = tmp_path_factory.mktemp("folded")
    return {fold: KernelOnCpu(folder, with_selector=True, fold=fold) for fold in FOLDS}


@pytest.mark.parametrize("fold", FOLDS)
@given(
    data=st.data(),
    parts=st.integers(1, 4),
    threads=st.sampled_from((8, 12, 32)),
    spare=st.integers(0, 3),
    at_once=st.sampled_from((1, 4)),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_the_source_does_what_the_reference_does(kernels, fold, data, parts, threads, spare, at_once, seed):
    problem = data.draw(folded_problems(fold=fold, most=12))
    expected, found = ExitMemory(problem), ExitMemory(problem)
    chosen = run_reference(expected, with_selector=True, selector=9)
    grid = (parts, max(1, problem.rows + spare))
    arguments = (found.table.ctypes.data, 9)
    assert kernels[fold].launch(arguments, grid=grid, threads=threads, at_once=at_once, seed=seed) == chosen
    assert differences(expected, found) == {}


def random_scores(fold: int, images: int, exits: int, seed: int) -> np.ndarray:
    """`[images, exits]`, often the same, some not numbers."""
    return np.random.default_rng((seed, fold)).choice(np.float32(SCORES), (images, exits))


def through_all_exits(scores, thresholds, *, fold, rule, extra, seed):
    """Send images through one launch an exit; return who was answered where, what with, and where groups left."""
    (images, exits), rows = scores.shape, rows_of(len(scores), fold)
    sample, passed = None, ()
    left, answered = np.full(rows, -1), np.full(images, -1)
    confidence, logits = np.full(images, np.nan, np.float32), np.full(images, np.nan, np.float32)
    for exit_ in range(exits):
        held = np.arange(rows) if sample is None else np.array(sample)
        there = held[:, None] * fold + np.arange(fold)
        real = (held[:, None] >= 0) & (there < images)
        here = np.where(real, scores[np.where(real, there, 0), exit_], np.float32(np.inf))
        problem = ExitProblem(
            sample=sample,
            scores=tuple(here.ravel().tolist()),
            threshold=float("nan") if exit_ == exits - 1 or thresholds[exit_] is None else thresholds[exit_],
            is_last=exit_ == exits - 1,
            extra=extra,
            max_rows=rows,
            exit_index=exit_,
            exits=exits,
            classes=2,
            row_bytes=(4,),
            logits_cross=True,
            seed=seed + exit_,
            fold=fold,
            group_exit=rule,
            last=images - (rows - 1) * fold,
            passed=passed,
        )
        memory = ExitMemory(problem)
        memory.of("exit_index", "int32")[:] = -1
        memory.of("value0", "int32")[: len(held)] = held
        mine = memory.of("logits", "float32").reshape(-1, fold, 2)[: len(held)]
        mine[:] = (np.where(real, there, -1) + exit_ / 8)[..., None]
        run_reference(memory)
        assert not (memory.of("exit_index", "int32")[images:] >= 0).any(), "what fills up a row is never answered"
        now = memory.of("exit_index", "int32")[:images] == exit_
        assert (answered[now] == -1).all(), "nobody is answered twice"
        answered[now] = exit_
        confidence[now] = memory.of("confidence", "float32")[:images][now]
        logits[now] = memory.of("outputs", "float32").reshape(-1, 2)[:images][now, 1]
        survivors, target = memory.of("signal", "int32").tolist()
        after = memory.of("after", "int32")
        sample = tuple(after[1 : 1 + target].tolist())
        passed = tuple(after[1 + rows : 1 + rows + target].view(np.uint32).tolist())
        alive = [group for group in sample if group >= 0]
        gone = [group for group in held.tolist() if group >= 0 and group not in alive]
        left[gone] = exit_
        assert survivors == len(alive)
        for row, group in enumerate(sample):
            assert group < 0 or memory.of("value0", "int32")[row] == group, "rows take along what crosses"
        if not survivors:
            break
    return answered, confidence, logits, left


@given(
    fold=st.sampled_from((2, 3, 4, 8, 32)),
    images=st.integers(1, 70),
    rule=st.sampled_from(GroupExit),
    thresholds=st.lists(st.one_of(st.none(), st.sampled_from((*SCORES[:5], 0.6))), max_size=3),
    extra=st.integers(0, 3),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=200, deadline=None)
def test_groups_leave_and_images_are_answered_as_the_rule_says(fold, images, rule, thresholds, extra, seed):
    scores = random_scores(fold, images, len(thresholds) + 1, seed)
    answered, confidence, logits, left = through_all_exits(
        scores, thresholds, fold=fold, rule=rule, extra=extra, seed=seed
    )
    truth = leave_in_groups(scores, thresholds, fold=fold, rule=rule)
    assert answered.tolist() == truth.answered.tolist()
    assert left.tolist() == truth.left.tolist()
    every = np.arange(images)
    assert confidence.tobytes() == scores[every, truth.answered].tobytes()
    assert np.array_equal(logits, (every + truth.answered / 8).astype(np.float32))


@pytest.mark.parametrize("filler", [float("inf"), float("nan"), 0.0])
def test_what_fills_up_the_last_row_counts_for_nothing(filler):
    problem = ExitProblem(
        sample=None,
        scores=(0.0, 1.0, 1.0, 1.0, 1.0, filler, filler, filler),
        threshold=0.5,
        is_last=False,
        extra=0,
        max_rows=2,
        exit_index=0,
        exits=2,
        classes=1,
        row_bytes=(),
        logits_cross=False,
        seed=0,
        fold=4,
        last=1,
    )
    memory = ExitMemory(problem)
    memory.of("exit_index", "int32")[:] = -1
    run_reference(memory)
    assert memory.of("exit_index", "int32").tolist() == [-1, 0, 0, 0, 0, -1, -1, -1]
    assert memory.of("after", "int32")[:2].tolist() == [1, 0], "the group with one image left, the other goes on"
    assert memory.of("after", "uint32")[3] == 0b1110
    unsure = ExitMemory(replace(problem, scores=(*problem.scores[:4], 0.0, *problem.scores[5:])))
    run_reference(unsure)
    assert unsure.of("signal", "int32").tolist() == [2, 2]


def test_a_program_for_each_number_of_images_a_row():
    assert exit_program(with_selector=False).defines == ()
    assert exit_program(with_selector=True, fold=4).defines == ("WITH_SELECTOR=1", "FOLD=4")
    assert exit_program(with_selector=False, fold=4) is not exit_program(with_selector=False, fold=2)
