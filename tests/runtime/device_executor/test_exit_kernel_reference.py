"""The numpy reference of the exit kernel against what an exit has to do, said in other words."""

import numpy as np
from exit_problems import ExitMemory, ExitProblem, exit_problems, run_reference
from hypothesis import given, settings


def who_goes_on(problem: ExitProblem) -> dict[int, int]:
    """Survivors: sample → its row before."""
    held = problem.sample or range(problem.rows)
    rows = {}
    for row, (sample, score) in enumerate(zip(held, problem.scores, strict=True)):
        leaves = problem.is_last or np.float32(score) >= np.float32(problem.threshold)
        if sample >= 0 and not leaves:
            rows[sample] = row
    return rows


def who_leaves(problem: ExitProblem) -> dict[int, int]:
    """Samples that leave: sample → its row."""
    held = problem.sample or range(problem.rows)
    goes_on = who_goes_on(problem)
    return {sample: row for row, sample in enumerate(held) if sample >= 0 and sample not in goes_on}


def rows_after(memory: ExitMemory) -> list[int]:
    """Which sample each row holds after the exit."""
    after = memory.of("after", "int32")
    return after[1 : 1 + after[0]].tolist()


@given(problem=exit_problems(most=60))
@settings(max_examples=300, deadline=None)
def test_survivors_are_in_front_once_with_their_rows(problem):
    before, memory = ExitMemory(problem), ExitMemory(problem)
    run_reference(memory)

    goes_on, after = who_goes_on(problem), rows_after(memory)
    assert sorted(sample for sample in after if sample >= 0) == sorted(goes_on)
    for name, values in memory.values().items():
        for row, sample in enumerate(after):
            if sample >= 0:
                assert np.array_equal(values[row], before.values()[name][goes_on[sample]])


@given(problem=exit_problems(most=60))
@settings(max_examples=300, deadline=None)
def test_every_leaver_is_answered_once_and_nobody_else(problem):
    before, memory = ExitMemory(problem), ExitMemory(problem)
    run_reference(memory)

    leaves, classes = who_leaves(problem), problem.classes
    for sample in range(problem.max_rows):
        row = leaves.get(sample)
        outputs = [each.of("outputs").reshape(-1, 4 * classes)[sample] for each in (before, memory)]
        exits = [each.of("exit_index", "int32")[sample] for each in (before, memory)]
        confidence = [each.of("confidence").reshape(-1, 4)[sample] for each in (before, memory)]
        if row is None:
            assert np.array_equal(*outputs)
            assert exits[0] == exits[1]
            assert np.array_equal(*confidence)
        else:
            assert np.array_equal(outputs[1], before.of("logits").reshape(-1, 4 * classes)[row])
            assert exits[1] == problem.exit_index
            assert np.array_equal(confidence[1], before.of("scores").reshape(-1, 4)[row])


@given(problem=exit_problems(most=60))
@settings(max_examples=300, deadline=None)
def test_rows_come_from_the_table_and_the_host_is_told(problem):
    memory = ExitMemory(problem)
    chosen = run_reference(memory, with_selector=True, selector=5)

    survivors = len(who_goes_on(problem))
    expected = min(survivors + problem.extra, problem.rows) if survivors else 0
    assert memory.of("signal", "int32").tolist() == [survivors, expected]
    assert memory.of("after", "int32")[0] == expected
    bucket = memory.of("next_bucket", "int32")[expected]
    assert chosen == ([] if problem.is_last else [(5, bucket)])
    assert run_reference(ExitMemory(problem), selector=5) == []


@given(problem=exit_problems(most=60))
@settings(max_examples=300, deadline=None)
def test_as_few_rows_move_as_can_be_in_order(problem):
    before, memory = ExitMemory(problem), ExitMemory(problem)
    run_reference(memory)

    after, goes_on = rows_after(memory), who_goes_on(problem)
    stay = {sample for sample, row in goes_on.items() if row < len(after)}
    assert all(after[goes_on[sample]] == sample for sample in stay)
    moved = [sample for sample in after if sample >= 0 and sample not in stay]
    assert moved == sorted(moved, key=goes_on.__getitem__), "those that move keep their order"
    holes = [row for row in range(len(after)) if row not in goes_on.values()]
    assert [after[row] for row in holes] == moved + [-1] * (len(holes) - len(moved))
    targets = set(holes[: len(moved)])
    for name, values in memory.values().items():
        same = [row for row in range(problem.max_rows) if row not in targets]
        assert np.array_equal(values[same], before.values()[name][same]), "no other row is touched"
