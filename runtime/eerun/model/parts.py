"""The parts of a call with more samples than run together, and the order in which they run."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor import Answers, Executor, HostExecutor, LengthExecutor
from eerun.executor.host import on_host
from eerun.sequence import own_lengths

__all__ = ["Parts", "part_of", "parts_of"]


class Parts(NamedTuple):
    """How a call is cut.

    Attributes:
        order: `[samples] intp`, the samples in the order in which they run; None: as they were given.
        rows: the parts, of samples in that order.
    """

    order: NDArray[np.intp] | None
    rows: list[slice]


def parts_of(executor: Executor, arrays: Mapping[str, Array | DeviceView], count: int, max_batch: int) -> Parts | None:
    """Cut a call into parts that run one after the other, as the executor itself does; None: it cannot be cut.

    Of a network with a dynamic sequence length the samples of one length bucket go together. What a device runs
    overlaps, and `grouping="easy"` orders all samples of a call, so that these are not cut.
    """
    if isinstance(executor, HostExecutor):
        return Parts(None, _cut(0, count, max_batch))
    if not isinstance(executor, LengthExecutor):
        return None
    bucket = np.searchsorted(np.asarray(tuple(executor.at)), own_lengths(on_host(arrays), executor.entries))
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.unique(bucket, return_counts=True)[1]).tolist()
    rows = [part for start, end in zip([0, *ends], ends, strict=False) for part in _cut(start, end, max_batch)]
    return Parts(None if len(ends) == 1 else order, rows)


def part_of(answers: Answers, rows: slice) -> Answers:
    """Return the same arrays for some neighbouring samples; what is written to them is written here."""
    return Answers(
        outputs=answers.outputs[rows],
        exit_index=answers.exit_index[rows],
        confidence=answers.confidence[rows],
        shadow=None if answers.shadow is None else answers.shadow.part(rows),
    )


def _cut(start: int, end: int, size: int) -> list[slice]:
    """Slices of at most so many."""
    return [slice(first, min(first + size, end)) for first in range(start, end, size)]
