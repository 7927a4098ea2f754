"""Run a chain with exits off and keep what every exit says."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eengines.tensors import Array
from eerun.data import Samples, ignored_label

__all__ = ["Recorder", "record_exits"]

IN_MEMORY_BYTES = 1 << 26
"""Answers that take more are kept in a temporary file, mapped into memory; the file goes with the table."""

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

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits `[samples, exits, *output_shape]` and scores `[samples, exits]`, exits off; see `Executor.record`."""


def record_exits(executor: Recorder, samples: Samples, progress: Callable[[float], None]) -> ExitTable:
    """Return scores and answers of every exit for every sample.

    Of maps only the classes are kept, in as few bytes as they need: logits are never held for more than some samples.

    Args:
        executor: a chain that is ready to run.
        samples: raw samples, checked before.
        progress: called with the share that is done.
    """
    count, exits, shape = len(samples), executor.segments, executor.output_shape
    scores = np.empty((count, exits), np.float32)
    answers = _new_answers((count, exits, *shape[1:]), classes=shape[0])
    together = LOGITS_BYTES // (exits * int(np.prod(shape)) * scores.itemsize)
    step = max(1, min(executor.max_batch, together))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        logits, scores[rows] = executor.record({name: array[rows] for name, array in samples.inputs.items()})
        answers[rows] = logits.argmax(axis=2)
        progress(rows.stop / count)
    return ExitTable(scores=scores, answers=answers, labels=samples.labels, ignored=ignored_label(shape))


def _new_answers(shape: tuple[int, ...], *, classes: int) -> NDArray[Any]:
    """Room for answers: int64 for one a sample; for maps the smallest type, in a file where they are many."""
    if len(shape) == 2:
        return np.empty(shape, np.int64)
    dtype = np.min_scalar_type(classes)
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="eecompile-answers-") as file:
        return np.memmap(file, dtype, mode="w+", shape=shape)
