"""Run a chain with exits off and keep what every exit says."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eecalib.exit_table import ExitTable
from eengines.tensors import Array
from eerun.data import Samples

__all__ = ["Recorder", "record_exits"]


class Recorder(Protocol):
    """A chain that is ready to run: an executor of one batch, or of any number of samples, on the host or a device."""

    @property
    def segments(self) -> int:
        """Number of segments."""

    @property
    def max_batch(self) -> int:
        """The largest number of samples that run together."""

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits `[samples, exits, classes]` and scores `[samples, exits]` with exits off; see `Executor.record`."""


def record_exits(executor: Recorder, samples: Samples, progress: Callable[[float], None]) -> ExitTable:
    """Return scores and answers of every exit for every sample.

    Args:
        executor: a chain that is ready to run.
        samples: raw samples, checked before.
        progress: called with the share that is done.
    """
    count = len(samples)
    scores = np.empty((count, executor.segments), np.float32)
    answers = np.empty((count, executor.segments), np.int64)
    for start in range(0, count, executor.max_batch):
        rows = slice(start, min(start + executor.max_batch, count))
        logits, scores[rows] = executor.record({name: array[rows] for name, array in samples.inputs.items()})
        answers[rows] = logits.argmax(axis=-1)
        progress(rows.stop / count)
    return ExitTable(scores=scores, answers=answers, labels=samples.labels)
