"""The exit kernel: its CUDA source, and the same in numpy on the same memory."""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import Program
from eerun.device_executor.exit_table import EXIT_TABLE, MOVED
from eerun.executor.compaction import plan_moves

__all__ = ["MAX_THREADS", "exit_program", "leave_and_compact"]

MAX_THREADS = 256
"""As in the source."""


@cache
def exit_program(*, with_selector: bool) -> Program:
    """Return the kernel; with a selector it also sets a conditional value, which needs a driver that knows them.

    Its arguments are the address of an `EXIT_TABLE` and a selector, which is not read without one and at the last exit.
    """
    return Program(
        name="leave_and_compact",
        source=files("eerun.device_executor").joinpath("leave_and_compact.cu").read_text(),
        defines=("WITH_SELECTOR=1",) if with_selector else (),
        reference=partial(leave_and_compact, with_selector=with_selector),
    )


def leave_and_compact(arguments: Sequence[int], select: Callable[[int, int], None], *, with_selector: bool) -> None:
    """Do what one launch does.

    Args:
        arguments: address of the table, selector.
        select: sets the conditional value of a selector.
        with_selector: which of the two programs.
    """
    address, selector = arguments
    table = _at(address, EXIT_TABLE, 1)[0]
    most, exit_index = int(table["max_rows"]), int(table["exit"])
    rows, sample = _before(table)
    scores = _at(table["scores"], np.float32, rows)
    threshold = _at(int(table["header"]) + 4, np.float32, exit_index + 1)[exit_index]
    with np.errstate(invalid="ignore"):
        leaves = np.ones(rows, np.bool_) if table["is_last"] else scores >= threshold
    survives = (sample >= 0) & ~leaves
    _answer(table, sample, (sample >= 0) & leaves)
    survivors = int(survives.sum())
    target = int(_at(table["next_rows"], np.int32, (most + 1) ** 2)[rows * (most + 1) + survivors]) if survivors else 0
    moves = plan_moves(survives, target)
    after = np.where(survives, sample, np.int32(-1))
    after[moves.targets] = sample[moves.sources]
    for rows_address, row_bytes in _at(table["moved"], MOVED, int(table["moved_count"])):
        buffer = _at(rows_address, np.uint8, rows * int(row_bytes)).reshape(rows, int(row_bytes))
        buffer[moves.targets] = buffer[moves.sources]
    written = _at(table["after"], np.int32, 1 + target)
    written[0], written[1:] = target, after[:target]
    _at(table["signal"], np.int32, 2)[:] = survivors, target
    if with_selector and not table["is_last"]:
        select(selector, int(_at(table["next_bucket"], np.int32, most + 1)[target]))


def _before(table: Any) -> tuple[int, NDArray[np.int32]]:
    """Rows of the batch, and the sample that each holds."""
    if not table["before"]:
        rows = int(_at(table["header"], np.int32, 1)[0])
        return rows, np.arange(rows, dtype=np.int32)
    rows = int(_at(table["before"], np.int32, 1)[0])
    return rows, _at(table["before"], np.int32, 1 + rows)[1:].copy()


def _answer(table: Any, sample: NDArray[np.int32], leaving: NDArray[np.bool_]) -> None:
    """Write logits, exit and score of those that leave."""
    index = np.flatnonzero(leaving)
    if not len(index):
        return
    most, classes, rows = int(table["max_rows"]), int(table["classes"]), len(sample)
    logits = _at(table["logits"], np.float32, rows * classes).reshape(rows, classes)
    outputs = _at(table["outputs"], np.float32, most * classes).reshape(most, classes)
    outputs[sample[index]] = logits[index]
    _at(table["exit_index"], np.int32, most)[sample[index]] = table["exit"]
    _at(table["confidence"], np.float32, most)[sample[index]] = _at(table["scores"], np.float32, rows)[index]


def _at(address: Any, dtype: Any, count: int) -> NDArray[Any]:
    """`count` elements at an address."""
    kind = np.dtype(dtype)
    if not count:
        return np.empty(0, kind)
    block = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(int(address))
    return np.frombuffer(block, kind)
