"""Answers of one call: room for them, and what the caller gets when all are there."""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns

import numpy as np

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor import Answers, Executor, Step
from eerun.model.result import NOBODY, Result
from eerun.scheduler import Request
from eerun.shadow import Shadow, Turn

__all__ = ["Arrays", "Conclusion", "answer_directly", "conclude_part", "empty_answers", "let_go"]

Arrays = Mapping[str, Array | DeviceView]


def empty_answers(count: int, output_shape: tuple[int, ...], turn: Turn | None) -> Answers:
    """Return room for the answers to so many samples."""
    return Answers(
        outputs=np.empty((count, *output_shape), np.float32),
        exit_index=np.empty(count, np.int32),
        confidence=np.empty(count, np.float32),
        shadow=None if turn is None else turn.watched,
    )


def answer_directly(
    executor: Executor, arrays: Arrays, thresholds: Sequence[float | None], answers: Answers, *, max_batch: int
) -> tuple[tuple[Step, ...], ...]:
    """Answer a call in the thread of the caller; return for each batch what each segment did.

    Args:
        executor: runs it.
        arrays: the samples, checked.
        thresholds: one for each exit but the last.
        answers: what is filled.
        max_batch: the largest number of samples that run together; those that lie on a device run in batches of the
            executor.
    """
    count = len(answers.exit_index)
    there = {name: array for name, array in arrays.items() if not isinstance(array, DeviceView)}
    if max_batch >= executor.max_batch or count <= max_batch or len(there) < len(arrays):
        return executor.infer(arrays, thresholds, answers)
    steps: list[tuple[Step, ...]] = []
    for start in range(0, count, max_batch):
        rows = slice(start, start + max_batch)
        part = Answers(
            outputs=answers.outputs[rows],
            exit_index=answers.exit_index[rows],
            confidence=answers.confidence[rows],
            shadow=None if answers.shadow is None else answers.shadow.part(rows),
        )
        steps += executor.infer({name: array[rows] for name, array in there.items()}, thresholds, part)
    return tuple(steps)


def conclude_part(request: Request) -> tuple[int, int, int]:
    """Say of a part of a call which thresholds answered, how long it waited, and how long it took from there, in ns."""
    let_go(request)
    return request.step, request.started_ns - request.accepted_ns, perf_counter_ns() - request.started_ns


def let_go(request: Request) -> None:
    """Forget the samples of a call none of which will enter any more: who refers to it does not keep them."""
    request.inputs, request.places = {}, ()


class Conclusion:
    """Makes the answer of a call that was queued. It does not refer to the model, so that a call does not keep it.

    Args:
        shadow: of a watched model.
    """

    def __init__(self, shadow: Shadow | None) -> None:
        self._shadow = shadow

    def observe(self, request: Request) -> None:
        """Take note of all answers of a watched call."""
        if self._shadow is not None and request.turn is not None:
            self._shadow.finish(request.turn, request.answers)

    def conclude(self, request: Request) -> Result:
        """Return the answer of a call that has all of its samples'."""
        turn, answers = request.turn, request.answers
        watched = None if turn is None else turn.watched
        let_go(request)
        return Result(
            outputs=answers.outputs,
            labels=request.labels,
            exit_index=answers.exit_index,
            confidence=answers.confidence,
            steps=(),
            step=request.step if turn is None else turn.step,
            shadowed=NOBODY if watched is None else watched.chosen.nonzero()[0],
            queue_ns=request.started_ns - request.accepted_ns,
            compute_ns=perf_counter_ns() - request.started_ns,
        )
