"""The exit kernel: its CUDA source, and the same in numpy on the same memory."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.device import Program
from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.executor.compaction import plan_moves
from eerun.folding import rows_of

__all__ = ["MAX_THREADS", "exit_program", "leave_and_compact"]

MAX_THREADS = 256
"""As in the source."""


@cache
def exit_program(*, with_selector: bool, fold: int = 1) -> Program:
    """Return the kernel; with a selector it also sets a conditional value, which needs a driver that knows them.

    Its arguments are the address of an `EXIT_TABLE` and a selector, which is not read without one and at the last exit.
    A network that is folded has a program of its own, in which a row is a group of `fold` images, at most `MOST_FOLD`.
    """
    defines = [*(["WITH_SELECTOR=1"] if with_selector else []), *([f"FOLD={fold}"] if fold > 1 else [])]
    return Program(
        name="leave_and_compact",
        source=files("eerun.device_executor").joinpath("leave_and_compact.cu").read_text(),
        defines=tuple(defines),
        reference=partial(leave_and_compact, with_selector=with_selector, fold=fold),
    )


def leave_and_compact(
    arguments: Sequence[int], select: Callable[[int, int], None], *, with_selector: bool, fold: int = 1
) -> None:
    """Do what one launch does.

    Args:
        arguments: address of the table, selector.
        select: sets the conditional value of a selector.
        with_selector: which of the programs.
        fold: images a row.
    """
    address, selector = arguments
    table = _at(address, EXIT_TABLE, 1)[0]
    most = int(table["max_rows"])
    before = _before(table, fold)
    rows, sample = before.rows, before.sample
    decided = _decide(table, before, fold)
    survives = (sample >= 0) & ~decided.leaves
    _answer(table, sample, decided.answers)
    survivors = int(survives.sum())
    target = int(_at(table["next_rows"], np.int32, (most + 1) ** 2)[rows * (most + 1) + survivors]) if survivors else 0
    moves = plan_moves(survives, target)
    after, passed = np.where(survives, sample, np.int32(-1)), np.where(survives, decided.passed, np.uint32(0))
    after[moves.targets], passed[moves.targets] = sample[moves.sources], passed[moves.sources]
    for rows_address, row_bytes in _at(table["moved"], MOVED, int(table["moved_count"])):
        buffer = _at(rows_address, np.uint8, rows * int(row_bytes)).reshape(rows, int(row_bytes))
        buffer[moves.targets] = buffer[moves.sources]
    written = _at(table["after"], np.int32, 1 + target)
    written[0], written[1:] = target, after[:target]
    if fold > 1:
        _at(int(table["after"]) + 4 * (1 + most), np.uint32, target)[:] = passed[:target]
    _at(table["signal"], np.int32, 2)[:] = survivors, target
    if with_selector and not table["is_last"]:
        select(selector, int(_at(table["next_bucket"], np.int32, most + 1)[target]))


class _Rows(NamedTuple):
    """Rows of the batch, the sample that each holds, and bits of its images that are answered (0 where none is)."""

    rows: int
    sample: NDArray[np.int32]
    passed: NDArray[np.uint32]


class _Decided(NamedTuple):
    """`[rows]` which rows leave, `[rows, fold]` whom this exit answers, `[rows]` bits of who has passed by now."""

    leaves: NDArray[np.bool_]
    answers: NDArray[np.bool_]
    passed: NDArray[np.uint32]


def _before(table: Any, fold: int) -> _Rows:
    if not table["before"]:
        rows = rows_of(int(_at(table["header"], np.int32, 1)[0]), fold)
        return _Rows(rows, np.arange(rows, dtype=np.int32), np.zeros(rows, np.uint32))
    rows = int(_at(table["before"], np.int32, 1)[0])
    sample = _at(table["before"], np.int32, 1 + rows)[1:].copy()
    if fold == 1:
        return _Rows(rows, sample, np.zeros(rows, np.uint32))
    passed = int(table["before"]) + 4 * (1 + int(table["max_rows"]))
    return _Rows(rows, sample, _at(passed, np.uint32, rows).copy())


def _decide(table: Any, before: _Rows, fold: int) -> _Decided:
    """Who leaves, and whom this exit answers."""
    exit_index, there = int(table["exit"]), before.sample >= 0
    threshold = _at(int(table["header"]) + 4, np.float32, exit_index + 1)[exit_index]
    scores = _at(table["scores"], np.float32, before.rows * fold).reshape(before.rows, fold)
    with np.errstate(invalid="ignore"):
        passing = scores >= threshold
    last = np.full(before.rows, bool(table["is_last"]))
    if fold == 1:
        leaves = last | passing[:, 0]
        return _Decided(leaves, (there & leaves)[:, None], before.passed)
    images = np.clip(int(_at(table["header"], np.int32, 1)[0]) - before.sample * fold, 0, fold)
    images[~there] = 0
    real, bit = np.arange(fold) < images[:, None], np.uint32(1) << np.arange(fold, dtype=np.uint32)
    waiting = real & (before.passed[:, None] & bit == 0)
    passed = before.passed | ((waiting & passing) * bit).sum(axis=1, dtype=np.uint32)
    needed = _at(table["needed"], np.int32, fold + 1)[images]
    leaves = last | (((passed[:, None] & bit) != 0).sum(axis=1) >= needed)
    return _Decided(leaves, waiting & (passing | leaves[:, None]), passed)


def _answer(table: Any, sample: NDArray[np.int32], answers: NDArray[np.bool_]) -> None:
    """Write logits, exit and score of those whom this exit answers."""
    row, image = np.nonzero(answers)
    if not len(row):
        return
    rows, fold = answers.shape
    most, classes = int(table["max_rows"]) * fold, int(table["classes"])
    logits = _at(table["logits"], np.float32, rows * fold * classes).reshape(rows, fold, classes)
    outputs = _at(table["outputs"], np.float32, most * classes).reshape(most, classes)
    target = sample[row] * fold + image
    outputs[target] = logits[row, image]
    _at(table["exit_index"], np.int32, most)[target] = table["exit"]
    scores = _at(table["scores"], np.float32, rows * fold).reshape(rows, fold)
    _at(table["confidence"], np.float32, most)[target] = scores[row, image]


def _at(address: Any, dtype: Any, count: int) -> NDArray[Any]:
    """`count` elements at an address."""
    kind = np.dtype(dtype)
    if not count:
        return np.empty(0, kind)
    block = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(int(address))
    return np.frombuffer(block, kind)
