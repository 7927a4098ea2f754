"""Run a chain with exits off, and keep what every exit says."""

from collections.abc import Callable, Sequence

import numpy as np

from eecalib.record import Recorder, kept_array, samples_together
from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.map_trace import MapTrace
from eecalib.whole_groups import check_groups
from eerun.data import Samples, ignored_label
from eerun.policies import ExitPolicy

__all__ = ["record_trace"]


def record_trace(
    executor: Recorder, samples: Samples, policies_of_maps: Sequence[ExitPolicy], progress: Callable[[float], None]
) -> ExitTrace | MapTrace:
    """Return what every exit says about every sample; what is large is kept in a temporary file.

    Args:
        executor: a chain that is ready to run.
        samples: raw samples, checked before; of a folded network whole groups.
        policies_of_maps: whose scores are recorded where each pixel has an answer.
        progress: called with the share that is done.

    Raises:
        UserError: the samples are no whole groups.
    """
    if len(executor.output_shape) == 1:
        return _record_logits(executor, samples, progress)
    return _record_maps(executor, samples, tuple(policies_of_maps), progress)


def _record_logits(executor: Recorder, samples: Samples, progress: Callable[[float], None]) -> ExitTrace:
    check_groups(len(samples), executor.fold, where="exit trace")
    logits = kept_array((len(samples), executor.segments, *executor.output_shape), np.dtype(np.float32))
    step = samples_together(executor)
    for start in range(0, len(samples), step):
        rows = slice(start, min(start + step, len(samples)))
        logits[rows], _ = executor.record({name: array[rows] for name, array in samples.inputs.items()})
        progress(rows.stop / len(samples))
    labels = None if samples.labels is None else samples.labels.astype(np.int64)
    return ExitTrace(logits=logits, labels=labels, fold=executor.fold, rule=executor.group_exit)


def _record_maps(
    executor: Recorder, samples: Samples, policies: tuple[ExitPolicy, ...], progress: Callable[[float], None]
) -> MapTrace:
    exits, (classes, *pixels) = executor.segments, executor.output_shape
    scores = np.empty((len(policies), len(samples), exits), np.float32)
    answers = kept_array((len(samples), exits, *pixels), np.min_scalar_type(classes))
    step = samples_together(executor)
    for start in range(0, len(samples), step):
        rows = slice(start, min(start + step, len(samples)))
        logits, _ = executor.record({name: array[rows] for name, array in samples.inputs.items()})
        answers[rows] = logits.argmax(axis=2)
        for index, policy in enumerate(policies):
            for exit_ in range(exits):
                scores[index, rows, exit_], _ = policy.score(logits[:, exit_], None, exit_index=exit_)
        progress(rows.stop / len(samples))
    ignored = ignored_label(executor.output_shape)
    return MapTrace(policies=policies, scores=scores, answers=answers, labels=samples.labels, ignored=ignored)
