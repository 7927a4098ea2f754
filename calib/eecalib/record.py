"""Run a chain with exits off and keep what every exit says."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eecalib.whole_groups import check_groups
from eengines.tensors import Array
from eerun.data import Samples, ignored_label
from eerun.folding import GroupExit

__all__ = ["Recorder", "kept_array", "record_exits", "samples_together"]

IN_MEMORY_BYTES = 1 << 26
"""What takes more is kept in a temporary file, mapped into memory; the file goes with the table."""

LOGITS_BYTES = 1 << 28
"""Logits of all exits that are looked at together."""


class Recorder(Protocol):
    """A chain that is ready to run: an executor of one batch, or of any number of samples, on the host or a device."""

    @property
    def segments(self) -> int:
        """Number of segments."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or `(classes, height, width)`."""

    @property
    def max_batch(self) -> int:
        """The largest number of samples that run together."""

    @property
    def fold(self) -> int:
        """Images a row of a folded network; 1: it is not folded."""

    @property
    def group_exit(self) -> GroupExit:
        """When a group of images leaves, where the network is folded."""

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits `[samples, exits, *output_shape]` and scores `[samples, exits]`, exits off; see `Executor.record`."""


def record_exits(executor: Recorder, samples: Samples, progress: Callable[[float], None]) -> ExitTable:
    """Return scores and answers of every exit for every sample.

    Of maps only the classes are kept, in as few bytes as they need: logits are never held for more than some samples.

    Args:
        executor: a chain that is ready to run.
        samples: raw samples, checked before; of a folded network whole groups.
        progress: called with the share that is done.

    Raises:
        UserError: the samples are no whole groups.
    """
    check_groups(len(samples), executor.fold, where="exit table")
    count, exits, shape = len(samples), executor.segments, executor.output_shape
    scores = np.empty((count, exits), np.float32)
    dtype = np.dtype(np.int64) if len(shape) == 1 else np.min_scalar_type(shape[0])
    answers = kept_array((count, exits, *shape[1:]), dtype)
    step = samples_together(executor)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        logits, scores[rows] = executor.record({name: array[rows] for name, array in samples.inputs.items()})
        answers[rows] = logits.argmax(axis=2)
        progress(rows.stop / count)
    return ExitTable(
        scores=scores,
        answers=answers,
        labels=samples.labels,
        ignored=ignored_label(shape),
        fold=executor.fold,
        rule=executor.group_exit,
    )


def samples_together(executor: Recorder) -> int:
    """How many samples to record at a time, so that their logits do not take too much memory: whole groups."""
    together = LOGITS_BYTES // (executor.segments * int(np.prod(executor.output_shape)) * np.dtype(np.float32).itemsize)
    return max(1, min(executor.max_batch, together) // executor.fold) * executor.fold


def kept_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Room for what is recorded: in memory, or in a temporary file where it is large; the file goes with the array."""
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="eecompile-recorded-") as file:
        return np.memmap(file, dtype, mode="w+", shape=shape)
