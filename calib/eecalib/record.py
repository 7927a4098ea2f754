"""Run a chain with exits off and keep what every exit says."""

from collections.abc import Callable

import numpy as np

from eecalib.exit_table import ExitTable
from eerun.data import Samples
from eerun.executor import ChainExecutor

__all__ = ["record_exits"]


def record_exits(executor: ChainExecutor, samples: Samples, progress: Callable[[float], None]) -> ExitTable:
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
