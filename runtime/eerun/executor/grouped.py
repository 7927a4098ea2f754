"""Likely-easy images together: an executor that puts the images of a call into another order before they share rows.

Answers come back in the order that was given.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor.executor import Answers, Step
from eerun.executor.host import on_host
from eerun.executor.protocol import Cell, Executor, Run
from eerun.folding import Easiness, order_of

__all__ = ["GroupedExecutor"]


class GroupedExecutor:
    """See `Executor`. Whoever is answered together in one call is sorted by predicted easiness, on the host.

    What is watched are groups: those that were chosen by their number, whichever images are then in them.

    Attributes:
        within: the executor that runs them in the order that they then have.
    """

    def __init__(self, within: Executor, easiness: Easiness) -> None:
        self.within, self._easiness = within, easiness
        self.classes = within.classes
        self.output_shape = within.output_shape
        self.segments = within.segments
        self.max_batch = within.max_batch
        self.fold, self.group_exit = within.fold, within.group_exit

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """See `Executor.infer`."""
        started, arrays = perf_counter_ns(), on_host(inputs)
        order = order_of(arrays, self._easiness, self.fold)
        if order is None:
            return self.within.infer(arrays, thresholds, answers)
        part = Answers(
            outputs=np.empty_like(answers.outputs),
            exit_index=np.empty_like(answers.exit_index),
            confidence=np.empty_like(answers.confidence),
            shadow=None if answers.shadow is None else answers.shadow.in_order(),
        )
        given = {name: array[order] for name, array in arrays.items()}
        waited = perf_counter_ns() - started
        steps = self.within.infer(given, thresholds, part)
        answers.outputs[order] = part.outputs
        answers.exit_index[order] = part.exit_index
        answers.confidence[order] = part.confidence
        if answers.shadow is not None and part.shadow is not None:
            answers.shadow.deal(order, part.shadow)
        return tuple(tuple(step._replace(answered_ns=step.answered_ns + waited) for step in run) for run in steps)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Executor.record`."""
        order = order_of(inputs, self._easiness, self.fold)
        if order is None:
            return self.within.record(inputs)
        found = self.within.record({name: array[order] for name, array in inputs.items()})
        back = np.argsort(order)
        return found[0][back], found[1][back]

    def view(self, array: Any) -> DeviceView | None:  # noqa: ARG002 - statistics are computed on the host
        """See `Executor.view`: None, images are looked at on the host."""
        return None

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """See `Executor.runs`."""
        return self.within.runs(buckets)
