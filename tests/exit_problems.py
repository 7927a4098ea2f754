"""Batches at an exit, laid out in memory as the exit kernel sees them, with guards around every buffer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.device_executor.leave_and_compact import exit_program
from eerun.folding import GroupExit, passes_needed

GUARD, GUARD_BYTE, ALIGNMENT = 64, 0xA5, 256
SCORES = (0.0, 0.25, 0.5, 0.75, 1.0, float("nan"), float("inf"), float("-inf"))
ROW_BYTES = (0, 1, 2, 3, 4, 8, 12, 16, 24, 40, 100, 4096)


@dataclass(frozen=True, kw_only=True)
class ExitProblem:
    """One launch.

    Attributes:
        sample: which sample each row holds, -1: none; None: the first exit, where row i holds sample i. Of a folded
            network the samples of rows are groups of images.
        scores: `[rows] float32`; of a folded network `[rows * fold]`.
        threshold: of this exit.
        is_last: everybody leaves.
        extra: rows of the next segment beyond the survivors', as far as there are rows.
        max_rows: of all buffers.
        exit_index: its number.
        exits: how many there are.
        classes: number of classes.
        row_bytes: of every value that crosses.
        logits_cross: whether the logits of this exit cross as well.
        seed: of the bytes of all buffers.
        fold: images a row.
        group_exit: when a group leaves.
        last: images of the last group.
        passed: of a folded network behind the first exit, bits of the images of each row that are answered.
    """

    sample: tuple[int, ...] | None
    scores: tuple[float, ...]
    threshold: float
    is_last: bool
    extra: int
    max_rows: int
    exit_index: int
    exits: int
    classes: int
    row_bytes: tuple[int, ...]
    logits_cross: bool
    seed: int
    fold: int = 1
    group_exit: GroupExit = GroupExit.ALL
    last: int = 1
    passed: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return len(self.scores) // self.fold

    @property
    def images(self) -> int:
        """How many samples the whole batch has, of a folded network images."""
        groups = self.rows if self.sample is None else self.max_rows
        return max(0, (groups - 1) * self.fold + self.last)


class ExitMemory:
    """The buffers of a problem, the same bytes each time, and the kernel's table.

    Attributes:
        table: `[1]` of `EXIT_TABLE`.
        moved: names of the values that cross.
        block: the bytes of all buffers and guards.
    """

    def __init__(self, problem: ExitProblem) -> None:
        most, self.problem = problem.max_rows, problem
        self.moved = [f"value{i}" for i in range(len(problem.row_bytes))]
        sizes = {f"value{i}": most * size for i, size in enumerate(problem.row_bytes)}
        state, images = 1 + most * (1 if problem.fold == 1 else 2), most * problem.fold
        sizes |= {
            "header": 4 * (1 + problem.exits),
            "scores": 4 * images,
            "logits": 4 * images * problem.classes,
            "before": 4 * state,
            "after": 4 * state,
            "outputs": 4 * images * problem.classes,
            "exit_index": 4 * images,
            "confidence": 4 * images,
            "needed": 4 * (1 + problem.fold),
            "signal": 8,
            "next_rows": 4 * (most + 1) ** 2,
            "next_bucket": 4 * (most + 1),
        }
        self._places, end = {}, 0
        for name, size in sizes.items():
            start = -(-(end + GUARD) // ALIGNMENT) * ALIGNMENT
            self._places[name] = slice(start, start + size)
            end = start + size
        self._whole = np.full(end + GUARD + ALIGNMENT, GUARD_BYTE, np.uint8)
        begin = -self._whole.ctypes.data % ALIGNMENT
        self.block = self._whole[begin : begin + end + GUARD]
        random = np.random.default_rng(problem.seed)
        for place in self._places.values():
            self.block[place] = random.integers(0, 256, place.stop - place.start, np.uint8)
        self._fill(problem)
        self._make_tables(problem)

    def of(self, name: str, dtype: str = "uint8") -> np.ndarray:
        """A buffer."""
        return self.block[self._places[name]].view(dtype)

    def values(self) -> dict[str, np.ndarray]:
        """What crosses, `[max_rows, row_bytes] uint8`."""
        sizes = dict(zip(self.moved, self.problem.row_bytes, strict=True))
        sizes |= {"logits": 4 * self.problem.fold * self.problem.classes} if self.problem.logits_cross else {}
        return {name: self.of(name).reshape(self.problem.max_rows, size) for name, size in sizes.items()}

    def _fill(self, problem: ExitProblem) -> None:
        most = problem.max_rows
        self.of("header", "int32")[0] = problem.images
        self.of("header", "float32")[1:] = 0.5
        self.of("header", "float32")[1 + problem.exit_index] = problem.threshold
        self.of("scores", "float32")[: len(problem.scores)] = problem.scores
        self.of("needed", "int32")[:] = passes_needed(np.arange(problem.fold + 1), problem.group_exit)
        if problem.sample is not None:
            self.of("before", "int32")[0] = problem.rows
            self.of("before", "int32")[1 : 1 + problem.rows] = problem.sample
            self.of("before", "uint32")[1 + most : 1 + most + len(problem.passed)] = problem.passed
        survivors = np.arange(most + 1)[None, :]
        rows = np.arange(most + 1)[:, None]
        table = np.where(survivors <= rows, np.minimum(survivors + problem.extra, rows), 0)
        self.of("next_rows", "int32")[:] = np.where(survivors > 0, table, 0).ravel()
        self.of("next_bucket", "int32")[:] = (np.arange(most + 1) * 7 + 3) % 11

    def _make_tables(self, problem: ExitProblem) -> None:
        names = [*(["logits"] if problem.logits_cross else []), *self.moved]
        sizes = [4 * problem.fold * problem.classes] * problem.logits_cross + list(problem.row_bytes)
        self._moved = np.array([(self.address(n), size) for n, size in zip(names, sizes, strict=True)], MOVED)
        self.table = np.zeros(1, EXIT_TABLE)
        for name in EXIT_TABLE.names or ():
            if name in self._places:
                self.table[name] = self.address(name)
        if problem.sample is None:
            self.table["before"] = 0
        if problem.is_last:
            self.table["next_rows"] = self.table["next_bucket"] = 0
        self.table["moved"] = self._moved.ctypes.data
        self.table["exit"] = problem.exit_index
        self.table["is_last"] = problem.is_last
        self.table["classes"] = problem.classes
        self.table["max_rows"] = problem.max_rows
        self.table["moved_count"] = len(names)
        self.table["moved_with_answer"] = int(problem.logits_cross)

    def address(self, name: str) -> int:
        """Where a buffer begins."""
        return int(self.block.ctypes.data) + self._places[name].start


def run_reference(memory: ExitMemory, *, with_selector: bool = False, selector: int = 0) -> list[tuple[int, int]]:
    """Run the numpy reference; return the conditional values that it set."""
    chosen: list[tuple[int, int]] = []
    program = exit_program(with_selector=with_selector, fold=memory.problem.fold)
    program.reference((memory.table.ctypes.data, selector), lambda handle, value: chosen.append((handle, value)))
    return chosen


@st.composite
def exit_problems(draw: st.DrawFn, *, most: int = 40) -> ExitProblem:
    """Any batch of up to `most` rows."""
    rows = draw(st.integers(0, most))
    max_rows = max(1, rows + draw(st.integers(0, 5)))
    scores = draw(st.lists(st.sampled_from(SCORES), min_size=rows, max_size=rows))
    sample = None
    if draw(st.booleans()):
        order = draw(st.permutations(range(max_rows)))[:rows]
        dead = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
        sample = tuple(-1 if gone else each for each, gone in zip(order, dead, strict=True))
    exits = draw(st.integers(1, 4))
    return ExitProblem(
        sample=sample,
        scores=tuple(scores),
        threshold=draw(st.sampled_from((*SCORES, 0.6))),
        is_last=draw(st.booleans()),
        extra=draw(st.integers(0, rows)),
        max_rows=max_rows,
        exit_index=draw(st.integers(0, exits - 1)),
        exits=exits,
        classes=draw(st.integers(1, 9)),
        row_bytes=tuple(draw(st.lists(st.sampled_from(ROW_BYTES), max_size=3))),
        logits_cross=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@st.composite
def folded_problems(draw: st.DrawFn, *, fold: int, most: int = 40) -> ExitProblem:
    """Any batch of up to `most` groups of `fold` images, as the exits before may have left it."""
    problem = draw(exit_problems(most=most))
    scores = st.sampled_from(SCORES)
    words = st.one_of(st.sampled_from((0, 1, 2 ** (fold - 1))), st.integers(0, 2**fold - 1))
    last, groups = draw(st.integers(1, fold)), problem.max_rows
    passed = [draw(words) for _ in problem.sample or ()]
    real = [2**last - 1 if sample == groups - 1 else 2**fold - 1 for sample in problem.sample or ()]
    dead = [sample < 0 for sample in problem.sample or ()]
    answered = [0 if gone else word & all_ for word, all_, gone in zip(passed, real, dead, strict=True)]
    return replace(
        problem,
        scores=tuple(draw(st.lists(scores, min_size=problem.rows * fold, max_size=problem.rows * fold))),
        fold=fold,
        group_exit=draw(st.sampled_from(GroupExit)),
        last=last,
        passed=tuple(answered),
    )


def large_problem(rows: int, seed: int, **changes: object) -> ExitProblem:
    """A batch of many rows, some of them dead."""
    random = np.random.default_rng(seed)
    sample = random.permutation(rows)
    sample[random.random(rows) < 0.2] = -1
    problem = ExitProblem(
        sample=tuple(sample.tolist()),
        scores=tuple(random.choice(SCORES, rows).tolist()),
        threshold=0.5,
        is_last=False,
        extra=int(random.integers(0, rows // 3)),
        max_rows=rows,
        exit_index=1,
        exits=3,
        classes=10,
        row_bytes=(12, 4096, 1),
        logits_cross=True,
        seed=seed,
    )
    return replace(problem, **changes)


def differences(left: ExitMemory, right: ExitMemory) -> Mapping[str, int]:
    """How many bytes of each buffer differ, and of the guards; empty: none."""
    names = [name for name in left._places if not np.array_equal(left.of(name), right.of(name))]
    found = {name: int((left.of(name) != right.of(name)).sum()) for name in names}
    outside = int((left.block != right.block).sum()) - sum(found.values())
    return found | ({"guards": outside} if outside else {})
