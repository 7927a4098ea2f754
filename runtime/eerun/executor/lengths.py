"""Executors of a network with a dynamic sequence length: one for each length bucket.

A sample runs in the smallest bucket that holds it, padded or cut to it; answers come back in the order of the samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.errors import InputError
from eengines.tensors import Array
from eerun.bundle.manifest import InputEntry
from eerun.executor.executor import Answers, Step
from eerun.executor.host import HostWhole, on_host
from eerun.executor.protocol import Cell, Executor, Run
from eerun.sequence import at_length, own_lengths

__all__ = ["LengthExecutor", "LengthWhole", "length_groups"]


def length_groups(
    inputs: Mapping[str, Array], entries: Sequence[InputEntry], lengths: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.intp], dict[str, Array]]]:
    """Yield each length bucket that has samples, ascending: the bucket, their indices, and they padded or cut to it.

    Args:
        inputs: arrays `[samples, ...]` by input name; no sample is longer than the last bucket.
        entries: what the bundle declares.
        lengths: the buckets, ascending.

    Raises:
        InputError: arrays of different lengths, or a sample that is too long.
    """
    own = own_lengths(inputs, entries)
    if own.max() > lengths[-1]:
        raise InputError("input", f"got a length of {own.max()}, expected at most {lengths[-1]}", "Cut the samples")
    bucket = np.searchsorted(np.asarray(lengths), own)
    for number in np.unique(bucket).tolist():
        index = np.flatnonzero(bucket == number)
        rows = dict(inputs) if len(index) == len(own) else {name: array[index] for name, array in inputs.items()}
        yield lengths[number], index, at_length(rows, entries, lengths[number])


class LengthExecutor:
    """See `Executor`. Samples of one length bucket run together; calls of one bucket take turns.

    Attributes:
        at: the executor of each length bucket, ascending.
        entries: the inputs that the bundle declares.
    """

    def __init__(self, executors: Mapping[int, Executor], entries: Sequence[InputEntry]) -> None:
        self.at = dict(sorted(executors.items()))
        self._lengths, self.entries = tuple(self.at), tuple(entries)
        self._longest = self.at[self._lengths[-1]]
        self.classes = self._longest.classes
        self.output_shape = self._longest.output_shape
        self.segments = self._longest.segments
        self.max_batch = self._longest.max_batch
        self.fold, self.group_exit = self._longest.fold, self._longest.group_exit

    def padded(self) -> "LengthExecutor":
        """Return an executor on the same chains that pads every sample to the greatest length."""
        return LengthExecutor({self._lengths[-1]: self._longest}, self.entries)

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """See `Executor.infer`: the parts are those of each length bucket, the shortest first."""
        started, parts = perf_counter_ns(), list[tuple[Step, ...]]()
        for length, index, rows in length_groups(on_host(inputs), self.entries, self._lengths):
            waited, alone = perf_counter_ns() - started, len(index) == len(answers.exit_index)
            part = answers if alone else self._part(answers, index)
            for steps in self.at[length].infer(rows, thresholds, part):
                parts.append(tuple(s._replace(answered_ns=s.answered_ns + waited, length=length) for s in steps))
            if not alone:
                answers.outputs[index] = part.outputs
                answers.exit_index[index] = part.exit_index
                answers.confidence[index] = part.confidence
            if not alone and answers.shadow is not None and part.shadow is not None:
                answers.shadow.take(index, part.shadow)
        return tuple(parts)

    def _part(self, answers: Answers, index: NDArray[np.intp]) -> Answers:
        """Fresh arrays for the answers of some samples."""
        count = len(index)
        return Answers(
            outputs=np.empty((count, *self.output_shape), np.float32),
            exit_index=np.empty(count, np.int32),
            confidence=np.empty(count, np.float32),
            shadow=None if answers.shadow is None else answers.shadow.pick(index),
        )

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Executor.record`."""
        count = len(next(iter(inputs.values())))
        logits = np.empty((count, self.segments, *self.output_shape), np.float32)
        scores = np.empty((count, self.segments), np.float32)
        for length, index, rows in length_groups(inputs, self.entries, self._lengths):
            logits[index], scores[index] = self.at[length].record(rows)
        return logits, scores

    def view(self, array: Any) -> DeviceView | None:  # noqa: ARG002 - nothing lies elsewhere
        """See `Executor.view`: None, the chains run on the host."""
        return None

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """See `Executor.runs`: at the greatest length."""
        return self._longest.runs(buckets)


class LengthWhole:
    """See `WholeExecutor`.

    Attributes:
        at: the network at each length bucket, ascending.
    """

    def __init__(self, wholes: Mapping[int, HostWhole], entries: Sequence[InputEntry]) -> None:
        self.at = dict(sorted(wholes.items()))
        self._lengths, self._entries = tuple(self.at), tuple(entries)

    def padded(self) -> "LengthWhole":
        """Return the same network, which pads every sample to the greatest length."""
        longest = self._lengths[-1]
        return LengthWhole({longest: self.at[longest]}, self._entries)

    def infer(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """See `WholeExecutor.infer`."""
        count, outputs = len(next(iter(inputs.values()))), None
        for length, index, rows in length_groups(inputs, self._entries, self._lengths):
            found = self.at[length].infer(rows)
            if len(index) == count:
                return found
            outputs = np.empty((count, *found.shape[1:]), np.float32) if outputs is None else outputs
            outputs[index] = found
        assert outputs is not None  # noqa: S101 - there is at least one sample
        return outputs

    def warm_up(self, batch: int) -> None:
        """See `WholeExecutor.warm_up`: any part of the batch may have any length."""
        for whole in self.at.values():
            whole.warm_up_parts(batch)

    def run(self, bucket: int) -> Run:
        """See `WholeExecutor.run`: at the greatest length."""
        return self.at[self._lengths[-1]].run(bucket)
