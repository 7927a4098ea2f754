"""The executors of the host: any number of samples, from any thread, one batch at a time."""

import threading
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.errors import BundleError, InputError
from eengines.tensors import Array
from eerun.costs import CostTable, Piece, cheapest_covers
from eerun.executor.chain import REBUILD, LoadedChain
from eerun.executor.executor import Answers, ChainExecutor, Step
from eerun.executor.folded import FoldedExecutor
from eerun.executor.protocol import Cell, Run
from eerun.executor.split_heads import SplitHeadsExecutor
from eerun.folding import by_image, fill_rows, rows_of

__all__ = ["HostExecutor", "HostWhole", "on_host"]


class HostExecutor:
    """Batches through a chain on the host; see `Executor`. Calls take turns.

    Attributes:
        chain: what it runs.
        costs: measured times of it.
        lock: held while a batch runs; whoever else runs these engines holds it too.
    """

    def __init__(self, chain: LoadedChain, costs: CostTable) -> None:
        self.chain, self.costs = chain, costs
        self._executor = _executor_of(chain, costs)
        self._executor.warm_up()
        self.lock = threading.Lock()
        self.classes = self._executor.classes
        self.output_shape = self._executor.output_shape
        self.segments = self._executor.segments
        self.max_batch = self._executor.max_batch
        self.fold, self.group_exit = chain.chain.fold, chain.chain.group_exit

    def infer(
        self, inputs: Mapping[str, Array | DeviceView], thresholds: Sequence[float | None], answers: Answers
    ) -> tuple[tuple[Step, ...], ...]:
        """See `Executor.infer`."""
        started, arrays, steps = perf_counter_ns(), on_host(inputs), []
        for start in range(0, len(answers.exit_index), self.max_batch):
            rows = slice(start, start + self.max_batch)
            part = Answers(
                outputs=answers.outputs[rows],
                exit_index=answers.exit_index[rows],
                confidence=answers.confidence[rows],
                shadow=None if answers.shadow is None else answers.shadow.part(rows),
            )
            with self.lock:
                given = {name: array[rows] for name, array in arrays.items()}
                steps.append(self._executor.infer(given, thresholds, part, since_ns=started))
        return tuple(steps)

    def record(self, inputs: Mapping[str, Array]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Executor.record`."""
        with self.lock:
            return self._executor.record(inputs)

    def view(self, array: Any) -> DeviceView | None:  # noqa: ARG002 - nothing lies elsewhere
        """See `Executor.view`: None, the chain runs on the host."""
        return None

    def runs(self, buckets: Sequence[int]) -> Mapping[Cell, Run]:
        """See `Executor.runs`."""
        return self.chain.runs(buckets)


class HostWhole:
    """The network without exit heads on the host; see `WholeExecutor`.

    Args:
        chain: the network as a chain of one segment.
        costs: its measured times, as those of a chain of one segment.
        output: name of its logits.
    """

    def __init__(self, chain: LoadedChain, costs: CostTable, *, output: str) -> None:
        self._chain = chain
        self._fold = chain.chain.fold
        self._max_batch = self._fold * costs.max_batch
        self._covers = cheapest_covers(costs.buckets, costs.segment_ms[0])
        chain.allocate(max(cover.rows for cover in self._covers))
        self._output = by_image(chain.buffer(output), self._fold)
        self._inputs = {spec.name: by_image(chain.buffer(spec.name), self._fold) for spec in chain.chain.inputs}

    def infer(self, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """See `WholeExecutor.infer`."""
        count = len(next(iter(inputs.values())))
        outputs = np.empty((count, *self._output.shape[1:]), np.float32)
        for start in range(0, count, self._max_batch):
            samples = min(self._max_batch, count - start)
            for name, buffer in self._inputs.items():
                fill_rows(buffer, inputs[name][start : start + samples], self._fold)
            for piece in self._covers[rows_of(samples, self._fold)].pieces:
                self._chain.session(0, piece).run()
            outputs[start : start + samples] = self._output[:samples]
        return outputs

    def warm_up(self, batch: int) -> None:
        """See `WholeExecutor.warm_up`."""
        self._run_once({min(batch, self._max_batch), batch % self._max_batch})

    def warm_up_parts(self, batch: int) -> None:
        """Run once whatever any part of a batch of `batch` samples needs."""
        self._run_once(set(range(1, min(batch, self._max_batch) + 1)))

    def _run_once(self, parts: set[int]) -> None:
        """Open every session that so many samples need, and run it."""
        rows = {rows_of(samples, self._fold) for samples in parts}
        for piece in {piece for number in rows for piece in self._covers[number].pieces}:
            self._chain.session(0, piece).run()

    def run(self, bucket: int) -> Run:
        """See `WholeExecutor.run`."""
        return self._chain.session(0, Piece(offset=0, bucket=bucket)).run


def _executor_of(chain: LoadedChain, costs: CostTable) -> ChainExecutor:
    """The executor that fits a chain."""
    if chain.chain.fold == 1:
        return SplitHeadsExecutor(chain, costs) if chain.heads else ChainExecutor(chain, costs)
    if chain.heads:
        problem = f"it is folded by {chain.chain.fold} and has heads as graphs of their own, which cannot run together"
        raise BundleError("chain", problem, REBUILD)
    return FoldedExecutor(chain, costs)


def on_host(inputs: Mapping[str, Array | DeviceView]) -> dict[str, Array]:
    """Return the arrays; `view` returned none of them."""
    arrays = {}
    for name, value in inputs.items():
        if isinstance(value, DeviceView):
            raise InputError(f"input {name!r}", "it lies on a device, the chain runs on the host", "Copy it first")
        arrays[name] = value
    return arrays
