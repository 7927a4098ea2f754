"""A lane for every executor that cannot stop between segments: whole batches, with everybody's answers at their end."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.costs import CostTable
from eerun.executor import Answers, Executor, Shadowed
from eerun.scheduler.lanes.lane import Chunk, Ran
from eerun.scheduler.request import Answered, Request

__all__ = ["BatchLane"]

FORCED = -float("inf")
"""A threshold that every score reaches."""


class BatchLane:
    """See `Lane`.

    Args:
        executor: runs the batches.
        costs: of its chain.
        max_rows: the most rows that run together.
        in_flight: how many batches it runs at once.
    """

    segments = 1
    mixes = False
    waiting: Sequence[int] = (0,)

    def __init__(self, executor: Executor, costs: CostTable, *, max_rows: int, in_flight: int = 1) -> None:
        self._executor = executor
        self.costs = costs
        self.fold = executor.fold
        self.max_rows = max_rows
        self.in_flight = in_flight

    def start(self, chunks: Sequence[Chunk]) -> Ran:
        """See `Lane.start`."""
        count = sum(chunk.count for chunk in chunks)
        shape = self._executor.output_shape
        answers = Answers(
            outputs=np.empty((count, *shape), np.float32),
            exit_index=np.empty(count, np.int32),
            confidence=np.empty(count, np.float32),
            shadow=_watched(chunks, shape, self.fold),
        )
        terms = chunks[0].request.terms
        thresholds = list(terms.thresholds)
        if terms.max_exit < len(thresholds):
            thresholds[terms.max_exit] = FORCED
        steps = self._executor.infer(_together(chunks), thresholds, answers)
        return Ran(steps=tuple(step for part in steps for step in part), answered=tuple(_answered(chunks, answers)))

    def run(self, segment: int) -> Ran:
        """See `Lane.run`: nobody waits inside."""
        raise ValueError(f"no rows wait at segment {segment}")

    def requests_at(self, segment: int) -> tuple[Request, ...]:  # noqa: ARG002 - nobody waits inside
        """See `Lane.requests_at`."""
        return ()


def _together(chunks: Sequence[Chunk]) -> dict[str, Array | DeviceView]:
    """The inputs of all chunks, one behind the other; without a copy where there is one chunk."""
    names = chunks[0].inputs
    if len(chunks) == 1 and chunks[0].count == (chunks[0].share or chunks[0].request).count:
        return dict(names)
    arrays: dict[str, Array | DeviceView] = {}
    for name in names:
        given = [(chunk, chunk.inputs[name]) for chunk in chunks]
        arrays[name] = np.concatenate(
            [np.asarray(array)[chunk.start : chunk.start + chunk.count] for chunk, array in given]
        )
    return arrays


def _watched(chunks: Sequence[Chunk], shape: tuple[int, ...], fold: int) -> Shadowed | None:
    """Who of them is watched."""
    chosen = [
        np.zeros(chunk.count, np.bool_)
        if chunk.request.answers.shadow is None
        else chunk.request.answers.shadow.chosen[chunk.samples]
        for chunk in chunks
    ]
    together = np.concatenate(chosen)
    return Shadowed.of(together, shape, fold=fold) if together.any() else None


def _answered(chunks: Sequence[Chunk], answers: Answers) -> Iterator[Answered]:
    """Yield the answers by exit; then the final exit's to those that are watched."""
    samples = np.concatenate([chunk.samples for chunk in chunks])
    firsts = [0, *accumulate(chunk.count for chunk in chunks)]

    def taken(index: NDArray[np.intp], exit_index: int, outputs: NDArray[np.float32], *, late: bool) -> Answered:
        bounds = np.searchsorted(index, firsts)
        here = np.flatnonzero(np.diff(bounds))
        return Answered(
            exit_index=exit_index,
            requests=[chunks[chunk].request for chunk in here.tolist()],
            bounds=[0, *bounds[here + 1].tolist()],
            samples=samples[index],
            outputs=outputs[index],
            confidence=answers.confidence[index],
            late=late,
        )

    for exit_index in np.unique(answers.exit_index).tolist():
        index = np.flatnonzero(answers.exit_index == exit_index)
        yield taken(index, exit_index, answers.outputs, late=False)
    if answers.shadow is not None:
        index = np.flatnonzero(answers.shadow.early)
        if len(index):
            yield taken(index, len(chunks[0].request.terms.thresholds), answers.shadow.outputs, late=True)
